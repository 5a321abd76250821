// SPDX-License-Identifier: Apache-2.0
/* The start latency of a VCPU in two pieces, by hand; `takt-sim --latency` plays it (tests/scripts/test_sim.py). */
#include "test_sched_support.h"

#include "sched/latency_split.h"

static struct sched_core_load loads[2];
static struct sched_split split;

/* Filled by a VCPU of 50 in 100: 40 of it by 40 on core 0, the rest by 60 on core 1. */
static int setup(void **state) {
    (void)state;
    loads[0] = (struct sched_core_load){.task_count = 2, .tasks = {{60, 100, 100}, {40, 40, 100}}};
    loads[1] = (struct sched_core_load){.task_count = 2, .tasks = {{10, 60, 100}, {70, 100, 100}}};
    split = (struct sched_split){.load = {&loads[0], &loads[1]}, .index = {1, 0}};
    return 0;
}

static uint64_t latency(uint64_t blocking) { return sched_split_latency(&split, blocking); }

/* Each piece waits 39 at most, and 40 when the first has nothing left: then core 0 is full of what is due by D1. */
static void it_is_both_pieces_and_a_move(void **state) {
    (void)state;
    assert_int_equal(latency(0), 40 + 39);
    split.migration = 5;
    assert_int_equal(latency(0), 40 + 5 + 39);
    loads[1].task_count = 1; /* alone there */
    assert_int_equal(latency(0), 40 + 5);
}

/* With time left on core 0 the turn of a piece without budget comes before its deadline: one with 41 by 41 would wait as long.
 * Woken at 59, due as the other, after 41 of its own, it waits for the rest of the other's `budget`. */
static void a_turn_comes_as_soon_as_a_budget_with_one_more_would_start(void **state) {
    (void)state;
    for (uint64_t budget = 20; budget <= 50; budget += 10) {
        loads[0].tasks[0].budget = budget;
        assert_int_equal(latency(0), budget - (59 - 40) + 39);
    }
    assert_in_range(latency(3), 31 + 39 + 2 * 3, 40 + 39 + 2 * 3);
}

/* A deadline behind the period's end there is not: with the other's 10 before it, it has its turn by then. */
static void a_piece_may_be_due_when_its_period_ends(void **state) {
    (void)state;
    loads[0].tasks[0] = (struct sched_task){10, 100, 100};
    loads[0].tasks[1] = (struct sched_task){40, 100, 100};
    assert_int_equal(latency(0), 10 + 39);
}

/* All others are due as early as the piece, and before it. */
static void a_core_may_be_full_of_servers(void **state) {
    (void)state;
    loads[0].task_count = SCHED_TASKS_MAX;
    for (uint32_t i = 0; i < SCHED_TASKS_MAX; i++) { loads[0].tasks[i] = (struct sched_task){1, 40, 1000}; }
    loads[0].tasks[SCHED_TASKS_MAX - 1] = (struct sched_task){9, 40, 1000};
    split.index[0] = SCHED_TASKS_MAX - 1;
    assert_int_equal(latency(0), SCHED_TASKS_MAX - 1 + 39);
}

/* It waits on the second core until it has to go back, to a first piece that may wait as long as on the second. */
static void a_return_makes_it_wait_on_both(void **state) {
    struct sched_latency first, second;

    (void)state;
    loads[0].tasks[1] =
        (struct sched_task){39, 60, 100}; /* with one more it starts no later here: the other one is done */
    loads[0].tasks[0] = (struct sched_task){20, 30, 100};
    split.migration = 5;
    assert_true(sched_start_latency(loads[0].tasks, 2, NULL, 0, 0, 1, &first));
    assert_true(sched_start_latency(loads[1].tasks, 2, NULL, 0, 0, 0, &second));
    assert_int_equal(latency(0), second.longest + 5 + first.longest);
    assert_int_equal(first.longest, 20);
}

/* Full cores, on which no busy period ends that begins with a section of 3: by each deadline, and as much later. */
static void what_is_not_decided_starts_by_its_deadline(void **state) {
    (void)state;
    loads[1].tasks[1].budget = 90;
    assert_int_equal(latency(3), 40 + 3 + 60 + 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_is_both_pieces_and_a_move, setup),
        cmocka_unit_test_setup(a_turn_comes_as_soon_as_a_budget_with_one_more_would_start, setup),
        cmocka_unit_test_setup(a_piece_may_be_due_when_its_period_ends, setup),
        cmocka_unit_test_setup(a_core_may_be_full_of_servers, setup),
        cmocka_unit_test_setup(a_return_makes_it_wait_on_both, setup),
        cmocka_unit_test_setup(what_is_not_decided_starts_by_its_deadline, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
