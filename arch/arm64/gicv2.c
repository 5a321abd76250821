// SPDX-License-Identifier: Apache-2.0
// GICv2 with virtualisation (IHI 0048B): memory-mapped CPU interface (GICC) and virtual interface control (GICH); the
// virtual CPU interface (GICV) is mapped into guests. EOImode 1, as in gicv3.c.
#include "arch/arm64/gic.h"

#include <libfdt.h>

#include "arch/arm64/gic_mmio.h"
#include "kernel/arch.h"
#include "kernel/log.h"

enum { GICH_VTR_LRS = 0x3f };

// Constant after boot.
static struct {
    void *gicc, *gich;
    uint8_t target[MAX_CORES]; // the bit that names a core in GICD_ITARGETSR and GICD_SGIR
} v2;

// ---- start ------------------------------------------------------------------------------------------------

static int init(const void *fdt, int node) {
    struct range gicv;
    int status = gic_map_distributor(fdt, node);

    status = status == OK ? gic_map_frame(fdt, node, 1, &v2.gicc) : status;
    status = status == OK ? gic_map_frame(fdt, node, 2, &v2.gich) : status;
    status = status == OK ? board_reg(fdt, node, 3, &gicv) : status;
    if (status != OK || gicv.size < VGIC_GICC_SIZE) {
        log_line("board: %s: reg has to list GICD, GICC, GICH and GICV (%d)", fdt_get_name(fdt, node, NULL), status);
        return status != OK ? status : ERR_UNSUPPORTED;
    }
    gic_machine.gicv = gicv.base;
    gic_reset_distributor(0);
    // Without Security everything is in group 0. With it, from this side, groups cannot be set, all that is ours is in
    // group 1, and that is what these bits mean then (IHI 0048B, 4.3.1).
    gic_write(gic_machine.gicd, GICD_CTLR, GICD_CTLR_GRP0);
    return OK;
}

static int cpu_init(struct cpu *cpu) {
    v2.target[cpu->id] = (uint8_t)gic_read(gic_machine.gicd, GICD_ITARGETSR);
    cpu->arch.gic_own = gic_machine.gicd;
    gic_reset_word(gic_machine.gicd, 0, 0);
    gic_machine.lr_count = MIN((gic_read(v2.gich, GICH_VTR) & GICH_VTR_LRS) + 1, (unsigned)GIC_MAX_LR);
    gic_write(v2.gich, GICH_HCR, 0);
    gic_write(v2.gich, GICH_VMCR, 0);
    for (unsigned i = 0; i < gic_machine.lr_count; i++) { gic_write(v2.gich, GICH_LR + 4 * i, 0); }
    gic_write(v2.gicc, GICC_PMR, GIC_PRIORITY_MASK);
    gic_write(v2.gicc, GICC_BPR, 0);
    uint32_t control = gic_read(v2.gicc, GICC_CTLR) & GICC_CTLR_BYPASS_MASK;
    gic_write(v2.gicc, GICC_CTLR, control | GICC_CTLR_EOIMODE | GICC_CTLR_GRP0);
    return OK;
}

// ---- physical interrupts ----------------------------------------------------------------------------------

static uint32_t acknowledge(void) { return gic_read(v2.gicc, GICC_IAR); }

static void drop(uint32_t iar) { gic_write(v2.gicc, GICC_EOIR, iar); }

static void deactivate(uint32_t iar) { gic_write(v2.gicc, GICC_DIR, iar); }

static void send_kick(struct cpu *target) {
    dsb_ish(); // what the target shall look at is there before the interrupt
    gic_write(gic_machine.gicd, GICD_SGIR, (uint32_t)v2.target[target->id] << GICD_SGIR_TARGETS | GIC_SGI_KICK);
}

static void send_stop(void) { gic_write(gic_machine.gicd, GICD_SGIR, GICD_SGIR_ALL_OTHERS | GIC_SGI_STOP); }

static void route(unsigned irq, struct cpu *cpu) {
    *(volatile uint8_t *)((char *)gic_machine.gicd + GICD_ITARGETSR + irq) = v2.target[cpu->id];
}

// ---- virtual interface ------------------------------------------------------------------------------------

// Between the v3 layout of vgic.h and GICH_LR<n>. The fields lie in the same order; the physical number, the EOI bit
// and the sender of an SGI stay where they are to each other.
static uint32_t to_v2(uint64_t lr) {
    return (uint32_t)(lr >> 62 & 3) << GICH_LR_STATE_SHIFT | ((lr & LR_HW) != 0 ? GICH_LR_HW : 0) |
           ((lr & LR_GROUP1) != 0 ? GICH_LR_GRP1 : 0) |
           (uint32_t)(lr >> (LR_PRIORITY_SHIFT + 3) & 0x1f) << GICH_LR_PRIORITY_SHIFT |
           (uint32_t)(lr >> LR_PHYSICAL_SHIFT & GICH_LR_PHYSICAL_MASK) << GICH_LR_PHYSICAL_SHIFT |
           (uint32_t)(lr & GICH_LR_VIRTUAL_MASK);
}

static uint64_t from_v2(uint32_t lr) {
    return (uint64_t)(lr >> GICH_LR_STATE_SHIFT & 3) << 62 | ((lr & GICH_LR_HW) != 0 ? LR_HW : 0) |
           ((lr & GICH_LR_GRP1) != 0 ? LR_GROUP1 : 0) |
           (uint64_t)(lr >> GICH_LR_PRIORITY_SHIFT & 0x1f) << (LR_PRIORITY_SHIFT + 3) |
           (uint64_t)(lr >> GICH_LR_PHYSICAL_SHIFT & GICH_LR_PHYSICAL_MASK) << LR_PHYSICAL_SHIFT |
           (lr & GICH_LR_VIRTUAL_MASK);
}

static void write_lr(unsigned i, uint64_t lr) { gic_write(v2.gich, GICH_LR + 4 * i, to_v2(lr)); }

static uint64_t read_lr(unsigned i) { return from_v2(gic_read(v2.gich, GICH_LR + 4 * i)); }

static uint32_t empty_lrs(void) {
    // One that asked for maintenance at its end is not in ELRSR before it was overwritten.
    return gic_read(v2.gich, GICH_ELRSR0) | gic_read(v2.gich, GICH_EISR0);
}

static void virtual_load(const struct vgic_cpu *v) {
    gic_write(v2.gich, GICH_VMCR, v->vmcr);
    gic_write(v2.gich, GICH_APR, v->apr[0][0]);
    for (uint32_t used = v->used; used != 0; used &= used - 1) {
        unsigned i = (unsigned)__builtin_ctz(used);
        write_lr(i, v->lr[i]);
    }
    gic_write(v2.gich, GICH_HCR, v->hcr);
}

static void virtual_save(struct vgic_cpu *v) {
    v->vmcr = gic_read(v2.gich, GICH_VMCR);
    v->apr[0][0] = gic_read(v2.gich, GICH_APR);
    for (uint32_t used = v->used; used != 0; used &= used - 1) {
        unsigned i = (unsigned)__builtin_ctz(used);
        v->lr[i] = read_lr(i);
        write_lr(i, 0);
    }
    if ((v->hcr & GIC_HCR_LRENPIE) != 0) {
        v->hcr = gic_read(v2.gich, GICH_HCR); // with EOIcount
    }
    gic_write(v2.gich, GICH_HCR, 0);
}

static void virtual_control(uint32_t hcr) { gic_write(v2.gich, GICH_HCR, hcr); }

static uint32_t read_hcr(void) { return gic_read(v2.gich, GICH_HCR); }

const struct gic_ops gicv2_ops = GIC_OPS(2);
