// SPDX-License-Identifier: Apache-2.0
// Several VCPUs against the same registers of the distributor, and against each other's TLBs.
#include "arm64.h"
#include "gic.h"

#define GICD_ENABLES  0x100
#define GICD_PRIORITY 0x400

static void write_enables(void) {
    for (unsigned i = 0; !smp_stop; i++) {
        mmio_write32(gic.gicd + GICD_ENABLES + 0x80 * (i & 1) + 4 * (1 + i / 2 % 7), ~0u);
        mmio_write32(gic.gicd + GICD_PRIORITY + 32 + 4 * (i % 56), i);
        gic_set_pending(GIC_SPI_FIRST + i % (gic.lines - GIC_SPI_FIRST));
    }
}

static void gic_race(void) { smp_run(write_enables); }

static void invalidate(void) {
    while (!smp_stop) __asm__ volatile("tlbi vmalle1is\n\tic ialluis\n\tdsb ish\n\tisb" ::: "memory");
}

static void broadcasts(void) { smp_run(invalidate); }

const struct attack race_attacks[] = {
    {"smp-gic-race", gic_race, CONTINUES},
    {"smp-broadcasts", broadcasts, CONTINUES},
    {0},
};
