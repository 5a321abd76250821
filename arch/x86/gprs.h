// SPDX-License-Identifier: Apache-2.0
// For assembly: each_gpr loads or stores a guest's general registers, in the order of their numbers at `base`; but RAX, RSP
// and RDI, which each world switch has its own way with.

// clang-format off
    .macro load register, base, number
    mov     8 * \number(%\base), %\register
    .endm

    .macro store register, base, number
    mov     %\register, 8 * \number(%\base)
    .endm

    .macro each_gpr move, base
    \move   rcx, \base, 1
    \move   rdx, \base, 2
    \move   rbx, \base, 3
    \move   rbp, \base, 5
    \move   rsi, \base, 6
    \move   r8, \base, 8
    \move   r9, \base, 9
    \move   r10, \base, 10
    \move   r11, \base, 11
    \move   r12, \base, 12
    \move   r13, \base, 13
    \move   r14, \base, 14
    \move   r15, \base, 15
    .endm
