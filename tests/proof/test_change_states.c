// SPDX-License-Identifier: Apache-2.0
/* A reservation that changes while its core runs, whatever its guests do before and after: all states of small sets. */
#include "core_search.h"

/* Every pair with periods up to `most` whose first may become another. Returns whether one misses, and looks no further then. */
static bool all_changes(uint32_t most, bool anytime) {
    struct sched_task tasks[PERIOD_MAX * PERIOD_MAX * PERIOD_MAX];
    uint32_t task_count = all_tasks(tasks, most);
    uint32_t changes = 0;
    bool missing = false;
    uint64_t states = 0;

    for (uint32_t a = 0; a < task_count && !missing; a++) {
        for (uint32_t b = 0; b < task_count && !missing; b++) {
            for (uint32_t c = 0; c < task_count && !missing; c++) {
                struct scope scope = {
                    .tasks = {tasks[a], tasks[b]}, .count = 2, .becomes = tasks[c], .anytime = anytime};
                const struct scope then = {.tasks = {tasks[c], tasks[b]}, .count = 2};

                if (c == a || !admitted(&scope) || !admitted(&then)) { continue; }
                missing = explore_core(&scope, &states, !anytime) != NULL;
                changes++;
            }
        }
    }
    printf("             periods to %u: %u changes, %llu states\n", most, changes, (unsigned long long)states);
    assert_true(changes > 0 && states > changes);
    return missing;
}

static void in_a_quiet_instant_nobody_misses(void **state) {
    (void)state;
    assert_false(all_changes(3 + search_depth(), false));
}

static void in_any_instant_somebody_does(void **state) {
    (void)state;
    assert_true(all_changes(4, true));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_a_quiet_instant_nobody_misses),
        cmocka_unit_test(in_any_instant_somebody_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
