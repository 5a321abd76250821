// SPDX-License-Identifier: Apache-2.0
/* The functions of sched/reclaim.c on their own: two things at one instant, parts of a tick, and what is very long. */
#include "test_sched_support.h"

#include "sched/entity_heap.h"
#include "sched/reclaim.h"

#define QUARTER (UINT32_C(1) << 30)

static struct sched_core core;
static struct sched_spare spare;
static struct sched_entity runner, one, other;
static uint64_t timer_of_one, timer_of_other;

static uint64_t awaits(struct sched_entity *entity) {
    assert_true(entity == &one || entity == &other);
    return entity == &one ? timer_of_one : timer_of_other;
}

static int begin(void **state) {
    (void)state;
    sched_core_init(&core, 1000);
    sched_reclaim(&core, &spare, awaits);
    runner = (struct sched_entity){.core = &core, .state = SCHED_READY, .reclaims = true, .remaining = 1000};
    core.running = &runner;
    timer_of_one = timer_of_other = SCHED_NEVER;
    return 0;
}

/* It sleeps, and its last refill comes `back`. */
static void sleeps(struct sched_entity *entity, uint32_t share, uint64_t back) {
    *entity = (struct sched_entity){.core = &core, .state = SCHED_AWAY, .share = share};
    heap_push(&spare.leaving, entity, back);
}

static uint64_t earned(uint64_t from, uint64_t to, uint64_t exempted) {
    uint64_t before = runner.remaining;

    reclaim_credit(&core, from, to, exempted);
    return runner.remaining - before;
}

/* The largest part of 2^32 that is not more. */
static void a_share_is_rounded_down(void **state) {
    struct sched_entity third, half;

    (void)state;
    assert_int_equal(sched_entity_init_reserved(&third, 10, 20, 30), SCHED_OK);
    assert_int_equal(third.share, UINT32_MAX / 3);
    assert_int_equal(sched_entity_init_reserved(&half, 10, 20, 20), SCHED_OK);
    assert_int_equal(half.share,
                     (UINT32_C(1) << 31) - 1); /* one less where it is exact, so that all of one is one less too */
}

/* Three ticks of a third, rounded down, are a little less than one. */
static void parts_of_a_tick_are_kept_for_one_decision(void **state) {
    (void)state;
    sleeps(&one, UINT32_MAX / 3, 0);
    reclaim_chosen(&core, &runner, 0);
    assert_int_equal(earned(0, 3, 0), 0);
    assert_int_equal(earned(3, 4, 2), 0); /* more was exempted than the tick that passed */
    assert_int_equal(earned(4, 5, 0), 1);
    reclaim_chosen(&core, &runner, 5);
    assert_int_equal(earned(5, 8, 0), 0);
    assert_int_equal(earned(8, 9, 0), 1);
}

/* One spares a quarter all the time, the other between two instants; for two ticks the core did something else. */
static void what_was_exempted_counts_as_if_most_was_spare(void **state) {
    static const struct {
        uint64_t back, timer, from, quarters;
    } rows[] = {
        {4, SCHED_NEVER, 0, 8 + 4 - 2 * 2},
        {4, 6, 0, 8 + 2 - 2 * 2},
        {4, 4, 0, 8 - 2},           /* never spare */
        {8, SCHED_NEVER, 0, 8 - 2}, /* not before the end */
        {0, 8, 8, 8 - 2},           /* no more */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin(state);
        timer_of_other = rows[i].timer;
        sleeps(&one, QUARTER, 0);
        sleeps(&other, QUARTER, rows[i].back);
        reclaim_chosen(&core, &runner, 0);
        assert_int_equal(4 * earned(rows[i].from, rows[i].from + 8, 2) + spare.fraction / QUARTER, rows[i].quarters);
    }
}

static void a_long_budget_is_stretched_as_a_short_one_and_a_very_long_one_is_not(void **state) {
    const uint64_t very_long = UINT64_C(1) << 40;

    (void)state;
    sleeps(&one, 2 * QUARTER, 0);
    reclaim_chosen(&core, &runner, 0);
    assert_int_equal(reclaim_end(&core, 7, 6), 7 + 12);
    assert_int_equal(reclaim_end(&core, 7, (UINT64_C(1) << 33) + 6), 7 + 2 * ((UINT64_C(1) << 33) + 6));
    assert_int_equal(reclaim_end(&core, 7, very_long - 1), 7 + 2 * (very_long - 1));
    assert_int_equal(reclaim_end(&core, 7, very_long), 7 + very_long);
}

static void a_share_counts_until_the_timer_expires(void **state) {
    (void)state;
    timer_of_one = 20;
    sleeps(&one, QUARTER, 10);
    reclaim_chosen(&core, &runner, 9);
    assert_false(reclaim_counts(&one, 9));
    reclaim_chosen(&core, &runner, 10);
    assert_true(reclaim_counts(&one, 10) && reclaim_counts(&one, 19));
    assert_false(reclaim_counts(&one, 20));
}

static void best_effort_has_nothing_to_spare(void **state) {
    (void)state;
    assert_int_equal(sched_entity_init_best_effort(&other, 1), SCHED_OK);
    other.core = &core;
    reclaim_chosen(&core, &other, 0);
    reclaim_chosen(&core, NULL, 10); /* it blocked */
    assert_int_equal(other.state, SCHED_BLOCKED);
}

static void nobody_is_away_where_one_is_alone(void **state) {
    (void)state;
    sleeps(&one, QUARTER, 0);
    sleeps(&other, QUARTER, 0);
    reclaim_chosen(&core, &runner, 0);
    assert_int_equal(spare.sum, 2 * QUARTER);
    reclaim_end_all(&core);
    assert_true(one.state == SCHED_BLOCKED && other.state == SCHED_BLOCKED);
    assert_true(spare.sum == 0 && spare.spares.count == 0);
    /* Nor is who ran then, once it sleeps. */
    runner.state = SCHED_BLOCKED;
    reclaim_chosen(&core, NULL, 10);
    assert_int_equal(runner.state, SCHED_BLOCKED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_share_is_rounded_down, begin),
        cmocka_unit_test_setup(parts_of_a_tick_are_kept_for_one_decision, begin),
        cmocka_unit_test_setup(what_was_exempted_counts_as_if_most_was_spare, begin),
        cmocka_unit_test_setup(a_long_budget_is_stretched_as_a_short_one_and_a_very_long_one_is_not, begin),
        cmocka_unit_test_setup(a_share_counts_until_the_timer_expires, begin),
        cmocka_unit_test_setup(best_effort_has_nothing_to_spare, begin),
        cmocka_unit_test_setup(nobody_is_away_where_one_is_alone, begin),
    };

    return cmocka_run_group_tests_name("edges of reclaiming", tests, NULL, NULL);
}
