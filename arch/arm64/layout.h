// SPDX-License-Identifier: Apache-2.0
// The hypervisor's own address space: one 48-bit range (TTBR0_EL2, T0SZ = 16, 4 KiB granule), all of ours above 2^47,
// where no physical address of an identity map can be. Everything but the system image lies in one GiB, so that the
// three tables which start.S builds are nearly all there is.
#ifndef ARM64_LAYOUT_H
#define ARM64_LAYOUT_H

#define HYP_VA_BITS     48
#define HYP_BASE        0x800000000000 // the image; linker/arm64.ld links it here
#define HYP_IMAGE_MAX   0x100000
#define HYP_FDT         (HYP_BASE + 0x100000) // the firmware's device tree, read-only
#define HYP_FDT_MAX     0x80000
#define HYP_DEVICES     (HYP_BASE + 0x180000) // the first 512 KiB need no further table
#define HYP_DEVICES_END (HYP_BASE + 0x4000000)
#define HYP_WINDOWS     (HYP_BASE + 0x4000000) // guest-memory windows, SPACE_WINDOWS for each core
#define HYP_STACKS      (HYP_BASE + 0x8001000) // a guard page above the windows
#define HYP_STACKS_END  (HYP_BASE + 0x10000000)
#define HYP_POOL        (HYP_BASE + 0x20000000) // linear
#define HYP_POOL_END    (HYP_BASE + 0x40000000)
#define HYP_SYSTEM      (HYP_BASE + 0x40000000) // the system image, read-only
#define HYP_SYSTEM_END  (HYP_BASE + 0x8000000000)

#define BOOT_STACK_SIZE 0x4000 // while booting; before that, the four tables of the identity map
#define BOOT_TABLES     4      // root, level 1, level 2, level 3

#endif
