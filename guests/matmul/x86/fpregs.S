// SPDX-License-Identifier: Apache-2.0
// void fpregs_hold(const void *set, void *seen, uint64_t loops, uint64_t components)
// Loads x87, SSE and what `components` names beyond them, spins, and stores what it then finds. Nothing in between touches
// them. `components` 0: by FXSAVE. The control words are again as C expects them afterwards.

#define MXCSR_DEFAULT 0x1f80

    .text
    .globl  fpregs_hold
fpregs_hold:
    movq    %rdx, %r8
    movq    %rcx, %r9
    movl    %ecx, %eax
    movq    %rcx, %rdx
    shrq    $32, %rdx
    testq   %r9, %r9
    jz      1f
    xrstor64 (%rdi)
    jmp     2f
1:  fxrstor64 (%rdi)

2:  subq    $1, %r8
    jnz     2b

    testq   %r9, %r9
    jz      3f
    xsave64 (%rsi)
    jmp     4f
3:  fxsave64 (%rsi)
4:  fninit
    pushq   $MXCSR_DEFAULT
    ldmxcsr (%rsp)
    popq    %rax
    ret
