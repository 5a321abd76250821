// SPDX-License-Identifier: Apache-2.0
// Entries of the interrupt table, 16 bytes each, and guarded calls.
//
// Interrupts and exceptions have stacks of their own (IST), so that they find a good one even where the program has ruined
// its own, and its red zone stays.

#include "machine.h"

#define EXCEPTIONS 32

    .text
    .balign 16
    .globl  vectors
vectors:
    .set    number, 0
    .rept   EXCEPTIONS
    .balign 16
    // The CPU pushes an error code for vectors 8, 10..14, 17, 21, 29 and 30.
    .if     !((0x60227d00 >> number) & 1)
    pushq   $0
    .endif
    pushq   $number
    jmp     exception_entry
    .set    number, number + 1
    .endr
    // An interrupt reads the clock as soon as it has two registers.
    .rept   256 - EXCEPTIONS
    .balign 16
    pushq   %rax
    pushq   %rdx
    rdtsc
    pushq   $number
    jmp     irq_entry
    .set    number, number + 1
    .endr

    .macro  push_rest
    pushq   %rcx
    pushq   %rsi
    pushq   %rdi
    pushq   %r8
    pushq   %r9
    pushq   %r10
    pushq   %r11
    .endm

    .macro  pop_rest
    popq    %r11
    popq    %r10
    popq    %r9
    popq    %r8
    popq    %rdi
    popq    %rsi
    popq    %rcx
    .endm

irq_entry:
    push_rest
    subq    $8, %rsp
    cld
    shlq    $32, %rdx
    leaq    (%rax, %rdx), %rsi
    movl    64(%rsp), %edi
    call    irq_dispatch
    addq    $8, %rsp
    pop_rest
    addq    $8, %rsp
    popq    %rdx
    popq    %rax
    iretq

// The C handler changes the frame's return address and stack when a guarded call is to be left.
exception_entry:
    pushq   %rax
    pushq   %rcx
    pushq   %rdx
    pushq   %rsi
    pushq   %rdi
    pushq   %r8
    pushq   %r9
    pushq   %r10
    pushq   %r11
    cld
    movq    %rsp, %rdi
    call    trap_dispatch
    popq    %r11
    popq    %r10
    popq    %r9
    popq    %r8
    popq    %rdi
    popq    %rsi
    popq    %rdx
    popq    %rcx
    popq    %rax
    addq    $16, %rsp
    iretq

// int trap_guarded(struct trap_context *context, void (*function)(void *), void *argument)
// Calls the function; returns 0 when it came back and 1 when an exception ended it.
    .globl  trap_guarded, trap_resume
trap_guarded:
    movq    %rbx, TRAP_SAVED + 0(%rdi)
    movq    %rbp, TRAP_SAVED + 8(%rdi)
    movq    %r12, TRAP_SAVED + 16(%rdi)
    movq    %r13, TRAP_SAVED + 24(%rdi)
    movq    %r14, TRAP_SAVED + 32(%rdi)
    movq    %r15, TRAP_SAVED + 40(%rdi)
    stmxcsr TRAP_MXCSR(%rdi)
    subq    $8, %rsp
    movq    %rsp, TRAP_RESUME_SP(%rdi)
    movq    $1, TRAP_ARMED(%rdi)
    movq    %rdi, %rbx
    movq    %rdx, %rdi
    call    *%rsi
    movq    %rbx, %rdi
    xorl    %eax, %eax
    jmp     1f
    // trap_dispatch sends the VCPU here, with the context in RDI and the stack as it was.
trap_resume:
    movl    $1, %eax
1:  movq    $0, TRAP_ARMED(%rdi)
    addq    $8, %rsp
    ldmxcsr TRAP_MXCSR(%rdi)
    fninit
    cld
    movq    TRAP_SAVED + 0(%rdi), %rbx
    movq    TRAP_SAVED + 8(%rdi), %rbp
    movq    TRAP_SAVED + 16(%rdi), %r12
    movq    TRAP_SAVED + 24(%rdi), %r13
    movq    TRAP_SAVED + 32(%rdi), %r14
    movq    TRAP_SAVED + 40(%rdi), %r15
    ret
