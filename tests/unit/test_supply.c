// SPDX-License-Identifier: Apache-2.0
/*
 * The supply bound against the dispatcher, and the test of a guest's tasks against a guest that is played on the least
 * supply: both ways, on sets small enough to count.
 */
#include "test_sched_support.h"

#include "sched/sched.h"
#include "sched/supply.h"

#include <string.h>

/* ---- the function itself -------------------------------------------------------------------------------- */

static void it_is_the_blackout_and_then_the_budget_in_every_period(void **state) {
    static const struct sched_task reservation = {3, 5, 10};
    struct sched_supply wanting = sched_supply_wanting(&reservation), waking = sched_supply_waking(&reservation);

    (void)state;
    assert_int_equal(wanting.blackout, 10 + 5 - 2 * 3);
    assert_int_equal(waking.blackout, 10 + 5 - 3);
    for (uint64_t t = 0; t < 100; t++) {
        uint64_t sum = 0;

        for (uint64_t i = 0; i < t; i++) { sum += i >= 9 && (i - 9) % 10 < 3; }
        assert_int_equal(sched_supply_within(&wanting, t), sum);
        for (uint64_t amount = 0; amount < 40; amount++) {
            assert_int_equal(sched_supply_window(&wanting, amount) <= t, sum >= amount);
        }
    }
    assert_true(sched_supply_window(&wanting, UINT64_MAX) == UINT64_MAX);
}

/* ---- against the dispatcher ----------------------------------------------------------------------------- */

#define SERVERS 4
#define LENGTH  240

struct machine {
    struct sched_core core;
    struct sched_entity load, entity[SERVERS];
    struct sched_task task[SERVERS];
    uint64_t wake_at[SERVERS], left[SERVERS]; /* ticks that it wants until it blocks */
    uint64_t wanted_from[SERVERS];
    uint32_t count;
    uint8_t ran[SERVERS][LENGTH];
};

/* Every window of a stay in which it wanted to run all the time has at least what `supply` says. */
static uint64_t short_of(const struct machine *m, uint32_t i, uint64_t from, uint64_t to,
                         const struct sched_supply *supply) {
    uint64_t sum = 0, worst = 0;

    for (uint64_t t = from; t < to; t++) {
        uint64_t least = sched_supply_within(supply, t + 1 - from);

        sum += m->ran[i][t];
        if (least > sum && least - sum > worst) { worst = least - sum; }
    }
    return worst;
}

static void act(struct machine *m, struct random *random, uint64_t now, uint32_t *pieces_hurt) {
    for (uint32_t i = 0; i < m->count; i++) {
        struct sched_entity *entity = &m->entity[i];

        if (entity->state != SCHED_BLOCKED && m->left[i] == 0) {
            struct sched_supply wanting = sched_supply_wanting(&m->task[i]), waking = sched_supply_waking(&m->task[i]);

            assert_int_equal(short_of(m, i, m->wanted_from[i], now, &waking), 0);
            *pieces_hurt += short_of(m, i, m->wanted_from[i], now, &wanting) != 0;
            sched_block(&m->core, entity, now);
            m->wake_at[i] = now + random_in(random, 0, 1) * random_in(random, 0, 2 * m->task[i].period);
        }
        if (entity->state == SCHED_BLOCKED && m->wake_at[i] <= now) {
            m->left[i] = random_in(random, 0, 1) == 0 ? 1 : random_in(random, 1, 3 * m->task[i].budget);
            m->wanted_from[i] = now;
            sched_wake(&m->core, entity, now);
        }
    }
}

static void fill(struct machine *m, struct random *random) {
    struct sched_verdict verdict;

    memset(m, 0, sizeof(*m));
    sched_core_init(&m->core, 7);
    sched_entity_init_best_effort(&m->load, 1);
    sched_add(&m->core, &m->load);
    sched_wake(&m->core, &m->load, 0);
    for (uint32_t tries = 0; tries < 12 && m->count < SERVERS; tries++) {
        uint64_t period = random_in(random, 2, 20), budget = random_in(random, 1, (period + 1) / 2);

        m->task[m->count] = (struct sched_task){budget, random_in(random, budget, period), period};
        if (sched_admit(m->task, m->count + 1, NULL, 0, &verdict) == SCHED_ADMITTED) { m->count++; }
    }
    for (uint32_t i = 0; i < m->count; i++) {
        sched_entity_init_reserved(&m->entity[i], m->task[i].budget, m->task[i].deadline, m->task[i].period);
        sched_add(&m->core, &m->entity[i]);
    }
}

static void no_admitted_server_is_supplied_less(void **state) {
    struct random random = random_start("supply of admitted servers", 0x5bf);
    static struct machine m;
    uint32_t pieces_hurt = 0, greedy_windows = 0;

    (void)state;
    for (uint32_t set = 0; set < ROUNDS(40000); set++) {
        fill(&m, &random);
        bool greedy = set % 4 == 0 && m.count != 0; /* the last one never blocks */
        for (uint64_t now = 0; now < LENGTH; now++) {
            if (greedy) { m.left[m.count - 1] = LENGTH; }
            if (greedy && now == 0) { sched_wake(&m.core, &m.entity[m.count - 1], 0); }
            act(&m, &random, now, &pieces_hurt);
            struct sched_entity *run = sched_pick(&m.core, now).run;
            for (uint32_t i = 0; i < m.count; i++) {
                m.ran[i][now] = run == &m.entity[i];
                m.left[i] -= m.ran[i][now];
            }
        }
        for (uint64_t from = 0; greedy && from < LENGTH; from++) {
            struct sched_supply wanting = sched_supply_wanting(&m.task[m.count - 1]);

            assert_int_equal(short_of(&m, m.count - 1, from, LENGTH, &wanting), 0);
            greedy_windows++;
        }
    }
    printf(
        "             %u greedy starts; %u stays of guests that block had less than T + D - 2Q says, none less than T + D - Q\n",
        greedy_windows, pieces_hurt);
    assert_true(pieces_hurt > 0); /* why there are two */
}

/* ---- a guest's tasks ------------------------------------------------------------------------------------ */

#define TASKS 3

/* EDF on the least supply, all released at once: the first instant at which a job is late, or 0. */
static uint64_t first_miss(const struct sched_supply *supply, const struct sched_task *tasks, uint32_t count,
                           uint64_t end) {
    uint64_t left[TASKS] = {0}, due[TASKS] = {0};

    for (uint64_t now = 0; now < end; now++) {
        uint32_t first = count;

        for (uint32_t i = 0; i < count; i++) {
            if (left[i] != 0 && due[i] <= now) { return due[i]; }
            if (now % tasks[i].period == 0) {
                left[i] = tasks[i].budget;
                due[i] = now + tasks[i].deadline;
            }
            if (left[i] != 0 && (first == count || due[i] < due[first])) { first = i; }
        }
        if (first != count && sched_supply_within(supply, now + 1) != sched_supply_within(supply, now)) {
            left[first]--;
        }
    }
    return 0;
}

static uint64_t demand_by(const struct sched_task *tasks, uint32_t count, uint64_t at) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (at >= tasks[i].deadline) { sum += ((at - tasks[i].deadline) / tasks[i].period + 1) * tasks[i].budget; }
    }
    return sum;
}

static uint32_t random_tasks(struct random *random, struct sched_task *tasks) {
    uint32_t count = (uint32_t)random_in(random, 1, TASKS);

    for (uint32_t i = 0; i < count; i++) {
        uint64_t period = random_in(random, 6, 40), deadline = random_in(random, 5, period);

        tasks[i] = (struct sched_task){random_in(random, 1, 3), deadline, period};
    }
    return count;
}

static void the_task_test_says_what_the_played_guest_does(void **state) {
    struct random random = random_start("guests' tasks against brute force", 0x7a5c);
    uint32_t fits = 0, refused = 0, undecided = 0;

    (void)state;
    for (uint32_t round = 0; round < ROUNDS(60000); round++) {
        struct sched_task tasks[TASKS];
        uint32_t count = random_tasks(&random, tasks);
        uint64_t period = random_in(&random, 1, 16), deadline = random_in(&random, 1, period);
        struct sched_task reservation = {random_in(&random, 1, deadline), deadline, period};
        struct sched_supply supply =
            round % 2 == 0 ? sched_supply_wanting(&reservation) : sched_supply_waking(&reservation);
        struct sched_verdict verdict;
        enum sched_outcome outcome = sched_supply_fits(&supply, tasks, count, &verdict);
        uint64_t miss = first_miss(&supply, tasks, count, 4000);

        assert_true(outcome != SCHED_MALFORMED);
        if (outcome == SCHED_UNDECIDED) {
            undecided++;
            continue;
        }
        assert_int_equal(outcome == SCHED_REFUSED, miss != 0);
        if (outcome == SCHED_REFUSED) {
            refused++;
            assert_int_equal(verdict.demand, demand_by(tasks, count, verdict.at));
            assert_int_equal(verdict.demand - verdict.excess, sched_supply_within(&supply, verdict.at));
            assert_true(verdict.excess > 0 && verdict.excess <= verdict.demand);
            continue;
        }
        fits++;
    }
    printf("             %u fit, %u refused, %u undecided\n", fits, refused, undecided);
    assert_true(fits > ROUNDS(60000) / 10 && refused > ROUNDS(60000) / 10 && undecided < ROUNDS(60000) / 100);
}

static void the_smallest_budget_is_the_smallest(void **state) {
    struct random random = random_start("smallest budgets", 0x1ea57);
    uint32_t found = 0, none = 0;

    (void)state;
    for (uint32_t round = 0; round < ROUNDS(8000); round++) {
        struct sched_task tasks[TASKS];
        uint32_t count = random_tasks(&random, tasks);
        uint64_t period = random_in(&random, 1, 16), deadline = random_in(&random, 1, period);
        struct sched_task reservation = {0, deadline, period};
        uint64_t least = sched_supply_least_budget(&reservation, tasks, count), first = 0;

        for (reservation.budget = 1; reservation.budget <= deadline && first == 0; reservation.budget++) {
            struct sched_supply supply = sched_supply_waking(&reservation);
            struct sched_verdict verdict;

            if (sched_supply_fits(&supply, tasks, count, &verdict) == SCHED_ADMITTED) { first = reservation.budget; }
        }
        assert_int_equal(least, first);
        found += first != 0;
        none += first == 0;
    }
    assert_true(found > ROUNDS(8000) / 10 && none > ROUNDS(8000) / 10);
}

static void what_is_no_task_or_without_end_is_said(void **state) {
    struct sched_supply supply = sched_supply_waking(&(struct sched_task){5, 10, 10});
    struct sched_task tasks[SCHED_TASKS_MAX + 1];
    struct sched_verdict verdict;

    (void)state;
    for (uint32_t i = 0; i <= SCHED_TASKS_MAX; i++) { tasks[i] = (struct sched_task){1, 100000, 100000}; }
    assert_int_equal(sched_supply_fits(&supply, tasks, 0, &verdict), SCHED_ADMITTED);
    assert_int_equal(sched_supply_fits(&supply, tasks, SCHED_TASKS_MAX, &verdict), SCHED_ADMITTED);
    assert_int_equal(sched_supply_fits(&supply, tasks, SCHED_TASKS_MAX + 1, &verdict), SCHED_MALFORMED);
    tasks[0].budget = 0;
    assert_int_equal(sched_supply_fits(&supply, tasks, 1, &verdict), SCHED_MALFORMED);
    tasks[0] = (struct sched_task){1, 5, UINT64_C(1) << 62};
    assert_int_equal(sched_supply_fits(&supply, tasks, 1, &verdict), SCHED_MALFORMED);
    /* Just above what is supplied, late enough: no end, and no witness within the cap or one far away. */
    tasks[0] = (struct sched_task){500001, 1000000, 1000000};
    assert_int_equal(sched_supply_fits(&supply, tasks, 1, &verdict), SCHED_REFUSED);
    assert_true(verdict.excess > 0);
    tasks[0] = (struct sched_task){500000, 2000000, 1000000};
    tasks[1] = (struct sched_task){1, UINT64_C(1) << 61, UINT64_C(1) << 61};
    assert_int_equal(sched_supply_fits(&supply, tasks, 2, &verdict), SCHED_UNDECIDED);
    supply.budget = 0;
    assert_int_equal(sched_supply_fits(&supply, tasks, 1, &verdict), SCHED_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_blackout_and_then_the_budget_in_every_period),
        cmocka_unit_test(no_admitted_server_is_supplied_less),
        cmocka_unit_test(the_task_test_says_what_the_played_guest_does),
        cmocka_unit_test(the_smallest_budget_is_the_smallest),
        cmocka_unit_test(what_is_no_task_or_without_end_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
