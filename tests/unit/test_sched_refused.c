// SPDX-License-Identifier: Apache-2.0
/* Refused sets do miss, and the deadline monitor sees it. */
#include "test_sched_support.h"

#include "sched/admission.h"
#include "sched/sched.h"

/* Released together and never blocking, a set
 * that the test refuses is late by the instant that the verdict names. */
static void refused_sets_miss_by_their_witness(void **state) {
    struct random random = random_start("refused sets", 0x4ef);
    uint32_t refused = 0;

    (void)state;
    for (uint32_t round = 0; round < ROUNDS(30000); round++) {
        struct sched_core core;
        struct sched_entity entities[4];
        struct sched_task tasks[4];
        struct sched_verdict verdict;
        uint64_t misses = 0;

        for (uint32_t i = 0; i < 4; i++) {
            uint64_t period = random_in(&random, 3, 30);
            uint64_t budget = random_in(&random, 1, (period + 1) / 2);

            tasks[i] = (struct sched_task){budget, random_in(&random, budget, period), period};
        }
        if (sched_admit(tasks, 4, NULL, 0, &verdict) != SCHED_REFUSED) { continue; }
        refused++;
        sched_core_init(&core, 7);
        for (uint32_t i = 0; i < 4; i++) {
            sched_entity_init_reserved(&entities[i], tasks[i].budget, tasks[i].deadline, tasks[i].period);
            sched_add(&core, &entities[i]);
            sched_wake(&core, &entities[i], 0);
        }
        for (uint64_t now = 0; now <= verdict.demand;) {
            struct sched_decision decision = sched_pick(&core, now);

            now = decision.until;
        }
        sched_pick(&core, verdict.demand + 1);
        for (uint32_t i = 0; i < 4; i++) {
            sched_block(&core, &entities[i], verdict.demand + 1);
            misses += entities[i].stats.misses[SCHED_MISS_DISPATCH];
        }
        assert_true(misses > 0);
    }
    printf("             %u refused sets, each misses\n", refused);
    assert_true(refused > ROUNDS(30000) / 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_sets_miss_by_their_witness),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
