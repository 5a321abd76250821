// SPDX-License-Identifier: Apache-2.0
/*
 * Clock arithmetic: raw counter ticks <-> nanoseconds.
 *
 * The hypervisor computes in raw ticks of one free-running counter; nanoseconds exist at interfaces
 * only (descriptions, hypercalls, reports). Conversions are exact for every 64-bit input and every
 * rate from 1 Hz to 10 GHz; the name of a function states its rounding, and a result beyond 64 bits
 * saturates to UINT64_MAX.
 *
 *   up    for costs and expiries: a converted time is never early, a converted cost never too small
 *   down  for promises and for "how much has passed"
 *
 * Each conversion costs two 64x64 high multiplications and no division (reciprocals with one
 * correction step; Granlund & Montgomery, "Division by invariant integers using multiplication",
 * PLDI 1994). Context: any core, any interrupt state; pure functions of their arguments.
 */
#ifndef TIMER_CLOCK_H
#define TIMER_CLOCK_H

#include <stdint.h>

#define CLOCK_NS_PER_S UINT64_C(1000000000)
#define CLOCK_HZ_MAX   UINT64_C(10000000000)

enum clock_error { CLOCK_OK = 0, CLOCK_BAD_RATE = -1 };

/* x -> x * num / den in lowest terms; recip = floor((2^64 - 1) / den). */
struct clock_ratio {
    uint64_t num;
    uint64_t den;
    uint64_t recip;
};

struct clock_rate {
    uint64_t hz;
    struct clock_ratio to_ticks; /* nanoseconds -> ticks */
    struct clock_ratio to_ns;    /* ticks -> nanoseconds */
};

/* Prepares the conversions for a counter of `hz` (1 .. CLOCK_HZ_MAX). The only function here that
 * divides: call it once at boot. Returns CLOCK_OK, or CLOCK_BAD_RATE and leaves *rate untouched. */
int clock_rate_init(struct clock_rate *rate, uint64_t hz);

uint64_t clock_ns_to_ticks_up(const struct clock_rate *rate, uint64_t ns);
uint64_t clock_ns_to_ticks_down(const struct clock_rate *rate, uint64_t ns);
uint64_t clock_ticks_to_ns_up(const struct clock_rate *rate, uint64_t ticks);
uint64_t clock_ticks_to_ns_down(const struct clock_rate *rate, uint64_t ticks);

/* a + b, or UINT64_MAX when the sum does not fit: absolute times never wrap into the past. */
static inline uint64_t clock_add_saturating(uint64_t a, uint64_t b) {
    uint64_t sum = a + b;

    return sum < a ? UINT64_MAX : sum;
}

#endif
