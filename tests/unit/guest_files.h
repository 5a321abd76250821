// SPDX-License-Identifier: Apache-2.0
// Kernel files of each kind, as small as they can be; the tests spoil them. Numbers are written out here, apart from the
// headers in arch/x86: a wrong offset there is to be seen.
#ifndef TESTS_UNIT_GUEST_FILES_H
#define TESTS_UNIT_GUEST_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { FILE_ROOM = 0x4000 };

static uint8_t file[FILE_ROOM];
static uint64_t file_size;

static inline void put(unsigned at, uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; i++) { file[at + i] = (uint8_t)(value >> (8 * i)); }
}

// Three sectors of setup, then 0x1000 bytes of code that ask for 16 MiB + 3 MiB.
static inline void make_linux(void) {
    memset(file, 0, sizeof(file));
    memset(file + 0x1f1, 0x5a, 0x7b);
    put(0x1f1, 2, 1);
    put(0x1f4, 0x100, 4);
    put(0x1fe, 0xaa55, 2);
    put(0x200, 0x6aeb, 2); // jmp to 0x26c
    put(0x202, 0x53726448, 4);
    put(0x206, 0x20f, 2);
    put(0x211, 1, 1);
    put(0x22c, 0x7fffffff, 4);
    put(0x230, 0x200000, 4);
    put(0x234, 1, 1);
    put(0x236, 3, 2);
    put(0x238, 1000, 4);
    put(0x258, 0x1000000, 8);
    put(0x260, 0x300000, 4);
    file_size = 0x600 + 0x1000;
}

// ELF header, one note segment at 0x200, and code at 0x400 for 1 MiB: 0x300 bytes of the file in 0x2000 of memory.
static inline void make_elf(bool is_64) {
    unsigned word = is_64 ? 8 : 4, program = is_64 ? 64 : 52, step = is_64 ? 56 : 32;

    memset(file, 0, sizeof(file));
    put(0, 0x464c457f, 4);
    put(4, is_64 ? 2 : 1, 1);
    put(5, 1, 1);
    put(16, 2, 2);
    put(18, is_64 ? 62 : 3, 2);
    put(24, 0x100010, word);
    put(is_64 ? 32 : 28, program, word);
    put(is_64 ? 54 : 42, step, 2);
    put(is_64 ? 56 : 44, 2, 2);
    for (unsigned i = 0; i < 2; i++) {
        unsigned at = program + i * step, first = is_64 ? 8 : 4;
        put(at, i == 0 ? 4 : 1, 4);
        put(at + first, i == 0 ? 0x200 : 0x400, word);                   // p_offset
        put(at + first + word, 0xc0100000, word);                        // p_vaddr
        put(at + first + 2 * word, 0x100000, word);                      // p_paddr
        put(at + first + 3 * word, i == 0 ? 20 + 16 + 4 : 0x300, word);  // p_filesz
        put(at + first + 4 * word, i == 0 ? 20 + 16 + 4 : 0x2000, word); // p_memsz
    }
    // A note of another name, then Xen's.
    put(0x200, 4, 4);
    put(0x204, 3, 4);
    put(0x208, 18, 4);
    memcpy(file + 0x20c, "GNU", 4);
    put(0x214, 4, 4);
    put(0x218, 4, 4);
    put(0x21c, 18, 4);
    memcpy(file + 0x220, "Xen", 4);
    put(0x224, 0x100040, 4);
    file_size = 0x700;
}

static inline void put_multiboot(unsigned at, uint32_t flags) {
    put(at, 0x1badb002, 4);
    put(at + 4, flags, 4);
    put(at + 8, -(0x1badb002 + flags), 4);
}

// A flat file of 0x800 bytes, the header at 0x40, for 1 MiB, with 0x1000 bytes of memory.
static inline void make_flat(void) {
    memset(file, 0, sizeof(file));
    put_multiboot(0x40, 1u << 16 | 3);
    put(0x4c, 0x100040, 4);
    put(0x50, 0x100000, 4);
    put(0x54, 0, 4);
    put(0x58, 0x101000, 4);
    put(0x5c, 0x100080, 4);
    file_size = 0x800;
}

// A Multiboot ELF file: without the PVH note.
static inline void make_multiboot_elf(void) {
    make_elf(false);
    memset(file + 0x200, 0, 0x28);
    put_multiboot(0x400, 3);
}

#endif
