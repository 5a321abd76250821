// SPDX-License-Identifier: Apache-2.0
// Offsets that assembly uses; interrupts.c asserts each against the structure.
#ifndef X86_ENTRY_OFFSETS_H
#define X86_ENTRY_OFFSETS_H

#define CPU_STACK_TOP  0
#define CPU_SELF       112
#define CPU_THREAD_SP  120
#define CPU_IN_HANDLER 128
#define CPU_TAKEN      136

#define FRAME_VECTOR   120 // of struct frame

#define STUB_SIZE      4 // of an entry of exception_stubs and interrupt_stubs

#endif
