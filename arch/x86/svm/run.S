// SPDX-License-Identifier: Apache-2.0
// The world switch of SVM: AMD APM volume 2, 15.5, 15.17.
//
// svm_run(RDI: the guest's general registers in the order of their numbers, RSI: physical address of the VMCB, RDX: physical
// address of the VMCB that keeps the host's segments). RAX and RSP of the guest are in its VMCB. Keeps RBP and RSP only,
// whatever the calling convention says. Interrupts are masked around it. With the global interrupt flag clear, those of the machine wait; STI makes them end the guest.

#include "arch/x86/gprs.h"

    .text
    .globl svm_run
svm_run:
    push    %rbp
    push    %rdi
    push    %rdx
    mov     %rsi, %rax
    each_gpr load, rdi
    load    rdi, rdi, 7
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
    each_gpr store, rax
    store   rdi, rax, 7
    pop     %rbp
    cld
    ret

    .section .note.GNU-stack, "", @progbits
