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

/* Density alone decides, though there are deadlines to look at: 20/50 + 200/500 + 1/100 + 1/50. */
static void the_shortcut_needs_no_step(void **state) {
    (void)state;
    tasks[0] = (struct sched_task){.budget = 20, .deadline = 50, .period = 100};
    tasks[1] = (struct sched_task){.budget = 200, .deadline = 500, .period = 1000};
    sources[0] = (struct sched_source){.cost = 1, .distance = 100};
    assert_int_equal(admit(2, 1), SCHED_ADMITTED);
    assert_int_equal(verdict.steps, 0);
    tasks[2] = tasks[0];
    tasks[0] = (struct sched_task){.budget = 5, .deadline = 5, .period = 10};
    assert_int_equal(admit(1, 0), SCHED_ADMITTED);
    assert_int_equal(verdict.steps, 0);
    tasks[0] = tasks[2]; /* and nothing is left of a shorter deadline */
    assert_int_equal(admit(2, 1), SCHED_ADMITTED);
    assert_int_equal(verdict.steps, 0);
    sources[0].cost = 9; /* more than its part of the density */
    assert_int_equal(admit(2, 1), SCHED_ADMITTED);
    assert_true(verdict.steps > 0);
}

static void overload_is_shown_at_the_first_and_at_the_last_instant(void **state) {
    (void)state;
    tasks[0] = tasks[1] = (struct sched_task){.budget = 1, .deadline = 1, .period = 1};
    assert_int_equal(admit(2, 0), SCHED_REFUSED);
    assert_true(verdict.at == 1 && verdict.demand == 2 && verdict.steps == 1);
    tasks[0].period = tasks[0].deadline = (UINT64_C(1) << 61) + 5;
    tasks[0].budget = UINT64_C(1) << 60;
    tasks[1] = tasks[0];
    tasks[1].budget += 6;
    assert_int_equal(admit(2, 0), SCHED_REFUSED);
    assert_true(verdict.at == tasks[0].deadline && verdict.excess == 1);
}

/* Eleven costs of 2^61 by 10 are more than 2^64, and less than 2^65. */
static void a_demand_beyond_64_bits_stays_at_their_end(void **state) {
    (void)state;
    tasks[0] = (struct sched_task){.budget = 1, .deadline = 10, .period = UINT64_C(1) << 60};
    sources[0] = (struct sched_source){.cost = UINT64_C(1) << 61, .distance = 1};
    assert_int_equal(admit(1, 1), SCHED_REFUSED);
    assert_true(verdict.at == 10 && verdict.demand == UINT64_MAX);
}

static bool may_reclaim(void) { return sched_may_reclaim(tasks, 3, sources, 3); }

/* 990 of the tasks and 2 * 5 of the sources, which come at once in the first period, are all of 1,000. */
static void a_core_may_reclaim_by_all_its_deadlines_and_its_density(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        light();
        tasks[3].deadline--; /* not of this core */
        tasks[i].budget = 988;
        sources[i].cost = 3;
        assert_true(may_reclaim());
        tasks[i].budget++;
        assert_false(may_reclaim());
        tasks[i].budget = 987;
        assert_true(may_reclaim());
        sources[i].cost++;
        assert_false(may_reclaim());
        sources[i].cost = 1;
        tasks[i].deadline--;
        assert_false(may_reclaim());
        light();
        tasks[i].budget = 0;
        assert_false(may_reclaim());
    }
}

/* ---- nearly full cores, where the bound by utilisation is what ends the search ------------------------------ */

__extension__ typedef unsigned __int128 wide;

static uint64_t closed_demand(uint32_t count, uint64_t t) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (t >= tasks[i].deadline) { sum += ((t - tasks[i].deadline) / tasks[i].period + 1) * tasks[i].budget; }
    }
    return sum;
}

static uint64_t last_deadline_by(uint32_t count, uint64_t t) {
    uint64_t last = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t deadline = t < tasks[i].deadline ? 0 : t - (t - tasks[i].deadline) % tasks[i].period;

        last = deadline > last ? deadline : last;
    }
    return last;
}

/* sum (T-D)Q/T / (1 - sum Q/T) of two tasks, rounded up. */
static uint64_t bound_of_two(void) {
    const struct sched_task *a = &tasks[0];
    const struct sched_task *b = &tasks[1];
    wide surplus = (wide)(a->period - a->deadline) * a->budget * b->period +
                   (wide)(b->period - b->deadline) * b->budget * a->period;
    wide idle = (wide)a->period * b->period - (wide)a->budget * b->period - (wide)b->budget * a->period;

    return (uint64_t)(surplus / idle) + 1;
}

/* Looks at deadlines downwards from the bound; returns how many. *at: the last that fails, else 0. */
static uint32_t walk_from_the_bound(uint64_t *at) {
    uint32_t steps = 0;

    *at = last_deadline_by(2, bound_of_two());
    while (*at != 0 && closed_demand(2, *at) <= *at) {
        *at = last_deadline_by(2, closed_demand(2, *at) - 1);
        steps++;
    }
    return steps;
}

/* Periods of about a second in microseconds, all but some parts in a million used: the busy period takes ages, and its
 * length is not found. */
static void nearly_full_cores_are_decided_from_their_bound(void **state) {
    struct random random = random_start("nearly full cores", 0xb04d);
    uint32_t admitted = 0;
    uint32_t refused = 0;
    uint32_t by_bound = 0;

    (void)state;
    for (uint32_t round = 0; round < 3000; round++) {
        uint64_t at;
        uint32_t steps;

        tasks[0].period = random_in(&random, 900000, 1100000);
        tasks[1].period = random_in(&random, 900000, 1100000);
        tasks[0].budget = random_in(&random, 300000, 600000);
        tasks[1].budget =
            (tasks[0].period - tasks[0].budget) * tasks[1].period / tasks[0].period - random_in(&random, 1, 20);
        for (uint32_t i = 0; i < 2; i++) { tasks[i].deadline = tasks[i].period - random_in(&random, 200, 1200); }
        steps = walk_from_the_bound(&at);
        admit(2, 0);
        if (verdict.steps == 0 || steps > 1000) { continue; /* by density, or too far to walk */ }
        assert_int_equal(verdict.outcome, at == 0 ? SCHED_ADMITTED : SCHED_REFUSED);
        assert_true(verdict.at <= at && verdict.demand == (at == 0 ? 0 : closed_demand(2, verdict.at)));
        assert_true(verdict.steps <= steps + steps / 50 + 3);
        by_bound += verdict.steps >= steps ? 1 : 0;
        admitted += at == 0 ? 1 : 0;
        refused += at != 0 ? 1 : 0;
    }
    printf("             %u admitted, %u refused, %u of them from the bound by utilisation\n", admitted, refused,
           by_bound);
    assert_true(admitted > 50 && refused > 50 && by_bound > 50);
}

int main(void) {
    const struct CMUnitTest tests_of_sources[] = {
        cmocka_unit_test(the_lists_may_be_full_and_no_fuller),
        cmocka_unit_test(a_mistake_is_found_in_any_place),
        cmocka_unit_test(utilisation_counts_every_source),
        cmocka_unit_test(density_counts_every_source),
        cmocka_unit_test(a_late_deadline_is_looked_at),
        cmocka_unit_test(the_shortcut_needs_no_step),
        cmocka_unit_test(overload_is_shown_at_the_first_and_at_the_last_instant),
        cmocka_unit_test(a_demand_beyond_64_bits_stays_at_their_end),
        cmocka_unit_test(a_core_may_reclaim_by_all_its_deadlines_and_its_density),
        cmocka_unit_test(nearly_full_cores_are_decided_from_their_bound),
    };
    return cmocka_run_group_tests_name("admission with several sources", tests_of_sources, NULL, NULL);
}
