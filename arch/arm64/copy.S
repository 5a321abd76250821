// SPDX-License-Identifier: Apache-2.0
// memcpy, memmove, memset: the loops that move guests' images. Written here because C may not make the unaligned
// accesses that the hardware does at full speed (-mstrict-align), and files inside a system image lie at multiples
// of four bytes only. For Normal memory; device registers are never copied.

#include "arch/arm64/sysreg.h"

    .section .text.copy, "ax"

    // void *memmove(void *to, const void *from, size_t n)
    .globl memmove
    .type memmove, %function
memmove:
    sub     x3, x0, x1
    cmp     x3, x2
    b.lo    backward                    // `to` lies inside [from, from + n)

    // void *memcpy(void *to, const void *from, size_t n). Forward, each block read before it is written: right also
    // where `to` lies below an overlapping `from`.
    .globl memcpy
    .type memcpy, %function
memcpy:
    mov     x3, x0
    subs    x2, x2, #64
    b.lo    3f
2:  ldp     x4, x5, [x1]
    ldp     x6, x7, [x1, #16]
    ldp     x8, x9, [x1, #32]
    ldp     x10, x11, [x1, #48]
    add     x1, x1, #64
    stp     x4, x5, [x3]
    stp     x6, x7, [x3, #16]
    stp     x8, x9, [x3, #32]
    stp     x10, x11, [x3, #48]
    add     x3, x3, #64
    subs    x2, x2, #64
    b.hs    2b
3:  tbz     x2, #5, 1f              // x2's low six bits are what is left
    ldp     x4, x5, [x1], #16
    ldp     x6, x7, [x1], #16
    stp     x4, x5, [x3], #16
    stp     x6, x7, [x3], #16
1:  tbz     x2, #4, 1f
    ldp     x4, x5, [x1], #16
    stp     x4, x5, [x3], #16
1:  tbz     x2, #3, 1f
    ldr     x4, [x1], #8
    str     x4, [x3], #8
1:  tbz     x2, #2, 1f
    ldr     w4, [x1], #4
    str     w4, [x3], #4
1:  tbz     x2, #1, 1f
    ldrh    w4, [x1], #2
    strh    w4, [x3], #2
1:  tbz     x2, #0, 1f
    ldrb    w4, [x1]
    strb    w4, [x3]
1:  ret
    .size memcpy, . - memcpy

backward:
    add     x1, x1, x2
    add     x3, x0, x2
    subs    x2, x2, #64
    b.lo    3f
2:  ldp     x4, x5, [x1, #-16]
    ldp     x6, x7, [x1, #-32]
    ldp     x8, x9, [x1, #-48]
    ldp     x10, x11, [x1, #-64]!
    stp     x4, x5, [x3, #-16]
    stp     x6, x7, [x3, #-32]
    stp     x8, x9, [x3, #-48]
    stp     x10, x11, [x3, #-64]!
    subs    x2, x2, #64
    b.hs    2b
3:  and     x2, x2, #63
    cbz     x2, 5f
4:  ldrb    w4, [x1, #-1]!
    strb    w4, [x3, #-1]!
    subs    x2, x2, #1
    b.ne    4b
5:  ret
    .size memmove, . - memmove

    // void *memset(void *to, int value, size_t n)
    .globl memset
    .type memset, %function
memset:
    mov     x3, x0
    ands    w1, w1, #0xff
    b.ne    1f
    cmp     x2, #256
    b.hs    zero_blocks
1:  orr     w1, w1, w1, lsl #8
    orr     w1, w1, w1, lsl #16
    orr     x1, x1, x1, lsl #32
fill:
    subs    x2, x2, #64
    b.lo    3f
2:  stp     x1, x1, [x3]
    stp     x1, x1, [x3, #16]
    stp     x1, x1, [x3, #32]
    stp     x1, x1, [x3, #48]
    add     x3, x3, #64
    subs    x2, x2, #64
    b.hs    2b
3:  tbz     x2, #5, 1f
    stp     x1, x1, [x3], #16
    stp     x1, x1, [x3], #16
1:  tbz     x2, #4, 1f
    stp     x1, x1, [x3], #16
1:  tbz     x2, #3, 1f
    str     x1, [x3], #8
1:  tbz     x2, #2, 1f
    str     w1, [x3], #4
1:  tbz     x2, #1, 1f
    strh    w1, [x3], #2
1:  tbz     x2, #0, 1f
    strb    w1, [x3]
1:  ret

    // At least 256 zeroes at x3: whole blocks by DC ZVA, which fetches nothing. x1 is 0.
zero_blocks:
    mrs     x4, dczid_el0
    and     x5, x4, #(DCZID_DZP | DCZID_BS_MASK)
    cmp     x5, #DCZID_BS_64
    b.ne    fill                        // not 64 bytes, or prohibited
    neg     x4, x3
    ands    x4, x4, #63                 // bytes up to the first whole block
    b.eq    1f
    stp     x1, x1, [x3]                // at most 63 bytes more than needed, all to be zero
    stp     x1, x1, [x3, #16]
    stp     x1, x1, [x3, #32]
    stp     x1, x1, [x3, #48]
    add     x3, x3, x4
    sub     x2, x2, x4
1:  subs    x2, x2, #64
    b.lo    3b
2:  dc      zva, x3
    add     x3, x3, #64
    subs    x2, x2, #64
    b.hs    2b
    b       3b
    .size memset, . - memset
