// SPDX-License-Identifier: Apache-2.0
/* What the tests of sched/ and timer/ share: cmocka, one VCPU to place, and announced seeds. */
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
#include "tools/sim/random.h"

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

static inline struct random random_start(const char *what, uint64_t seed) {
    printf("             seed 0x%llx: %s\n", (unsigned long long)seed, what);
    return (struct random){seed};
}

#endif
