// SPDX-License-Identifier: Apache-2.0
/* Sums and products that stop at UINT64_MAX instead of wrapping. Private to sched/. */
#ifndef SCHED_SATURATE_H
#define SCHED_SATURATE_H

#include <stdint.h>

static inline uint64_t add(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

static inline uint64_t multiply(uint64_t a, uint64_t b) {
    uint64_t product;

    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

#endif
