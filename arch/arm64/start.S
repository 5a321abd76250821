// SPDX-License-Identifier: Apache-2.0
// From the boot loader, or the firmware's CPU_ON, to C.
//
// Entry of the boot core, as Linux defines it for arm64 (Documentation/arch/arm64/booting.rst): x0 holds the physical
// address of the device tree; EL2; translation and data cache off; the image is clean to the point of coherency, at
// any address that is a multiple of 4 KiB. A loader that runs with translation on (UEFI) turns it off before it comes
// here. At another exception level, or with translation on, nothing can be done, not even printing: the core waits
// for ever.
//
// The code of this file is the only one that runs at its physical address. It lies in the image's first page, the one
// page that an identity map of its own, never part of the hypervisor's tables, shows while translation goes on.

#include "arch/arm64/entry_offsets.h"
#include "arch/arm64/layout.h"
#include "arch/arm64/sysreg.h"

    .globl layout_base, layout_image_max, layout_boot_stack
    .set layout_base, HYP_BASE
    .set layout_image_max, HYP_IMAGE_MAX
    .set layout_boot_stack, BOOT_STACK_SIZE

#define PAGE 4096
#define IMAGE_FLAGS 0xa // little endian, 4 KiB pages, anywhere in memory
#define TABLE (DESC_VALID | DESC_TABLE)
#define LEAF (DESC_VALID | DESC_TABLE | DESC_AF | DESC_SH_INNER | DESC_AP_RES1 | DESC_ATTR_INDEX(MAIR_INDEX_NORMAL))
#define LEAF_TEXT (LEAF | DESC_AP_READ_ONLY)
#define LEAF_RODATA (LEAF | DESC_AP_READ_ONLY | DESC_XN)
#define LEAF_DATA (LEAF | DESC_XN)
#define SCTLR_ON (SCTLR_EL2_RES1 | SCTLR_M | SCTLR_C | SCTLR_I | SCTLR_SA | SCTLR_WXN)
#define TCR (TCR_EL2_RES1 | TCR_T0SZ(HYP_VA_BITS) | TCR_IRGN0_WB | TCR_ORGN0_WB | TCR_SH0_INNER | TCR_TG0_4K)

    // An address: where the code runs, so physical here.
    .macro address reg, symbol
    adrp    \reg, \symbol
    add     \reg, \reg, :lo12:\symbol
    .endm

    // The address at which `symbol` is linked, wherever the code runs.
    .macro linked_address reg, symbol
    movz    \reg, #:abs_g2:\symbol
    movk    \reg, #:abs_g1_nc:\symbol
    movk    \reg, #:abs_g0_nc:\symbol
    .endm

    // Entry `index` of `table` points at the table `next`.
    .macro link_table table, index, next
    orr     x9, \next, #TABLE
    str     x9, [\table, \index, lsl #3]
    .endm

    // Maps the image's pages [start, end) in the level 3 table x24. x19: physical address of the image.
    .macro map_image start, end, attributes
    address x5, \start
    address x6, \end
    ldr     x7, =\attributes
    bl      map_pages
    .endm

    .section .head, "ax"
    .globl image_start
image_start:                            // header of an arm64 Image
    b       boot_entry
    .long   0
    .quad   0                           // text_offset
    .quad   image_size
    .quad   IMAGE_FLAGS
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0                           // no PE header

boot_entry:
    mov     x20, x0                     // the device tree
    bl      check_state
    address x19, image_start

    // A dirty cache line that somebody left over our tables would replace them when it is evicted; a clean one that
    // was fetched meanwhile would hide them from the walker. So: invalidate, write with caches off, invalidate.
    address x21, boot_tables            // level 0, 1, 2, 3 of the hypervisor
    address x25, boot_stack             // level 0, 1, 2, 3 of the identity map
    mov     x0, x21
    bl      invalidate_tables
    bl      zero
    mov     x0, x25
    bl      invalidate_tables
    bl      zero

    add     x22, x21, #PAGE
    add     x23, x22, #PAGE
    add     x24, x23, #PAGE
    mov     x10, #((HYP_BASE >> 39) & 511)
    link_table x21, x10, x22
    link_table x25, x10, x22            // while the maps change, the image is in both
    link_table x22, xzr, x23
    link_table x23, xzr, x24
    map_image image_start, text_end, LEAF_TEXT
    map_image text_end, rodata_end, LEAF_RODATA
    map_image rodata_end, data_end, LEAF_DATA
    map_image boot_stack, boot_stack_top, LEAF_DATA

    mov     x10, #HYP_BASE
    cmp     x19, x10
    b.hs    park                        // the identity map would meet ours
    add     x26, x25, #PAGE
    add     x27, x26, #PAGE
    add     x28, x27, #PAGE
    ubfx    x10, x19, #39, #9
    link_table x25, x10, x26
    ubfx    x10, x19, #30, #9
    link_table x26, x10, x27
    ubfx    x10, x19, #21, #9
    link_table x27, x10, x28
    ubfx    x10, x19, #12, #9
    ldr     x9, =LEAF_TEXT
    orr     x9, x9, x19
    str     x9, [x28, x10, lsl #3]

    mov     x0, x21
    bl      invalidate_tables
    mov     x0, x25
    bl      invalidate_tables

    mov     x0, x25
    mov     x1, x21
    linked_address x30, boot_high
    b       translation_on

boot_high:                              // at the linked address; the identity map is gone
    address x0, bss_start
    address x3, bss_end
    bl      zero

    address x0, image_start
    sub     x0, x0, x19
    adrp    x1, image_offset
    str     x0, [x1, :lo12:image_offset]
    address x0, boot_cpu
    msr     tpidr_el2, x0
    address x1, boot_stack_top
    str     x1, [x0, #CPU_STACK_TOP]
    mov     sp, x1
    address x1, boot_stack + PAGE       // until it gets its own: the far end of this one
    str     x1, [x0, #CPU_PANIC_STACK]
    mov     x29, xzr
    mov     x0, x20
    bl      kernel_main
    b       park

    // A core that CPU_ON started: x0 is the physical address of a struct secondary_boot (cpu.c), clean to the point
    // of coherency.
    .globl secondary_entry
secondary_entry:
    mov     x20, x0
    bl      check_state
    ldp     x0, x1, [x20]               // identity map, the hypervisor's tables
    ldr     x20, [x20, #16]             // its struct cpu
    linked_address x30, secondary_high
    b       translation_on

secondary_high:
    msr     tpidr_el2, x20
    ldr     x1, [x20, #CPU_STACK_TOP]
    mov     sp, x1
    mov     x29, xzr
    mov     x0, x20
    bl      cpu_main

    .globl park
park:
    wfe
    b       park

    // Returns at EL2 with translation off, exceptions masked, on SP_EL2, in the non-VHE regime; else never.
check_state:
    mrs     x1, CurrentEL
    cmp     x1, #CURRENTEL_EL2
    b.ne    park
    mrs     x1, sctlr_el2
    tbnz    x1, #0, park
    msr     daifset, #0xf
    msr     spsel, #1
    mov     x1, #HCR_RW
    msr     hcr_el2, x1
    isb
    ret

    // x0: four tables. Discards their cache lines. Leaves x0, and in x3 where the tables end. Clobbers x1, x2.
invalidate_tables:
    mrs     x2, ctr_el0
    ubfx    x2, x2, #CTR_DMINLINE_SHIFT, #4
    mov     x3, #4
    lsl     x2, x3, x2                  // line size, bytes
    add     x3, x0, #(BOOT_TABLES * PAGE)
    mov     x1, x0
1:  dc      ivac, x1
    add     x1, x1, x2
    cmp     x1, x3
    b.lo    1b
    dsb     sy
    ret

    // Zeroes [x0, x3), a multiple of 64 bytes. Leaves both. Clobbers x1.
zero:
    mov     x1, x0
1:  stp     xzr, xzr, [x1]
    stp     xzr, xzr, [x1, #16]
    stp     xzr, xzr, [x1, #32]
    stp     xzr, xzr, [x1, #48]
    add     x1, x1, #64
    cmp     x1, x3
    b.lo    1b
    ret

    // Pages [x5, x6) with attributes x7 into the table x24, which begins with the image.
map_pages:
    sub     x8, x5, x19
    add     x8, x24, x8, lsr #(12 - 3)
1:  orr     x9, x5, x7
    str     x9, [x8], #8
    add     x5, x5, #PAGE
    cmp     x5, x6
    b.lo    1b
    ret

    // x0: identity map, x1: the hypervisor's tables, x30: where to go, a linked address. Turns translation on through
    // the identity map and drops that. What the TLBs and the instruction cache held before is unknown (DDI 0487, D8,
    // "TLB maintenance"; D7, "Cache maintenance").
translation_on:
    ldr     x2, =MAIR_EL2_VALUE
    msr     mair_el2, x2
    ldr     x2, =TCR
    mrs     x3, id_aa64mmfr0_el1
    and     x3, x3, #7                  // PARange; 52 bits (6) need other descriptors
    mov     x4, #PARANGE_48
    cmp     x3, x4
    csel    x3, x3, x4, lo
    orr     x2, x2, x3, lsl #TCR_PS_SHIFT
    msr     tcr_el2, x2
    msr     ttbr0_el2, x0
    linked_address x2, vectors
    msr     vbar_el2, x2
    tlbi    alle2
    ic      iallu
    dsb     nsh
    isb
    ldr     x2, =SCTLR_ON
    msr     sctlr_el2, x2
    isb
    linked_address x2, 1f
    br      x2
1:  msr     ttbr0_el2, x1
    isb
    tlbi    alle2
    dsb     nsh
    isb
    ret

    .ltorg
    .globl boot_code_end
boot_code_end:
