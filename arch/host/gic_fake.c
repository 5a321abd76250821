// SPDX-License-Identifier: Apache-2.0
#include "arch/host/gic_fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arm64/gic.h"
#include "arch/arm64/vgic.h"
#include "kernel/cpu.h"

enum { SOURCE_SHIFT = 10 };

const struct gic_ops *gic;
struct gic_machine gic_machine;

static struct {
    uint64_t lr[GIC_MAX_LR];
    uint32_t hcr, vmcr;
    uint32_t running; // active priorities, a bit for each of 32 levels, as in ICH_AP1R0_EL2
    bool active[GIC_SPI_FIRST];
} cores[MAX_CORES], *const boot = &cores[0];
static bool spi_active[GIC_MAX_IRQ];
static unsigned lr_count;

#define CORE (cores[this_cpu()->id])

static void unpredictable(const char *what) {
    fprintf(stderr, "gic: %s\n", what);
    abort();
}

static unsigned id_of(uint64_t lr) { return (unsigned)(lr & 0x3ff); }

static unsigned level_of(uint64_t lr) { return (unsigned)(lr >> LR_PRIORITY_SHIFT & 0xff) >> 3; }

static bool *active_of(unsigned irq) { return irq < GIC_SPI_FIRST ? &CORE.active[irq] : &spi_active[irq]; }

// ---- the record -------------------------------------------------------------------------------------------

static void write_lr(unsigned i, uint64_t lr) {
    if (i >= lr_count) { unpredictable("a list register that does not exist"); }
    if ((lr & LR_HW) != 0 && (lr & LR_STATE) == LR_STATE) { unpredictable("a linked interrupt is pending and active"); }
    for (unsigned j = 0; j < lr_count && (lr & LR_STATE) != 0; j++) {
        if (j != i && (CORE.lr[j] & LR_STATE) != 0 && id_of(CORE.lr[j]) == id_of(lr)) {
            unpredictable("an interrupt is in two list registers");
        }
    }
    CORE.lr[i] = lr;
}

static uint64_t read_lr(unsigned i) { return CORE.lr[i]; }

static uint32_t empty_lrs(void) {
    uint32_t empty = 0;

    for (unsigned i = 0; i < lr_count; i++) { empty |= (CORE.lr[i] & LR_STATE) == 0 ? 1u << i : 0; }
    return empty;
}

static void virtual_load(const struct vgic_cpu *v) {
    for (unsigned i = 0; i < lr_count; i++) {
        if (CORE.lr[i] != 0) { unpredictable("the last VCPU left something in the list registers"); }
    }
    for (unsigned i = 0; i < lr_count; i++) {
        if ((v->used & 1u << i) != 0) { write_lr(i, v->lr[i]); }
    }
    CORE.vmcr = v->vmcr;
    CORE.running = v->apr[1][0];
    CORE.hcr = v->hcr;
}

static void virtual_save(struct vgic_cpu *v) {
    for (unsigned i = 0; i < lr_count; i++) {
        if ((v->used & 1u << i) != 0) {
            v->lr[i] = CORE.lr[i];
            CORE.lr[i] = 0;
        }
    }
    v->vmcr = CORE.vmcr;
    v->apr[1][0] = CORE.running;
    if ((v->hcr & GIC_HCR_LRENPIE) != 0) { v->hcr = CORE.hcr; }
    CORE.hcr = 0;
}

static void virtual_control(uint32_t hcr) { CORE.hcr = hcr; }

static uint32_t read_hcr(void) { return CORE.hcr; }

void gic_set_active(unsigned irq, bool active) { *active_of(irq) = active; }

// A test may have its own.
__attribute__((weak)) void gic_enable(unsigned irq, bool on) {
    (void)irq;
    (void)on;
}

__attribute__((weak)) void gic_configure(unsigned irq, bool edge) {
    (void)irq;
    (void)edge;
}

__attribute__((weak)) void gic_set_pending(unsigned irq, bool pending) {
    (void)irq;
    (void)pending;
}

static void fake_reset_ops(struct gic_ops *ops, unsigned version) {
    *ops = (struct gic_ops){
        .version = version,
        .virtual_load = virtual_load,
        .virtual_save = virtual_save,
        .virtual_control = virtual_control,
        .read_hcr = read_hcr,
        .write_lr = write_lr,
        .read_lr = read_lr,
        .empty_lrs = empty_lrs,
    };
}

void gic_fake_reset(unsigned version, unsigned lrs) {
    static struct gic_ops ops;

    fake_reset_ops(&ops, version);
    gic = &ops;
    memset(boot, 0, sizeof(cores));
    memset(spi_active, 0, sizeof(spi_active));
    lr_count = lrs;
    gic_machine = (struct gic_machine){.lr_count = lrs, .spi_limit = 288, .gicv = 0x08040000};
}

// ---- the guest's side -------------------------------------------------------------------------------------

uint32_t gic_fake_take(void) {
    unsigned best = GIC_MAX_LR;

    for (unsigned i = 0; i < lr_count && (CORE.hcr & GIC_HCR_EN) != 0; i++) {
        if ((CORE.lr[i] & LR_STATE) == LR_PENDING &&
            (best == GIC_MAX_LR || level_of(CORE.lr[i]) < level_of(CORE.lr[best]))) {
            best = i;
        }
    }
    if (best == GIC_MAX_LR) { return GIC_SPURIOUS; }
    uint64_t *lr = &CORE.lr[best];
    uint32_t bit = 1u << level_of(*lr);
    if ((CORE.running & ((bit << 1) - 1)) != 0) { // something as urgent is being handled
        return GIC_SPURIOUS;
    }
    CORE.running |= bit;
    *lr = (*lr & ~LR_STATE) | LR_ACTIVE;
    if (gic->version == 2 && id_of(*lr) < 16) {
        return id_of(*lr) | (uint32_t)(*lr >> LR_SOURCE_SHIFT & 7) << SOURCE_SHIFT;
    }
    return id_of(*lr);
}

void gic_fake_end(uint32_t iar) {
    unsigned id = iar & 0x3ff, source = iar >> SOURCE_SHIFT;

    CORE.running &= CORE.running - 1;
    for (unsigned i = 0; i < lr_count; i++) {
        uint64_t *lr = &CORE.lr[i];
        bool sender = gic->version != 2 || id >= 16 || (*lr >> LR_SOURCE_SHIFT & 7) == source;
        if ((*lr & LR_ACTIVE) != 0 && id_of(*lr) == id && sender) {
            *lr &= ~LR_ACTIVE;
            if ((*lr & LR_HW) != 0) { *active_of((unsigned)(*lr >> LR_PHYSICAL_SHIFT & 0x3ff)) = false; }
            return;
        }
    }
    if (CORE.hcr >> GIC_HCR_EOI_COUNT_SHIFT < 31) { CORE.hcr += 1u << GIC_HCR_EOI_COUNT_SHIFT; }
}

// ---- the machine's side -----------------------------------------------------------------------------------

bool gic_fake_fire(unsigned irq) {
    if (*active_of(irq)) { return false; }
    *active_of(irq) = true;
    return true;
}

bool gic_fake_is_active(unsigned irq) { return *active_of(irq); }

bool gic_fake_maintenance(void) {
    bool pending = false, ended = false;

    for (unsigned i = 0; i < lr_count; i++) {
        uint64_t lr = CORE.lr[i];
        pending |= (lr & LR_PENDING) != 0;
        ended |= (lr & (LR_STATE | LR_HW | LR_EOI)) == LR_EOI;
    }
    return (CORE.hcr & GIC_HCR_EN) != 0 &&
           (ended || (!pending && (CORE.hcr & GIC_HCR_NPIE) != 0) ||
            ((CORE.hcr & GIC_HCR_LRENPIE) != 0 && CORE.hcr >> GIC_HCR_EOI_COUNT_SHIFT != 0));
}

uint64_t gic_fake_lr(unsigned i) { return CORE.lr[i]; }
