// SPDX-License-Identifier: Apache-2.0
// The world switch of VMX: Intel SDM volume 3, 26.1, 27.5.
//
// vmx_run(RDI: the guest's general registers in the order of their numbers, ESI: whether this VMCS was launched already).
// RSP of the guest is in its VMCS. EAX: 0 after an exit, 1 when the guest was not entered. Interrupts are masked around it.

#include "arch/x86/vmx/vmcs.h"

    .text
    .globl vmx_run, vmx_exited
vmx_run:
    push    %rbp
    push    %rbx
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    push    %rdi
    mov     $VMCS_HOST_RSP, %eax
    vmwrite %rsp, %rax
    test    %sil, %sil                  // no load below changes the flags
    mov     (%rdi), %rax
    mov     8(%rdi), %rcx
    mov     16(%rdi), %rdx
    mov     24(%rdi), %rbx
    mov     40(%rdi), %rbp
    mov     48(%rdi), %rsi
    mov     64(%rdi), %r8
    mov     72(%rdi), %r9
    mov     80(%rdi), %r10
    mov     88(%rdi), %r11
    mov     96(%rdi), %r12
    mov     104(%rdi), %r13
    mov     112(%rdi), %r14
    mov     120(%rdi), %r15
    mov     56(%rdi), %rdi
    jne     1f
    vmlaunch
    jmp     2f
1:  vmresume
2:  mov     $1, %eax
    pop     %rdi
    jmp     3f

vmx_exited:
    push    %rdi
    mov     8(%rsp), %rdi
    mov     %rax, (%rdi)
    mov     %rcx, 8(%rdi)
    mov     %rdx, 16(%rdi)
    mov     %rbx, 24(%rdi)
    mov     %rbp, 40(%rdi)
    mov     %rsi, 48(%rdi)
    mov     %r8, 64(%rdi)
    mov     %r9, 72(%rdi)
    mov     %r10, 80(%rdi)
    mov     %r11, 88(%rdi)
    mov     %r12, 96(%rdi)
    mov     %r13, 104(%rdi)
    mov     %r14, 112(%rdi)
    mov     %r15, 120(%rdi)
    pop     56(%rdi)
    pop     %rdi
    xor     %eax, %eax
3:  pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbx
    pop     %rbp
    ret

    .section .note.GNU-stack, "", @progbits
