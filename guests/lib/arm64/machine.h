// SPDX-License-Identifier: Apache-2.0
// Offsets and translation table bits that assembly and C share on AArch64.
#ifndef GUEST_MACHINE_H
#define GUEST_MACHINE_H

#include "layout.h"

// struct trap_context: where a guarded call resumes, and what stopped it.
#define TRAP_RESUME_SP 0
#define TRAP_RESUME_PC 8
#define TRAP_SAVED     16 // x19..x30, d8..d15
#define TRAP_ARMED     176

#define MAIR_DEVICE    0 // index 0: Device-nGnRnE
#define MAIR_NORMAL    1 // index 1: Normal, write-back, allocating
#define MAIR_VALUE     0xff00

// Level 1 block descriptors of 1 GiB (Arm ARM, VMSAv8-64 translation table format descriptors).
#define BLOCK_VALID    0x1
#define BLOCK_ATTR(n)  ((n) << 2)
#define BLOCK_INNER_SH 0x300
#define BLOCK_AF       0x400
#define BLOCK_UXN      (1 << 54)
#define BLOCK_PXN      (1 << 53)

#endif
