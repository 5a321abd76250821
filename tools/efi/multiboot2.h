// SPDX-License-Identifier: Apache-2.0
// The boot loader's half of the Multiboot2 Specification 2.0: the header of a kernel is read, the information for it is
// written. Pure; any context. The kernel's half is arch/x86/multiboot.c.
#ifndef TOOLS_EFI_MULTIBOOT2_H
#define TOOLS_EFI_MULTIBOOT2_H

#include "kernel/types.h"

// What the header says about a flat kernel (3.1). Nothing in it is trusted: it lies within the file, in this order.
struct mb2_kernel {
    uint32_t offset;      // of what is loaded, in the file, bytes
    uint32_t file_size;   // of what is loaded, bytes
    uint32_t memory_size; // the same with what is zeroed behind it
    uint32_t load;        // physical address that the kernel would like
    uint32_t entry;       // of the 32-bit entry, from the beginning of what is loaded, bytes
    uint32_t align;       // it may stand at any multiple of this,
    uint32_t least, most; // as long as it lies in [least, most]
};

// Types of tags of the information (3.6).
enum mb2_tag { MB2_END = 0, MB2_COMMAND = 1, MB2_MODULE = 3, MB2_MAP = 6, MB2_RSDP_OLD = 14, MB2_RSDP_NEW = 15 };

// ERR_INVALID: `file` of `size` bytes is no such kernel, or one of which bytes are missing; ERR_UNSUPPORTED: it asks for
// what this loader does not do. Each with one line in the log that names `name`.
int mb2_read_header(const char *name, const void *file, uint64_t size, struct mb2_kernel *out);

struct mb2_info {
    char *base; // a multiple of 8
    uint32_t room, used;
};

// Begins the information in `room` bytes at `base`.
void mb2_begin(struct mb2_info *info, void *base, uint32_t room);
// Adds a tag with `size` bytes behind type and size, zeroed, and returns where they are; NULL: there is no room.
void *mb2_add(struct mb2_info *info, uint32_t type, uint32_t size);
// Writes the end tag and the total size, for which there is always room. Adding may go on; then it is to be called again.
void mb2_end(struct mb2_info *info);

#endif
