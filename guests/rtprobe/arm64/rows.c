// SPDX-License-Identifier: Apache-2.0
// The rows of the benchmark table that an instruction of this architecture is about.
#include "firmware.h"
#include "gic.h"
#include "rtprobe.h"

#define GICD_TYPER 0x4

void null_hypercall(void) {
    struct row *row = row_begin("null_hypercall", "ns");
    for (unsigned i = 0; i < COST_SAMPLES; i++) {
        register uint64_t x0 __asm__("x0") = PSCI_VERSION;
        uint64_t before, after;
        __asm__ volatile("mrs x19, cntvct_el0\n\thvc #0\n\tmrs x20, cntvct_el0\n\t"
                         "mov %0, x19\n\tmov %1, x20"
                         : "=&r"(before), "=&r"(after), "+r"(x0)::"x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9",
                           "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x19", "x20", "memory");
        row_add(row, after - before);
    }
}

static uint64_t timed_gicd_read(void) {
    uint64_t before, after, value;
    __asm__ volatile("mrs %0, cntvct_el0\n\tldr %w2, [%3]\n\tmrs %1, cntvct_el0"
                     : "=&r"(before), "=&r"(after), "=&r"(value)
                     : "r"(gic.gicd + GICD_TYPER)
                     : "memory");
    return after - before;
}

// Twice: after an access to the same device, and after one to another, which the hypervisor has to look up.
void machine_rows(void) {
    struct row *same = row_begin("gicd_read", "ns"), *other = row_begin("gicd_read_other", "ns");
    same->first_apart = true;
    for (unsigned i = 0; i <= COST_SAMPLES; i++) row_add(same, timed_gicd_read());
    for (unsigned i = 0; i < COST_SAMPLES; i++) {
        console_read();
        row_add(other, timed_gicd_read());
    }
}
