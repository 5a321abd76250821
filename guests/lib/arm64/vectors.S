// SPDX-License-Identifier: Apache-2.0
// Exception vectors and guarded calls.
//
// x18 belongs to the interrupt vector: all guest code, newlib included, is compiled with
// -ffixed-x18, so the vector's very first instruction can read the clock without saving anything.

#include "machine.h"

#define FRAME_SIZE 192

    .macro vector code
    .balign 128
    \code
    .endm

    .text
    .balign 2048
    .globl vectors
vectors:
    // Current EL with SP_EL0: the program.
    vector  "b sync_entry"
    .balign 128
    mrs     x18, cntvct_el0
    b       irq_entry
    vector  "b sync_entry"
    vector  "b sync_entry"
    // Current EL with SP_EL1: inside a handler. Nothing there may trap.
    .rept   4
    vector  "b handler_trapped"
    .endr
    // Lower EL: there is none.
    .rept   8
    vector  "b handler_trapped"
    .endr

    .macro save_frame
    sub     sp, sp, #FRAME_SIZE
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    mrs     x0, elr_el1
    mrs     x1, spsr_el1
    stp     x30, x0, [sp, #144]
    str     x1, [sp, #160]
    .endm

    .macro restore_frame
    ldp     x30, x0, [sp, #144]
    ldr     x1, [sp, #160]
    msr     elr_el1, x0
    msr     spsr_el1, x1
    ldp     x0, x1, [sp, #0]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    add     sp, sp, #FRAME_SIZE
    .endm

irq_entry:
    save_frame
    mov     x0, x18
    bl      irq_dispatch
    restore_frame
    eret

// Synchronous exceptions and system errors. The C handler changes the frame's return address when
// a guarded call is to be left.
sync_entry:
    save_frame
    mov     x0, sp
    bl      trap_dispatch
    restore_frame
    eret

handler_trapped:
    mov     x0, sp
    and     sp, x0, #~15
    bl      trap_in_handler
    b       .

// int trap_guarded(struct trap_context *context, void (*function)(void *), void *argument)
// Calls the function; returns 0 when it came back and 1 when an exception ended it.
    .globl trap_guarded
trap_guarded:
    mov     x9, sp
    adr     x10, 2f
    stp     x9, x10, [x0, #TRAP_RESUME_SP]
    stp     x19, x20, [x0, #TRAP_SAVED + 0]
    stp     x21, x22, [x0, #TRAP_SAVED + 16]
    stp     x23, x24, [x0, #TRAP_SAVED + 32]
    stp     x25, x26, [x0, #TRAP_SAVED + 48]
    stp     x27, x28, [x0, #TRAP_SAVED + 64]
    stp     x29, x30, [x0, #TRAP_SAVED + 80]
    stp     d8, d9, [x0, #TRAP_SAVED + 96]
    stp     d10, d11, [x0, #TRAP_SAVED + 112]
    stp     d12, d13, [x0, #TRAP_SAVED + 128]
    stp     d14, d15, [x0, #TRAP_SAVED + 144]
    mov     x19, x0
    mov     x9, #1
    str     x9, [x0, #TRAP_ARMED]
    mov     x0, x2
    blr     x1
    mov     w1, #0
    b       3f
    // trap_dispatch sends the VCPU here; no register can be relied on, the stack pointer included.
2:  mrs     x9, tpidr_el1
    adrp    x10, trap_contexts
    add     x10, x10, :lo12:trap_contexts
    ldr     x19, [x10, x9, lsl #3]
    ldr     x9, [x19, #TRAP_RESUME_SP]
    mov     sp, x9
    mov     w1, #1
3:  str     xzr, [x19, #TRAP_ARMED]
    mov     x0, x19
    ldp     d8, d9, [x0, #TRAP_SAVED + 96]
    ldp     d10, d11, [x0, #TRAP_SAVED + 112]
    ldp     d12, d13, [x0, #TRAP_SAVED + 128]
    ldp     d14, d15, [x0, #TRAP_SAVED + 144]
    ldp     x21, x22, [x0, #TRAP_SAVED + 16]
    ldp     x23, x24, [x0, #TRAP_SAVED + 32]
    ldp     x25, x26, [x0, #TRAP_SAVED + 48]
    ldp     x27, x28, [x0, #TRAP_SAVED + 64]
    ldp     x29, x30, [x0, #TRAP_SAVED + 80]
    ldp     x19, x20, [x0, #TRAP_SAVED + 0]
    mov     w0, w1
    ret
