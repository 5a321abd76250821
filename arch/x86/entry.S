// SPDX-License-Identifier: Apache-2.0
// Ways into the hypervisor other than a guest's exit. Interrupts are open in the thread, and for an instant where a handler
// lets them in (arch_interrupt_take); exceptions are bugs of ours, and NMIs.

#include "arch/x86/entry_offsets.h"
#include "arch/x86/regs.h"

    .macro push_all
    push    %rax
    push    %rbx
    push    %rcx
    push    %rdx
    push    %rbp
    push    %rsi
    push    %rdi
    push    %r8
    push    %r9
    push    %r10
    push    %r11
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    .endm

    .macro pop_all
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rdi
    pop     %rsi
    pop     %rbp
    pop     %rdx
    pop     %rcx
    pop     %rbx
    pop     %rax
    add     $16, %rsp                   // vector and error code
    .endm

    .text
    // One stub for each exception, 16 bytes apart. Those with an error code of the machine's push none.
    .balign 16
    .globl exception_stubs
exception_stubs:
    .set    vector, 0
    .rept   VECTOR_EXCEPTIONS
    .balign 16
    .if (vector != 8) && (vector != 10) && (vector != 11) && (vector != 12) && (vector != 13) && (vector != 14) && (vector != 17) && (vector != 21) && (vector != 29) && (vector != 30)
    push    $0
    .endif
    push    $vector
    jmp     exception_common
    .set    vector, vector + 1
    .endr

    // ... and for each vector of ours, and one for all others.
    .balign 16
    .globl interrupt_stubs, yield_stub, stray_stub
interrupt_stubs:
    .set    vector, VECTOR_OWN
    .rept   256 - VECTOR_OWN
    .balign 16
    push    $0
    push    $vector
    jmp     interrupt_common
    .set    vector, vector + 1
    .endr
yield_stub:
    push    $0
    push    $VECTOR_YIELD
    jmp     interrupt_common
stray_stub:
    push    $0
    push    $VECTOR_SPURIOUS

interrupt_common:
    cmpb    $0, %gs:CPU_IN_HANDLER
    jne     1f
    push_all                            // of the thread, on its own stack
    mov     FRAME_VECTOR(%rsp), %esi
    mov     %gs:CPU_SELF, %rdi
    mov     %rsp, CPU_THREAD_SP(%rdi)
    movb    $1, CPU_IN_HANDLER(%rdi)
    mov     CPU_STACK_TOP(%rdi), %rsp
    call    thread_interrupted

1:  popq    %gs:CPU_TAKEN               // in a handler, which lets one in and finds here which
    add     $8, %rsp
    andl    $~RFLAGS_IF, 16(%rsp)
    iretq

exception_common:
    push_all
    cld
    mov     %rsp, %rdi
    call    exception_taken
    pop_all
    iretq

    .globl thread_resume
thread_resume:                          // RDI: the core's struct cpu
    mov     CPU_THREAD_SP(%rdi), %rsp
    movb    $0, CPU_IN_HANDLER(%rdi)
    pop_all
    iretq

    .section .note.GNU-stack, "", @progbits
