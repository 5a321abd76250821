// SPDX-License-Identifier: Apache-2.0
/* Guests' tasks on the least supply, by hand: where they just fit, and what is not decided. tests/unit/test_supply.c plays
 * them. */
#include "test_sched_support.h"

#include "sched/supply.h"

#define INSTANT_MAX (UINT64_C(1) << 62)

static struct sched_task tasks[SCHED_TASKS_MAX + 2]; /* behind the last is one that nobody may look at */
static struct sched_supply supply;
static struct sched_verdict verdict;

static enum sched_outcome outcome(uint32_t count) {
    tasks[count] = (struct sched_task){INSTANT_MAX, 1, 1};
    return sched_supply_fits(&supply, tasks, count, &verdict);
}

/* 7 in 50 and 9 in 75 on a budget in every 10, in hundredths. By 150 they want 39, and 14 budgets have been supplied: 2.79
 * are enough, 2.78 are not. */
static void the_least_budget_is_just_enough(void **state) {
    (void)state;
    tasks[0] = (struct sched_task){700, 5000, 5000};
    tasks[1] = (struct sched_task){900, 7500, 7500};
    supply = sched_supply_wanting(&(struct sched_task){279, 1000, 1000});
    assert_int_equal(outcome(2), SCHED_ADMITTED);
    supply = sched_supply_wanting(&(struct sched_task){278, 1000, 1000});
    assert_int_equal(outcome(2), SCHED_REFUSED);
    assert_int_equal(verdict.at, 15000);
    assert_int_equal(verdict.demand, 3900);
    assert_int_equal(verdict.excess, 3900 - 14 * 278);
}

/* Two tasks, in either order, that want all of a core that is always there: by 12 all of it, three times 2 and twice 3. */
static void what_is_always_supplied_can_be_wanted(void **state) {
    (void)state;
    supply = (struct sched_supply){.blackout = 0, .budget = 5, .period = 5};
    for (uint32_t first = 0; first < 2; first++) {
        tasks[first] = (struct sched_task){2, 4, 4};
        tasks[1 - first] = (struct sched_task){3, 6, 6};
        assert_int_equal(outcome(2), SCHED_ADMITTED);
        tasks[first].deadline = 3;
        assert_int_equal(outcome(2), SCHED_ADMITTED);
        tasks[1 - first].deadline = 4; /* all 12 by 11 */
        assert_int_equal(outcome(2), SCHED_REFUSED);
        assert_int_equal(verdict.at, 11);
        assert_int_equal(verdict.demand, 12);
        assert_int_equal(verdict.excess, 1);
    }
    tasks[0] = (struct sched_task){1, 1, 1};
    assert_int_equal(outcome(1), SCHED_ADMITTED);
    supply.blackout = 1;
    assert_int_equal(outcome(1), SCHED_REFUSED);
    assert_int_equal(verdict.at, 1);
}

static void a_value_out_of_its_range_is_malformed(void **state) {
    static const struct sched_supply wrong_supply[] = {
        {1, 0, 10}, {1, 11, 10}, {1, 5, INSTANT_MAX}, {INSTANT_MAX, 5, 10}, {1, INSTANT_MAX, INSTANT_MAX}};
    static const struct sched_task wrong_task[] = {{0, 9, 9},           {1, 0, 9},           {1, 9, 0},
                                                   {INSTANT_MAX, 9, 9}, {1, INSTANT_MAX, 9}, {1, 9, INSTANT_MAX}};
    static const struct sched_supply right_supply[] = {{0, 1, 1}, {1, 1, 2}, {INSTANT_MAX - 1, 1, INSTANT_MAX - 1}};
    static const struct sched_task right_task[] = {
        {1, 1, 9}, {1, 9, 1}, {INSTANT_MAX - 1, 9, 9}, {1, INSTANT_MAX - 1, 9}, {1, 9, INSTANT_MAX - 1}};

    (void)state;
    for (uint32_t place = 0; place < 2; place++) {
        supply = (struct sched_supply){0, 1, 1};
        for (uint32_t i = 0; i < sizeof(wrong_task) / sizeof(wrong_task[0]); i++) {
            tasks[0] = tasks[1] = (struct sched_task){1, 9, 9};
            assert_int_equal(outcome(2), SCHED_ADMITTED);
            tasks[place] = wrong_task[i];
            assert_int_equal(outcome(2), SCHED_MALFORMED);
            assert_int_equal(verdict.outcome, SCHED_MALFORMED);
        }
        for (uint32_t i = 0; i < sizeof(right_task) / sizeof(right_task[0]); i++) {
            tasks[place] = right_task[i];
            assert_int_not_equal(outcome(2), SCHED_MALFORMED);
        }
    }
    for (uint32_t i = 0; i < sizeof(wrong_supply) / sizeof(wrong_supply[0]); i++) {
        supply = wrong_supply[i];
        assert_int_equal(outcome(0), SCHED_MALFORMED);
    }
    for (uint32_t i = 0; i < sizeof(right_supply) / sizeof(right_supply[0]); i++) {
        supply = right_supply[i];
        assert_int_equal(outcome(0), SCHED_ADMITTED);
    }
}

static void a_guest_has_32_tasks(void **state) {
    (void)state;
    supply = (struct sched_supply){0, 1, 1};
    for (uint32_t i = 0; i <= SCHED_TASKS_MAX; i++) { tasks[i] = (struct sched_task){1, 100, 100}; }
    assert_int_equal(outcome(SCHED_TASKS_MAX), SCHED_ADMITTED);
    assert_int_equal(outcome(SCHED_TASKS_MAX + 1), SCHED_MALFORMED);
}

/* Behind n ticks without supply 9,999 in 10,000 catch up a tick in each period: n rounds add a period each, and the last
 * one finds nothing more. */
static void the_longest_busy_time_is_found_in_1024_rounds(void **state) {
    (void)state;
    tasks[0] = (struct sched_task){9999, 1000000000, 10000};
    supply = (struct sched_supply){.blackout = SCHED_QPA_STEPS_MAX - 1, .budget = 1, .period = 1};
    assert_int_equal(outcome(1), SCHED_ADMITTED);
    supply.blackout++;
    assert_int_equal(outcome(1), SCHED_UNDECIDED);
}

/* The same, half of it due 5,000 earlier: none of the 2n - 1 deadlines before the end is passed over. */
static void the_deadlines_are_walked_in_1024_steps(void **state) {
    (void)state;
    for (uint64_t n = 512; n <= 513; n++) {
        supply = (struct sched_supply){.blackout = n, .budget = 1, .period = 1};
        tasks[0] = (struct sched_task){4999, n + 5000, 10000};
        tasks[1] = (struct sched_task){5000, n + 10000, 10000};
        assert_int_equal(outcome(2), n == 512 ? SCHED_ADMITTED : SCHED_UNDECIDED);
        assert_int_equal(verdict.steps, n == 512 ? 2 * 512 - 1 : SCHED_QPA_STEPS_MAX);
    }
}

/* More than half of the core in each period of 2^61: the first deadline shows it, and no later one is looked at, not even
 * if it is the first. */
static void a_witness_may_be_as_late_as_2_to_the_61(void **state) {
    (void)state;
    supply = (struct sched_supply){.blackout = 1, .budget = 1, .period = 2};
    tasks[0] = (struct sched_task){INSTANT_MAX / 4 + 1, INSTANT_MAX / 2, INSTANT_MAX / 2};
    assert_int_equal(outcome(1), SCHED_REFUSED);
    assert_true(verdict.at == INSTANT_MAX / 2);
    assert_int_equal(verdict.excess, 1);
    tasks[0] = (struct sched_task){INSTANT_MAX / 4 + 2, INSTANT_MAX / 2 + 1, INSTANT_MAX / 2 + 1};
    assert_int_equal(outcome(1), SCHED_UNDECIDED);
    assert_int_equal(verdict.steps, 0);
}

/* 2 in every tick, the first by 2: nothing is due at 1, all is supplied at 2, and the next instant is 4, not 3. */
static void a_witness_is_looked_for_twice_as_late_each_time(void **state) {
    (void)state;
    supply = (struct sched_supply){.blackout = 0, .budget = 1, .period = 1};
    tasks[0] = (struct sched_task){2, 2, 1};
    assert_int_equal(outcome(1), SCHED_REFUSED);
    assert_int_equal(verdict.at, 4);
    assert_int_equal(verdict.demand, 3 * 2);
    assert_int_equal(verdict.steps, 2);
}

int main(void) {
    const struct CMUnitTest all[] = {
        cmocka_unit_test(the_least_budget_is_just_enough),
        cmocka_unit_test(what_is_always_supplied_can_be_wanted),
        cmocka_unit_test(a_value_out_of_its_range_is_malformed),
        cmocka_unit_test(a_guest_has_32_tasks),
        cmocka_unit_test(the_longest_busy_time_is_found_in_1024_rounds),
        cmocka_unit_test(the_deadlines_are_walked_in_1024_steps),
        cmocka_unit_test(a_witness_may_be_as_late_as_2_to_the_61),
        cmocka_unit_test(a_witness_is_looked_for_twice_as_late_each_time),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
