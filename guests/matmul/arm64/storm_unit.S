// SPDX-License-Identifier: Apache-2.0
// void storm_units(const double *a, const double *b, double *sums, uint64_t count)
// `count` null hypercalls with 286 other instructions, floating point with few stores, after each.

#define PSCI_VERSION_HIGH 0x8400

    .text
    .globl storm_units
storm_units:
    stp     x29, x30, [sp, #-48]!
    mov     x29, sp
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    mov     x19, x0
    mov     x20, x1
    mov     x21, x2
    mov     x22, x3

1:  movz    x0, #PSCI_VERSION_HIGH, lsl #16 // with the last two of the loop: 3
    hvc     #0
    .rept   40                              // 280
    ldp     q0, q1, [x19]
    ldp     q2, q3, [x20]
    fmla    v16.2d, v0.2d, v2.2d
    fmla    v17.2d, v0.2d, v3.2d
    fmla    v18.2d, v1.2d, v2.2d
    fmla    v19.2d, v1.2d, v3.2d
    fmul    v4.2d, v0.2d, v2.2d
    .endr
    stp     q16, q17, [x21]                 // 3
    stp     q18, q19, [x21, #32]
    fadd    v4.2d, v4.2d, v16.2d
    subs    x22, x22, #1
    b.ne    1b

    ldp     x19, x20, [sp, #16]
    ldp     x21, x22, [sp, #32]
    ldp     x29, x30, [sp], #48
    ret
