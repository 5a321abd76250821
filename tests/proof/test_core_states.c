// SPDX-License-Identifier: Apache-2.0
/* What admission accepts is kept on a core whatever its guests do: all states of small sets of reservations. */
#include "core_search.h"

/* Every set of `count` servers with periods up to `most`, each once, that passes the test. */
static void all_sets(uint32_t count, uint32_t most, struct sched_source source) {
    struct sched_task tasks[PERIOD_MAX * PERIOD_MAX * PERIOD_MAX];
    uint32_t task_count = all_tasks(tasks, most);
    uint32_t sets = 0;
    uint64_t states = 0;

    for (uint32_t a = 0; a < task_count; a++) {
        for (uint32_t b = a; b < task_count; b++) {
            for (uint32_t c = b; c < (count == 3 ? task_count : b + 1); c++) {
                struct scope scope = {.tasks = {tasks[a], tasks[b], tasks[c]}, .count = count, .source = source};

                if (!admitted(&scope)) { continue; }
                assert_null(explore_core(&scope, &states, true));
                sets++;
            }
        }
    }
    printf("             %u servers, periods to %u, interrupts %u by %u: %u sets, %llu states\n", count, most,
           (uint32_t)source.cost, (uint32_t)source.distance, sets, (unsigned long long)states);
    assert_true(sets > 0 && states > sets);
}

static void pairs_keep_their_promises(void **state) {
    const struct sched_source none = {0};

    (void)state;
    all_sets(2, 4 + search_depth(), none);
}

static void pairs_keep_their_promises_beside_interrupts(void **state) {
    const struct sched_source source = {1, 4};

    (void)state;
    all_sets(2, 4 + search_depth(), source);
}

static void threes_keep_their_promises(void **state) {
    const struct sched_source none = {0};

    (void)state;
    all_sets(3, 3 + search_depth(), none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_keep_their_promises),
        cmocka_unit_test(pairs_keep_their_promises_beside_interrupts),
        cmocka_unit_test(threes_keep_their_promises),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
