// SPDX-License-Identifier: Apache-2.0
#include "timer/clock.h"

__extension__ typedef unsigned __int128 wide;

static uint64_t multiply_high(uint64_t a, uint64_t b) { return (uint64_t)(((wide)a * b) >> 64); }

/* The reciprocal is at most one too small in its last place, so the estimate is the quotient or one
 * below it. */
static uint64_t divide(uint64_t x, const struct clock_ratio *ratio, uint64_t *remainder) {
    uint64_t quotient = multiply_high(x, ratio->recip);
    uint64_t rest = x - quotient * ratio->den;

    if (rest >= ratio->den) {
        quotient++;
        rest -= ratio->den;
    }
    *remainder = rest;
    return quotient;
}

/* x * num / den as (whole quotients) * num + rest * num / den: rest < den <= 10^10 and num <= 10^9,
 * or the other way round, so that the second product fits 64 bits. */
static __attribute__((noinline)) uint64_t scale(uint64_t x, const struct clock_ratio *ratio, uint64_t round_up) {
    uint64_t rest;
    uint64_t left;
    uint64_t whole = divide(x, ratio, &rest);
    wide product = (wide)whole * ratio->num;
    uint64_t part = divide(rest * ratio->num, ratio, &left);
    wide sum = product + part + (left != 0 ? round_up : 0);

    return (sum >> 64) != 0 ? UINT64_MAX : (uint64_t)sum;
}

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b) {
    while (b != 0) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

int clock_rate_init(struct clock_rate *rate, uint64_t hz) {
    if (hz == 0 || hz > CLOCK_HZ_MAX) { return CLOCK_BAD_RATE; }

    uint64_t common = greatest_common_divisor(hz, CLOCK_NS_PER_S);
    uint64_t ticks = hz / common;
    uint64_t ns = CLOCK_NS_PER_S / common;

    rate->hz = hz;
    rate->to_ticks = (struct clock_ratio){.num = ticks, .den = ns, .recip = UINT64_MAX / ns};
    rate->to_ns = (struct clock_ratio){.num = ns, .den = ticks, .recip = UINT64_MAX / ticks};
    return CLOCK_OK;
}

uint64_t clock_ns_to_ticks_up(const struct clock_rate *rate, uint64_t ns) { return scale(ns, &rate->to_ticks, 1); }

uint64_t clock_ns_to_ticks_down(const struct clock_rate *rate, uint64_t ns) { return scale(ns, &rate->to_ticks, 0); }

uint64_t clock_ticks_to_ns_up(const struct clock_rate *rate, uint64_t ticks) { return scale(ticks, &rate->to_ns, 1); }

uint64_t clock_ticks_to_ns_down(const struct clock_rate *rate, uint64_t ticks) { return scale(ticks, &rate->to_ns, 0); }
