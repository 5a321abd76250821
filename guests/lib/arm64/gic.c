// SPDX-License-Identifier: Apache-2.0
// One driver for both versions: the distributor is the same register file; what differs is where a
// VCPU's own 32 interrupts live and how it acknowledges.
#include "gic.h"

#include "entry.h"
#include "fdt.h"
#include "interrupts.h"
#include "private.h"

#define GICD_CTLR            0x0000
#define GICD_CTLR_GRP0       (1u << 0)
#define GICD_CTLR_GRP1A      (1u << 1)
#define GICD_CTLR_ARE        (1u << 4)
#define GICD_TYPER           0x0004
#define GICD_IGROUPR         0x0080
#define GICD_ISENABLER       0x0100
#define GICD_ICENABLER       0x0180
#define GICD_ISPENDR         0x0200
#define GICD_ICPENDR         0x0280
#define GICD_ICACTIVER       0x0380
#define GICD_IPRIORITYR      0x0400
#define GICD_ITARGETSR       0x0800
#define GICD_SGIR            0x0f00
#define GICD_IROUTER         0x6000

#define SGIR_TARGETS_SHIFT   16
#define SGIR_OTHERS          (1u << 24)

#define GICC_CTLR            0x00
#define GICC_PMR             0x04
#define GICC_IAR             0x0c
#define GICC_EOIR            0x10

#define GICR_STRIDE          0x20000
#define GICR_SGI_BASE        0x10000
#define GICR_WAKER           0x0014
#define GICR_WAKER_SLEEP     (1u << 1)
#define GICR_WAKER_CHILDREN  (1u << 2)
#define ICC_SGI1R_OTHERS     (1ull << 40)
#define ICC_SGI1R_INTID(sgi) ((uint64_t)(sgi) << 24)

#define PRIORITY             0xa0
#define PRIORITY_MASK        0xf0 // lets PRIORITY through; all implementations have these bits
#define INTIDS_MAX           1020

struct gic gic;

static irq_handler *handlers[INTIDS_MAX];

void irq_handle(uint32_t intid, irq_handler *handler) { handlers[intid] = handler; }

// The frame that holds an interrupt's registers: a VCPU's own ones are in its redistributor.
static uintptr_t frame_of(uint32_t intid) {
    if (gic.version == 3 && intid < GIC_SPI_FIRST) return gic.gicr + vcpu_self() * GICR_STRIDE + GICR_SGI_BASE;
    return gic.gicd;
}

static void write_bit(uintptr_t bank, uint32_t intid) {
    mmio_write32(frame_of(intid) + bank + intid / 32 * 4, 1u << intid % 32);
}

void irq_enable(uint32_t intid) { write_bit(GICD_ISENABLER, intid); }

void irq_disable(uint32_t intid) { write_bit(GICD_ICENABLER, intid); }

void gic_set_pending(uint32_t intid) { write_bit(GICD_ISPENDR, intid); }

uint64_t ipi_send_stamped(unsigned vcpu, uint32_t sgi) {
    uint64_t stamp;
    // The YIELD lets an emulator with one host thread turn to the target at once.
    if (gic.version == 3)
        __asm__ volatile("mrs %0, cntvct_el0\n\tmsr S3_0_C12_C11_5, %1\n\tyield" // ICC_SGI1R_EL1
                         : "=&r"(stamp)
                         : "r"(ICC_SGI1R_INTID(sgi) | 1u << vcpu)
                         : "memory");
    else
        __asm__ volatile("mrs %0, cntvct_el0\n\tstr %w1, [%2]\n\tyield"
                         : "=&r"(stamp)
                         : "r"(1u << (SGIR_TARGETS_SHIFT + vcpu) | sgi), "r"(gic.gicd + GICD_SGIR)
                         : "memory");
    return stamp;
}

void ipi_send(unsigned vcpu, uint32_t sgi) { ipi_send_stamped(vcpu, sgi); }

void ipi_send_others(uint32_t sgi) {
    if (gic.version == 3)
        SYSREG_WRITE(S3_0_C12_C11_5, ICC_SGI1R_OTHERS | ICC_SGI1R_INTID(sgi)); // ICC_SGI1R_EL1
    else
        mmio_write32(gic.gicd + GICD_SGIR, SGIR_OTHERS | sgi);
}

// The calling VCPU's own interrupts or the shared ones: disabled, neither pending nor active, group 1
// where groups exist, one priority.
static void set_defaults(uint32_t first, uint32_t end) {
    uintptr_t frame = frame_of(first);
    for (uint32_t intid = first; intid < end; intid += 32) {
        mmio_write32(frame + GICD_ICENABLER + intid / 8, ~0u);
        mmio_write32(frame + GICD_ICPENDR + intid / 8, ~0u);
        mmio_write32(frame + GICD_ICACTIVER + intid / 8, ~0u);
        if (gic.version == 3) mmio_write32(frame + GICD_IGROUPR + intid / 8, ~0u);
    }
    for (uint32_t intid = first; intid < end; intid += 4)
        mmio_write32(frame + GICD_IPRIORITYR + intid, PRIORITY * 0x01010101u);
}

static void wake_redistributor(void) {
    uintptr_t waker = gic.gicr + vcpu_self() * GICR_STRIDE + GICR_WAKER;
    mmio_write32(waker, mmio_read32(waker) & ~GICR_WAKER_SLEEP);
    while (mmio_read32(waker) & GICR_WAKER_CHILDREN) spin_pause();
}

void gic_init_vcpu(void) {
    if (gic.version == 3) wake_redistributor();
    set_defaults(0, GIC_SPI_FIRST);
    mmio_write32(frame_of(0) + GICD_ISENABLER, 0xffff);
    if (gic.version == 3) {
        SYSREG_WRITE(S3_0_C12_C12_5, 7);           // ICC_SRE_EL1
        SYSREG_WRITE(S3_0_C4_C6_0, PRIORITY_MASK); // ICC_PMR_EL1
        SYSREG_WRITE(S3_0_C12_C12_7, 1);           // ICC_IGRPEN1_EL1
    } else {
        mmio_write32(gic.gicc + GICC_PMR, PRIORITY_MASK);
        mmio_write32(gic.gicc + GICC_CTLR, 1);
    }
}

static void route_spis_to_boot_vcpu(void) {
    for (uint32_t intid = GIC_SPI_FIRST; intid < gic.lines; intid++) {
        if (gic.version == 3) {
            mmio_write32(gic.gicd + GICD_IROUTER + 8 * intid, vcpu_self());
            mmio_write32(gic.gicd + GICD_IROUTER + 8 * intid + 4, 0);
        } else {
            mmio_write8(gic.gicd + GICD_ITARGETSR + intid, (uint8_t)(1u << vcpu_self()));
        }
    }
}

static bool find(void) {
    uint64_t size;
    int node = fdt_next_with(FDT_NONE, "compatible", "arm,gic-v3");
    if (node != FDT_NONE) {
        gic.version = 3;
        return fdt_reg(node, 0, &gic.gicd, &size) && fdt_reg(node, 1, &gic.gicr, &gic.gicr_size);
    }
    gic.version = 2;
    node = fdt_next_with(FDT_NONE, "compatible", "arm,cortex-a15-gic");
    if (node == FDT_NONE) node = fdt_next_with(FDT_NONE, "compatible", "arm,gic-400");
    return fdt_reg(node, 0, &gic.gicd, &size) && fdt_reg(node, 1, &gic.gicc, &size);
}

bool gic_init(void) {
    if (!find()) return false;
    gic.lines = 32 * ((mmio_read32(gic.gicd + GICD_TYPER) & 0x1f) + 1);
    if (gic.lines > INTIDS_MAX) gic.lines = INTIDS_MAX;
    mmio_write32(gic.gicd + GICD_CTLR, 0);
    set_defaults(GIC_SPI_FIRST, gic.lines);
    if (gic.version == 3) {
        mmio_write32(gic.gicd + GICD_CTLR, GICD_CTLR_ARE);
        route_spis_to_boot_vcpu();
        mmio_write32(gic.gicd + GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GRP1A | GICD_CTLR_GRP0);
    } else {
        route_spis_to_boot_vcpu();
        mmio_write32(gic.gicd + GICD_CTLR, GICD_CTLR_GRP0);
    }
    gic_init_vcpu();
    return true;
}

void irq_dispatch(uint64_t stamp) {
    uint32_t ack, intid;
    if (gic.version == 3)
        ack = intid = (uint32_t)SYSREG_READ(S3_0_C12_C12_0); // ICC_IAR1_EL1
    else
        intid = (ack = mmio_read32(gic.gicc + GICC_IAR)) & 0x3ff;
    if (intid >= GIC_SPURIOUS) return;
    if (handlers[intid]) handlers[intid](intid, stamp);
    if (gic.version == 3)
        SYSREG_WRITE(S3_0_C12_C12_1, ack); // ICC_EOIR1_EL1
    else
        mmio_write32(gic.gicc + GICC_EOIR, ack);
}
