// SPDX-License-Identifier: Apache-2.0
// Ways into and out of the hypervisor. SP_EL2 points at the register frame (struct regs) of whatever runs below:
// a VCPU, or the core's own thread, which runs at EL2t on SP_EL0. An exception saves there, moves to the core's
// stack and calls a handler; the handler returns the frame to resume. EL2h runs handlers only, with everything
// masked: an exception from there is a bug and ends in panic.

#include "arch/arm64/entry_offsets.h"

    .macro x2_to_x29 move
    \move   x2, x3, [sp, #16 * 1]
    \move   x4, x5, [sp, #16 * 2]
    \move   x6, x7, [sp, #16 * 3]
    \move   x8, x9, [sp, #16 * 4]
    \move   x10, x11, [sp, #16 * 5]
    \move   x12, x13, [sp, #16 * 6]
    \move   x14, x15, [sp, #16 * 7]
    \move   x16, x17, [sp, #16 * 8]
    \move   x18, x19, [sp, #16 * 9]
    \move   x20, x21, [sp, #16 * 10]
    \move   x22, x23, [sp, #16 * 11]
    \move   x24, x25, [sp, #16 * 12]
    \move   x26, x27, [sp, #16 * 13]
    \move   x28, x29, [sp, #16 * 14]
    .endm

    .macro save_frame
    stp     x0, x1, [sp, #16 * 0]
    x2_to_x29 stp
    mrs     x2, sp_el0
    mrs     x3, elr_el2
    mrs     x4, spsr_el2
    stp     x30, x2, [sp, #16 * 15]
    stp     x3, x4, [sp, #16 * 16]
    mov     x0, sp
    mrs     x1, tpidr_el2
    ldr     x2, [x1, #CPU_STACK_TOP]
    mov     sp, x2
    mov     x29, xzr
    .endm

    // An exception of what runs below: save, handle, resume what the handler chose.
    .macro from_below handler
    .balign 128
    save_frame
    bl      \handler
    b       resume_frame
    .endm

    // An exception of the hypervisor itself. The stack may be what is broken, so nothing is pushed before it is
    // left; TPIDR_EL1 (a guest's, which is lost anyway) carries x0 over.
    .macro from_handler vector
    .balign 128
    msr     tpidr_el1, x0
    mov     x0, #\vector
    b       fatal
    .endm

    .section .text.vectors, "ax"
    .balign 2048
    .globl vectors
vectors:
    from_below trap_thread          // EL2t synchronous: the thread yields
    from_below trap_irq
    from_below trap_irq             // FIQ: no group 0 interrupt exists for us; acknowledged and counted as spurious
    from_handler 3                  // EL2t SError

    // resume_frame(struct regs *frame): leaves for good what runs now. In the room that this vector does not need.
    .globl resume_frame
    .type resume_frame, %function
resume_frame:
    mov     sp, x0
    ldp     x3, x4, [sp, #16 * 16]
    ldp     x30, x2, [sp, #16 * 15]
    msr     elr_el2, x3
    msr     spsr_el2, x4
    msr     sp_el0, x2
    x2_to_x29 ldp
    ldp     x0, x1, [sp, #16 * 0]
    eret
    dsb     nsh                     // no speculation past the return (DDI 0487, D1.4: straight-line speculation)
    isb
    .size resume_frame, . - resume_frame

    from_handler 4                  // EL2h: bugs
    from_handler 5
    from_handler 6
    from_handler 7
    from_below trap_sync            // lower level, AArch64
    from_below trap_irq
    from_below trap_irq
    from_below trap_serror
    from_below trap_sync            // lower level, AArch32 at EL0
    from_below trap_irq
    from_below trap_irq
    from_below trap_serror

    .text
    // x0: vector number; TPIDR_EL1: the interrupted x0. Moves to the panic stack and builds a frame there.
fatal:
    msr     tpidr_el0, x1
    mov     x1, sp
    msr     tpidrro_el0, x1
    mrs     x1, tpidr_el2
    ldr     x1, [x1, #CPU_PANIC_STACK]
    mov     sp, x1
    sub     sp, sp, #REGS_SIZE
    x2_to_x29 stp
    mrs     x2, tpidr_el1
    mrs     x3, tpidr_el0
    stp     x2, x3, [sp, #16 * 0]
    mrs     x2, tpidrro_el0         // the interrupted stack pointer, in the place of SP_EL0
    stp     x30, x2, [sp, #16 * 15]
    mrs     x3, elr_el2
    mrs     x4, spsr_el2
    stp     x3, x4, [sp, #16 * 16]
    mov     x1, x0
    mov     x0, sp
    b       arch_panic_exception
