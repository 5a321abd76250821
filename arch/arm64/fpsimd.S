// SPDX-License-Identifier: Apache-2.0
// The only instructions of the image that touch FP/SIMD registers: a guest's move to memory and back
// (struct fpsimd_state). scripts/check_image.py exempts exactly these two functions.

    .arch armv8-a+fp+simd
    .macro q0_to_q31 move
    \move   q0, q1, [x0, #0]
    \move   q2, q3, [x0, #32]
    \move   q4, q5, [x0, #64]
    \move   q6, q7, [x0, #96]
    \move   q8, q9, [x0, #128]
    \move   q10, q11, [x0, #160]
    \move   q12, q13, [x0, #192]
    \move   q14, q15, [x0, #224]
    \move   q16, q17, [x0, #256]
    \move   q18, q19, [x0, #288]
    \move   q20, q21, [x0, #320]
    \move   q22, q23, [x0, #352]
    \move   q24, q25, [x0, #384]
    \move   q26, q27, [x0, #416]
    \move   q28, q29, [x0, #448]
    \move   q30, q31, [x0, #480]
    .endm

    .text

    // fpsimd_save(struct fpsimd_state *state)
    .globl fpsimd_save
    .type fpsimd_save, %function
fpsimd_save:
    q0_to_q31 stp
    mrs     x1, fpcr
    mrs     x2, fpsr
    add     x0, x0, #512
    stp     x1, x2, [x0]
    ret
    .size fpsimd_save, . - fpsimd_save

    // fpsimd_restore(const struct fpsimd_state *state)
    .globl fpsimd_restore
    .type fpsimd_restore, %function
fpsimd_restore:
    q0_to_q31 ldp
    add     x0, x0, #512
    ldp     x1, x2, [x0]
    msr     fpcr, x1
    msr     fpsr, x2
    ret
    .size fpsimd_restore, . - fpsimd_restore
