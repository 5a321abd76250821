// SPDX-License-Identifier: Apache-2.0
/*
 * Arithmetic that is never wrong by rounding or wrapping. Private to sched/.
 *
 * An exact sum of fractions that is compared with one: numerator and denominator grow by one 64-bit
 * limb per term, so no comparison rounds however long the periods' common multiple is. Adding costs
 * O(terms so far).
 */
#ifndef SCHED_FRACTION_H
#define SCHED_FRACTION_H

#include "sched/admission.h"

#include <stdbool.h>
#include <stdint.h>

void fraction_zero(struct fraction *sum);

/* sum += numerator / denominator, both below 2^63, denominator > 0. Returns whether the sum is
 * still at most one; once it is not, the sum may not be added to any more. */
bool fraction_add(struct fraction *sum, uint64_t numerator, uint64_t denominator);

/* part/whole in units of 1/SCHED_UTILISATION_ONE, never too small; far above one it stays so small that
 * FRACTION_TERMS_MAX of them have a sum. */
uint64_t fraction_ratio_up(uint64_t part, uint64_t whole);

/* Sums and products that stop at UINT64_MAX. */
static inline uint64_t add(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

static inline uint64_t multiply(uint64_t a, uint64_t b) {
    uint64_t product;

    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

#endif
