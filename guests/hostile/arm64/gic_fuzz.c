// SPDX-License-Identifier: Apache-2.0
// The interrupt controller's registers with every width at every offset, read and written.
#include "arm64.h"

#include "gic.h"
#include "interrupts.h"

#define ACCESSES  30000
#define GICD_SIZE 0x10000
#define GICD_V2   0x1000
#define GICC_SIZE 0x2000

// Every word of [base, base + size), read and written in order.
static void sweep(uintptr_t base, uint64_t size) {
    for (uint64_t offset = 0; offset < size; offset += 4) {
        struct access a = {base + offset, ~0ull, 2, false};
        step(make_access, &a);
        a.write = true;
        step(make_access, &a);
        a.value = 0;
        step(make_access, &a);
    }
}

static void distributor(void) {
    uint64_t size = gic.version == 3 ? GICD_SIZE : GICD_V2;
    sweep(gic.gicd, size);
    access_at_random(gic.gicd, size, ACCESSES, 0);
    restore_interrupts();
}

// The caller's redistributor, its neighbours', and what the region holds beyond the last VCPU.
static void redistributor(void) {
    if (gic.version != 3) {
        skip("no redistributor in GICv2");
        return;
    }
    sweep(gic.gicr, 2 * GICD_SIZE);
    access_at_random(gic.gicr, vcpu_count() * 2 * GICD_SIZE, ACCESSES, 0);
    restore_interrupts();
}

static void cpu_interface(void) {
    if (gic.version != 2) {
        skip("no memory-mapped CPU interface in GICv3");
        return;
    }
    sweep(gic.gicc, GICC_SIZE);
    access_at_random(gic.gicc, GICC_SIZE, ACCESSES, 0);
    restore_interrupts();
}

// Interrupts arrive while the registers change under them.
static void live(void) {
    uint64_t size = gic.version == 3 ? GICD_SIZE : GICD_V2;
    for (uint32_t intid = 0; intid < gic.lines; intid++) {
        irq_enable(intid);
        gic_set_pending(intid);
    }
    irq_unmask();
    for (unsigned i = 0; i < ACCESSES; i++) {
        struct access a = {gic.gicd + (random64() % size & ~3ull), random64(), 2, true};
        irq_unmask();
        step(make_access, &a);
    }
    restore_interrupts();
}

const struct attack gic_attacks[] = {
    {"gic-distributor", distributor, CONTINUES},
    {"gic-redistributor", redistributor, CONTINUES},
    {"gic-cpu-interface", cpu_interface, CONTINUES},
    {"gic-live", live, CONTINUES},
    {0},
};
