// SPDX-License-Identifier: Apache-2.0
/* Sporadic servers, one rule a test. */
#include "test_sched_support.h"

#include "sched/sched.h"

#define TURN 1000

/* A reservation under test, and best effort beside it so that budgets are enforced. */
struct bench {
    struct sched_core core;
    struct sched_entity server;
    struct sched_entity filler;
};

static void set_up(struct bench *bench, uint64_t budget, uint64_t deadline, uint64_t period) {
    sched_core_init(&bench->core, TURN);
    assert_int_equal(sched_entity_init_reserved(&bench->server, budget, deadline, period), SCHED_OK);
    assert_int_equal(sched_entity_init_best_effort(&bench->filler, 1), SCHED_OK);
    assert_int_equal(sched_add(&bench->core, &bench->server), SCHED_OK);
    assert_int_equal(sched_add(&bench->core, &bench->filler), SCHED_OK);
    sched_wake(&bench->core, &bench->filler, 0);
    sched_pick(&bench->core, 0);
}

static void expect(struct bench *bench, uint64_t now, const struct sched_entity *run, uint64_t until,
                   uint64_t deadline) {
    struct sched_decision decision = sched_pick(&bench->core, now);

    assert_ptr_equal(decision.run, run);
    assert_int_equal(decision.until, until);
    assert_int_equal(decision.deadline, deadline);
    assert_int_equal(bench->core.current_deadline, deadline);
}

static uint64_t misses(const struct sched_entity *entity) {
    return entity->stats.misses[SCHED_MISS_DISPATCH] + entity->stats.misses[SCHED_MISS_PLATFORM] +
           entity->stats.misses[SCHED_MISS_BACKLOG];
}

static void parameters_out_of_range_are_rejected(void **state) {
    struct sched_entity entity;

    (void)state;
    assert_int_equal(sched_entity_init_reserved(&entity, 0, 5, 10), SCHED_EINVAL);
    assert_int_equal(sched_entity_init_reserved(&entity, 6, 5, 10), SCHED_EINVAL);
    assert_int_equal(sched_entity_init_reserved(&entity, 5, 11, 10), SCHED_EINVAL);
    assert_int_equal(sched_entity_init_reserved(&entity, 5, 9, SCHED_TICKS_MAX), SCHED_EINVAL);
    assert_int_equal(sched_entity_init_reserved(&entity, 10, 10, 10), SCHED_OK);
    assert_int_equal(sched_entity_init_best_effort(&entity, 0), SCHED_EINVAL);
    assert_int_equal(sched_entity_init_best_effort(&entity, SCHED_WEIGHT_MAX + 1), SCHED_EINVAL);
    assert_int_equal(sched_entity_init_best_effort(&entity, SCHED_WEIGHT_MAX), SCHED_OK);
}

static void budget_runs_out_and_returns_at_release_plus_period(void **state) {
    struct bench b;

    (void)state;
    set_up(&b, 20, 50, 100);
    sched_wake(&b.core, &b.server, 7);
    expect(&b, 7, &b.server, 27, 57);
    expect(&b, 27, &b.filler, 107, SCHED_NEVER);
    assert_int_equal(b.server.state, SCHED_THROTTLED);
    assert_int_equal(sched_eligible_at(&b.server, 30), 107);
    expect(&b, 107, &b.server, 127, 157);
    expect(&b, 127, &b.filler, 207, SCHED_NEVER);
    assert_int_equal(b.server.stats.supplied, 40);
    assert_int_equal(b.server.stats.exhaustions, 2);
    assert_int_equal(b.server.stats.activations, 2);
    assert_int_equal(misses(&b.server), 0);
}

static void what_a_block_leaves_takes_its_release_from_the_next_wake(void **state) {
    struct bench b;

    (void)state;
    set_up(&b, 20, 50, 100);
    sched_wake(&b.core, &b.server, 10);
    expect(&b, 10, &b.server, 30, 60);
    sched_block(&b.core, &b.server, 15);
    expect(&b, 15, &b.filler, SCHED_NEVER, SCHED_NEVER);
    sched_wake(&b.core, &b.server, 40);
    expect(&b, 40, &b.server, 55, 90);
    /* 5 return at 110 and 15 at 140, each as an activation of its own. */
    expect(&b, 55, &b.filler, 110, SCHED_NEVER);
    expect(&b, 110, &b.server, 115, 160);
    expect(&b, 115, &b.filler, 140, SCHED_NEVER);
    expect(&b, 140, &b.server, 155, 190);
}

static void a_refill_opens_behind_what_is_left_with_its_own_deadline(void **state) {
    struct bench b;
    struct sched_entity urgent;

    (void)state;
    set_up(&b, 20, 100, 100);
    assert_int_equal(sched_entity_init_reserved(&urgent, 60, 60, 1000), SCHED_OK);
    assert_int_equal(sched_add(&b.core, &urgent), SCHED_OK);
    sched_wake(&b.core, &b.server, 0);
    expect(&b, 0, &b.server, 20, 100);
    sched_block(&b.core, &b.server, 5);
    sched_wake(&b.core, &b.server, 50);
    sched_wake(&b.core, &urgent, 50);
    /* The server's 15 ticks are released at 50, 5 more at 100 while it waits. */
    expect(&b, 50, &urgent, 110, 110);
    expect(&b, 110, &b.server, 125, 150);
    expect(&b, 125, &b.server, 130, 200);
    expect(&b, 130, &b.filler, 150, SCHED_NEVER);
}

static void a_late_decision_does_not_move_the_release(void **state) {
    struct bench b;

    (void)state;
    set_up(&b, 20, 50, 100);
    sched_wake(&b.core, &b.server, 0);
    expect(&b, 0, &b.server, 20, 50);
    expect(&b, 20, &b.filler, 100, SCHED_NEVER);
    expect(&b, 104, &b.server, 124, 150);
    sched_block(&b.core, &b.server, 110);
    sched_wake(&b.core, &b.server, 115);
    expect(&b, 118, &b.server, 132, 165);
}

/* 15 left since 90 and 5 back since 100 are one refill after the block at 105. A wake-up that is
 * dated back before 100 must not get the 5 too early. */
static void joining_what_is_eligible_postpones(void **state) {
    struct bench b;
    struct sched_entity urgent;

    (void)state;
    set_up(&b, 20, 50, 100);
    assert_int_equal(sched_entity_init_reserved(&urgent, 20, 20, 1000), SCHED_OK);
    assert_int_equal(sched_add(&b.core, &urgent), SCHED_OK);
    sched_wake(&b.core, &b.server, 0);
    expect(&b, 0, &b.server, 20, 50);
    sched_block(&b.core, &b.server, 5);
    sched_wake(&b.core, &b.server, 90);
    sched_wake(&b.core, &urgent, 90);
    expect(&b, 90, &urgent, 110, 110);
    sched_block(&b.core, &b.server, 105);
    sched_wake(&b.core, &b.server, 95);
    expect(&b, 110, &b.server, 130, 150);
}

static void an_overrun_is_owed_and_paid_by_the_next_refill(void **state) {
    struct bench b;

    (void)state;
    set_up(&b, 20, 50, 100);
    sched_wake(&b.core, &b.server, 0);
    expect(&b, 0, &b.server, 20, 50);
    expect(&b, 23, &b.filler, 100, SCHED_NEVER);
    assert_int_equal(b.server.debt, 3);
    expect(&b, 100, &b.server, 117, 150);
    expect(&b, 117, &b.filler, 200, SCHED_NEVER);
    expect(&b, 200, &b.server, 220, 250);
}

/* Two refills of 5 and 15 with 8 owed: the first goes altogether, 3 of the second. */
static void debt_is_paid_by_as_many_refills_as_it_takes(void **state) {
    struct bench b;

    (void)state;
    set_up(&b, 20, 50, 100);
    sched_wake(&b.core, &b.server, 10);
    expect(&b, 10, &b.server, 30, 60);
    sched_block(&b.core, &b.server, 15);
    sched_wake(&b.core, &b.server, 40);
    expect(&b, 40, &b.server, 55, 90);
    expect(&b, 55, &b.filler, 110, SCHED_NEVER);
    sched_charge(&b.core, &b.server, 8);
    assert_int_equal(sched_eligible_at(&b.server, 60), 140);
    expect(&b, 110, &b.filler, 140, SCHED_NEVER);
    assert_int_equal(b.server.debt, 8);
    expect(&b, 140, &b.server, 152, 190);
    assert_int_equal(b.server.debt, 0);
    expect(&b, 152, &b.filler, 210, SCHED_NEVER);
}

/* Accounted at 70 although its budget was through at 50, its deadline. */
static void a_late_account_is_not_a_miss(void **state) {
    struct bench b;

    (void)state;
    set_up(&b, 50, 50, 100);
    sched_wake(&b.core, &b.server, 0);
    expect(&b, 0, &b.server, 50, 50);
    sched_pick(&b.core, 70);
    assert_int_equal(misses(&b.server), 0);
    assert_int_equal(b.server.debt, 20);
}

static void interrupts_are_charged_to_their_owner(void **state) {
    struct bench b;

    (void)state;
    set_up(&b, 20, 50, 100);
    /* Blocked: its next activation pays. */
    sched_charge(&b.core, &b.server, 4);
    sched_wake(&b.core, &b.server, 0);
    expect(&b, 0, &b.server, 16, 50);
    /* Running: 6 ticks at 5..11 belong to somebody else, then 2 to itself. */
    sched_exempt(&b.core, 6);
    expect(&b, 11, &b.server, 22, 50);
    sched_charge(&b.core, &b.server, 2);
    expect(&b, 11, &b.server, 20, 50);
    /* Charged beyond the rest: out of budget at once, the excess is owed. */
    sched_charge(&b.core, &b.server, 12);
    assert_int_equal(b.server.state, SCHED_THROTTLED);
    assert_int_equal(b.server.debt, 3);
    expect(&b, 11, &b.filler, 100, SCHED_NEVER);
    assert_int_equal(b.server.stats.supplied, 5);
    assert_int_equal(b.server.stats.charged, 18);
    /* Throttled, beyond all bounds: debt stops at Q, and eats one whole budget. */
    sched_charge(&b.core, &b.server, 1000);
    assert_int_equal(b.server.debt, 20);
    assert_int_equal(b.server.stats.forgiven, 983);
    assert_int_equal(sched_eligible_at(&b.server, 50), 200);
    expect(&b, 100, &b.filler, 200, SCHED_NEVER);
    expect(&b, 200, &b.server, 220, 250);
}

static void a_full_list_merges_by_postponing(void **state) {
    struct bench b;
    uint64_t now = 0;

    (void)state;
    set_up(&b, 100, 1000, 1000);
    for (uint32_t i = 0; i < 20; i++) {
        uint64_t sum = 0;

        sched_wake(&b.core, &b.server, now);
        sched_pick(&b.core, now);
        sched_block(&b.core, &b.server, now + 2);
        sched_pick(&b.core, now + 2);
        now += 10 + i;
        assert_true(b.server.refill_count <= SCHED_REFILLS_MAX);
        for (uint32_t k = 0; k < b.server.refill_count; k++) {
            sum += b.server.refills[(b.server.refill_head + k) % SCHED_REFILLS_MAX].amount;
        }
        assert_int_equal(sum, 100);
    }
    /* The first consumption was released at 0: nothing of it may be back before 1000, but what was
     * never used is there at once. */
    sched_wake(&b.core, &b.server, 999);
    expect(&b, 999, &b.server, 999 + 60, 1999);
}

/* The list is full when the first of what was consumed is about to be back. */
static void a_full_list_leaves_what_is_eligible_alone(void **state) {
    struct bench b;
    uint64_t now = 0;

    (void)state;
    set_up(&b, 100, 500, 500);
    for (uint32_t i = 0; i < 40; i++, now += i % 2 != 0 ? 34 : 84) {
        sched_wake(&b.core, &b.server, now);
        assert_ptr_equal(sched_pick(&b.core, now).run, &b.server);
        sched_block(&b.core, &b.server, now + 2);
        sched_pick(&b.core, now + 2);
        assert_int_equal(sched_eligible_at(&b.server, now + 2), now + 2);
    }
}

static void budget_is_there_now_or_with_the_refill_that_is_due(void **state) {
    struct bench b;

    (void)state;
    set_up(&b, 20, 50, 100);
    sched_wake(&b.core, &b.server, 5);
    expect(&b, 5, &b.server, 25, 55);
    assert_int_equal(sched_eligible_at(&b.server, 6), 6);
    assert_false(sched_remote_preempts(&b.core, &b.filler, 6));
    sched_block(&b.core, &b.server, 25);
    sched_pick(&b.core, 25);
    assert_int_equal(sched_eligible_at(&b.server, 30), 105);
    assert_int_equal(sched_eligible_at(&b.server, 130), 130);
    assert_int_equal(sched_eligible_at(&b.filler, 30), 30);
}

static void another_core_asks_by_published_words(void **state) {
    struct bench b;
    struct sched_entity other;

    (void)state;
    set_up(&b, 20, 50, 100);
    assert_int_equal(sched_entity_init_reserved(&other, 40, 200, 400), SCHED_OK);
    assert_int_equal(sched_add(&b.core, &other), SCHED_OK);
    assert_true(sched_remote_preempts(&b.core, &b.filler, 0)); /* nothing reserved runs */
    sched_wake(&b.core, &other, 0);
    expect(&b, 0, &other, 40, 200);
    assert_true(sched_remote_preempts(&b.core, &b.server, 149));
    assert_false(sched_remote_preempts(&b.core, &b.server, 150));
    sched_wake(&b.core, &b.server, 0);
    expect(&b, 0, &b.server, 20, 50);
    sched_block(&b.core, &b.server, 20);
    expect(&b, 20, &other, 60, 200);
    assert_true(sched_remote_preempts(&b.core, &b.server, 30)); /* refill at 100, deadline 150 */
    /* The same in front of an earlier deadline: awake at once it would preempt, at 100 it will not. */
    sched_block(&b.core, &other, 25);
    sched_pick(&b.core, 25);
    b.core.current_deadline = 120;
    assert_false(sched_remote_preempts(&b.core, &b.server, 30));
}

static void until_is_the_first_refill_that_would_preempt(void **state) {
    struct bench b;
    struct sched_entity slow;
    struct sched_entity long_job;

    (void)state;
    set_up(&b, 10, 20, 100);
    assert_int_equal(sched_entity_init_reserved(&slow, 10, 60, 60), SCHED_OK);
    assert_int_equal(sched_entity_init_reserved(&long_job, 100, 121, 1000), SCHED_OK);
    assert_int_equal(sched_add(&b.core, &slow), SCHED_OK);
    assert_int_equal(sched_add(&b.core, &long_job), SCHED_OK);
    sched_wake(&b.core, &b.server, 0);
    sched_wake(&b.core, &slow, 0);
    expect(&b, 0, &b.server, 10, 20);
    expect(&b, 10, &slow, 20, 60);
    expect(&b, 20, &b.filler, 60, SCHED_NEVER);
    sched_wake(&b.core, &long_job, 20);
    /* slow returns at 60 with deadline 120, the server at 100 with 120: both before 141. */
    expect(&b, 20, &long_job, 60, 141);
    expect(&b, 60, &slow, 70, 120);
    sched_block(&b.core, &slow, 65);
    expect(&b, 65, &long_job, 100, 141);
    assert_int_equal(misses(&b.server) + misses(&slow) + misses(&long_job), 0);
}

/* The vector of the scheduling model: a server that keeps (q, d) over the block makes A late. */
static void the_vector_that_breaks_constant_bandwidth_servers(void **state) {
    struct bench bench;
    struct sched_entity b;
    struct sched_decision decision = {0};
    uint64_t arrival = 0;
    uint64_t a_done = 0;

    (void)state;
    set_up(&bench, 200, 500, 1000);
    assert_int_equal(sched_entity_init_reserved(&b, 7900, 10000, 10000), SCHED_OK);
    assert_int_equal(sched_add(&bench.core, &b), SCHED_OK);
    sched_wake(&bench.core, &b, 0);
    for (uint64_t now = 0; now < 30000; now++) {
        if (now == arrival) {
            sched_wake(&bench.core, &bench.server, now);
            arrival = now == 8000 ? 9501 : now + 1000;
        }
        if (now == 9305) {
            assert_int_equal(b.stats.supplied + 9305 - bench.core.run_start, 7505);
            sched_block(&bench.core, &b, now);
        }
        if (now == 9500) { sched_wake(&bench.core, &b, now); }
        decision = sched_pick(&bench.core, now);
        if (bench.server.stats.exhaustions == 10 && a_done == 0) { a_done = now; }
        if (bench.server.state == SCHED_THROTTLED) { sched_block(&bench.core, &bench.server, now); }
    }
    assert_int_equal(a_done, 9701);
    assert_non_null(decision.run);
    assert_int_equal(misses(&bench.server) + misses(&b), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_out_of_range_are_rejected),
        cmocka_unit_test(budget_runs_out_and_returns_at_release_plus_period),
        cmocka_unit_test(what_a_block_leaves_takes_its_release_from_the_next_wake),
        cmocka_unit_test(a_refill_opens_behind_what_is_left_with_its_own_deadline),
        cmocka_unit_test(a_late_decision_does_not_move_the_release),
        cmocka_unit_test(joining_what_is_eligible_postpones),
        cmocka_unit_test(an_overrun_is_owed_and_paid_by_the_next_refill),
        cmocka_unit_test(debt_is_paid_by_as_many_refills_as_it_takes),
        cmocka_unit_test(a_late_account_is_not_a_miss),
        cmocka_unit_test(interrupts_are_charged_to_their_owner),
        cmocka_unit_test(a_full_list_merges_by_postponing),
        cmocka_unit_test(a_full_list_leaves_what_is_eligible_alone),
        cmocka_unit_test(budget_is_there_now_or_with_the_refill_that_is_due),
        cmocka_unit_test(another_core_asks_by_published_words),
        cmocka_unit_test(until_is_the_first_refill_that_would_preempt),
        cmocka_unit_test(the_vector_that_breaks_constant_bandwidth_servers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
