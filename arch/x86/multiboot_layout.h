// SPDX-License-Identifier: Apache-2.0
// Multiboot 0.6.96: byte offsets and bits of the header in a kernel's file (3.1) and of the information that a loader hands
// over (3.3); 32-bit words unless said otherwise. What is in EAX is in boot_info.h.
#ifndef X86_MULTIBOOT_LAYOUT_H
#define X86_MULTIBOOT_LAYOUT_H

#include "kernel/types.h"

// The header: within the first 8192 bytes of the file, 4-aligned. The addresses are there with MB1_HEADER_ADDRESSES.
enum {
    MB1_HEADER_MAGIC = 0,
    MB1_HEADER_FLAGS = 4,
    MB1_HEADER_CHECKSUM = 8,
    MB1_HEADER_SIZE = 12,
    MB1_HEADER_ADDRESS = 12,
    MB1_LOAD_ADDRESS = 16,
    MB1_LOAD_END = 20, // 0: of the file
    MB1_BSS_END = 24,  // 0: none
    MB1_ENTRY = 28,
    MB1_HEADER_SIZE_ADDRESSES = 32,
    MB1_HEADER_SEARCHED = 8192,
};
#define MB1_HEADER_SIGNATURE 0x1badb002u
enum {
    MB1_HEADER_MUST = 0xffff,        // what a loader does not know of these it has to refuse,
    MB1_HEADER_PAGE_ALIGN = 1u << 0, // but modules on page borders
    MB1_HEADER_MEMORY = 1u << 1,     // and a memory map every kernel gets.
    MB1_HEADER_ADDRESSES = 1u << 16,
};

// The information; which of its flags says that a field is there.
enum {
    MB1_FLAGS = 0,
    MB1_MEMORY_LOWER = 4, // KiB from 0 on
    MB1_MEMORY_UPPER = 8, // KiB from 1 MiB on, up to the first hole
    MB1_COMMAND = 16,
    MB1_MODULES_COUNT = 20,
    MB1_MODULES = 24,
    MB1_MAP_SIZE = 44,
    MB1_MAP = 48,
    MB1_INFO_SIZE = 52,
    MB1_HAS_MEMORY = 1 << 0,
    MB1_HAS_COMMAND = 1 << 2,
    MB1_HAS_MODULES = 1 << 3,
    MB1_HAS_MAP = 1 << 6,
};
enum { MB1_MODULE_START = 0, MB1_MODULE_END = 4, MB1_MODULE_TEXT = 8, MB1_MODULE_SIZE = 16 };
// An entry of the map: the size of what follows, then base (8 bytes), length (8 bytes), type.
enum { MB1_ENTRY_BODY = 4, MB1_ENTRY_LEAST = 20 };

#endif
