// SPDX-License-Identifier: Apache-2.0
// The Linux/x86 boot protocol: byte offsets, the same in a bzImage's first sectors and in the zero page (struct
// boot_params), and the bits and numbers that go with them. Linux, Documentation/arch/x86/boot.rst and zero-page.rst.
#ifndef X86_LINUX_BOOT_H
#define X86_LINUX_BOOT_H

#include "kernel/types.h"

// The setup header, with the size of each field in bytes.
enum {
    LINUX_SETUP_SECTS = 0x1f1,      // 1; 0 means LINUX_SETUP_SECTS_OLD
    LINUX_SYSSIZE = 0x1f4,          // 4: of the protected-mode code, in paragraphs
    LINUX_BOOT_FLAG = 0x1fe,        // 2
    LINUX_HEADER_LENGTH = 0x201,    // 1: from LINUX_HEADER on
    LINUX_HEADER = 0x202,           // 4
    LINUX_VERSION = 0x206,          // 2
    LINUX_TYPE_OF_LOADER = 0x210,   // 1
    LINUX_LOADFLAGS = 0x211,        // 1
    LINUX_RAMDISK_IMAGE = 0x218,    // 4
    LINUX_RAMDISK_SIZE = 0x21c,     // 4
    LINUX_CMD_LINE_PTR = 0x228,     // 4
    LINUX_INITRD_ADDR_MAX = 0x22c,  // 4: the last address
    LINUX_KERNEL_ALIGNMENT = 0x230, // 4
    LINUX_RELOCATABLE = 0x234,      // 1
    LINUX_XLOADFLAGS = 0x236,       // 2
    LINUX_CMDLINE_SIZE = 0x238,     // 4: without the terminator
    LINUX_PREF_ADDRESS = 0x258,     // 8
    LINUX_INIT_SIZE = 0x260,        // 4
    LINUX_HEADER_LEAST = 0x264,     // a header of version 2.12 has at least all of these
    LINUX_HEADER_END_MAX = 0x290,   // where the zero page has other things
};
enum {
    LINUX_BOOT_FLAG_IS = 0xaa55,
    LINUX_VERSION_LEAST = 0x20c, // 2.12
    LINUX_SETUP_SECTS_OLD = 4,
    LINUX_SECTOR = 512,
    LINUX_PARAGRAPH = 16,
    LINUX_LOADED_HIGH = 1u << 0,   // of LOADFLAGS
    LINUX_XLF_KERNEL_64 = 1u << 0, // of XLOADFLAGS: there is a 64-bit entry,
    LINUX_ENTRY_64 = 0x200,        // so far into the protected-mode code
    LINUX_LOADER_UNDEFINED = 0xff, // no number assigned
};
#define LINUX_HEADER_MAGIC 0x53726448u // "HdrS"

// The rest of the zero page.
enum {
    LINUX_ACPI_RSDP_ADDR = 0x70, // 8
    LINUX_E820_ENTRIES = 0x1e8,  // 1
    LINUX_E820_TABLE = 0x2d0,
    LINUX_E820_ENTRY = 20, // address (8), size (8), type (4)
    LINUX_ZERO_PAGE = 4096,
};
// Selectors that the 64-bit entry finds in its segment registers.
enum { LINUX_BOOT_CS = 0x10, LINUX_BOOT_DS = 0x18 };

#endif
