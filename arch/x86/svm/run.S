// SPDX-License-Identifier: Apache-2.0
// The world switch of SVM: AMD APM volume 2, 15.5, 15.17.
//
// svm_run(RDI: physical address of the VMCB, RSI: the guest's general registers in the order of their numbers, RDX: physical
// address of the VMCB that keeps the host's segments). RAX and RSP of the guest are in its VMCB. Interrupts are masked
// around it. With the global interrupt flag clear, those of the machine wait; STI makes them end the guest.

    .text
    .globl svm_run
svm_run:
    push    %rbp
    push    %rbx
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    push    %rsi
    push    %rdx
    mov     %rdi, %rax
    mov     8(%rsi), %rcx
    mov     16(%rsi), %rdx
    mov     24(%rsi), %rbx
    mov     40(%rsi), %rbp
    mov     56(%rsi), %rdi
    mov     64(%rsi), %r8
    mov     72(%rsi), %r9
    mov     80(%rsi), %r10
    mov     88(%rsi), %r11
    mov     96(%rsi), %r12
    mov     104(%rsi), %r13
    mov     112(%rsi), %r14
    mov     120(%rsi), %r15
    mov     48(%rsi), %rsi
    clgi
    sti
    vmload  %rax
    vmrun   %rax
    vmsave  %rax
    cli
    pop     %rax
    vmload  %rax
    stgi
    pop     %rax
    mov     %rcx, 8(%rax)
    mov     %rdx, 16(%rax)
    mov     %rbx, 24(%rax)
    mov     %rbp, 40(%rax)
    mov     %rsi, 48(%rax)
    mov     %rdi, 56(%rax)
    mov     %r8, 64(%rax)
    mov     %r9, 72(%rax)
    mov     %r10, 80(%rax)
    mov     %r11, 88(%rax)
    mov     %r12, 96(%rax)
    mov     %r13, 104(%rax)
    mov     %r14, 112(%rax)
    mov     %r15, 120(%rax)
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbx
    pop     %rbp
    cld
    ret

    .section .note.GNU-stack, "", @progbits
