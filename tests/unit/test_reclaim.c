// SPDX-License-Identifier: Apache-2.0
/* Reclaiming, tick by tick: what is spare, from when and until when, and who pays how much. That nobody else is late by it is
 * what the simulator plays (`takt-sim --reclaim`, tests/scripts/test_sim.py). */
#include "test_sched_support.h"

#include "sched/latency_reclaim.h"
#include "sched/reclaim.h"
#include "sched/sched.h"

static struct sched_core core;
static struct sched_spare spare;
static struct sched_entity sleeper, busy, filler;
static uint64_t first_timer;

static uint64_t awaits(struct sched_entity *entity) {
    assert_ptr_equal(entity, &sleeper);
    return first_timer;
}

/* The sleeper, 40 in 100, runs for 10 ticks and waits; behind it runs who is busy, 50 in 100, until 60. Then best effort. */
static void begin(bool reclaims) {
    first_timer = SCHED_NEVER;
    sched_core_init(&core, 1000);
    sched_reclaim(&core, &spare, awaits);
    assert_int_equal(sched_entity_init_reserved(&sleeper, 40, 100, 100), SCHED_OK);
    assert_int_equal(sched_entity_init_reserved(&busy, 50, 100, 100), SCHED_OK);
    assert_int_equal(sched_entity_init_best_effort(&filler, 1), SCHED_OK);
    busy.reclaims = reclaims;
    assert_int_equal(sched_add(&core, &sleeper), SCHED_OK);
    assert_int_equal(sched_add(&core, &busy), SCHED_OK);
    assert_int_equal(sched_add(&core, &filler), SCHED_OK);
    sched_pick(&core, 0);
    sched_wake(&core, &filler, 0);
    sched_wake(&core, &sleeper, 0);
    assert_ptr_equal(sched_pick(&core, 0).run, &sleeper);
    sched_wake(&core, &busy, 0);
    assert_ptr_equal(sched_pick(&core, 0).run, &sleeper);
}

static void sleep_from_10(void) {
    sched_block(&core, &sleeper, 10);
    struct sched_decision decision = sched_pick(&core, 10);

    assert_ptr_equal(decision.run, &busy);
    assert_int_equal(decision.until, 60); /* what the sleeper ran for has its period until 100 */
    assert_ptr_equal(sched_pick(&core, 60).run, &filler);
}

static void expect(uint64_t now, const struct sched_entity *run, uint64_t until) {
    struct sched_decision decision = sched_pick(&core, now);

    assert_ptr_equal(decision.run, run);
    assert_int_equal(decision.until, until);
}

static void a_sleepers_share_is_spare_when_its_budget_is_back(void **state) {
    (void)state;
    begin(true);
    sleep_from_10();
    for (uint64_t period = 1; period <= 3; period++) { /* six tenths a tick: 83 of them, and by the same deadline */
        expect(period * 100, &busy, period * 100 + 83);
        expect(period * 100 + 83, &filler, (period + 1) * 100);
    }
    assert_int_equal(busy.stats.supplied, 50 + 3 * 83);
    assert_int_equal(busy.stats.exhaustions, 4);
    assert_int_equal(busy.debt, 0);
}

static void who_did_not_choose_it_pays_all(void **state) {
    (void)state;
    begin(false);
    sleep_from_10();
    expect(100, &busy, 150);
    expect(150, &filler, 200);
    assert_int_equal(busy.stats.supplied, 100);
}

/* 40 ticks, of which it paid 25 (15.99 are spare), when the other comes with a later deadline. */
static void a_wake_up_ends_it(void **state) {
    (void)state;
    begin(true);
    sleep_from_10();
    expect(100, &busy, 183);
    sched_wake(&core, &sleeper, 140);
    expect(140, &busy, 165);
    expect(165, &sleeper, 205);
    assert_int_equal(sleeper.release, 140);
    sched_pick(&core, 205);
    assert_int_equal(sleeper.stats.misses[SCHED_MISS_DISPATCH] + busy.stats.misses[SCHED_MISS_DISPATCH], 0);
}

/* Its timer expires at 120 and need not interrupt: seven ticks of the first 20, all of the others. It is the wake-up of then. */
static void a_timer_that_may_wait_ends_it_when_it_expires(void **state) {
    (void)state;
    begin(true);
    first_timer = 120;
    sleep_from_10();
    expect(100, &busy, 157);
    sched_wake(&core, &sleeper, 120); /* handled at 150 */
    expect(150, &busy, 157);
    assert_int_equal(sleeper.release, 120);
    assert_int_equal(busy.remaining, 7);
    /* A timer that expires before the budget is back: nothing is spare. */
    begin(true);
    first_timer = 100;
    sleep_from_10();
    expect(100, &busy, 150);
    assert_int_equal(sleeper.state, SCHED_BLOCKED);
}

/* Nobody knew of it: what was accounted by then is given away. */
static void a_wake_up_from_before_the_last_decision_is_one_of_that(void **state) {
    (void)state;
    begin(true);
    sleep_from_10();
    expect(100, &busy, 183);
    expect(130, &busy, 181); /* of 30 it paid 19, and has 31 */
    sched_wake(&core, &sleeper, 110);
    assert_int_equal(sleeper.release, 130);
    expect(130, &busy, 161);
}

/* Where the time of an interrupt lies between two decisions is not known: where most was spare. */
static void interrupts_are_not_reclaimed(void **state) {
    (void)state;
    begin(true);
    sleep_from_10();
    expect(100, &busy, 183);
    sched_exempt(&core, 20);
    expect(150, &busy, 150 + 51); /* of 50 ticks 19, less 8: it paid 30 - 11 */
    assert_int_equal(busy.stats.supplied, 80);
    assert_int_equal(busy.remaining, 50 - 19);
}

/* One that becomes spare while it runs is noticed when the budget would have ended. */
static void what_becomes_spare_lengthens_the_budget(void **state) {
    (void)state;
    begin(true);
    sched_pick(&core, 5);
    sched_block(&core, &sleeper, 10);
    sched_wake(&core, &sleeper, 70);
    sched_pick(&core, 10);
    expect(60, &sleeper, 90); /* 30 are left of its budget, eligible again from 70 on */
    sched_block(&core, &sleeper, 75);
    expect(75, &filler, 100);
    expect(100, &busy, 150); /* the sleeper's last part is back at 170 */
    sched_pick(&core, 100);
    assert_int_equal(spare.leaving.count, 1);
    expect(150, &filler, 200);
    expect(200, &busy, 283);
}

static void who_is_left_alone_is_not_away(void **state) {
    (void)state;
    begin(true);
    sleep_from_10();
    assert_int_equal(sleeper.state, SCHED_AWAY);
    sched_remove(&core, &busy, 70);
    sched_block(&core, &sleeper, 70); /* it is blocked */
    assert_int_equal(sleeper.state, SCHED_AWAY);
    assert_int_equal(core.sharing.count, 1);
    sched_remove(&core, &filler, 70);
    assert_int_equal(sleeper.state, SCHED_BLOCKED);
    assert_null(sched_pick(&core, 80).run);
    sched_wake(&core, &sleeper, 90);
    assert_ptr_equal(sched_pick(&core, 90).run, &sleeper);
    /* And away, it can leave. */
    begin(true);
    sleep_from_10();
    sched_pick(&core, 110);
    assert_true(spare.sum != 0);
    sched_remove(&core, &sleeper, 115);
    assert_true(spare.sum == 0);
    assert_null(sleeper.core);
}

static void a_core_may_reclaim_when_time_is_left_behind_its_interrupts(void **state) {
    struct sched_task tasks[2] = {{40, 100, 100}, {100, 200, 200}};
    struct sched_source source = {4, 400};

    (void)state;
    assert_true(sched_may_reclaim(tasks, 2, NULL, 0));
    assert_true(sched_may_reclaim(tasks, 2, &source, 1)); /* 0.9, 0.01, and 4 in the first 100 */
    source.cost = 8;
    assert_true(sched_may_reclaim(tasks, 2, &source, 1)); /* 0.9 + 0.02 + 0.08 */
    source.cost = 9;
    assert_false(sched_may_reclaim(tasks, 2, &source, 1));
    tasks[0].deadline = 99;
    assert_false(sched_may_reclaim(tasks, 2, NULL, 0));
    tasks[0] = (struct sched_task){40, 100, 100};
    tasks[1].deadline = 199;
    assert_false(sched_may_reclaim(tasks, 2, NULL, 0));
    assert_true(sched_may_reclaim(tasks, 1, NULL, 0));
    tasks[1].deadline = 200;
    tasks[0] = (struct sched_task){51, 100, 100};
    assert_false(sched_may_reclaim(tasks, 2, NULL, 0));
    tasks[0].budget = 0;
    assert_false(sched_may_reclaim(tasks, 2, NULL, 0));
}

/* 10 in 100 beside 40: own work of 9 lasts until 10, then what the other may use by 110. */
static void a_wake_up_waits_for_what_others_use_and_reclaim(void **state) {
    struct sched_task tasks[3] = {{10, 100, 100}, {40, 100, 100}, {200, 1000, 1000}};

    (void)state;
    assert_in_range(sched_reclaim_latency(tasks, 1, NULL, 0, 7, 0), 7, 8);
    assert_in_range(sched_reclaim_latency(tasks, 2, NULL, 0, 0, 0), 44, 46);
    assert_in_range(sched_reclaim_latency(tasks, 2, NULL, 0, 5, 0), 49, 51);
    /* The third one's 200 come within 1,000: nothing of them by the deadline unless the core was busy for 900 before. */
    assert_in_range(sched_reclaim_latency(tasks, 3, NULL, 0, 0, 0), 44 + 8, 100);
    /* Never later than the deadline. */
    tasks[1].budget = 90;
    assert_int_equal(sched_reclaim_latency(tasks, 2, NULL, 0, 3, 0), 103);
}

/* ---- at random, against a count tick by tick ---------------------------------------------------------------------- */
#define SERVERS_MAX 4u
#define LENGTH      400u

struct guest {
    struct sched_entity entity;
    uint64_t timer; /* while it waits; SCHED_NEVER: what wakes it nobody knows of */
    uint64_t back;  /* of what it ran for, all */
    bool waits;     /* after it ran */
};

static struct guest guests[SERVERS_MAX];
static uint32_t guest_count;

static struct guest *guest_of(const struct sched_entity *entity) {
    for (uint32_t i = 0; i < SERVERS_MAX; i++) {
        if (&guests[i].entity == entity) { return &guests[i]; }
    }
    return NULL;
}

static uint64_t timer_of(struct sched_entity *entity) { return guest_of(entity)->timer; }

static void random_core(struct random *random) {
    struct sched_task tasks[SERVERS_MAX];

    do {
        guest_count = (uint32_t)random_in(random, 2, SERVERS_MAX);
        for (uint32_t i = 0; i < guest_count; i++) {
            uint64_t period = random_in(random, 5, 60);

            tasks[i] = (struct sched_task){random_in(random, 1, period / 2), period, period};
        }
    } while (!sched_may_reclaim(tasks, guest_count, NULL, 0));
    sched_core_init(&core, 1000);
    sched_reclaim(&core, &spare, timer_of);
    for (uint32_t i = 0; i < guest_count; i++) {
        guests[i] = (struct guest){.timer = random_in(random, 0, 20)};
        assert_int_equal(
            sched_entity_init_reserved(&guests[i].entity, tasks[i].budget, tasks[i].period, tasks[i].period), SCHED_OK);
        guests[i].entity.reclaims = true;
        assert_int_equal(sched_add(&core, &guests[i].entity), SCHED_OK);
    }
}

/* True: somebody woke. A timer whose owner would not run waits. */
static bool wake_some(struct random *random, uint64_t now) {
    bool any = false;

    for (uint32_t i = 0; i < guest_count; i++) {
        struct guest *guest = &guests[i];
        bool expired = guest->timer <= now && guest->timer + guest->entity.deadline < sched_horizon(&core);

        if (guest->entity.state > SCHED_AWAY || !(expired || random_in(random, 0, 40) == 0)) { continue; }
        sched_wake(&core, &guest->entity, guest->timer <= now ? guest->timer : now);
        guest->waits = false;
        any = true;
    }
    return any;
}

/* Of 2^32: what those can spare in the tick from `now` on that wait, and have all of their budget back. */
static uint64_t spare_in(uint64_t now) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < guest_count; i++) {
        const struct guest *guest = &guests[i];

        if (guest->waits && guest->back <= now && now < guest->timer) {
            sum += (guest->entity.budget << 32) / guest->entity.period;
        }
    }
    return sum;
}

static void wait_for_a_while(struct random *random, struct guest *guest, uint64_t now) {
    sched_block(&core, &guest->entity, now);
    guest->timer = random_in(random, 0, 1) == 0 ? SCHED_NEVER : now + random_in(random, 1, 80);
    guest->waits = true;
}

static void play_core(struct random *random, uint64_t *reclaimed) {
    struct sched_decision decision = sched_pick(&core, 0);
    uint64_t since = 0, spared = 0, had = 0;

    for (uint64_t now = 0; now < LENGTH; now++) {
        struct guest *run = guest_of(decision.run);
        bool waits = run != NULL && now > since && random_in(random, 0, 15) == 0;
        bool again = wake_some(random, now);

        if (waits) { wait_for_a_while(random, run, now); }
        if (again || waits || now >= decision.until) {
            uint64_t release = run != NULL ? run->entity.release : 0;

            decision = sched_pick(&core, now);
            if (run != NULL && !waits) {
                bool open = run->entity.state == SCHED_READY && run->entity.release == release;
                uint64_t paid = open ? had - run->entity.remaining : had, due = now - since - (spared >> 32);

                assert_in_range(paid + 1, due, due + 2);
                assert_int_equal(run->entity.debt, 0);
                *reclaimed += spared >> 32;
            }
            while (wake_some(random, now)) { decision = sched_pick(&core, now); }
            since = now;
            spared = 0;
            had = decision.run != NULL ? decision.run->remaining : 0;
        }
        if (decision.run != NULL) {
            run = guest_of(decision.run);
            run->back = run->entity.release + run->entity.period;
            spared += spare_in(now);
        }
    }
}

static void what_is_paid_is_what_a_count_tick_by_tick_says(void **state) {
    struct random random = random_start("cores that reclaim", 0x96b);
    uint64_t reclaimed = 0;

    (void)state;
    for (uint32_t round = 0; round < ROUNDS(20000); round++) {
        random_core(&random);
        play_core(&random, &reclaimed);
        for (uint32_t i = 0; i < guest_count; i++) {
            assert_int_equal(guests[i].entity.stats.misses[SCHED_MISS_DISPATCH], 0);
        }
    }
    printf("             %lu ticks reclaimed\n", (unsigned long)reclaimed);
    assert_true(reclaimed > ROUNDS(20000) * 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sleepers_share_is_spare_when_its_budget_is_back),
        cmocka_unit_test(who_did_not_choose_it_pays_all),
        cmocka_unit_test(a_wake_up_ends_it),
        cmocka_unit_test(a_timer_that_may_wait_ends_it_when_it_expires),
        cmocka_unit_test(a_wake_up_from_before_the_last_decision_is_one_of_that),
        cmocka_unit_test(interrupts_are_not_reclaimed),
        cmocka_unit_test(what_becomes_spare_lengthens_the_budget),
        cmocka_unit_test(who_is_left_alone_is_not_away),
        cmocka_unit_test(what_is_paid_is_what_a_count_tick_by_tick_says),
        cmocka_unit_test(a_core_may_reclaim_when_time_is_left_behind_its_interrupts),
        cmocka_unit_test(a_wake_up_waits_for_what_others_use_and_reclaim),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
