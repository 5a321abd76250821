// SPDX-License-Identifier: Apache-2.0
// The hypervisor's own address space: 48 bits, everything but the system image in the last but one GiB, where
// -mcmodel=kernel wants the code. Addresses as the tables see them have no sign extension (ADDRESS).
#ifndef X86_LAYOUT_H
#define X86_LAYOUT_H

#define HYP_VA_BITS      48
#define HYP_BASE         0xffffffff80000000 // the image; linker/x86.ld links it here
#define HYP_SIGN         0xffff000000000000
#define HYP_ADDRESS      (HYP_BASE - HYP_SIGN)
#define HYP_IMAGE_MAX    0x100000
#define HYP_DEVICES      (HYP_ADDRESS + 0x180000) // the first 512 KiB need no further table
#define HYP_DEVICES_END  (HYP_ADDRESS + 0x4000000)
#define HYP_WINDOWS      (HYP_ADDRESS + 0x4000000) // guest-memory windows, SPACE_WINDOWS for each core
#define HYP_STACKS       (HYP_ADDRESS + 0x8001000) // a guard page above the windows
#define HYP_STACKS_END   (HYP_ADDRESS + 0x10000000)
#define HYP_FIRMWARE     (HYP_ADDRESS + 0x10000000) // what boot loader and firmware left, while it is read: 3 blocks
#define HYP_POOL         (HYP_ADDRESS + 0x20000000) // linear
#define HYP_POOL_END     (HYP_ADDRESS + 0x40000000)
#define HYP_SYSTEM       0xff0000000000 // the system image, read-only
#define HYP_SYSTEM_END   0xff8000000000

#define IMAGE_LOAD       0x200000 // where a loader that does not relocate puts it
#define BOOT_STACK_SIZE  0x4000
#define BOOT_TABLES      4 // root, level 1, level 2, level 3

// Code and data of a core that starts (start.S): one page below 1 MiB.
#define TRAMPOLINE_CR3   8
#define TRAMPOLINE_ENTRY 16
#define TRAMPOLINE_CPU   24
#define TRAMPOLINE_TAKEN 32

#endif
