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

    // Stubs of STUB_SIZE bytes for the vectors from `first` on, one byte each as PUSH takes it: sign-extended.
    .macro stubs name, first, count, common
\name:
    .set    vector, \first
    .rept   \count
    push    $vector
    jmp     \common
    .set    vector, vector + 1
    .endr
    .org    \name + \count * STUB_SIZE   // not a byte more
    .endm

    .text
    .globl exception_stubs
    stubs   exception_stubs, 0, VECTOR_EXCEPTIONS, exception_common

    // The processor aligns the stack to 16 bytes before it pushes its 40, or 48 with an error code (SDM volume 3, 6.14.2):
    // behind the vector that tells which. Without one, 0 takes its place.
exception_common:
    test    $8, %spl
    jnz     1f
    push    (%rsp)
    movq    $0, 8(%rsp)
1:  push_all
    cld
    mov     %rsp, %rdi
    call    exception_taken
    jmp     resume

    // ... for each vector of ours, and one for all others.
    .globl interrupt_stubs, yield_stub, stray_stub
yield_stub:
    push    $VECTOR_YIELD
    jmp     interrupt_common
    stubs   interrupt_stubs, (VECTOR_OWN - 256), (256 - VECTOR_OWN), interrupt_common
stray_stub:
    push    $(VECTOR_SPURIOUS - 256)

interrupt_common:
    cmpb    $0, %gs:CPU_IN_HANDLER
    jne     1f
    push    (%rsp)                      // there is no error code
    push_all                            // of the thread, on its own stack
    movzbl  FRAME_VECTOR(%rsp), %esi
    mov     %gs:CPU_SELF, %rdi
    mov     %rsp, CPU_THREAD_SP(%rdi)
    movb    $1, CPU_IN_HANDLER(%rdi)
    mov     CPU_STACK_TOP(%rdi), %rsp
    call    thread_interrupted

1:  popq    %gs:CPU_TAKEN               // in a handler, which lets one in and finds here which
    andl    $~RFLAGS_IF, 16(%rsp)
    iretq

    .globl thread_resume
thread_resume:                          // RDI: the core's struct cpu
    mov     CPU_THREAD_SP(%rdi), %rsp
    movb    $0, CPU_IN_HANDLER(%rdi)
resume:
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
    iretq

    .section .note.GNU-stack, "", @progbits
