// SPDX-License-Identifier: Apache-2.0
// The boot loader's half of the Multiboot2 Specification 2.0: the header of a kernel is read, the information for it is
// written. Pure; any context. The kernel's half is arch/x86/multiboot.c.
#ifndef TOOLS_EFI_MULTIBOOT2_H
#define TOOLS_EFI_MULTIBOOT2_H

#include "kernel/types.h"

// A flat kernel that runs at any multiple of MB2_ALIGN. Sizes and offsets in bytes.
struct mb2_kernel {
    uint32_t offset;      // of what is loaded, in the file
    uint32_t file_size;   // of what is loaded: all of it is there
    uint32_t memory_size; // the same with what is zeroed behind it
    uint32_t load;        // physical address that the kernel would like
    uint32_t entry;       // of the 32-bit entry, from the beginning of what is loaded, and within
};

enum { MB2_ALIGN = 1 << 21 };

// Types of tags of the information (3.6).
enum mb2_tag { MB2_END = 0, MB2_COMMAND = 1, MB2_MODULE = 3, MB2_MAP = 6, MB2_RSDP_OLD = 14, MB2_RSDP_NEW = 15 };

// Reads the header of the file of `size` bytes. NULL, or what is wrong with the file and what to do.
const char *mb2_read_header(const void *file, uint64_t size, struct mb2_kernel *out);

struct mb2_info {
    char *base; // a multiple of 8
    uint32_t room, used;
};

// Begins the information in `room` bytes at `base`.
void mb2_begin(struct mb2_info *info, void *base, uint32_t room);
// Adds a tag with `size` bytes behind type and size, and returns where they are to be written; NULL: there is no room.
void *mb2_add(struct mb2_info *info, uint32_t type, uint32_t size);
// Writes the end tag and the total size, for which there is always room. With `used` set back, adding may go on.
void mb2_end(struct mb2_info *info);

#endif
