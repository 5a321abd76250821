// SPDX-License-Identifier: Apache-2.0
/*
 * Servers that are changed while their core runs.
 *
 * A core is filled until the exact test refuses the next server, and played tick by tick against guests that block and wake at
 * the worst moments. From time to time one server is to have another reservation, one leaves and another comes, as
 * often as the exact test of the new set allows; it is done at the first quiet instant. Nobody misses, and nobody has more
 * in a window than the larger of what it had and has.
 */
#include "test_sched_support.h"

#include "sched/admission.h"
#include "sched/change.h"
#include "tools/sim/hostile.h"

#include <string.h>

#define SERVERS_MAX 5
#define LENGTH      6000
#define PERIOD_MAX  30

struct guest {
    struct sched_entity entity;
    struct sched_task task;
    bool greedy, here;
    uint64_t act_at;
};

struct machine {
    struct random *random;
    struct sched_core core;
    struct guest guests[SERVERS_MAX];
    struct sched_entity load;
    uint64_t now;
    uint64_t changes;
    struct guest *changing; /* at the next quiet instant it is `task`, or comes, or leaves for good */
    struct sched_task task;
    bool leaves;
};

static bool admitted(const struct machine *m, const struct guest *instead, const struct sched_task *task) {
    struct sched_task tasks[SERVERS_MAX];
    struct sched_verdict verdict;
    uint32_t count = 0;

    for (uint32_t i = 0; i < SERVERS_MAX; i++) {
        if (m->guests[i].here && &m->guests[i] != instead) { tasks[count++] = m->guests[i].task; }
    }
    tasks[count++] = *task;
    return sched_admit(tasks, count, NULL, 0, &verdict) == SCHED_ADMITTED;
}

static struct sched_task random_task(struct random *random) {
    uint64_t period = random_in(random, 3, PERIOD_MAX);
    uint64_t budget = random_in(random, 1, (period + 1) / 2);
    uint64_t deadline = random_in(random, 0, 2) == 0 ? period : random_in(random, budget, period);

    return (struct sched_task){budget, deadline, period};
}

static void come(struct machine *m, struct guest *guest, const struct sched_task *task) {
    if (guest->entity.budget == 0) {
        assert_int_equal(sched_entity_init_reserved(&guest->entity, task->budget, task->deadline, task->period),
                         SCHED_OK);
    } else { /* what it had here before is not forgotten */
        assert_int_equal(sched_change(&guest->entity, task->budget, task->deadline, task->period, m->now), SCHED_OK);
    }
    guest->task = *task;
    guest->here = true;
    guest->greedy = random_in(m->random, 0, 2) == 0;
    guest->act_at = m->now;
    assert_int_equal(sched_add(&m->core, &guest->entity), SCHED_OK);
}

/* What is asked for next; NULL where nothing is. */
static void plan_change(struct machine *m) {
    struct guest *guest = &m->guests[random_in(m->random, 0, SERVERS_MAX - 1)];
    struct sched_task task = random_task(m->random);

    m->leaves = guest->here && random_in(m->random, 0, 3) == 0;
    if (guest->here && random_in(m->random, 0, 1) == 0) { /* near what it has */
        task = guest->task;
        task.budget = random_in(m->random, 1, task.deadline);
    }
    if (!m->leaves && !admitted(m, guest, &task)) { return; }
    m->changing = guest;
    m->task = task;
}

static void change(struct machine *m) {
    struct guest *guest = m->changing;

    m->changing = NULL;
    m->changes++;
    if (m->leaves) {
        sched_remove(&m->core, &guest->entity, m->now);
        guest->here = false;
    } else if (!guest->here) {
        come(m, guest, &m->task);
    } else {
        assert_int_equal(sched_change(&guest->entity, m->task.budget, m->task.deadline, m->task.period, m->now),
                         SCHED_OK);
        guest->task = m->task;
    }
}

static void act(struct machine *m, struct guest *guest) {
    if (guest->entity.state == SCHED_BLOCKED) {
        sched_wake(&m->core, &guest->entity, guest->act_at);
        guest->act_at = guest->greedy ? SCHED_NEVER : hostile_moment(m->random, &guest->entity, m->now, 2 * PERIOD_MAX);
    } else {
        sched_block(&m->core, &guest->entity, m->now);
        guest->act_at = hostile_moment(m->random, &guest->entity, m->now, 2 * PERIOD_MAX);
    }
    if (guest->act_at <= m->now) { guest->act_at = m->now + 1; }
}

static uint64_t refills(const struct sched_entity *entity) {
    uint64_t sum = entity->remaining + entity->consumed;

    for (uint32_t i = 0; i < entity->refill_count; i++) {
        sum += entity->refills[(entity->refill_head + i) & (SCHED_REFILLS_MAX - 1)].amount;
    }
    return sum;
}

static void check(const struct machine *m) {
    for (uint32_t i = 0; i < SERVERS_MAX; i++) {
        const struct guest *guest = &m->guests[i];
        if (!guest->here) { continue; }
        assert_int_equal(guest->entity.stats.misses[SCHED_MISS_DISPATCH], 0);
        assert_true(refills(&guest->entity) == guest->task.budget);
    }
}

/* An activation that is open past its deadline is a miss, whether it has been counted or not. */
static void check_open(const struct machine *m) {
    for (uint32_t i = 0; i < SERVERS_MAX; i++) {
        const struct sched_entity *entity = &m->guests[i].entity;
        if (m->guests[i].here && entity->state == SCHED_READY) {
            assert_true(m->now < entity->release + entity->deadline);
        }
    }
}

static uint64_t play(struct random *random) {
    static struct machine m;

    memset(&m, 0, sizeof(m));
    m.random = random;
    m.now = 1000;
    sched_core_init(&m.core, 5);
    assert_int_equal(sched_entity_init_best_effort(&m.load, 100), SCHED_OK);
    assert_int_equal(sched_add(&m.core, &m.load), SCHED_OK);
    sched_wake(&m.core, &m.load, m.now);
    for (uint32_t i = 0; i < SERVERS_MAX; i++) {
        struct sched_task task = random_task(random);
        if (admitted(&m, NULL, &task)) { come(&m, &m.guests[i], &task); }
    }
    for (uint64_t end = m.now + LENGTH; m.now < end; m.now++) {
        struct sched_decision decision;
        do { /* what is due now, a change in between, until nothing is */
            for (uint32_t i = 0; i < SERVERS_MAX; i++) {
                if (m.guests[i].here && m.guests[i].act_at <= m.now) { act(&m, &m.guests[i]); }
            }
            decision = sched_pick(&m.core, m.now);
            if (m.changing == NULL && random_in(random, 0, 7) == 0) { plan_change(&m); }
            if (m.changing == NULL || !sched_quiet(&m.core, m.now)) { break; }
            change(&m);
        } while (true);
        (void)decision;
        check(&m);
        check_open(&m);
    }
    return m.changes;
}

static void nobody_misses_while_reservations_change(void **state) {
    (void)state;
    struct random random = random_start("changes at run time", 0xc4a);
    uint64_t changes = 0;

    for (uint32_t round = 0; round < ROUNDS(3000); round++) { changes += play(&random); }
    printf("             %llu changes\n", (unsigned long long)changes);
    assert_true(changes > ROUNDS(3000) * 20);
}

/* The reason for waiting: a server that has gone, with all its budget back, and one that comes in its place. */
static void without_the_instant_somebody_would_miss(void **state) {
    (void)state;
    struct sched_task old[] = {{100, 150, 1000}, {50, 100, 100}}, new[] = {{100, 150, 1000}, {50, 50, 1000}};
    struct sched_verdict verdict;
    struct sched_entity steady, changing, other; /* with two on the core budgets count */
    struct sched_core core;

    assert_int_equal(sched_admit(old, 2, NULL, 0, &verdict), SCHED_ADMITTED);
    assert_int_equal(sched_admit(new, 2, NULL, 0, &verdict), SCHED_ADMITTED);
    sched_core_init(&core, 10);
    assert_int_equal(sched_entity_init_reserved(&steady, 100, 150, 1000), SCHED_OK);
    assert_int_equal(sched_entity_init_reserved(&changing, 50, 100, 100), SCHED_OK);
    assert_int_equal(sched_entity_init_best_effort(&other, 100), SCHED_OK);
    assert_int_equal(sched_add(&core, &steady) | sched_add(&core, &changing) | sched_add(&core, &other), SCHED_OK);
    sched_pick(&core, 0);
    sched_wake(&core, &steady, 0);
    sched_wake(&core, &changing, 0);
    assert_ptr_equal(sched_pick(&core, 0).run, &changing);
    assert_ptr_equal(sched_pick(&core, 50).run, &steady);
    assert_false(sched_quiet(&core, 50));
    assert_true(sched_remove(&core, &changing, 100) == 100); /* its share could be given away, one would think */
    assert_int_equal(sched_entity_init_reserved(&changing, 50, 50, 1000), SCHED_OK);
    assert_int_equal(sched_add(&core, &changing), SCHED_OK);
    sched_wake(&core, &changing, 100);
    for (uint64_t now = 100; now <= 210; now += 10) { sched_pick(&core, now); }
    assert_int_equal(steady.stats.misses[SCHED_MISS_DISPATCH] + changing.stats.misses[SCHED_MISS_DISPATCH], 1);
}

static struct sched_entity server(uint64_t budget, uint64_t deadline, uint64_t period) {
    struct sched_entity entity;

    assert_int_equal(sched_entity_init_reserved(&entity, budget, deadline, period), SCHED_OK);
    return entity;
}

static void what_was_consumed_comes_back_no_sooner(void **state) {
    (void)state;
    struct sched_core core;
    struct sched_entity one = server(60, 100, 100), other;

    sched_core_init(&core, 10);
    assert_int_equal(sched_entity_init_best_effort(&other, 100), SCHED_OK);
    assert_int_equal(sched_add(&core, &one) | sched_add(&core, &other), SCHED_OK);
    sched_pick(&core, 1000);
    sched_wake(&core, &one, 1000);
    sched_pick(&core, 1000);
    sched_block(&core, &one, 1040); /* 20 are left, 40 come at 1100 */
    assert_int_equal(sched_change(&one, 80, 150, 150, 1050), SCHED_OK);
    assert_true(sched_eligible_at(&one, 1050) == 1050);
    sched_wake(&core, &one, 1050);
    assert_true(one.remaining == 40); /* 20 more */
    sched_pick(&core, 1050);
    sched_pick(&core, 1090);
    assert_int_equal(one.state, SCHED_THROTTLED);
    assert_true(sched_eligible_at(&one, 1090) == 1150);
    assert_int_equal(sched_change(&one, 30, 70, 120, 1100), SCHED_OK); /* of 40 at 1150 and 40 at 1200 the first 30 */
    assert_int_equal(one.state, SCHED_THROTTLED);
    assert_true(sched_eligible_at(&one, 1100) == 1150);
    assert_int_equal(one.refill_count, 1);
    assert_int_equal(sched_change(&one, 90, 100, 120, 1110), SCHED_OK); /* and 60 are there at once */
    assert_int_equal(one.state, SCHED_READY);
    assert_true(one.remaining == 60 && one.release == 1110);
}

static void more_is_eligible_at_once_where_the_list_has_room(void **state) {
    (void)state;
    struct sched_entity one = server(60, 100, 100);

    assert_int_equal(sched_change(&one, 80, 100, 100, 500), SCHED_OK); /* beside what is: the later time */
    assert_int_equal(one.refill_count, 1);
    assert_true(one.refills[one.refill_head & 7].time == 500 && one.refills[one.refill_head & 7].amount == 80);
    assert_int_equal(sched_change(&one, 80, 100, 100, 600), SCHED_OK); /* the same again */
    assert_true(one.refills[one.refill_head & 7].time == 500);

    for (one.refill_count = 0; one.refill_count < SCHED_REFILLS_MAX; one.refill_count++) {
        one.refills[(one.refill_head + one.refill_count) & 7] = (struct sched_refill){2000 + 10 * one.refill_count, 10};
    }
    assert_int_equal(sched_change(&one, 100, 100, 100, 1000), SCHED_OK); /* full: with the first that comes */
    assert_int_equal(one.refill_count, SCHED_REFILLS_MAX);
    assert_true(one.refills[one.refill_head & 7].time == 2000 && one.refills[one.refill_head & 7].amount == 30);
    one.debt = 70;
    assert_int_equal(sched_change(&one, 45, 100, 250, 2020),
                     SCHED_OK); /* three are eligible, and one; the rest later */
    assert_int_equal(one.refill_count, 1);
    assert_true(one.refills[one.refill_head & 7].time == 2020 && one.refills[one.refill_head & 7].amount == 45);
    assert_true(one.debt == 45 && one.wake_hint == sched_eligible_at(&one, 0));
}

static void a_longer_period_postpones_what_is_still_to_come(void **state) {
    (void)state;
    struct sched_entity one = server(60, 100, 100);

    one.refill_count = 3;
    one.refills[one.refill_head & 7] = (struct sched_refill){900, 10};
    one.refills[(one.refill_head + 1) & 7] = (struct sched_refill){1000, 20};
    one.refills[(one.refill_head + 2) & 7] = (struct sched_refill){1050, 30};
    assert_int_equal(sched_change(&one, 60, 100, 130, 1000), SCHED_OK);
    assert_int_equal(one.refill_count, 2);
    assert_true(one.refills[one.refill_head & 7].time == 1000 && one.refills[one.refill_head & 7].amount == 30);
    assert_true(one.refills[(one.refill_head + 1) & 7].time == 1080);
    assert_int_equal(sched_change(&one, 60, 100, 110, 1000), SCHED_OK); /* a shorter one brings nothing sooner */
    assert_true(one.refills[(one.refill_head + 1) & 7].time == 1080);
    assert_int_equal(sched_change(&one, 35, 100, 110, 1000), SCHED_OK); /* less: of what comes last */
    assert_int_equal(one.refill_count, 2);
    assert_true(one.refills[(one.refill_head + 1) & 7].amount == 5);
}

static void senseless_values_change_nothing(void **state) {
    (void)state;
    struct sched_entity one = server(10, 20, 30), before = one, best;

    assert_int_equal(sched_change(&one, 0, 20, 30, 5), SCHED_EINVAL);
    assert_int_equal(sched_change(&one, 21, 20, 30, 5), SCHED_EINVAL);
    assert_int_equal(sched_change(&one, 10, 31, 30, 5), SCHED_EINVAL);
    assert_int_equal(sched_change(&one, 10, 31, SCHED_TICKS_MAX, 5), SCHED_EINVAL);
    assert_memory_equal(&one, &before, sizeof(one));
    assert_int_equal(sched_entity_init_best_effort(&best, 100), SCHED_OK);
    assert_int_equal(sched_change(&best, 10, 20, 30, 5), SCHED_EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_misses_while_reservations_change),
        cmocka_unit_test(without_the_instant_somebody_would_miss),
        cmocka_unit_test(what_was_consumed_comes_back_no_sooner),
        cmocka_unit_test(more_is_eligible_at_once_where_the_list_has_room),
        cmocka_unit_test(a_longer_period_postpones_what_is_still_to_come),
        cmocka_unit_test(senseless_values_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
