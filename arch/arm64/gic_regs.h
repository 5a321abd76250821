// SPDX-License-Identifier: Apache-2.0
// Registers of the interrupt controllers by the names of their manuals: GICv3 IHI 0069, chapters 9 and 12; GICv2
// IHI 0048B, chapters 4 and 5. Used by the drivers (gicv2.c, gicv3.c) and by what guests see (vgic_v2.c, vgic_v3.c).
#ifndef ARM64_GIC_REGS_H
#define ARM64_GIC_REGS_H

// Distributor; the rows from IGROUPR to ICFGR also in a redistributor's SGI frame.
#define GICD_CTLR               0x0000u
#define GICD_TYPER              0x0004u
#define GICD_IIDR               0x0008u
#define GICD_IGROUPR            0x0080u
#define GICD_ISENABLER          0x0100u
#define GICD_ICENABLER          0x0180u
#define GICD_ISPENDR            0x0200u
#define GICD_ICPENDR            0x0280u
#define GICD_ISACTIVER          0x0300u
#define GICD_ICACTIVER          0x0380u
#define GICD_IPRIORITYR         0x0400u
#define GICD_ITARGETSR          0x0800u // v2
#define GICD_ICFGR              0x0c00u
#define GICD_IGRPMODR           0x0d00u
#define GICD_SGIR               0x0f00u // v2
#define GICD_CPENDSGIR          0x0f10u // v2
#define GICD_SPENDSGIR          0x0f20u // v2
#define GICD_ICPIDR2            0x0fe8u // v2
#define GICD_IROUTER            0x6000u
#define GICD_PIDR2              0xffe8u

#define GICD_SGIR_TARGETS       16 // shift
#define GICD_SGIR_FILTER        24 // shift
#define GICD_SGIR_ALL_OTHERS    (1u << GICD_SGIR_FILTER)
#define GICD_CTLR_GRP0          (1u << 0) // as a system without Security (DS = 1) has it
#define GICD_CTLR_GRP1          (1u << 1)
#define GICD_CTLR_ARE           (1u << 4)
#define GICD_CTLR_DS            (1u << 6)
#define GICD_CTLR_RWP           (1u << 31)
#define GICD_TYPER_LINES        0x1fu
#define GICD_TYPER_CPUS         5  // shift, v2
#define GICD_TYPER_IDBITS       19 // shift
#define GICD_TYPER_NO1N         (1u << 25)
#define PIDR2_ARCH_SHIFT        4
#define IIDR_ARM                0x43bu

// Redistributor, RD frame.
#define GICR_CTLR               0x0000u
#define GICR_IIDR               0x0004u
#define GICR_TYPER              0x0008u
#define GICR_WAKER              0x0014u
#define GICR_PIDR2              0xffe8u
#define GICR_SGI_FRAME          0x10000u
#define GICR_CTLR_RWP           (1u << 3)
#define GICR_TYPER_VLPIS        (1u << 1)
#define GICR_TYPER_LAST         (1u << 4)
#define GICR_TYPER_NUMBER_SHIFT 8
#define GICR_TYPER_AFFINITY     32 // shift
#define GICR_WAKER_SLEEP        (1u << 1)
#define GICR_WAKER_CHILDREN     (1u << 2)

// CPU interface, v2.
#define GICC_CTLR               0x0000u
#define GICC_PMR                0x0004u
#define GICC_BPR                0x0008u
#define GICC_IAR                0x000cu
#define GICC_EOIR               0x0010u
#define GICC_DIR                0x1000u
#define GICC_CTLR_GRP0          (1u << 0)
#define GICC_CTLR_EOIMODE       (1u << 9)
#define GICC_CTLR_BYPASS_MASK   0x1e0u // what firmware set there stays

// Virtual interface control, v2.
#define GICH_HCR                0x000u
#define GICH_VTR                0x004u
#define GICH_VMCR               0x008u
#define GICH_EISR0              0x020u
#define GICH_ELRSR0             0x030u
#define GICH_APR                0x0f0u
#define GICH_LR                 0x100u
#define GICH_LR_HW              (1u << 31)
#define GICH_LR_GRP1            (1u << 30)
#define GICH_LR_STATE_SHIFT     28
#define GICH_LR_PRIORITY_SHIFT  23
#define GICH_LR_PHYSICAL_SHIFT  10
#define GICH_LR_PHYSICAL_MASK   0x3ffu
#define GICH_LR_VIRTUAL_MASK    0x3ffu

// CPU interface and virtual interface control of v3: system registers.
#define ICC_SRE_SRE             (1u << 0)
#define ICC_SRE_DFB             (1u << 1)
#define ICC_SRE_DIB             (1u << 2)
#define ICC_CTLR_EOIMODE        (1u << 1)
#define ICH_VTR_LRS             0x1fu // number - 1
#define ICH_VTR_PREBITS_SHIFT   26
#define ICC_SGIR_TARGETS        0xffffu
#define ICC_SGIR_AFF1_SHIFT     16
#define ICC_SGIR_INTID_SHIFT    24
#define ICC_SGIR_AFF2_SHIFT     32
#define ICC_SGIR_IRM            (1ull << 40)
#define ICC_SGIR_RS_SHIFT       44
#define ICC_SGIR_AFF3_SHIFT     48

#endif
