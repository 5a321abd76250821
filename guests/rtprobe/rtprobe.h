// SPDX-License-Identifier: Apache-2.0
// rtprobe: how late is a guest's timer, and what do the hypervisor's services cost?
//
// Boot arguments:
//   mode=probe            (default) sleeps for ever and prints a line each second; keys: h histogram,
//                         r reset, q quit; seconds=N ends after N seconds with the histogram
//   mode=boot             the time of the guest's first instruction, and what the boot was spent on
//   mode=bench-LETTERS    the rows named by the letters, in that order:
//                           a null hypercall     b GICD_TYPER read    c timer, VCPU running
//                           d timer, VCPU in WFI e random sleeps      f the same beside a storm
//                           p periodic work      g SGI to another VCPU
//                         c to g are about time; e, f and p differ from each other and from d
//                         only by what else runs
//   mode=period           the same as bench-p
//   mode=idle             waits for ever: a neighbour that exists and does nothing
//   suffix=TEXT           appended to every row's name
//   seed=N                of the random sleeps
// After boot and bench the guest prints BENCH-DONE and switches its machine off.
//
// A row is `BENCH name unit min mean p99 max samples`; all values are integers.
#ifndef RTPROBE_H
#define RTPROBE_H

#include "guest.h"

#define SAMPLES_MAX 2000

// A row in the making. Recording is one store; everything else waits for row_print.
struct row {
    unsigned count;
    uint64_t samples[SAMPLES_MAX];
};

static inline void row_add(struct row *row, uint64_t ticks) { row->samples[row->count++] = ticks; }

// Prints the row in nanoseconds and empties it.
void row_print(struct row *row, const char *name);
// A row of one value.
void value_print(const char *name, const char *unit, uint64_t value);

// A random number in [low, high).
uint64_t random_between(uint64_t low, uint64_t high);

// The virtual timer's interrupt: set up once; then each call returns the clock at the vector's first
// instruction after the timer of `due` expired.
void sleeper_init(void);
uint64_t sleep_until(uint64_t due); // waits in WFI
uint64_t spin_until(uint64_t due);  // waits computing

// Runs the rows that the letters name.
void bench_run(const char *letters);
void bench_boot(void);

// mode=probe.
void probe_run(void);

#endif
