// SPDX-License-Identifier: Apache-2.0
// What is counted, from day one. Everything is written by the owning core only and read by anybody: a reader may see
// a value one event old, never a torn one (aligned 64-bit words).
#ifndef KERNEL_STATS_H
#define KERNEL_STATS_H

#include "kernel/types.h"

// Log-linear histogram: 8 buckets per power of two, 1 tick .. 2^40 ticks; relative error of a quantile <= 12.5 %.
enum { HISTOGRAM_BUCKETS = 8 * 38 };
struct histogram {
    uint64_t count, sum, min, max;
    uint32_t bucket[HISTOGRAM_BUCKETS];
};
void histogram_add(struct histogram *h, uint64_t value); // bounded, a few instructions
uint64_t histogram_quantile(const struct histogram *h, unsigned permille);

enum exit_reason { // every way into the hypervisor from a guest
    EXIT_OTHER,    // 0: what no table names
    EXIT_IPI,
    EXIT_DEVICE_IRQ,
    EXIT_VTIMER,
    EXIT_MAINTENANCE,
    EXIT_HYPERCALL,
    EXIT_FIRMWARE,
    EXIT_WAIT,
    EXIT_SYSREG,
    EXIT_MMIO,
    EXIT_UNDEFINED,
    EXIT_ABORT,
    EXIT_REASONS
};
extern const char *const exit_reason_names[EXIT_REASONS];

struct vcpu_stats {
    uint64_t exits[EXIT_REASONS];
    uint64_t wakeups;
    struct histogram lateness; // guest timer: expiry to entry of the guest with it pending, ticks
};

struct vm_stats {
    uint64_t starts, failures;
    uint64_t copy_ticks, scrub_ticks; // of its last start
};

struct cpu_stats {
    uint64_t irq_ticks; // spent handling interrupts, charged to their owners
    uint64_t idle_ticks;
    uint64_t idle_since; // the core waits since then, not yet in idle_ticks; 0: it does not
    uint64_t masked_max; // longest section with interrupts masked since boot, ticks
    uint64_t dispatches, switches, ipis_sent, ipis_saved;
    uint64_t hashing_ticks; // boot core: spent on the system image's hashes
    struct {
        uint64_t expiries, late_sum, late_min, late_max; // compare value to interrupt, ticks
    } timer;
};

#endif
