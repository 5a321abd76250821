// SPDX-License-Identifier: Apache-2.0
/* The list of refills against a plain model of what sched.h says of it, and what begins and ends with enforcement. */
#include "test_sched_support.h"

#include "sched/sched.h"

enum { ROUNDS_OF_LISTS = 4000, BLOCKS = 24 };
#define BUDGET   UINT64_C(100000)
#define DEADLINE UINT64_C(400000)
#define PERIOD   UINT64_C(1000000)

static struct sched_core core;
static struct sched_entity server, other;

/* A core with the server and a best-effort entity, so that budgets count. */
static void begin(uint64_t now) {
    sched_core_init(&core, 1000);
    assert_int_equal(sched_entity_init_reserved(&server, BUDGET, DEADLINE, PERIOD), SCHED_OK);
    assert_int_equal(sched_entity_init_best_effort(&other, 100), SCHED_OK);
    assert_int_equal(sched_add(&core, &server), SCHED_OK);
    assert_int_equal(sched_add(&core, &other), SCHED_OK);
    sched_wake(&core, &other, now);
    (void)sched_pick(&core, now);
}

/* ---- the list against a model ------------------------------------------------------------------------------ */

struct list {
    uint32_t count;
    struct sched_refill refills[SCHED_REFILLS_MAX + 2];
};

static void drop(struct list *list, uint32_t index) {
    list->count--;
    for (uint32_t i = index; i < list->count; i++) { list->refills[i] = list->refills[i + 1]; }
}

/* All that is eligible at `at` becomes one activation. */
static uint64_t model_wake(struct list *list, uint64_t at) {
    uint64_t amount = 0;

    while (list->count > 0 && list->refills[0].time <= at) {
        amount += list->refills[0].amount;
        drop(list, 0);
    }
    return amount;
}

// What is eligible is left alone, and so the first whenever it is.
static void model_join(struct list *list, uint64_t now) {
    uint32_t best = list->refills[0].time <= now;

    for (uint32_t i = best + 1; i + 1 < list->count; i++) {
        if (list->refills[i + 1].time - list->refills[i].time <
            list->refills[best + 1].time - list->refills[best].time) {
            best = i;
        }
    }
    list->refills[best + 1].amount += list->refills[best].amount;
    drop(list, best);
}

static void model_block(struct list *list, uint64_t release, uint64_t left, uint64_t used, uint64_t now) {
    if (list->count > 0 && list->refills[0].time <= now) {
        list->refills[0].amount += left;
    } else {
        for (uint32_t i = list->count++; i > 0; i--) { list->refills[i] = list->refills[i - 1]; }
        list->refills[0] = (struct sched_refill){release, left};
    }
    if (list->count == SCHED_REFILLS_MAX) { model_join(list, now); }
    list->refills[list->count++] = (struct sched_refill){release + PERIOD, used};
}

static void compare(const struct list *list) {
    uint64_t sum = 0;

    assert_int_equal(server.refill_count, list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct sched_refill *refill = &server.refills[(server.refill_head + i) % SCHED_REFILLS_MAX];

        assert_true(refill->time == list->refills[i].time);
        assert_true(refill->amount == list->refills[i].amount);
        assert_true(i == 0 || list->refills[i - 1].time <= refill->time);
        sum += refill->amount;
    }
    assert_true(sum == BUDGET);
}

/* Naps of all lengths, each with a little of the budget used: the list fills up, joins, and returns. */
static void the_list_is_what_the_model_has(void **state) {
    struct random random = random_start("lists of refills", 0x1157);

    (void)state;
    for (unsigned round = 0; round < ROUNDS(ROUNDS_OF_LISTS); round++) {
        const uint64_t gap = random_in(&random, 0, 1) ? 20000 : 150000;
        uint64_t now = 1;
        struct list list = {1, {{1, BUDGET}}};

        begin(now);
        for (unsigned i = 0; i < BLOCKS; i++) {
            uint64_t release, amount, used;

            now += random_in(&random, 1, gap);
            if (list.refills[0].time > now) { now = list.refills[0].time; }
            release = now;
            sched_wake(&core, &server, now);
            amount = model_wake(&list, now);
            assert_true(sched_pick(&core, now).run == &server);
            assert_true(server.remaining == amount && server.release == release);
            if (amount < 2) { break; }
            used = random_in(&random, 1, amount - 1 < 4000 ? amount - 1 : 4000);
            now += used;
            sched_block(&core, &server, now);
            model_block(&list, release, amount - used, used, now);
            compare(&list);
            (void)sched_pick(&core, now);
        }
    }
}

/* ---- enforcement ------------------------------------------------------------------------------------------- */

/* Whatever it had open or owed when it became alone: with the next company all starts afresh. */
static void company_after_being_alone_starts_all_afresh(void **state) {
    const uint64_t again = 2 * PERIOD;
    struct sched_decision decision;

    (void)state;
    for (unsigned blocked = 0; blocked < 2; blocked++) {
        begin(1);
        sched_wake(&core, &server, 1);
        assert_true(sched_pick(&core, 1).run == &server);
        (void)sched_pick(&core, 30001);           /* 30,000 of an open activation are used */
        (void)sched_remove(&core, &other, 30001); /* alone */
        (void)sched_pick(&core, 30001);
        (void)sched_pick(&core, again);
        if (blocked != 0) {
            sched_block(&core, &server, again);
            (void)sched_pick(&core, again);
        }
        assert_int_equal(sched_add(&core, &other), SCHED_OK);
        sched_wake(&core, &other, again);
        decision = sched_pick(&core, again);
        assert_int_equal(server.refill_count, blocked);
        if (blocked != 0) {
            assert_true(decision.run == &other);
            sched_wake(&core, &server, again + 5);
            decision = sched_pick(&core, again + 5);
        }
        assert_true(decision.run == &server);
        assert_true(server.remaining == BUDGET && server.consumed == 0 && server.debt == 0);
        assert_true(decision.until == core.clock + BUDGET);
        assert_true(decision.deadline == core.clock + DEADLINE);
    }
}

static void debt_is_forgotten_with_enforcement(void **state) {
    (void)state;
    begin(1);
    sched_wake(&core, &server, 1);
    (void)sched_pick(&core, 1);
    sched_charge(&core, &server, BUDGET + 500);
    assert_true(server.debt == 500);
    (void)sched_pick(&core, 2);
    (void)sched_remove(&core, &other, 3);
    assert_true(sched_pick(&core, 3).run == &server);
    assert_int_equal(sched_add(&core, &other), SCHED_OK);
    assert_true(sched_pick(&core, 10).run == &server);
    assert_true(server.debt == 0 && server.remaining == BUDGET && server.consumed == 0);
}

/* Three on the core are company still when one leaves. */
static void enforcement_lasts_while_there_are_two(void **state) {
    struct sched_entity third;

    (void)state;
    begin(1);
    assert_int_equal(sched_entity_init_best_effort(&third, 1), SCHED_OK);
    assert_int_equal(sched_add(&core, &third), SCHED_OK);
    sched_wake(&core, &server, 1);
    (void)sched_pick(&core, 1);
    assert_true(sched_pick(&core, 70001).run == &server);
    (void)sched_remove(&core, &third, 70001);
    assert_int_equal(core.population, 2);
    assert_true(sched_pick(&core, 70001).until == 1 + BUDGET);
    assert_true(server.remaining == BUDGET - 70000);
    assert_int_equal(sched_add(&core, &third), SCHED_OK); /* its entity is free again */
}

/* ---- lost time --------------------------------------------------------------------------------------------- */

static void lost_time_is_paid_as_far_as_there_is_budget(void **state) {
    static const struct {
        uint64_t lost, forgiven, remaining;
    } rows[] = {{40000, 0, BUDGET - 40000}, {BUDGET, 0, 0}, {BUDGET + 1, 1, 0}, {BUDGET + 5000, 5000, 0}};

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin(1);
        sched_wake(&core, &server, 1);
        (void)sched_pick(&core, 1);
        sched_distorted(&core, 1 + rows[i].lost);
        assert_true(server.stats.forgiven == rows[i].forgiven);
        assert_true(server.remaining == rows[i].remaining && server.debt == 0);
        assert_true((server.state == SCHED_THROTTLED) == (rows[i].remaining == 0));
        assert_true(core.distortions == 1 && core.distorted_at == 1 + rows[i].lost);
    }
    begin(1); /* idle, and best effort: nothing to forgive */
    sched_distorted(&core, 5000);
    sched_block(&core, &other, 6000);
    (void)sched_pick(&core, 6000);
    sched_distorted(&core, 7000);
    assert_true(core.distortions == 2);
    assert_true(server.stats.forgiven == 0 && other.stats.forgiven == 0);
    assert_true(other.stats.supplied == 5999);
}

/* A charge is taken at the time of the last decision: the budget ran out then, in time. */
static void a_charge_is_no_miss(void **state) {
    (void)state;
    begin(1);
    sched_wake(&core, &server, 1);
    (void)sched_pick(&core, 1);
    (void)sched_pick(&core, 50000);
    sched_charge(&core, &server, BUDGET);
    assert_int_equal(server.state, SCHED_THROTTLED);
    assert_true(server.stats.misses[SCHED_MISS_DISPATCH] == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_is_what_the_model_has),
        cmocka_unit_test(company_after_being_alone_starts_all_afresh),
        cmocka_unit_test(debt_is_forgotten_with_enforcement),
        cmocka_unit_test(enforcement_lasts_while_there_are_two),
        cmocka_unit_test(lost_time_is_paid_as_far_as_there_is_budget),
        cmocka_unit_test(a_charge_is_no_miss),
    };
    return cmocka_run_group_tests_name("refills and enforcement", tests, NULL, NULL);
}
