// SPDX-License-Identifier: Apache-2.0
/*
 * Who reclaims makes nobody late, whatever the guests of its core do and however long decisions stand: all states of small
 * sets. Wake-ups are told at once here; late ones are played at random (tests/unit/test_reclaim.c).
 */
#include "core_search.h"

/* Every set of `count` servers with D = T up to `most`, each once, in which the servers of the mask reclaim. */
static void all_sets(uint32_t count, uint32_t most, uint32_t reclaims) {
    struct sched_task tasks[PERIOD_MAX * PERIOD_MAX];
    uint32_t task_count = 0;
    uint32_t sets = 0;
    uint64_t states = 0;

    for (uint64_t period = 1; period <= most; period++) {
        for (uint64_t budget = 1; budget <= period; budget++) {
            tasks[task_count++] = (struct sched_task){budget, period, period};
        }
    }
    for (uint32_t a = 0; a < task_count; a++) {
        for (uint32_t b = reclaims == 1 ? 0 : a; b < task_count; b++) {
            for (uint32_t c = b; c < (count == 3 ? task_count : b + 1); c++) {
                struct scope scope = {
                    .tasks = {tasks[a], tasks[b], tasks[c]}, .count = count, .only_misses = true, .reclaims = reclaims};

                if (!sched_may_reclaim(scope.tasks, count, NULL, 0)) { continue; }
                assert_null(explore_core(&scope, &states, true));
                sets++;
            }
        }
    }
    printf("             %u servers, periods to %u: %u sets, %llu states\n", count, most, sets,
           (unsigned long long)states);
    assert_true(sets > 0 && states > sets);
}

static void beside_one_who_reclaims_nobody_misses(void **state) {
    (void)state;
    all_sets(2, 4 + search_depth(), 1);
}

static void two_who_reclaim_miss_nothing(void **state) {
    (void)state;
    all_sets(2, 4 + search_depth(), 3);
}

static void threes_miss_nothing(void **state) {
    (void)state;
    all_sets(3, 3 + search_depth(), 1);
    all_sets(3, 3 + search_depth(), 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beside_one_who_reclaims_nobody_misses),
        cmocka_unit_test(two_who_reclaim_miss_nothing),
        cmocka_unit_test(threes_miss_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
