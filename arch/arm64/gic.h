// SPDX-License-Identifier: Apache-2.0
// The machine's interrupt controller: one record per kind (gicv2.c, gicv3.c), chosen once at boot from the board's
// device tree. Source: Arm GIC Architecture Specification IHI 0069 (v3/v4), IHI 0048B (v2).
#ifndef ARM64_GIC_H
#define ARM64_GIC_H

#include "kernel/types.h"

struct cpu;
struct vcpu;
struct vgic_cpu;

enum {
    GIC_SGI_KICK = 0, // the only SGI the hypervisor uses: look at `todo`
    GIC_PPI_MAINTENANCE = 25,
    GIC_PPI_HYP_TIMER = 26,
    GIC_PPI_VTIMER = 27,
    GIC_PPI_PTIMER = 30,
    GIC_SPI_FIRST = 32,
    GIC_SPURIOUS = 1023,
    GIC_MAX_LR = 16,
    GIC_MAX_IRQ = 1020,
};

struct gic_ops {
    const char *name;
    unsigned version;                       // 2 or 3: what its guests see too
    int (*init)(const void *fdt, int node); // boot core: maps, checks, resets the distributor
    int (*cpu_init)(struct cpu *cpu);       // each core: its interface, PPIs, virtual interface off
    uint32_t (*acknowledge)(
        void); // INTID, GIC_SPURIOUS when none; v2: bits 10-12 the sender of an SGI
    void (*drop)(uint32_t iar); // priority drop (EOImode 1)
    void (*deactivate)(uint32_t iar);
    void (*send_kick)(struct cpu *target); // GIC_SGI_KICK
    void (*enable)(unsigned irq, bool on); // SPIs, and PPIs of the calling core
    void (*configure)(unsigned irq, bool edge);
    void (*route)(unsigned irq, struct cpu *cpu);  // SPI
    void (*set_active)(unsigned irq, bool active); // SPI, or PPI of the calling core
    void (*set_pending)(unsigned irq, bool pending);
    // virtual interface of the calling core
    unsigned lr_count;                        // set by cpu_init of the boot core
    void (*virtual_load)(struct vgic_cpu *v); // all of it: LRs, VMCR, APRs
    void (*virtual_save)(struct vgic_cpu *v);
    void (*virtual_on)(bool on); // ICH_HCR.En / GICH_HCR.En
    void (*write_lr)(unsigned i,
                     uint64_t lr); // in the v3 format (struct comment in vgic.h); v2 converts
    uint64_t (*read_lr)(unsigned i);
    uint64_t (*empty_lrs)(void); // bitmap (ELRSR)
    void (*underflow_irq)(
        bool on); // maintenance interrupt when at most one LR is valid (UIE) / NPIE as needed
};

extern const struct gic_ops gicv2_ops, gicv3_ops;
extern const struct gic_ops *gic; // constant after boot

// Finds the controller in the board's tree, sets `gic`, initialises it. Boot core.
int gic_init(const void *board_fdt);
unsigned gic_spi_limit(void); // first INTID beyond the machine's SPIs

#endif
