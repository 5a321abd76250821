// SPDX-License-Identifier: Apache-2.0
// The machine's interrupt controller: one record per kind (gicv2.c, gicv3.c), chosen once at boot from the board's
// device tree. Source: Arm GIC Architecture Specification IHI 0069 (v3/v4), IHI 0048B (v2).
#ifndef ARM64_GIC_H
#define ARM64_GIC_H

#include "kernel/types.h"

struct cpu;
struct vgic_cpu;

enum {
    GIC_SGI_KICK = 0,    // look at `todo`
    GIC_SGI_STOP = 1,    // another core panics
    GIC_PPI_VTIMER = 27, // a guest's timers: as on QEMU's virt machine. The machine's own: gic_machine.
    GIC_PPI_PTIMER = 30,
    GIC_SPI_FIRST = 32,
    GIC_SPURIOUS = 1023,
    GIC_MAX_LR = 16,
    GIC_MAX_IRQ = 1020,
};

// ICH_HCR_EL2 and GICH_HCR: the same bits at the same places.
#define GIC_HCR_EN              (1u << 0)
#define GIC_HCR_LRENPIE         (1u << 2) // an interrupt was ended that no list register has (EOIcount)
#define GIC_HCR_NPIE            (1u << 3) // no list register is pending
#define GIC_HCR_EOI_COUNT_SHIFT 27

struct gic_ops {
    unsigned version;                       // 2 or 3: what its guests see too
    int (*init)(const void *fdt, int node); // boot core: maps, checks, resets the distributor
    int (*cpu_init)(struct cpu *cpu);       // each core: its interface, PPIs, virtual interface off
    // INTID, GIC_SPURIOUS when none; v2: bits 10-12 the sender of an SGI
    uint32_t (*acknowledge)(void);
    void (*drop)(uint32_t iar); // priority drop (EOImode 1)
    void (*deactivate)(uint32_t iar);
    void (*send_kick)(struct cpu *target);        // GIC_SGI_KICK
    void (*send_stop)(void);                      // GIC_SGI_STOP, to every other core
    void (*route)(unsigned irq, struct cpu *cpu); // SPI
    // virtual interface of the calling core; list registers in the v3 format of vgic.h
    void (*virtual_load)(const struct vgic_cpu *v); // used LRs, VMCR, APRs, HCR
    void (*virtual_save)(struct vgic_cpu *v);       // and leaves the used LRs empty, HCR off
    void (*virtual_control)(uint32_t hcr);          // EOIcount becomes 0
    uint32_t (*read_hcr)(void);                     // with EOIcount
    void (*write_lr)(unsigned i, uint64_t lr);
    uint64_t (*read_lr)(unsigned i);
    uint32_t (*empty_lrs)(void); // bitmap (ELRSR, EISR): neither pending nor active
};

// The record of one kind, in its file: the functions there have the names of its members.
#define GIC_OPS(number)                     \
    {                                       \
        .version = (number),                \
        .init = init,                       \
        .cpu_init = cpu_init,               \
        .acknowledge = acknowledge,         \
        .drop = drop,                       \
        .deactivate = deactivate,           \
        .send_kick = send_kick,             \
        .send_stop = send_stop,             \
        .route = route,                     \
        .virtual_load = virtual_load,       \
        .virtual_save = virtual_save,       \
        .virtual_control = virtual_control, \
        .read_hcr = read_hcr,               \
        .write_lr = write_lr,               \
        .read_lr = read_lr,                 \
        .empty_lrs = empty_lrs,             \
    }

extern const struct gic_ops gicv2_ops, gicv3_ops;

// The same for both kinds (gic.c).
void gic_enable(unsigned irq, bool on);      // SPI; of a core's own the hypervisor's are always on
void gic_configure(unsigned irq, bool edge); // SPI
// SPI, or PPI of the calling core. Setting it is complete on return: the source may be switched on.
void gic_set_active(unsigned irq, bool active);
void gic_set_pending(unsigned irq, bool pending); // SPI

// Constant after boot; on the host a test sets them.
extern const struct gic_ops *gic;
struct gic_machine {
    unsigned lr_count;
    unsigned spi_limit; // first INTID beyond the machine's SPIs
    paddr_t gicv;       // v2: the virtual CPU interface that guests are given, VGIC_GICC_SIZE
    void *gicd;         // the distributor
    // Each core's own, by INTID: the virtual interface's maintenance, the hypervisor's timer, the virtual timer
    unsigned maintenance, hyp_timer, vtimer;
};
extern struct gic_machine gic_machine;

// Reads the three from the controller's node and the timer's. Boot core, before the distributor is set up.
// ERR_NOT_FOUND, ERR_RANGE, ERR_UNSUPPORTED, with a log line.
int gic_find_ppis(const void *board_fdt, int node);

// Finds the controller in the board's tree, sets `gic`, initialises it. Boot core. ERR_NOT_FOUND, ERR_UNSUPPORTED, with
// a log line.
int gic_init(const void *board_fdt);

#endif
