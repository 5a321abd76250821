// SPDX-License-Identifier: Apache-2.0
// rtprobe: how late is a guest's timer, and what do the hypervisor's services cost?
//
// Boot arguments:
//   mode=probe            (default) sleeps for ever and prints a line each second; keys: h histogram,
//                         r reset, q quit; seconds=N ends after N seconds with the histogram;
//                         marks=1 marks each sleep in the trace, asked for and got
//   mode=boot             the time of the guest's first instruction, and what the boot was spent on
//   mode=bench-LETTERS    the rows named by the letters, in that order:
//                           a null hypercall     b device accesses    c timer, VCPU running
//                           d timer, VCPU asleep e random sleeps      f the same beside a storm
//                           p periodic work      g IPI to another VCPU
//                           i what an interrupt costs the others   o and a reservation's activation
//                           s sleeps between a film's frames
//                           r the end of a budget and its return
//                           m the moves of a VCPU in two pieces, VCPU 0; VCPUs 1 and 2 on the cores of its pieces
//                           u an interrupt of the console, at which somebody has to type
//                         c to g are about time; e, f and p differ from each other and from d
//                         only by what else runs
//   mode=period           the same as bench-p
//   mode=pingpong         IPIs to VCPU 1 and back, and timers, each of which has to come once
//   mode=idle             waits for ever: a neighbour that exists and does nothing
//   samples=N             of e and f (1000), p (500) and s (500)
//   decode                frames of s are 25 ms long and begin with 4 ms of work
//   dump                  every sample of each row as well, in order: lines `SAMPLES name value ...`
//   suffix=TEXT           appended to every row's name
//   seed=N                of the random sleeps
// After boot and bench the guest prints BENCH-DONE and switches its machine off.
//
// A row is `BENCH name unit min mean p99 max samples`; all values are integers. Nothing is measured before the console
// is quiet, and nothing is printed before all is measured.
#ifndef RTPROBE_H
#define RTPROBE_H

#include "guest.h"

#define SAMPLES_MAX  2001
#define COST_SAMPLES 2000

// A row in the making. Recording is one store; everything else waits for rows_print.
struct row {
    const char *name, *unit;
    bool first_apart; // the first sample is a row of its own, NAME_first: it pays for what is prepared once
    unsigned count;
    uint64_t samples[SAMPLES_MAX];
};

// A new row, empty. Samples are ticks where `unit` is "ns".
struct row *row_begin(const char *name, const char *unit);

static inline void row_add(struct row *row, uint64_t sample) { row->samples[row->count++] = sample; }

// A row of one value.
void value_add(const char *name, const char *unit, uint64_t value);
// Prints all rows and then BENCH-DONE.
void rows_print(void);

// A random number in [low, high).
uint64_t random_between(uint64_t low, uint64_t high);

// The virtual timer's interrupt: set up once; then each call returns the clock at the vector's first
// instruction after the timer of `due` expired.
void sleeper_init(void);
uint64_t sleep_until(uint64_t due); // waits asleep
uint64_t spin_until(uint64_t due);  // waits computing

// Runs the rows that the letters name.
void bench_run(const char *letters);
void bench_boot(void);

// The rows that are about one instruction of the architecture.
void null_hypercall(void);
void machine_rows(void);

// The rows of the hypervisor's own costs, which admission is told as constants.
void cost_of_interrupt(void);
void cost_of_both(void);
void cost_in_a_crowd(void);
void cost_of_budget(void);
void cost_of_moves(void);
void cost_of_console(void);

// mode=probe.
void probe_run(void);
// mode=crowd.
void crowd_run(void);
// mode=pingpong.
void pingpong_run(void);

#endif
