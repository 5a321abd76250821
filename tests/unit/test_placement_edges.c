// SPDX-License-Identifier: Apache-2.0
/* Ties, limits and counters: of the choice of a core, of the plans, of the search for pieces and of the advice. */
#include "test_sched_support.h"

#include "sched/sched.h"
#include "sched/split.h"

#include <string.h>

enum { CORES = 3, REQUESTS = SCHED_MEMBERS_MAX + 1 };

static struct sched_core_load cores[CORES];
static struct sched_machine machine;
static struct sched_request requests[REQUESTS];
static struct sched_placement placements[REQUESTS];

static int setup(void **state) {
    (void)state;
    memset(cores, 0, sizeof(cores));
    memset(placements, 0, sizeof(placements));
    machine = (struct sched_machine){.cores = cores, .core_count = 2, .splits = true};
    return 0;
}

static void task(unsigned core, uint64_t budget, uint64_t deadline, uint64_t period) {
    cores[core].tasks[cores[core].task_count++] = (struct sched_task){budget, deadline, period};
}

static void source(unsigned core, uint64_t cost, uint64_t distance) {
    cores[core].sources[cores[core].source_count++] = (struct sched_source){cost, distance};
}

static struct sched_request reserved(uint64_t budget, uint64_t deadline, uint64_t period) {
    return (struct sched_request){.task = {budget, deadline, period}, .core = SCHED_CORE_AUTO};
}

static struct sched_request best_effort(uint32_t weight, uint32_t vm) {
    return (struct sched_request){.weight = weight, .vm = vm, .core = SCHED_CORE_AUTO};
}

static bool place(uint64_t budget, uint64_t deadline, uint64_t period) {
    requests[0] = reserved(budget, deadline, period);
    return place_one(&machine, &requests[0], &placements[0]) == SCHED_ADMITTED;
}

static int32_t core_of(struct sched_request request) {
    assert_int_equal(place_one(&machine, &request, &placements[0]), SCHED_ADMITTED);
    return placements[0].core;
}

/* ---- whole -------------------------------------------------------------------------------------------------------- */
static void a_core_is_full_of_tasks_but_never_of_sources(void **state) {
    (void)state;
    machine.core_count = 1;
    for (unsigned i = 0; i < SCHED_SOURCES_MAX; i++) { source(0, 1, 1000); }
    assert_true(place(10, 100, 100));
    cores[0].source_count = 0;
    while (cores[0].task_count < SCHED_TASKS_MAX) { task(0, 1, 1000, 1000); }
    assert_false(place(10, 100, 100));
    assert_int_equal(placements[0].verdict.at, 0);
    assert_int_equal(cores[0].task_count, SCHED_TASKS_MAX);
}

static void tests_and_steps_are_counted(void **state) {
    (void)state;
    machine.core_count = 1;
    task(0, 10, 20, 100);
    assert_true(place(20, 30, 100)); /* too dense to be seen at once: the demand by 30 is 30 */
    uint32_t steps = placements[0].verdict.steps;

    assert_true(steps > 0);
    assert_true(cores[0].tests == 1 && cores[0].steps == steps);
    assert_true(place(10, 100, 100));
    assert_true(cores[0].tests == 2 && cores[0].steps == steps + placements[0].verdict.steps);
}

static void best_effort_is_placed_beside_fewer_siblings_by_what_is_free(void **state) {
    struct sched_request heavy = best_effort(SCHED_WEIGHT_MAX, 9);

    (void)state;
    cores[0].vm[0] = 7; /* of one that left */
    assert_int_equal(core_of(best_effort(10, 7)), 0);
    assert_int_equal(core_of(best_effort(10, 7)), 1);
    assert_int_equal(core_of(best_effort(10, 7)), 0);
    assert_int_equal(core_of(best_effort(10, 7)), 1); /* two there, one here */
    /* Nothing is free, here nor there. */
    setup(state);
    task(0, 100, 100, 100);
    task(1, 100, 100, 100);
    assert_int_equal(core_of(best_effort(50, 1)), 0);
    assert_int_equal(core_of(best_effort(50, 2)), 1);
    assert_int_equal(core_of(heavy), 0);
}

static void of_equal_ones_the_first_goes_to_the_first_core(void **state) {
    (void)state;
    requests[0] = requests[1] = reserved(10, 100, 100);
    assert_int_equal(sched_place_all(&machine, requests, placements, 2), 0);
    assert_true(placements[0].core == 0 && placements[1].core == 1);
}

/* Places on a core are short: who is fixed there, then reservations, then best effort, fixed before free. */
static void reservations_come_before_best_effort(void **state) {
    (void)state;
    machine.core_count = 1;
    for (unsigned i = 0; i < REQUESTS; i++) { requests[i] = reserved(1, 100, 100); }
    requests[0] = best_effort(10, 1);
    requests[0].core = 0;
    assert_int_equal(sched_place_all(&machine, requests, placements, REQUESTS), 1);
    assert_int_equal(placements[0].step, SCHED_STEP_REFUSED);
    setup(state);
    machine.core_count = 1;
    requests[REQUESTS - 1] = requests[0];
    requests[0] = best_effort(10, 2);
    assert_int_equal(sched_place_all(&machine, requests, placements, REQUESTS), 1);
    assert_int_equal(placements[0].step, SCHED_STEP_REFUSED);
}

/* Cores 0 and 2 have (40, 50, 100), core 1 (30, 100, 100). By least use 60 go to core 1, and 20 by 50 fit whole on none,
 * but in pieces; by best fit 60 go to the first of the fuller ones. The plan that failed leaves nothing behind. */
static void a_pair_is_packed_before_it_is_split(void **state) {
    (void)state;
    machine.core_count = 3;
    task(0, 40, 50, 100);
    task(1, 30, 100, 100);
    task(2, 40, 50, 100);
    requests[0] = reserved(60, 100, 100);
    requests[1] = reserved(20, 50, 100);
    assert_int_equal(sched_place_all(&machine, requests, placements, 2), 0);
    assert_true(placements[0].step == SCHED_STEP_BEST_FIT && placements[0].core == 0);
    assert_true(placements[1].step == SCHED_STEP_BEST_FIT && placements[1].core == 1);

    setup(state);
    machine.core_count = 3;
    task(0, 40, 50, 100);
    task(1, 30, 100, 100);
    task(2, 40, 50, 100);
    requests[2] = best_effort(10, 1);
    assert_int_equal(sched_place_all(&machine, requests, placements, 3), 0);
    assert_int_equal(placements[0].step, SCHED_STEP_BEST_FIT);
    assert_int_equal(cores[0].task_count + cores[1].task_count + cores[2].task_count, 5);
    assert_int_equal(cores[0].weight + cores[1].weight + cores[2].weight, 10);
}

/* Who found a place is told so, and nothing else; who stands behind the set is nobody. */
static void who_is_refused_is_advised_and_nobody_else(void **state) {
    (void)state;
    machine.core_count = 1;
    requests[0] = reserved(60, 100, 100);
    requests[1] = reserved(50, 100, 100);
    requests[2] = reserved(50, 100, 100);
    placements[2].step = SCHED_STEP_REFUSED;
    placements[2].verdict.outcome = SCHED_REFUSED;
    assert_int_equal(sched_place_all(&machine, requests, placements, 2), 1);
    assert_int_equal(placements[0].step, SCHED_STEP_LEAST_USED);
    assert_int_equal(placements[0].largest_budget, 0);
    assert_int_equal(placements[1].largest_budget, 40);
    assert_int_equal(placements[2].largest_budget, 0);
}

static void by_count_every_core_is_asked(void **state) {
    (void)state;
    machine.by_count = true;
    task(0, 50, 100, 100); /* not a VCPU's */
    task(1, 10, 100, 100);
    cores[1].member_count = 1;
    assert_int_equal(core_of(reserved(10, 100, 100)), 0);
}

/* ---- in pieces ---------------------------------------------------------------------------------------------------- */
static void expect_pieces(struct sched_task first, struct sched_task rest) {
    assert_int_equal(placements[0].step, SCHED_STEP_SPLIT);
    assert_memory_equal(&placements[0].pieces[0], &first, sizeof(first));
    assert_memory_equal(&placements[0].pieces[1], &rest, sizeof(rest));
}

static void density_is_by_the_deadline(void **state) {
    (void)state;
    assert_true(plans[6].hardness(&(struct sched_task){1, 2, 4}) == SCHED_UTILISATION_ONE / 2);
}

/* 50 of core 0 and 7 for its interrupts leave 43 by 100, when they come again: 42 are through before. */
static void all_sources_of_the_first_core_delay_its_piece(void **state) {
    (void)state;
    task(0, 50, 100, 100);
    task(1, 70, 100, 100);
    source(0, 2, 50);
    source(0, 3, 100);
    assert_true(place(50, 100, 100));
    expect_pieces((struct sched_task){42, 47, 100}, (struct sched_task){8, 53, 100});
}

/* An interrupt of 3 in 50: a piece of 47 is through by 53, behind the second one, one of 46 by 49. */
static void the_first_piece_ends_by_the_deadline(void **state) {
    (void)state;
    source(0, 3, 50);
    task(1, 90, 100, 100);
    assert_true(place(48, 52, 100));
    expect_pieces((struct sched_task){46, 49, 100}, (struct sched_task){2, 3, 100});
    /* The larger one takes all the time there is; the rest has none then, and no smaller one is tried, but another core. */
    setup(state);
    source(0, 3, 50);
    task(1, 90, 100, 100);
    assert_true(place(48, 53, 100));
    expect_pieces((struct sched_task){10, 10, 100}, (struct sched_task){38, 43, 100});
}

static void long_periods_are_split_as_short_ones(void **state) {
    const uint64_t unit = UINT64_C(1) << 33;

    (void)state;
    task(0, 6 * unit, 10 * unit, 10 * unit);
    task(1, 7 * unit, 10 * unit, 10 * unit);
    assert_true(place(5 * unit, 10 * unit, 10 * unit));
    expect_pieces((struct sched_task){4 * unit, 4 * unit, 10 * unit}, (struct sched_task){unit, 6 * unit, 10 * unit});
}

/* By 51, 50 of the other and three jobs of the largest piece, 11 in 20, are due: 32 too many, 11 a job. One look. */
static void the_search_goes_at_once_to_each_jobs_share(void **state) {
    (void)state;
    task(0, 50, 50, 100);
    task(1, 100, 100, 100);
    requests[0] = reserved(12, 20, 20);
    split_place(&machine, &requests[0], &placements[0]);
    assert_int_equal(cores[0].tests, 1);
}

/* By its deadline 1000 of the other are due as well: 1000 less, until it is before them, and then what they leave. */
static void the_search_goes_at_once_where_its_own_deadline_is_missed(void **state) {
    (void)state;
    task(0, 1000, 2000, 10000);
    task(1, 10000, 10000, 10000);
    requests[0] = reserved(6000, 10000, 10000);
    split_place(&machine, &requests[0], &placements[0]);
    assert_int_equal(cores[0].tests, 6); /* 5999, 4999, 3999, 2999, 1999, 1000 */
}

static void a_return_that_has_no_place_is_not_written(void **state) {
    (void)state;
    machine.migration_cost = 1;
    task(0, 60, 100, 100);
    task(1, 70, 100, 100);
    while (cores[1].source_count < SCHED_SOURCES_MAX) { source(1, 1, 1000000); }
    cores[1].tests = 1000; /* what stands behind the sources */
    requests[0] = reserved(45, 100, 100);
    split_place(&machine, &requests[0], &placements[0]);
    assert_int_equal(cores[0].task_count + cores[1].task_count, 2);
    assert_true(cores[1].tests >= 1000);
}

static void what_stands_behind_the_last_core_is_not_looked_at(void **state) {
    (void)state;
    task(0, 60, 100, 100);
    task(1, 70, 100, 100);
    cores[2].task_count = UINT32_MAX;
    assert_true(place(50, 100, 100));
    expect_pieces((struct sched_task){40, 40, 100}, (struct sched_task){10, 60, 100});
}

static void of_equal_first_pieces_that_of_the_first_core_is_taken(void **state) {
    (void)state;
    task(0, 60, 100, 100);
    task(1, 60, 100, 100);
    assert_true(place(50, 100, 100));
    assert_int_equal(placements[0].core, 0);
}

static void the_rest_may_have_no_time_to_lose(void **state) {
    (void)state;
    task(0, 60, 100, 100);
    task(1, 70, 100, 100);
    assert_true(place(50, 50, 100));
    expect_pieces((struct sched_task){40, 40, 100}, (struct sched_task){10, 10, 100});
}

static void a_full_core_behind_two_others_is_in_nobodys_way(void **state) {
    (void)state;
    machine.core_count = 3;
    task(0, 60, 100, 100);
    task(1, 70, 100, 100);
    task(2, 100, 100, 100);
    assert_true(place(50, 100, 100));
    expect_pieces((struct sched_task){40, 40, 100}, (struct sched_task){10, 60, 100});
    assert_int_equal(placements[0].second, 1);
}

/* Half a core beside half a core and a tick of 3 * 2^39: more than there is, at no instant that could be looked at. */
static void where_nothing_shows_a_64th_less_is_tried(void **state) {
    const uint64_t period = UINT64_C(3) << 39;

    (void)state;
    task(0, period / 2 + 1, period, period);
    task(1, 614, 1024, 1024);
    assert_true(place(600, 1024, 1024));
    expect_pieces((struct sched_task){503, 503, 1024}, (struct sched_task){97, 521, 1024});
}

/* A core that cannot keep what it has is left after 64 steps down. */
static void the_search_ends(void **state) {
    const uint64_t period = UINT64_C(1) << 40;

    (void)state;
    task(0, 60, 100, 100);
    task(0, 60, 100, 100);
    task(1, 90, 100, 100);
    requests[0] = reserved(period / 10 + 50000, period, period);
    split_place(&machine, &requests[0], &placements[0]);
    assert_int_equal(cores[0].tests, 65);
    assert_int_equal(cores[0].task_count, 2);
}

/* ---- the advice --------------------------------------------------------------------------------------------------- */
static void expect_advice(uint64_t largest_budget, uint64_t smallest_period) {
    assert_int_equal(placements[0].largest_budget, largest_budget);
    assert_int_equal(placements[0].smallest_period, smallest_period);
}

/* One core leaves 0.4, the other a little more or less; 50 in 125 are 0.4. */
static void the_better_core_counts_by_a_tick(void **state) {
    static const struct {
        uint64_t used[2], budget, period;
    } rows[] = {
        {{60, 59}, 41, 122}, /* 0.41 are 50 in 121.95 */
        {{60, 61}, 40, 125},
        {{61, 60}, 40, 125},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        setup(state);
        machine.splits = false;
        for (unsigned core = 0; core < 2; core++) { task(core, rows[i].used[core], 100, 100); }
        assert_false(place(50, 100, 100));
        expect_advice(rows[i].budget, rows[i].period);
    }
    /* 0.404 and 0.397: 50 in 123.8 and in 125.9. */
    for (unsigned better = 0; better < 2; better++) {
        setup(state);
        machine.splits = false;
        task(0, 600, 1000, 1000);
        task(1, better != 0 ? 596 : 603, 1000, 1000);
        assert_false(place(50, 100, 100));
        assert_int_equal(placements[0].smallest_period, better != 0 ? 124 : 125);
    }
}

static void a_shorter_deadline_stays(void **state) {
    (void)state;
    machine.core_count = 1;
    task(0, 40, 100, 100);
    assert_false(place(50, 60, 80));
    /* Six of them and five of the other are due by 60 + 5 T, 500 in all. */
    assert_int_equal(placements[0].smallest_period, 88);
}

/* One tick in any period, beside all but one of P. */
static void a_period_is_looked_for_up_to_a_million_times(void **state) {
    const uint64_t million = UINT64_C(1) << 20;

    for (unsigned i = 0; i < 4; i++) {
        uint64_t length = (i == 0 ? million : i == 1 ? million + 1 : million / 2 * 3);

        setup(state);
        machine.core_count = 1;
        task(0, length - 1, length, length);
        assert_false(place(1, 1, i == 3 ? 2 : 1));
        assert_int_equal(placements[0].smallest_period, i == 0 || i == 3 ? length : 0);
    }
    /* As far as there are periods: a quarter is left for 2^59. */
    setup(state);
    machine.core_count = 1;
    task(0, 3, 4, 4);
    assert_false(place(UINT64_C(1) << 59, UINT64_C(3) << 58, UINT64_C(3) << 58));
    assert_int_equal(placements[0].smallest_period, UINT64_C(1) << 61);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_core_is_full_of_tasks_but_never_of_sources, setup),
        cmocka_unit_test_setup(tests_and_steps_are_counted, setup),
        cmocka_unit_test_setup(best_effort_is_placed_beside_fewer_siblings_by_what_is_free, setup),
        cmocka_unit_test_setup(of_equal_ones_the_first_goes_to_the_first_core, setup),
        cmocka_unit_test_setup(reservations_come_before_best_effort, setup),
        cmocka_unit_test_setup(a_pair_is_packed_before_it_is_split, setup),
        cmocka_unit_test_setup(who_is_refused_is_advised_and_nobody_else, setup),
        cmocka_unit_test_setup(by_count_every_core_is_asked, setup),
        cmocka_unit_test_setup(density_is_by_the_deadline, setup),
        cmocka_unit_test_setup(all_sources_of_the_first_core_delay_its_piece, setup),
        cmocka_unit_test_setup(the_first_piece_ends_by_the_deadline, setup),
        cmocka_unit_test_setup(long_periods_are_split_as_short_ones, setup),
        cmocka_unit_test_setup(the_search_goes_at_once_to_each_jobs_share, setup),
        cmocka_unit_test_setup(the_search_goes_at_once_where_its_own_deadline_is_missed, setup),
        cmocka_unit_test_setup(a_return_that_has_no_place_is_not_written, setup),
        cmocka_unit_test_setup(what_stands_behind_the_last_core_is_not_looked_at, setup),
        cmocka_unit_test_setup(a_full_core_behind_two_others_is_in_nobodys_way, setup),
        cmocka_unit_test_setup(of_equal_first_pieces_that_of_the_first_core_is_taken, setup),
        cmocka_unit_test_setup(the_rest_may_have_no_time_to_lose, setup),
        cmocka_unit_test_setup(where_nothing_shows_a_64th_less_is_tried, setup),
        cmocka_unit_test_setup(the_search_ends, setup),
        cmocka_unit_test_setup(the_better_core_counts_by_a_tick, setup),
        cmocka_unit_test_setup(a_shorter_deadline_stays, setup),
        cmocka_unit_test_setup(a_period_is_looked_for_up_to_a_million_times, setup),
    };
    return cmocka_run_group_tests_name("edges of placement", tests, NULL, NULL);
}
