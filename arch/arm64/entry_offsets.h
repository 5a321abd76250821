// SPDX-License-Identifier: Apache-2.0
// Offsets that assembly uses; switch.c asserts each against the structure.
#ifndef ARM64_ENTRY_OFFSETS_H
#define ARM64_ENTRY_OFFSETS_H

#define CPU_STACK_TOP   0
#define CPU_PANIC_STACK 24
#define REGS_SIZE       272

#endif
