// SPDX-License-Identifier: Apache-2.0
/* Admission with several sources of interrupts and several tasks: each one counts, wherever it stands in its list. */
#include "test_sched_support.h"

#include "sched/admission.h"

static struct sched_task tasks[SCHED_TASKS_MAX + 1];
static struct sched_source sources[SCHED_SOURCES_MAX + 1];
static struct sched_verdict verdict;

static enum sched_outcome admit(uint32_t task_count, uint32_t source_count) {
    return sched_admit(tasks, task_count, sources, source_count, &verdict);
}

/* So many that fit easily. */
static void light(void) {
    for (uint32_t i = 0; i <= SCHED_TASKS_MAX; i++) {
        tasks[i] = (struct sched_task){.budget = 1, .deadline = 1000, .period = 1000};
    }
    for (uint32_t i = 0; i <= SCHED_SOURCES_MAX; i++) {
        sources[i] = (struct sched_source){.cost = 1, .distance = 1000};
    }
}

static void the_lists_may_be_full_and_no_fuller(void **state) {
    (void)state;
    light();
    assert_int_equal(admit(SCHED_TASKS_MAX, SCHED_SOURCES_MAX), SCHED_ADMITTED);
    assert_int_equal(admit(SCHED_TASKS_MAX + 1, 0), SCHED_MALFORMED);
    assert_int_equal(admit(SCHED_TASKS_MAX + 1, 1), SCHED_MALFORMED);
    assert_int_equal(admit(1, SCHED_SOURCES_MAX + 1), SCHED_MALFORMED);
    assert_int_equal(admit(0, SCHED_SOURCES_MAX + 1), SCHED_MALFORMED);
}

static void a_mistake_is_found_in_any_place(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        light();
        tasks[i].budget = 0;
        assert_int_equal(admit(4, 4), SCHED_MALFORMED);
        light();
        sources[i].cost = 0;
        assert_int_equal(admit(4, 4), SCHED_MALFORMED);
        light();
        sources[i].distance = 0;
        assert_int_equal(admit(4, 4), SCHED_MALFORMED);
    }
}

static void utilisation_counts_every_source(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        light();
        tasks[0] = (struct sched_task){.budget = 500, .deadline = 1000, .period = 1000};
        sources[i].cost = 502;
        assert_int_equal(admit(1, 3), SCHED_REFUSED);
        assert_true(verdict.steps > 0);
        assert_true(verdict.demand - verdict.at == verdict.excess && verdict.excess > 0);
    }
}

/* The shortcut must not take a set that the exact test refuses: at 10 the demand is 4 + 1 + 1 + 5. */
static void density_counts_every_source(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        light();
        tasks[0] = (struct sched_task){.budget = 4, .deadline = 10, .period = 1000};
        sources[i].cost = 5;
        assert_int_equal(admit(1, 3), SCHED_REFUSED);
        assert_true(verdict.at == 10 && verdict.demand == 11);
        sources[i].cost = 4;
        assert_int_equal(admit(1, 3), SCHED_ADMITTED);
    }
}

/* What lies far behind the first deadline is looked at: the second task's, in a busy period that sources make long. */
static void a_late_deadline_is_looked_at(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        light();
        tasks[0] = (struct sched_task){.budget = 300, .deadline = 700, .period = 1000};
        tasks[1] = (struct sched_task){.budget = 1000, .deadline = 2900, .period = 10000};
        sources[i] = (struct sched_source){.cost = 331, .distance = 1000};
        /* At 2900: 3 * 300 + 1000 + 3 * 333 = 2899. */
        assert_int_equal(admit(2, 3), SCHED_ADMITTED);
        sources[i].cost = 332; /* 2902 */
        assert_int_equal(admit(2, 3), SCHED_REFUSED);
        assert_true(verdict.at == 2900 && verdict.demand == 2902);
    }
}

int main(void) {
    const struct CMUnitTest tests_of_sources[] = {
        cmocka_unit_test(the_lists_may_be_full_and_no_fuller), cmocka_unit_test(a_mistake_is_found_in_any_place),
        cmocka_unit_test(utilisation_counts_every_source),     cmocka_unit_test(density_counts_every_source),
        cmocka_unit_test(a_late_deadline_is_looked_at),
    };
    return cmocka_run_group_tests_name("admission with several sources", tests_of_sources, NULL, NULL);
}
