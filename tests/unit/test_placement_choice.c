// SPDX-License-Identifier: Apache-2.0
/* By what a core is chosen: utilisation with its interrupts, the refusal that is closest, siblings and weight. */
#include "test_sched_support.h"

#include <string.h>

enum { CORES = 3 };

static struct sched_core_load cores[CORES];
static struct sched_machine machine = {.cores = cores, .core_count = CORES};
static struct sched_placement placement;

static int setup(void **state) {
    (void)state;
    memset(cores, 0, sizeof(cores));
    machine.core_count = CORES;
    return 0;
}

static void task(unsigned core, uint64_t budget, uint64_t deadline, uint64_t period) {
    struct sched_core_load *load = &cores[core];

    load->tasks[load->task_count++] = (struct sched_task){budget, deadline, period};
}

static void source(unsigned core, uint64_t cost, uint64_t distance) {
    struct sched_core_load *load = &cores[core];

    load->sources[load->source_count++] = (struct sched_source){.cost = cost, .distance = distance};
}

static enum sched_outcome place(uint64_t budget, uint64_t deadline, uint64_t period) {
    const struct sched_request request = {.task = {budget, deadline, period}, .core = SCHED_CORE_AUTO};

    return place_one(&machine, &request, &placement);
}

static enum sched_outcome place_best_effort(uint32_t weight, uint32_t vm) {
    const struct sched_request request = {.weight = weight, .vm = vm, .core = SCHED_CORE_AUTO};

    return place_one(&machine, &request, &placement);
}

static void utilisation_adds_tasks_and_sources(void **state) {
    (void)state;
    task(0, 1, 4, 4);
    task(0, 1, 8, 8);
    source(0, 1, 16);
    source(0, 3, 32);
    source(0, 1, 32);
    assert_true(sched_core_utilisation(&cores[0]) == SCHED_UTILISATION_ONE / 16 * 9);
    assert_true(sched_core_utilisation(&cores[1]) == 0);
    assert_true(sched_utilisation(&(struct sched_task){1, 3, 3}) == SCHED_UTILISATION_ONE / 3 + 1);
}

/* Rounded up, by little, however long the period is. */
static void utilisation_of_long_periods_is_close(void **state) {
    (void)state;
    for (unsigned shift = 0; shift < 61; shift++) {
        const uint64_t unit = UINT64_C(1) << shift;
        const struct sched_task half = {unit, 2 * unit, 2 * unit};
        const struct sched_task all = {2 * unit, 2 * unit, 2 * unit};
        const uint64_t of_half = sched_utilisation(&half), of_all = sched_utilisation(&all);

        assert_true(of_half >= SCHED_UTILISATION_ONE / 2);
        assert_true(of_half - SCHED_UTILISATION_ONE / 2 <= 4);
        assert_true(of_all >= SCHED_UTILISATION_ONE && of_all - SCHED_UTILISATION_ONE <= 8);
    }
}

static void interrupts_make_a_core_less_wanted(void **state) {
    (void)state;
    source(0, 1, 100);
    source(0, 30, 100);
    task(1, 30, 100, 100);
    source(2, 40, 100);
    assert_int_equal(place(10, 100, 100), SCHED_ADMITTED);
    assert_int_equal(placement.core, 1);
    assert_int_equal(place(10, 100, 100), SCHED_ADMITTED); /* 0.40 there now */
    assert_int_equal(placement.core, 0);
}

static void the_closest_refusal_is_told(void **state) {
    static const uint64_t others[][CORES] = {{90, 80, 85}, {80, 90, 85}, {85, 90, 80}, {90, 85, 80}, {80, 80, 90}};
    static const int32_t closest[] = {1, 0, 2, 2, 0};

    for (unsigned i = 0; i < sizeof(closest) / sizeof(closest[0]); i++) {
        setup(state);
        for (unsigned core = 0; core < CORES; core++) { task(core, others[i][core], 100, 100); }
        assert_int_equal(place(50, 100, 100), SCHED_REFUSED);
        assert_int_equal(placement.core, closest[i]);
        assert_true(placement.largest_budget == 20);
        assert_true(placement.verdict.excess == placement.verdict.demand - placement.verdict.at);
    }
}

/* A core that has no room for one more tells no instant; one that was tested does. */
static void a_tested_core_says_more_than_a_full_one(void **state) {
    for (unsigned full = 0; full < 2; full++) {
        setup(state);
        machine.core_count = 2;
        for (unsigned i = 0; i < SCHED_MEMBERS_MAX; i++) { cores[full].member_count++; }
        task(1 - full, 90, 100, 100);
        assert_int_equal(place(50, 100, 100), SCHED_REFUSED);
        assert_int_equal(placement.core, 1 - full);
        assert_true(placement.verdict.at != 0);
        assert_true(placement.largest_budget == 10);
    }
}

static void siblings_spread_before_weight_balances(void **state) {
    (void)state;
    assert_int_equal(place_best_effort(10, 7), SCHED_ADMITTED);
    assert_int_equal(placement.core, 0);
    assert_int_equal(place_best_effort(500, 8), SCHED_ADMITTED);
    assert_int_equal(placement.core, 1);
    assert_int_equal(place_best_effort(500, 9), SCHED_ADMITTED);
    assert_int_equal(placement.core, 2);
    assert_int_equal(place_best_effort(10, 7), SCHED_ADMITTED); /* not to its sibling */
    assert_int_not_equal(placement.core, 0);
    assert_int_equal(place_best_effort(10, 5), SCHED_ADMITTED); /* where the least weight is */
    assert_int_equal(placement.core, 0);
    assert_int_equal(cores[0].weight, 20);
    assert_int_equal(cores[0].member_count, 2);
    assert_int_equal(cores[0].task_count, 0);
}

/* With a quarter of the core left, weight 25 there is worth what weight 100 is on an empty one. */
static void weight_counts_against_the_time_that_is_free(void **state) {
    (void)state;
    machine.core_count = 2;
    task(0, 75, 100, 100);
    assert_int_equal(place_best_effort(100, 1), SCHED_ADMITTED);
    assert_int_equal(placement.core, 1);
    assert_int_equal(place_best_effort(32, 2), SCHED_ADMITTED);
    assert_int_equal(placement.core, 0); /* 25/32 against 100/132 */
    assert_int_equal(place_best_effort(40, 3), SCHED_ADMITTED);
    assert_int_equal(placement.core, 1); /* 25/72 against 100/140 */
}

static void only_smaller_advice_is_better(void **state) {
    (void)state;
    machine.core_count = 2;
    task(0, 60, 100, 100);
    task(1, 80, 100, 100);
    assert_int_equal(place(50, 100, 100), SCHED_REFUSED);
    assert_true(placement.largest_budget == 40);
    assert_true(placement.smallest_period > 100 && placement.smallest_period < 150);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(utilisation_adds_tasks_and_sources, setup),
        cmocka_unit_test_setup(utilisation_of_long_periods_is_close, setup),
        cmocka_unit_test_setup(interrupts_make_a_core_less_wanted, setup),
        cmocka_unit_test_setup(the_closest_refusal_is_told, setup),
        cmocka_unit_test_setup(a_tested_core_says_more_than_a_full_one, setup),
        cmocka_unit_test_setup(siblings_spread_before_weight_balances, setup),
        cmocka_unit_test_setup(weight_counts_against_the_time_that_is_free, setup),
        cmocka_unit_test_setup(only_smaller_advice_is_better, setup),
    };
    return cmocka_run_group_tests_name("choice of a core", tests, NULL, NULL);
}
