// SPDX-License-Identifier: Apache-2.0
// x0: the device tree, x1: entry of the image. All of this is clean to the point of coherency, and firmware maps it at
// its own address. Where caches are off there is no stack.

#define SCTLR_M (1 << 0)
#define SCTLR_C (1 << 2)
#define SCTLR_I (1 << 12)

    .section .text.enter, "ax"
    .globl enter_image, enter_image_end
    .hidden enter_image, enter_image_end
enter_image:
    msr     daifset, #0xf
    mov     x4, x1
    mrs     x2, sctlr_el2
    mov     x3, #(SCTLR_M | SCTLR_C)
    orr     x3, x3, #SCTLR_I
    bic     x2, x2, x3
    msr     sctlr_el2, x2
    isb
    mov     x1, xzr                     // as the boot protocol wants them
    mov     x2, xzr
    mov     x3, xzr
    br      x4
enter_image_end:
    .section .note.GNU-stack, "", %progbits
