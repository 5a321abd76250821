// SPDX-License-Identifier: Apache-2.0
// What is read of ELF files (System V ABI, chapters 4 and 5; the 64-bit ABI differs in the offsets), and the boot entry of
// Xen's PVH (Xen, docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h).
#ifndef X86_ELF_LAYOUT_H
#define X86_ELF_LAYOUT_H

#include "kernel/types.h"

#define ELF_MAGIC 0x464c457fu
enum { ELF_CLASS = 4, ELF_CLASS_32 = 1, ELF_CLASS_64 = 2, ELF_DATA = 5, ELF_DATA_LITTLE = 1 };
enum { ELF_MACHINE = 18, ELF_MACHINE_386 = 3, ELF_MACHINE_X86_64 = 62 };
enum { PT_LOAD = 1, PT_NOTE = 4 };

// Byte offsets of one class. Fields called e_ and p_ in the ABI; addresses, offsets and sizes have `width` bytes.
struct elf_format {
    uint8_t width;
    uint8_t entry, phoff, phentsize, phnum;                     // of the file's header
    uint8_t p_offset, p_paddr, p_filesz, p_memsz, program_size; // of a program header; p_type is at 0
};

static const struct elf_format elf_32 = {4, 24, 28, 42, 44, 4, 12, 16, 20, 32};
static const struct elf_format elf_64 = {8, 24, 32, 54, 56, 8, 24, 32, 40, 56};

// A note: sizes of name and description, type, then both, each padded to 4 bytes.
enum { NOTE_NAME_SIZE = 0, NOTE_SIZE = 4, NOTE_TYPE = 8, NOTE_HEADER = 12, NOTE_ALIGN = 4 };
enum { XEN_ELFNOTE_PHYS32_ENTRY = 18 };
#define XEN_NOTE_NAME   "Xen"

// struct hvm_start_info, version 1, and what it points at.
#define HVM_START_MAGIC 0x336ec578u
enum {
    HVM_MAGIC = 0,
    HVM_VERSION = 4,
    HVM_MODULES_COUNT = 12,
    HVM_MODULES = 16, // 8 bytes, as the next three
    HVM_COMMAND = 24,
    HVM_RSDP = 32,
    HVM_MAP = 40,
    HVM_MAP_ENTRIES = 48,
};
enum { HVM_MODULE_ADDRESS = 0, HVM_MODULE_BYTES = 8 };
enum { HVM_MAP_ENTRY = 24 }; // address (8), size (8), type (4), reserved

#endif
