// SPDX-License-Identifier: Apache-2.0
#include "sched/fraction.h"

__extension__ typedef unsigned __int128 wide;

void fraction_zero(struct fraction *sum) {
    sum->limbs = 1;
    sum->numerator[0] = 0;
    sum->denominator[0] = 1;
}

static bool at_most_one(const struct fraction *sum) {
    for (uint32_t i = sum->limbs; i-- > 0;) {
        if (sum->numerator[i] != sum->denominator[i]) { return sum->numerator[i] < sum->denominator[i]; }
    }
    return true;
}

/* N/M + n/m = (N*m + n*M) / (M*m). While the sum is at most one, N <= M, so the new numerator needs
 * at most one limb more than M. */
bool fraction_add(struct fraction *sum, uint64_t numerator, uint64_t denominator) {
    wide carry_numerator = 0;
    wide carry_denominator = 0;
    uint32_t i;

    for (i = 0; i < sum->limbs; i++) {
        wide cross = (wide)sum->denominator[i] * numerator;

        carry_numerator += (wide)sum->numerator[i] * denominator + cross;
        sum->numerator[i] = (uint64_t)carry_numerator;
        carry_numerator >>= 64;
        carry_denominator += (wide)sum->denominator[i] * denominator;
        sum->denominator[i] = (uint64_t)carry_denominator;
        carry_denominator >>= 64;
    }
    if (carry_numerator != 0 || carry_denominator != 0) {
        sum->numerator[i] = (uint64_t)carry_numerator;
        sum->denominator[i] = (uint64_t)carry_denominator;
        sum->limbs++;
    }
    return at_most_one(sum);
}

uint64_t fraction_ratio_up(uint64_t part, uint64_t whole) {
    while (part >= SCHED_UTILISATION_ONE) {
        part = part / 2 + part % 2;
        whole /= 2;
    }
    if (whole == 0) { return UINT64_MAX / (2 * FRACTION_TERMS_MAX); }
    return part * SCHED_UTILISATION_ONE / whole + (part * SCHED_UTILISATION_ONE % whole != 0 ? 1 : 0);
}
