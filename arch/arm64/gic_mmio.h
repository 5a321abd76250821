// SPDX-License-Identifier: Apache-2.0
// Memory-mapped registers of the interrupt controllers, and what both kinds do with them.
#ifndef ARM64_GIC_MMIO_H
#define ARM64_GIC_MMIO_H

#include "arch/arm64/gic_regs.h"
#include "arch/arm64/sysreg.h"
#include "kernel/types.h"

// The hypervisor's timer and its kicks come before whatever else is pending.
enum { GIC_PRIORITY_URGENT = 0x80, GIC_PRIORITY_NORMAL = 0xa0, GIC_PRIORITY_MASK = 0xf0 };

static inline uint32_t gic_read(const void *frame, unsigned offset) {
    return *(const volatile uint32_t *)(const void *)((const char *)frame + offset);
}

static inline void gic_write(void *frame, unsigned offset, uint32_t value) {
    *(volatile uint32_t *)(void *)((char *)frame + offset) = value;
}

// One bit of a set/clear register.
static inline void gic_write_bit(void *frame, unsigned base, unsigned irq) {
    gic_write(frame, base + irq / 32 * 4, 1u << irq % 32);
}

// Returns when a write to the device has taken effect: reading the device back orders behind it.
static inline void gic_complete(const void *frame, unsigned offset) {
    (void)gic_read(frame, offset);
    dsb_sy();
}

// Waits until `bits` are clear; false after longer than any controller takes.
static inline bool gic_wait_clear(const void *frame, unsigned offset, uint32_t bits) {
    for (unsigned i = 0; i < 1000000; i++) {
        if ((gic_read(frame, offset) & bits) == 0) { return true; }
    }
    return false;
}

static inline void gic_write_config(void *frame, unsigned irq, bool edge) {
    unsigned offset = GICD_ICFGR + irq / 16 * 4;
    uint32_t bit = 2u << irq % 16 * 2;
    uint32_t value = gic_read(frame, offset);

    gic_write(frame, offset, edge ? value | bit : value & ~bit);
}

// 32 interrupts off, idle, in the groups given, level-triggered, of normal priority; of word 0 the urgent ones urgent.
void gic_reset_word(void *frame, unsigned word, uint32_t group);

#endif
