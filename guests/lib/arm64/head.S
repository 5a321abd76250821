// SPDX-License-Identifier: Apache-2.0
// Start of every bare-metal guest: arm64 Image header, MMU, stacks, then C.
//
// The image is linked for 0x40080000 (guest.ld) and starts at its first byte, so it can be loaded
// as an arm64 Image or as a raw binary. x0 is the guest-physical address of the device tree.

#include "machine.h"

#define SCTLR_VALUE 0x30d01805  // RES1 bits of Armv8.0, I, C, M
#define TCR_VALUE   0x00803519  // T0SZ 25 (39 bits), TTBR0 walks cached and shareable, TTBR1 off
#define TCR_IPS_SHIFT 32
#define PARANGE_48    5
#define CPACR_FPEN    (3 << 20)

    .section .head, "ax"
    .globl image_start
image_start:
    // The guest's first instruction keeps the time at which it ran.
    mrs     x19, cntvct_el0
    b       boot_entry
    .quad   0x80000                     // text offset
    .quad   image_size
    .quad   2                           // little endian, 4 KiB pages, near the start of memory
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

    .text
boot_entry:
    mov     x20, x0
    bl      mmu_on
    // x21: VCPU number of this, the boot VCPU.
    mrs     x21, mpidr_el1
    and     x21, x21, #0xff
    adrp    x0, bss_start
    add     x0, x0, :lo12:bss_start
    adrp    x1, bss_end
    add     x1, x1, :lo12:bss_end
1:  cmp     x0, x1
    b.hs    2f
    stp     xzr, xzr, [x0], #16
    b       1b
2:  mov     x0, x21
    bl      vcpu_setup
    adrp    x0, boot_clock
    str     x19, [x0, :lo12:boot_clock]
    mov     x0, x20
    bl      guest_start
    b       .

// PSCI starts another VCPU here; x0, the context, is its number.
    .globl secondary_entry
secondary_entry:
    mov     x21, x0
    bl      mmu_on
    mov     x0, x21
    bl      vcpu_setup
    mov     x0, x21
    bl      secondary_start
    b       .

// Vectors, floating point, translation and caches. Uses x1..x4; memory is read only by the walker.
mmu_on:
    adrp    x1, vectors
    add     x1, x1, :lo12:vectors
    msr     vbar_el1, x1
    mov     x1, #CPACR_FPEN
    msr     cpacr_el1, x1
    mov     x1, #MAIR_VALUE
    msr     mair_el1, x1
    // Output addresses as wide as the CPU has them, at most 48 bits.
    mrs     x2, id_aa64mmfr0_el1
    and     x2, x2, #0xf
    mov     x3, #PARANGE_48
    cmp     x2, x3
    csel    x2, x2, x3, lo
    ldr     x1, =TCR_VALUE
    orr     x1, x1, x2, lsl #TCR_IPS_SHIFT
    msr     tcr_el1, x1
    adrp    x1, guest_table
    msr     ttbr0_el1, x1
    isb
    tlbi    vmalle1
    ic      iallu
    dsb     nsh
    isb
    ldr     x1, =SCTLR_VALUE
    msr     sctlr_el1, x1
    isb
    ret

// The VCPU's two stacks: the program runs on SP_EL0, so that an exception finds a good stack even
// where the program has ruined its own. x0: VCPU number.
vcpu_setup:
    add     x3, x0, #1
    adrp    x1, handler_stacks
    add     x1, x1, :lo12:handler_stacks
    mov     x2, #HANDLER_STACK_SIZE
    madd    x1, x2, x3, x1
    msr     spsel, #1
    mov     sp, x1
    adrp    x1, stacks
    add     x1, x1, :lo12:stacks
    mov     x2, #STACK_SIZE
    madd    x1, x2, x3, x1
    msr     spsel, #0
    mov     sp, x1
    msr     tpidr_el1, x0
    ret
    .ltorg

// Identity map by 1 GiB blocks: the first is devices, the next three memory, the rest devices.
// Static, because a table written before the MMU is on would need cache maintenance.
    .data
    .balign 4096
    .globl guest_table
guest_table:
    .set    gib, 0
    .rept   512
    .if     (gib >= 1) && (gib <= 3)
    .quad   (gib << 30) | BLOCK_AF | BLOCK_INNER_SH | BLOCK_ATTR(MAIR_NORMAL) | BLOCK_UXN | BLOCK_VALID
    .else
    .quad   (gib << 30) | BLOCK_AF | BLOCK_ATTR(MAIR_DEVICE) | BLOCK_UXN | BLOCK_PXN | BLOCK_VALID
    .endif
    .set    gib, gib + 1
    .endr

    .bss
    .balign 16
    .globl boot_clock
boot_clock:
    .space  16

    .section .stacks, "aw", %nobits
    .balign 4096
handler_stacks:
    .space  VCPUS_MAX * HANDLER_STACK_SIZE
stacks:
    .space  VCPUS_MAX * STACK_SIZE
