// SPDX-License-Identifier: Apache-2.0
// GICv3 (IHI 0069): affinity routing, group 1, CPU and virtual interfaces by system registers, EOImode 1: a handler drops
// the priority at once, and what a guest ends stays active until then.
#include "arch/arm64/gic.h"

#include <libfdt.h>

#include "arch/arm64/gic_mmio.h"
#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/space.h"

enum { MAX_REGIONS = 4 };

// Constant after boot.
static struct {
    unsigned region_count;
    struct {
        void *base;
        uint64_t size;
    } regions[MAX_REGIONS];   // of redistributors
    uint64_t stride;          // between redistributors; 0: as each one says
    unsigned apr_count;       // ICH_AP0R<n> and AP1R<n> that exist
    uint64_t kick[MAX_CORES]; // what ICC_SGI1R_EL1 takes to kick a core
} v3;

// ---- start ------------------------------------------------------------------------------------------------

static int map_redistributors(const void *fdt, int node) {
    const fdt32_t *count = fdt_getprop(fdt, node, "#redistributor-regions", NULL);
    const fdt32_t *stride = fdt_getprop(fdt, node, "redistributor-stride", NULL);

    v3.region_count = count != NULL ? fdt32_to_cpu(*count) : 1;
    v3.stride = stride != NULL ? (uint64_t)fdt32_to_cpu(stride[0]) << 32 | fdt32_to_cpu(stride[1]) : 0;
    if (v3.region_count == 0 || v3.region_count > MAX_REGIONS) { return ERR_UNSUPPORTED; }
    for (unsigned i = 0; i < v3.region_count; i++) {
        struct range range;
        if (board_reg(fdt, node, 1 + i, &range) != OK) { return ERR_INVALID; }
        v3.regions[i].base = space_map(SPACE_DEVICES, range.base, range.size);
        v3.regions[i].size = range.size;
        if (v3.regions[i].base == NULL) { return ERR_NO_MEMORY; }
    }
    return OK;
}

static COLD int init(const void *fdt, int node) {
    int status = gic_map_distributor(fdt, node);

    if (status == OK) { status = map_redistributors(fdt, node); }
    if (status != OK) {
        log_line("board: %s: reg and redistributors cannot be used (%d)", fdt_get_name(fdt, node, NULL), status);
        return status;
    }
    gic_reset_distributor(~0u);
    gic_write(gic_machine.gicd, GICD_CTLR, GICD_CTLR_ARE); // before group 1 is enabled (IHI 0069, 12.9.4)
    gic_wait_distributor();
    gic_write(gic_machine.gicd, GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GRP1);
    gic_wait_distributor();
    return OK;
}

// Aff3..Aff0 packed to 32 bits, as GICR_TYPER has them.
static uint32_t packed_affinity(uint64_t mpidr) {
    return (uint32_t)(mpidr & 0xffffff) | (uint32_t)(mpidr >> 32 & 0xff) << 24;
}

static void *find_redistributor(uint32_t affinity) {
    for (unsigned i = 0; i < v3.region_count; i++) {
        uint64_t offset = 0, step;
        for (; offset + 2 * GICR_SGI_FRAME <= v3.regions[i].size; offset += step) {
            char *frame = (char *)v3.regions[i].base + offset;
            uint32_t type = gic_read(frame, GICR_TYPER);
            if (gic_read(frame, GICR_TYPER + 4) == affinity) { return frame; }
            if ((type & GICR_TYPER_LAST) != 0) { break; }
            // Two frames of 64 KiB, two more where virtual LPIs exist.
            step = v3.stride != 0 ? v3.stride : ((type & GICR_TYPER_VLPIS) != 0 ? 4ul : 2ul) * GICR_SGI_FRAME;
        }
    }
    return NULL;
}

static void init_interface(void) {
    // EL1 has no access to ICC_SRE_EL1 (Enable = 0): it is the core's, not the guest's.
    write_sysreg(icc_sre_el2, ICC_SRE_SRE | ICC_SRE_DFB | ICC_SRE_DIB);
    isb();
    write_sysreg(icc_sre_el1, ICC_SRE_SRE | ICC_SRE_DFB | ICC_SRE_DIB);
    isb();
    write_sysreg(icc_pmr_el1, GIC_PRIORITY_MASK);
    write_sysreg(icc_bpr1_el1, 0);
    write_sysreg(icc_ctlr_el1, ICC_CTLR_EOIMODE);
    write_sysreg(icc_igrpen1_el1, 1);
    write_sysreg(ich_hcr_el2, 0);
    write_sysreg(ich_vmcr_el2, 0);
    uint64_t vtr = read_sysreg(ich_vtr_el2);
    gic_machine.lr_count = MIN((unsigned)(vtr & ICH_VTR_LRS) + 1, (unsigned)GIC_MAX_LR);
    v3.apr_count = 1u << ((vtr >> ICH_VTR_PREBITS_SHIFT & 7) + 1 - 5); // 5 to 7 bits
}

// The kick for the core with this affinity.
static uint64_t kick_value(uint64_t mpidr) {
    return (mpidr >> 32 & 0xff) << ICC_SGIR_AFF3_SHIFT | (mpidr >> 16 & 0xff) << ICC_SGIR_AFF2_SHIFT |
           (mpidr >> 8 & 0xff) << ICC_SGIR_AFF1_SHIFT | (mpidr >> 4 & 0xf) << ICC_SGIR_RS_SHIFT |
           1ull << (mpidr & 0xf) | (uint64_t)GIC_SGI_KICK << ICC_SGIR_INTID_SHIFT;
}

#define LIST_REGISTERS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

static void write_lr(unsigned i, uint64_t lr) {
    switch (i) {
#define WRITE(n) \
    case n: write_sysreg(ich_lr##n##_el2, lr); break;
        LIST_REGISTERS(WRITE)
#undef WRITE
    }
}

static COLD int cpu_init(struct cpu *cpu) {
    uint64_t mpidr = read_sysreg(mpidr_el1);
    void *gicr = find_redistributor(packed_affinity(mpidr));

    if (gicr == NULL) {
        log_line("core %u: the device tree lists no redistributor for it", cpu->id);
        return ERR_NOT_FOUND;
    }
    cpu->arch.gic_own = (char *)gicr + GICR_SGI_FRAME;
    v3.kick[cpu->id] = kick_value(mpidr);
    gic_write(gicr, GICR_WAKER, gic_read(gicr, GICR_WAKER) & ~GICR_WAKER_SLEEP);
    if (!gic_wait_clear(gicr, GICR_WAKER, GICR_WAKER_CHILDREN)) {
        log_line("core %u: its redistributor does not wake up", cpu->id);
        return ERR_UNSUPPORTED;
    }
    gic_reset_word(cpu->arch.gic_own, 0, ~0u);
    gic_wait_clear(gicr, GICR_CTLR, GICR_CTLR_RWP);
    init_interface();
    for (unsigned i = 0; i < gic_machine.lr_count; i++) { write_lr(i, 0); }
    return OK;
}

// ---- physical interrupts ----------------------------------------------------------------------------------

static uint32_t acknowledge(void) {
    uint32_t iar = (uint32_t)read_sysreg(icc_iar1_el1);

    dsb_sy(); // the acknowledge is complete before anything that relies on it (IHI 0069, 4.4)
    return iar;
}

static void drop(uint32_t iar) { write_sysreg(icc_eoir1_el1, iar); }

static void deactivate(uint32_t iar) { write_sysreg(icc_dir_el1, iar); }

static void send_kick(struct cpu *target) {
    dsb_ish(); // what the target shall look at is there before the interrupt
    write_sysreg(icc_sgi1r_el1, v3.kick[target->id]);
    isb();
}

static void send_stop(void) {
    write_sysreg(icc_sgi1r_el1, ICC_SGIR_IRM | (uint64_t)GIC_SGI_STOP << ICC_SGIR_INTID_SHIFT);
    isb();
}

static void route(unsigned irq, struct cpu *cpu) {
    uint64_t affinity = cpu->hwid & 0xff00ffffffull;

    gic_write(gic_machine.gicd, GICD_IROUTER + 8 * irq, (uint32_t)affinity);
    gic_write(gic_machine.gicd, GICD_IROUTER + 8 * irq + 4, (uint32_t)(affinity >> 32));
}

// ---- virtual interface ------------------------------------------------------------------------------------

static uint64_t read_lr(unsigned i) {
    switch (i) {
#define READ(n) \
    case n: return read_sysreg(ich_lr##n##_el2);
        LIST_REGISTERS(READ)
#undef READ
    default: return 0;
    }
}

static uint32_t empty_lrs(void) {
    isb(); // a list register written since the exception is seen (IHI 0069, 12.1.2)
    // One that asked for maintenance at its end is not in ELRSR before it was overwritten.
    return (uint32_t)(read_sysreg(ich_elrsr_el2) | read_sysreg(ich_eisr_el2));
}

// Active priorities beyond the 32 of the first registers: 6 or 7 bits of preemption. X(group, register).
#define SECOND_APRS(X)     X(0, 1) X(1, 1)
#define LAST_APRS(X)       X(0, 2) X(0, 3) X(1, 2) X(1, 3)
#define LOAD_APR(group, n) write_sysreg(ich_ap##group##r##n##_el2, v->apr[group][n]);
#define SAVE_APR(group, n) v->apr[group][n] = (uint32_t)read_sysreg(ich_ap##group##r##n##_el2);

static COLD void load_more_aprs(const struct vgic_cpu *v) {
    SECOND_APRS(LOAD_APR)
    if (v3.apr_count > 2) { LAST_APRS(LOAD_APR) }
}

static COLD void save_more_aprs(struct vgic_cpu *v) {
    SECOND_APRS(SAVE_APR)
    if (v3.apr_count > 2) { LAST_APRS(SAVE_APR) }
}

// Few list registers are in use at a time, and the first ones first: those are reached without a call.
#define FIRST_LIST_REGISTERS(X)   X(0) X(1) X(2) X(3)
#define FIRST_LIST_REGISTERS_MASK 0xfu

static void virtual_load(const struct vgic_cpu *v) {
    uint32_t used = v->used;

    write_sysreg(ich_vmcr_el2, v->vmcr);
    write_sysreg(ich_ap0r0_el2, v->apr[0][0]);
    write_sysreg(ich_ap1r0_el2, v->apr[1][0]);
    if (unlikely(v3.apr_count > 1)) { load_more_aprs(v); }
    if (used != 0) {
#define LOAD(n) \
    if ((used & 1u << (n)) != 0) { write_sysreg(ich_lr##n##_el2, v->lr[(n)]); }
        FIRST_LIST_REGISTERS(LOAD)
#undef LOAD
        for (used &= ~FIRST_LIST_REGISTERS_MASK; used != 0; used &= used - 1) {
            unsigned i = (unsigned)__builtin_ctz(used);
            write_lr(i, v->lr[i]);
        }
    }
    write_sysreg(ich_hcr_el2, v->hcr);
}

static void virtual_save(struct vgic_cpu *v) {
    uint32_t used = v->used;

    v->vmcr = (uint32_t)read_sysreg(ich_vmcr_el2);
    v->apr[0][0] = (uint32_t)read_sysreg(ich_ap0r0_el2);
    v->apr[1][0] = (uint32_t)read_sysreg(ich_ap1r0_el2);
    if (unlikely(v3.apr_count > 1)) { save_more_aprs(v); }
    if (used != 0) {
#define SAVE(n)                                  \
    if ((used & 1u << (n)) != 0) {               \
        v->lr[n] = read_sysreg(ich_lr##n##_el2); \
        write_sysreg(ich_lr##n##_el2, 0);        \
    }
        FIRST_LIST_REGISTERS(SAVE)
#undef SAVE
        for (used &= ~FIRST_LIST_REGISTERS_MASK; used != 0; used &= used - 1) {
            unsigned i = (unsigned)__builtin_ctz(used);
            v->lr[i] = read_lr(i);
            write_lr(i, 0);
        }
    }
    if (unlikely((v->hcr & GIC_HCR_LRENPIE) != 0)) {
        v->hcr = (uint32_t)read_sysreg(ich_hcr_el2); // with EOIcount
    }
    write_sysreg(ich_hcr_el2, 0);
}

static void virtual_control(uint32_t hcr) { write_sysreg(ich_hcr_el2, hcr); }

static uint32_t read_hcr(void) { return (uint32_t)read_sysreg(ich_hcr_el2); }

const struct gic_ops gicv3_ops = GIC_OPS(3);
