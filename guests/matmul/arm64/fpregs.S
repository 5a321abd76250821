// SPDX-License-Identifier: Apache-2.0
// void fpregs_hold(const struct fpregs *set, struct fpregs *seen, uint64_t loops)
// Loads all of the floating-point state, spins, and stores what it then finds. Nothing in between
// touches it. FPCR is 0 again afterwards, as C expects.

#define OFFSET_FPCR 512
#define OFFSET_FPSR 520

    .text
    .globl fpregs_hold
fpregs_hold:
    sub     sp, sp, #64
    stp     d8, d9, [sp, #0]
    stp     d10, d11, [sp, #16]
    stp     d12, d13, [sp, #32]
    stp     d14, d15, [sp, #48]

    ldr     x3, [x0, #OFFSET_FPCR]
    ldr     x4, [x0, #OFFSET_FPSR]
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ldr     q\n, [x0, #16 * \n]
    .endr
    msr     fpcr, x3
    msr     fpsr, x4

1:  subs    x2, x2, #1
    b.ne    1b

    mrs     x3, fpcr
    mrs     x4, fpsr
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    str     q\n, [x1, #16 * \n]
    .endr
    str     x3, [x1, #OFFSET_FPCR]
    str     x4, [x1, #OFFSET_FPSR]
    msr     fpcr, xzr

    ldp     d8, d9, [sp, #0]
    ldp     d10, d11, [sp, #16]
    ldp     d12, d13, [sp, #32]
    ldp     d14, d15, [sp, #48]
    add     sp, sp, #64
    ret
