// SPDX-License-Identifier: Apache-2.0
/* What the tests of sched/ and timer/ share: cmocka and reproducible random numbers. */
#ifndef TEST_SCHED_SUPPORT_H
#define TEST_SCHED_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "sched/placement.h"

/* One VCPU is a set of one. */
static inline enum sched_outcome place_one(struct sched_machine *machine, const struct sched_request *request,
                                           struct sched_placement *placement) {
    const struct sched_core_load *core;
    uint32_t left_out = sched_place_all(machine, request, placement, 1);

    assert_int_equal(left_out, placement->step == SCHED_STEP_REFUSED);
    assert_int_equal(left_out, placement->verdict.outcome != SCHED_ADMITTED);
    if (left_out == 0) {
        core = &machine->cores[placement->core];
        assert_int_equal(core->vm[core->member_count - 1], request->vm);
    }
    return placement->verdict.outcome;
}

/* Random rounds are counted for the optimised build; sanitizers get a part of them. */
#if defined(__SANITIZE_ADDRESS__)
#define ROUNDS(count) ((count) / 16)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ROUNDS(count) ((count) / 16)
#endif
#endif
#ifndef ROUNDS
#define ROUNDS(count) (count)
#endif

struct random {
    uint64_t state;
};

static inline struct random random_start(const char *what, uint64_t seed) {
    printf("             seed 0x%llx: %s\n", (unsigned long long)seed, what);
    return (struct random){seed};
}

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

#endif
