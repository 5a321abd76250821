// SPDX-License-Identifier: Apache-2.0
/* The dispatcher around the servers: population, best effort, causes of misses. */
#include "test_sched_support.h"

#include "sched/sched.h"

#define TURN 100

static void add_best_effort(struct sched_core *core, struct sched_entity *entity, uint32_t weight) {
    assert_int_equal(sched_entity_init_best_effort(entity, weight), SCHED_OK);
    assert_int_equal(sched_add(core, entity), SCHED_OK);
}

static void add_reserved(struct sched_core *core, struct sched_entity *entity, uint64_t budget, uint64_t deadline,
                         uint64_t period) {
    assert_int_equal(sched_entity_init_reserved(entity, budget, deadline, period), SCHED_OK);
    assert_int_equal(sched_add(core, entity), SCHED_OK);
}

/* Follows the dispatcher's own decisions from `now` to `end`. */
static void run(struct sched_core *core, uint64_t now, uint64_t end) {
    while (now < end) {
        struct sched_decision decision = sched_pick(core, now);

        if (decision.deadline == SCHED_NEVER) { sched_caught_up(core); }
        assert_true(decision.until > now);
        now = decision.until < end ? decision.until : end;
    }
    sched_pick(core, end);
}

static void an_empty_core_idles(void **state) {
    struct sched_core core;
    struct sched_decision decision;

    (void)state;
    sched_core_init(&core, TURN);
    decision = sched_pick(&core, 5);
    assert_null(decision.run);
    assert_int_equal(decision.until, SCHED_NEVER);
    assert_int_equal(decision.deadline, SCHED_NEVER);
    assert_false(sched_sole(&core));
}

static void population_is_bounded_and_an_entity_has_one_core(void **state) {
    struct sched_core core;
    struct sched_core other;
    struct sched_entity entities[SCHED_ENTITIES_MAX + 1];

    (void)state;
    sched_core_init(&core, TURN);
    sched_core_init(&other, TURN);
    for (uint32_t i = 0; i <= SCHED_ENTITIES_MAX; i++) {
        assert_int_equal(sched_entity_init_best_effort(&entities[i], 1), SCHED_OK);
        assert_int_equal(sched_add(&core, &entities[i]), i < SCHED_ENTITIES_MAX ? SCHED_OK : SCHED_EFULL);
    }
    assert_int_equal(sched_add(&other, &entities[0]), SCHED_EINVAL);
    sched_remove(&core, &entities[0], 1);
    assert_int_equal(sched_add(&other, &entities[0]), SCHED_OK);
    assert_int_equal(sched_add(&core, &entities[SCHED_ENTITIES_MAX]), SCHED_OK);
}

static void a_sole_owner_is_not_held_to_its_budget(void **state) {
    struct sched_core core;
    struct sched_entity owner;
    struct sched_entity guest;
    struct sched_decision decision;

    (void)state;
    sched_core_init(&core, TURN);
    add_reserved(&core, &owner, 10, 50, 100);
    assert_true(sched_sole(&core));
    sched_wake(&core, &owner, 0);
    decision = sched_pick(&core, 0);
    assert_ptr_equal(decision.run, &owner);
    assert_int_equal(decision.until, SCHED_NEVER);
    assert_int_equal(decision.deadline, SCHED_NEVER);
    sched_pick(&core, 5000);
    assert_int_equal(owner.stats.supplied, 5000);
    assert_int_equal(sched_eligible_at(&owner, 5000), 5000);

    /* Company: a full budget from this moment on, enforced. */
    add_best_effort(&core, &guest, 1);
    assert_false(sched_sole(&core));
    sched_wake(&core, &guest, 5100);
    decision = sched_pick(&core, 5100);
    assert_ptr_equal(decision.run, &owner);
    assert_int_equal(decision.until, 5110);
    assert_int_equal(decision.deadline, 5150);
    decision = sched_pick(&core, 5110);
    assert_ptr_equal(decision.run, &guest);
    assert_int_equal(decision.until, 5200);

    /* Alone again: runs although its budget is gone; its misses are nobody's business. */
    sched_remove(&core, &guest, 5120);
    decision = sched_pick(&core, 5120);
    assert_ptr_equal(decision.run, &owner);
    assert_int_equal(decision.until, SCHED_NEVER);
    sched_block(&core, &owner, 9000);
    assert_null(sched_pick(&core, 9000).run);
    assert_int_equal(owner.stats.misses[SCHED_MISS_DISPATCH], 0);
    assert_int_equal(owner.stats.supplied, 5110 + 3880);
}

static void the_horizon_is_that_of_the_last_pick_or_an_earlier_one(void **state) {
    struct sched_core core;
    struct sched_entity near, running, far;

    (void)state;
    sched_core_init(&core, TURN);
    add_reserved(&core, &running, 100, 500, 1000);
    sched_wake(&core, &running, 0);
    sched_pick(&core, 0);
    assert_int_equal(sched_horizon(&core), SCHED_NEVER); /* alone */
    add_reserved(&core, &near, 10, 200, 1000);
    add_reserved(&core, &far, 10, 600, 1000);
    sched_pick(&core, 0);
    assert_int_equal(sched_horizon(&core), 500);
    sched_wake(&core, &far, 50);
    assert_int_equal(sched_horizon(&core), 500);
    sched_wake(&core, &near, 60);
    assert_int_equal(sched_horizon(&core), 260);
    sched_block(&core, &near, 70);
    sched_block(&core, &running, 70);
    assert_int_equal(sched_horizon(&core), 500); /* 650 would let more timers matter; the next pick says so */
    sched_pick(&core, 70);
    assert_int_equal(sched_horizon(&core), 650);
}

static void a_restarted_server_gets_no_second_budget(void **state) {
    struct sched_core core;
    struct sched_entity server;
    struct sched_entity filler[2];

    (void)state;
    sched_core_init(&core, TURN);
    add_best_effort(&core, &filler[0], 1);
    add_best_effort(&core, &filler[1], 1);
    add_reserved(&core, &server, 10, 50, 100);
    sched_wake(&core, &filler[0], 0);
    sched_pick(&core, 0);
    sched_wake(&core, &server, 20);
    run(&core, 20, 28);
    assert_int_equal(sched_remove(&core, &server, 28), 120);
    assert_ptr_equal(sched_pick(&core, 28).run, &filler[0]);
    assert_int_equal(sched_add(&core, &server), SCHED_OK);
    sched_wake(&core, &server, 30);
    assert_int_equal(sched_pick(&core, 30).until, 32);
    run(&core, 32, 120);
    assert_int_equal(server.stats.supplied, 10);
    sched_charge(&core, &server, 11); /* 3 more than it has: the next refill is taken, too */
    assert_int_equal(sched_remove(&core, &server, 120), 320);
    assert_int_equal(sched_remove(&core, &filler[0], 130), 130);
}

static void best_effort_shares_by_weight_in_background(void **state) {
    struct sched_core core;
    struct sched_entity server;
    struct sched_entity load[3];
    static const uint32_t weights[] = {100, 200, 700};

    (void)state;
    sched_core_init(&core, TURN);
    add_reserved(&core, &server, 300, 1000, 1000);
    for (size_t i = 0; i < 3; i++) {
        add_best_effort(&core, &load[i], weights[i]);
        sched_wake(&core, &load[i], 0);
    }
    sched_wake(&core, &server, 0);
    run(&core, 0, 1000000);
    assert_int_equal(server.stats.supplied, 300000);
    for (size_t i = 0; i < 3; i++) {
        uint64_t due = UINT64_C(700) * weights[i];

        assert_in_range(load[i].stats.supplied, due - 3 * TURN, due + 3 * TURN);
    }
}

static void an_interrupted_turn_goes_on(void **state) {
    struct sched_core core;
    struct sched_entity server;
    struct sched_entity load[2];

    (void)state;
    sched_core_init(&core, TURN);
    add_reserved(&core, &server, 10, 40, 40);
    add_best_effort(&core, &load[0], 1);
    add_best_effort(&core, &load[1], 1);
    sched_wake(&core, &load[0], 0);
    sched_wake(&core, &load[1], 0);
    assert_ptr_equal(sched_pick(&core, 0).run, &load[0]);
    sched_wake(&core, &server, 60);
    assert_ptr_equal(sched_pick(&core, 60).run, &server);
    assert_ptr_equal(sched_pick(&core, 70).run, &load[0]);
    assert_int_equal(sched_pick(&core, 70).until, 100);
    sched_block(&core, &server, 70);
    assert_int_equal(sched_pick(&core, 70).until, 110);
    assert_ptr_equal(sched_pick(&core, 110).run, &load[1]);
    assert_int_equal(sched_pick(&core, 110).until, 210);
}

static void sleep_earns_no_credit(void **state) {
    struct sched_core core;
    struct sched_entity steady;
    struct sched_entity sleeper;

    (void)state;
    sched_core_init(&core, TURN);
    add_best_effort(&core, &steady, 1);
    add_best_effort(&core, &sleeper, 1);
    sched_wake(&core, &steady, 0);
    sched_pick(&core, 0); /* alone, without any decision until the other wakes */
    sched_wake(&core, &sleeper, 1000000);
    run(&core, 1000000, 1010000);
    assert_in_range(sleeper.stats.supplied, 5000 - TURN, 5000 + TURN);
}

/* One leaves as the other comes: the newcomer starts where the first has got to. */
static void virtual_time_survives_an_idle_moment(void **state) {
    struct sched_core core;
    struct sched_entity first;
    struct sched_entity second;

    (void)state;
    sched_core_init(&core, TURN);
    add_best_effort(&core, &first, 1);
    add_best_effort(&core, &second, 1);
    sched_wake(&core, &first, 0);
    run(&core, 0, 150);
    sched_block(&core, &first, 150);
    sched_pick(&core, 150);
    sched_wake(&core, &second, 200);
    sched_wake(&core, &first, 200);
    run(&core, 200, 400);
    assert_int_equal(second.stats.supplied, TURN);
    assert_int_equal(first.stats.supplied, 150 + TURN);
}

/* Runs until one tick before its turn ends, naps for a tick, and is back at once. */
static void napping_does_not_beat_a_steady_load(void **state) {
    struct sched_core core;
    struct sched_entity steady[2];
    struct sched_entity napper;
    uint64_t now = 0;

    (void)state;
    sched_core_init(&core, TURN);
    add_best_effort(&core, &steady[0], 10);
    add_best_effort(&core, &steady[1], 10);
    add_best_effort(&core, &napper, 1);
    sched_wake(&core, &steady[0], 0);
    sched_wake(&core, &steady[1], 0);
    while (now < 300000) {
        struct sched_decision decision;

        sched_wake(&core, &napper, now);
        decision = sched_pick(&core, now);
        now = decision.until;
        if (decision.run == &napper) {
            sched_block(&core, &napper, now - 1);
            sched_pick(&core, now - 1);
        }
    }
    assert_in_range(napper.stats.supplied, 0, 300000 / 21 + 2 * TURN);
    assert_in_range(steady[0].stats.supplied, 142000, 150000);
    assert_in_range(steady[1].stats.supplied, 142000, 150000);
}

static void virtual_time_may_wrap(void **state) {
    struct sched_core core;
    struct sched_entity load[2];

    (void)state;
    sched_core_init(&core, TURN);
    add_best_effort(&core, &load[0], 1);
    add_best_effort(&core, &load[1], 1);
    core.vtime = UINT64_MAX - 5000;
    sched_wake(&core, &load[0], 0);
    sched_wake(&core, &load[1], 0);
    run(&core, 0, 20000);
    assert_in_range(load[0].stats.supplied, 10000 - TURN, 10000 + TURN);
}

static void interrupts_of_best_effort_cost_it_its_share(void **state) {
    struct sched_core core;
    struct sched_entity noisy;
    struct sched_entity quiet;
    uint64_t now = 0;

    (void)state;
    sched_core_init(&core, TURN);
    add_best_effort(&core, &noisy, 1);
    add_best_effort(&core, &quiet, 1);
    sched_wake(&core, &noisy, 0);
    sched_wake(&core, &quiet, 0);
    for (now = 0; now < 100000; now += 50) {
        sched_pick(&core, now);
        sched_exempt(&core, 10);
        sched_charge(&core, &noisy, 10);
    }
    assert_in_range(noisy.stats.supplied + noisy.stats.charged, quiet.stats.supplied - TURN,
                    quiet.stats.supplied + 2 * TURN);
}

/* Two servers fill the core; the machine loses time while the first runs. */
static void misses_are_counted_by_cause(void **state) {
    struct sched_core core;
    struct sched_entity first;
    struct sched_entity second;

    (void)state;
    sched_core_init(&core, TURN);
    add_reserved(&core, &first, 50, 100, 100);
    add_reserved(&core, &second, 40, 100, 100);
    sched_wake(&core, &first, 0);
    sched_wake(&core, &second, 0);
    run(&core, 0, 200);
    assert_int_equal(first.stats.exhaustions, 2);

    /* 200: both released. Nothing happens until 290, when the timer for 250 is seen. */
    sched_pick(&core, 200);
    sched_distorted(&core, 290);
    assert_int_equal(first.debt, 0);
    assert_int_equal(first.stats.forgiven, 40);
    run(&core, 290, 340);
    assert_int_equal(second.stats.misses[SCHED_MISS_PLATFORM], 1);
    assert_int_equal(first.stats.misses[SCHED_MISS_PLATFORM], 0);
    assert_true(core.behind);
    /* The next activations wait behind the backlog; 10 ticks in 100 catch up with the lost 40. */
    run(&core, 340, 1000);
    assert_false(core.behind);
    assert_int_equal(core.distortions, 1);
    assert_int_equal(second.stats.misses[SCHED_MISS_PLATFORM], 1);
    assert_int_equal(first.stats.misses[SCHED_MISS_DISPATCH], 0);
    assert_int_equal(second.stats.misses[SCHED_MISS_DISPATCH], 0);
    assert_in_range(first.stats.misses[SCHED_MISS_BACKLOG] + second.stats.misses[SCHED_MISS_BACKLOG], 1, 10);
}

/* What nothing excuses is counted as the dispatcher's: here admission was skipped. */
static void an_overloaded_core_misses_and_says_so(void **state) {
    struct sched_core core;
    struct sched_entity first;
    struct sched_entity second;

    (void)state;
    sched_core_init(&core, TURN);
    add_reserved(&core, &first, 60, 100, 100);
    add_reserved(&core, &second, 60, 100, 100);
    sched_wake(&core, &first, 0);
    sched_wake(&core, &second, 0);
    run(&core, 0, 119);
    assert_int_equal(second.stats.misses[SCHED_MISS_DISPATCH], 0);
    sched_block(&core, &second, 119); /* one tick short, long after its deadline */
    assert_int_equal(second.stats.misses[SCHED_MISS_DISPATCH], 1);
    run(&core, 119, 1000);
    assert_int_equal(first.stats.misses[SCHED_MISS_DISPATCH], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_core_idles),
        cmocka_unit_test(population_is_bounded_and_an_entity_has_one_core),
        cmocka_unit_test(a_sole_owner_is_not_held_to_its_budget),
        cmocka_unit_test(the_horizon_is_that_of_the_last_pick_or_an_earlier_one),
        cmocka_unit_test(a_restarted_server_gets_no_second_budget),
        cmocka_unit_test(best_effort_shares_by_weight_in_background),
        cmocka_unit_test(an_interrupted_turn_goes_on),
        cmocka_unit_test(sleep_earns_no_credit),
        cmocka_unit_test(virtual_time_survives_an_idle_moment),
        cmocka_unit_test(napping_does_not_beat_a_steady_load),
        cmocka_unit_test(virtual_time_may_wrap),
        cmocka_unit_test(interrupts_of_best_effort_cost_it_its_share),
        cmocka_unit_test(misses_are_counted_by_cause),
        cmocka_unit_test(an_overloaded_core_misses_and_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
