// SPDX-License-Identifier: Apache-2.0
/* Reproducible random numbers and the shares and periods that random systems are made of. No libm: equal seeds give equal
 * systems on every host. */
#ifndef TOOLS_SIM_RANDOM_H
#define TOOLS_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

/* splitmix64 (Steele, Lea & Flood 2014) */
static inline uint64_t random_next(struct random *random) {
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform in low .. high. */
static inline uint64_t random_in(struct random *random, uint64_t low, uint64_t high) {
    return low + random_next(random) % (high - low + 1);
}

/* Uniform in [0, 1). */
static inline double random_real(struct random *random) {
    return (double)(random_next(random) >> 11) / 9007199254740992.0;
}

/* low * 100^u with u uniform, by the exponential series: needs no libm. */
static inline double random_over_two_decades(struct random *random, double low) {
    double x = 4.605170185988091 * random_real(random);
    double term = low;
    double sum = low;

    for (uint32_t k = 1; k < 40; k++) {
        term *= x / k;
        sum += term;
    }
    return sum;
}

/* Parts of `total`, uniform over all such splits: the gaps between sorted random cuts. The same
 * distribution as UUniFast (Bini & Buttazzo 2005). */
static inline void random_shares(struct random *random, double *shares, uint32_t count, double total) {
    for (uint32_t i = 0; i + 1 < count; i++) {
        double cut = total * random_real(random);
        uint32_t slot = i;

        for (; slot > 0 && shares[slot - 1] > cut; slot--) { shares[slot] = shares[slot - 1]; }
        shares[slot] = cut;
    }
    shares[count - 1] = total;
    for (uint32_t i = count - 1; i > 0; i--) { shares[i] -= shares[i - 1]; }
}

/* UUniFast-discard (Davis & Burns 2009): splits with a share above one are thrown away. */
static inline void random_utilisations(struct random *random, double *shares, uint32_t count, double total) {
    bool valid;

    do {
        valid = true;
        random_shares(random, shares, count, total);
        for (uint32_t i = 0; i < count; i++) { valid = valid && shares[i] <= 1; }
    } while (!valid);
}

/* Log-uniform over 1 to 100 ms on a grid of 100 us, in ticks of a counter of 1 GHz. */
static inline uint64_t random_period(struct random *random) {
    return (uint64_t)random_over_two_decades(random, 10) * 100000;
}

#endif
