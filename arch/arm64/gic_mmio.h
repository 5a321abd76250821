// SPDX-License-Identifier: Apache-2.0
// Memory-mapped registers of the interrupt controllers, and what both kinds do with them.
#ifndef ARM64_GIC_MMIO_H
#define ARM64_GIC_MMIO_H

#include "arch/arm64/gic_regs.h"
#include "arch/arm64/sysreg.h"
#include "kernel/types.h"

// The hypervisor's timer comes before whatever else is pending, and a kick after it: what it asks for is done on the way
// out of any handler.
enum { GIC_PRIORITY_FIRST = 0x80, GIC_PRIORITY_NORMAL = 0xa0, GIC_PRIORITY_LAST = 0xc0, GIC_PRIORITY_MASK = 0xf0 };

static inline uint32_t gic_read(const void *frame, unsigned offset) {
    return *(const volatile uint32_t *)(const void *)((const char *)frame + offset);
}

static inline void gic_write(void *frame, unsigned offset, uint32_t value) {
    *(volatile uint32_t *)(void *)((char *)frame + offset) = value;
}

// Waits until `bits` are clear; false after longer than any controller takes.
bool gic_wait_clear(const void *frame, unsigned offset, uint32_t bits);

// Maps frame `index` of the node's registers. ERR_NO_MEMORY, or as board_reg(). Boot core.
int gic_map_frame(const void *fdt, int node, unsigned index, void **frame);
// Maps the distributor, the first of the node's frames, and sets gic_machine.gicd and spi_limit. Boot core.
int gic_map_distributor(const void *fdt, int node);

// 32 interrupts off, idle, in the groups given, level-triggered, of normal priority; of word 0 the hypervisor's are on.
void gic_reset_word(void *frame, unsigned word, uint32_t group);
// The distributor off, its SPIs so, in the groups given.
void gic_reset_distributor(uint32_t group);
// Waits until the distributor has done what was written; v2 has no such bit, it reads as 0.
void gic_wait_distributor(void);

#endif
