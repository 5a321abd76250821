// SPDX-License-Identifier: Apache-2.0
// What a boot loader hands over, whichever it is: the same record from Multiboot 1 and 2 and from the UEFI loader. It is
// copied out of the loader's memory before any of that is used for something else.
#ifndef X86_BOOT_INFO_H
#define X86_BOOT_INFO_H

#include "arch/x86/physical.h"
#include "kernel/ranges.h"

enum { BOOT_MEMORY_MAX = 128 };

// Address range types (ACPI 6.5, table 15.1). Anything else is not to be touched either.
enum boot_memory_type { BOOT_MEMORY_RAM = 1, BOOT_MEMORY_RESERVED = 2, BOOT_MEMORY_NVS = 4 };

struct boot_memory {
    struct range range;
    uint32_t type;
};

struct boot_info {
    unsigned memory_count; // as firmware lists it: neither sorted nor free of overlaps
    struct boot_memory memory[BOOT_MEMORY_MAX];
    struct range system; // the system image; size 0: none was loaded
    paddr_t rsdp;        // 0: to be searched for
};

// What the loader leaves in EAX: Multiboot 0.6.96, 3.2; Multiboot2 2.0, 3.3.
#define MULTIBOOT1_MAGIC 0x2badb002u
#define MULTIBOOT2_MAGIC 0x36d76289u

// Reads the information at `info`. ERR_INVALID: an unknown magic number, or what is there contradicts itself;
// ERR_RANGE: it points to where nothing may be read; ERR_NOT_FOUND: no memory map. Each with one line in the log that
// says where and what would help. Boot core, once.
int multiboot_parse(const struct physical *physical, uint32_t magic, paddr_t info, struct boot_info *out);

#endif
