// SPDX-License-Identifier: Apache-2.0
// The world switch of VMX: Intel SDM volume 3, 27.1, 28.5.
//
// vmx_run(RDI: the guest's general registers in the order of their numbers, ESI: whether this VMCS was launched already).
// RSP of the guest is in its VMCS. EAX: 0 after an exit, 1 when the guest was not entered. Interrupts are masked around it.

#include "arch/x86/gprs.h"
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
    load    rax, rdi, 0
    each_gpr load, rdi
    load    rdi, rdi, 7
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
    store   rax, rdi, 0
    each_gpr store, rdi
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
