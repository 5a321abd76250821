// SPDX-License-Identifier: Apache-2.0
// System registers by name. Names and bits are those of the Arm Architecture Reference Manual (DDI 0487); GIC system
// registers those of IHI 0069. Assemblers of this baseline (armv8-a) know the ICC/ICH names.
#ifndef ARM64_SYSREG_H
#define ARM64_SYSREG_H

// ---- bits, by register; the assembler reads them too --------------------------------------------------------
#ifdef __ASSEMBLER__
#define REG_BIT(n)      (1 << (n))
#define REG_FIELD(v, n) ((v) << (n))
#else
#define REG_BIT(n)      (1ull << (n))
#define REG_FIELD(v, n) ((uint64_t)(v) << (n))
#endif

// CurrentEL
#define CURRENTEL_EL2 REG_FIELD(2, 2)

// HCR_EL2
#define HCR_RW        REG_BIT(31) // EL1 is AArch64; without E2H and TGE: the non-VHE regime

// SCTLR_EL2
#define SCTLR_M       REG_BIT(0)  // translation on
#define SCTLR_C       REG_BIT(2)  // data cacheable
#define SCTLR_SA      REG_BIT(3)  // stack pointer alignment checked
#define SCTLR_I       REG_BIT(12) // instructions cacheable
#define SCTLR_WXN     REG_BIT(19) // what is writable is never executable
#define SCTLR_EL2_RES1                                                                                             \
    (REG_BIT(4) | REG_BIT(5) | REG_BIT(11) | REG_BIT(16) | REG_BIT(18) | REG_BIT(22) | REG_BIT(23) | REG_BIT(28) | \
     REG_BIT(29))

// TCR_EL2 and VTCR_EL2: what both have in the same place
#define TCR_T0SZ(bits)     REG_FIELD(64 - (bits), 0)
#define TCR_IRGN0_WB       REG_FIELD(1, 8) // table walks: write-back, write-allocate
#define TCR_ORGN0_WB       REG_FIELD(1, 10)
#define TCR_SH0_INNER      REG_FIELD(3, 12)
#define TCR_TG0_4K         REG_FIELD(0, 14)
#define TCR_PS_SHIFT       16
#define TCR_EL2_RES1       (REG_BIT(23) | REG_BIT(31))
#define VTCR_SL0(v)        REG_FIELD(v, 6) // 4 KiB granule: 0 starts at level 2, 1 at level 1
#define VTCR_EL2_RES1      REG_BIT(31)

// VTTBR_EL2
#define VTTBR_VMID_SHIFT   48

// ID_AA64MMFR0_EL1
#define MMFR0_PARANGE_MASK 0xf
#define PARANGE_48         5 // the largest that fits descriptors of 48-bit addresses

// MAIR_EL2: our two attributes and their indices
#define MAIR_DEVICE_NGNRE  0x04
#define MAIR_NORMAL_WB     0xff
#define MAIR_INDEX_NORMAL  0
#define MAIR_INDEX_DEVICE  1
#define MAIR_EL2_VALUE     (MAIR_NORMAL_WB | REG_FIELD(MAIR_DEVICE_NGNRE, 8))

// Translation descriptors, VMSAv8-64 (DDI 0487, D8)
#define DESC_VALID         REG_BIT(0)
#define DESC_TABLE         REG_BIT(1)      // at level 3: a page
#define DESC_ATTR_INDEX(i) REG_FIELD(i, 2) // stage 1
#define DESC_S2_NORMAL_WB  REG_FIELD(0xf, 2)
#define DESC_S2_DEVICE     REG_FIELD(0x1, 2) // nGnRE
#define DESC_AP_RES1       REG_BIT(6)        // stage 1 of one exception level: AP[1]
#define DESC_AP_READ_ONLY  REG_BIT(7)        // stage 1: AP[2]
#define DESC_S2_READ       REG_BIT(6)        // stage 2: S2AP
#define DESC_S2_WRITE      REG_BIT(7)
#define DESC_SH_INNER      REG_FIELD(3, 8)
#define DESC_AF            REG_BIT(10)
#define DESC_XN            REG_BIT(54)

// CTR_EL0: line sizes, log2 of 4-byte words
#define CTR_DMINLINE_SHIFT 16
#define CTR_LINE_MASK      0xf

// DCZID_EL0: what DC ZVA zeroes
#define DCZID_BS_MASK      0xf
#define DCZID_BS_64        4 // log2 of 4-byte words
#define DCZID_DZP          REG_BIT(4)

// ISR_EL1
#define ISR_I              REG_BIT(7) // an IRQ waits

// PAR_EL1
#define PAR_F              REG_BIT(0) // the translation failed

#ifndef __ASSEMBLER__

#include <stdint.h>

#define read_sysreg(name)                                  \
    ({                                                     \
        uint64_t value_;                                   \
        __asm__ volatile("mrs %0, " #name : "=r"(value_)); \
        value_;                                            \
    })
#define write_sysreg(name, v) __asm__ volatile("msr " #name ", %0" ::"r"((uint64_t)(v)) : "memory")

// Barriers and maintenance: the only places that issue them (docs/memory.md lists each with its reason).
static inline void isb(void) { __asm__ volatile("isb" ::: "memory"); }

static inline void dsb_ish(void) { __asm__ volatile("dsb ish" ::: "memory"); }

static inline void dsb_sy(void) { __asm__ volatile("dsb sy" ::: "memory"); }

#endif
#endif
