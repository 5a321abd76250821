// SPDX-License-Identifier: Apache-2.0
/*
 * Admitted sets against guests that block and wake at the worst moments they can find.
 *
 * Each set is filled until the exact test refuses the next server. Then a machine is played tick by
 * tick: guests act at, just before and just after the ends of budgets, deadlines and refills, their
 * own and each other's; wake-ups that the horizon hides are delivered late, as the timer queue
 * does; interrupts steal their time at boundaries, too; VCPUs are taken off and put back. What is
 * checked is computed here from the supply alone, beside the dispatcher's own miss counters.
 */
#include "test_sched_support.h"

#include "sched/admission.h"
#include "sched/sched.h"
#include "tools/sim/hostile.h"

#include <string.h>

#define SERVERS_MAX 6
#define LENGTH      900 /* ticks a set is played */
#define PERIOD_MAX  30

struct guest {
    struct sched_entity entity;
    struct sched_task task;
    bool greedy;  /* never blocks */
    bool waiting; /* woke at `act_at`, not delivered yet */
    bool away;    /* taken off the core */
    uint64_t act_at;
    uint64_t wanted_since; /* runnable from here on */
    uint64_t blocked_at;
    uint64_t last_supply;
    uint64_t due;       /* by here, if it stays runnable, ... */
    uint64_t due_total; /* ... this much must have been supplied */
    uint32_t activations;
    uint64_t release[LENGTH]; /* of each activation, and what it got */
    uint64_t got[LENGTH];
    uint32_t total[LENGTH + 1]; /* supplied up to each tick */
};

struct machine {
    struct random *random;
    struct sched_core core;
    struct guest guests[SERVERS_MAX];
    uint32_t count;
    struct sched_entity load[2];
    struct sched_source source;
    uint64_t interrupt_at;
    bool charged; /* interrupts are also taken from a guest's budget */
    bool hides;   /* wake-ups wait behind the horizon */
    uint64_t now;
};

static bool admitted(const struct sched_task *tasks, uint32_t count, const struct machine *machine) {
    struct sched_verdict verdict;
    uint32_t sources = machine->source.cost != 0 ? 1 : 0;

    return sched_admit(tasks, count, &machine->source, sources, &verdict) == SCHED_ADMITTED;
}

static struct sched_task random_task(struct random *random) {
    uint64_t period = random_in(random, 3, PERIOD_MAX);
    uint64_t budget = random_in(random, 1, (period + 1) / 2);
    uint64_t deadline = random_in(random, 0, 2) == 0 ? period : random_in(random, budget, period);

    return (struct sched_task){budget, deadline, period};
}

static void fill(struct machine *m) {
    struct sched_task tasks[SERVERS_MAX];
    uint32_t failures = 0;

    if (random_in(m->random, 0, 2) == 0) {
        m->source.cost = random_in(m->random, 1, 2);
        m->source.distance = random_in(m->random, 10, 60);
        m->charged = random_in(m->random, 0, 1) == 0;
    }
    while (failures < 12 && m->count < SERVERS_MAX) {
        tasks[m->count] = random_task(m->random);
        if (admitted(tasks, m->count + 1, m)) {
            m->guests[m->count].task = tasks[m->count];
            m->count++;
        } else {
            failures++;
        }
    }
}

static uint64_t supplied(const struct machine *m, const struct guest *guest) {
    uint64_t pending = m->core.running == &guest->entity ? m->now - m->core.run_start : 0;

    return guest->entity.stats.supplied + pending;
}

/* A boundary of this guest or another. */
static uint64_t next_moment(struct machine *m) {
    const struct guest *guest = &m->guests[random_in(m->random, 0, m->count - 1)];

    return hostile_moment(m->random, &guest->entity, m->now, 2 * PERIOD_MAX);
}

static void deliver(struct machine *m, struct guest *guest) {
    uint64_t at = guest->act_at;

    if (guest->away) {
        assert_int_equal(sched_add(&m->core, &guest->entity), SCHED_OK);
        guest->away = false;
    }
    sched_wake(&m->core, &guest->entity, at);
    guest->waiting = false;
    guest->wanted_since = at;
    guest->last_supply = at;
    guest->due = SCHED_NEVER;
    if (at >= guest->blocked_at + guest->task.period) {
        /* Whatever it consumed is back: the whole budget is promised from now on. */
        guest->due = at + guest->task.deadline;
        guest->due_total = supplied(m, guest) + guest->task.budget;
    }
    guest->act_at = guest->greedy ? SCHED_NEVER : next_moment(m);
}

static void act(struct machine *m, struct guest *guest) {
    if (guest->entity.state == SCHED_BLOCKED) {
        uint64_t eligible = sched_eligible_at(&guest->entity, guest->act_at);

        if (eligible > guest->act_at && random_in(m->random, 0, 1) == 0) {
            guest->act_at = eligible; /* a timer of a throttled VCPU is postponed */
        } else {
            guest->waiting = true;
        }
        return;
    }
    if (random_in(m->random, 0, 15) == 0) {
        sched_remove(&m->core, &guest->entity, m->now);
        guest->away = true;
    } else {
        sched_block(&m->core, &guest->entity, m->now);
    }
    guest->blocked_at = m->now;
    guest->act_at = next_moment(m);
}

static struct sched_decision dispatch(struct machine *m) {
    struct sched_decision decision;
    bool again;

    do {
        again = false;
        decision = sched_pick(&m->core, m->now);
        for (uint32_t i = 0; i < m->count; i++) {
            struct guest *guest = &m->guests[i];
            bool matters = !m->hides || decision.deadline == SCHED_NEVER ||
                           guest->act_at + guest->task.deadline < decision.deadline;

            if (guest->waiting && matters) {
                deliver(m, guest);
                again = true;
            }
        }
    } while (again);
    return decision;
}

static void promises_hold(const struct machine *m) {
    for (uint32_t i = 0; i < m->count; i++) {
        const struct guest *guest = &m->guests[i];
        const struct sched_entity *entity = &guest->entity;
        const struct sched_task *task = &guest->task;
        uint64_t starved = m->now - guest->last_supply;

        assert_int_equal(entity->stats.misses[SCHED_MISS_DISPATCH], 0);
        assert_true(!guest->waiting || m->now <= guest->act_at + task->deadline);
        if (entity->state == SCHED_BLOCKED) { continue; }
        if (entity->state == SCHED_READY) { assert_true(m->now <= entity->release + task->deadline); }
        if (!m->charged) {
            assert_true(m->now <= guest->due || supplied(m, guest) >= guest->due_total);
            assert_true(starved <= task->period + task->deadline - (guest->greedy ? 2 * task->budget : 0));
        }
    }
}

static void supply(struct machine *m, struct sched_entity *entity, uint64_t end) {
    for (uint32_t i = 0; i < m->count; i++) {
        struct guest *guest = &m->guests[i];
        bool runs = &guest->entity == entity;

        for (uint64_t t = m->now; t < end; t++) { guest->total[t + 1] = guest->total[t] + (runs ? 1 : 0); }
        if (!runs) { continue; }
        if (guest->activations == 0 || guest->release[guest->activations - 1] != entity->release) {
            guest->release[guest->activations] = entity->release;
            guest->got[guest->activations++] = 0;
        }
        guest->got[guest->activations - 1] += end - m->now;
        guest->last_supply = end;
    }
    m->now = end;
}

static void interrupt(struct machine *m) {
    uint64_t end = m->now + m->source.cost;

    supply(m, NULL, end < LENGTH ? end : LENGTH);
    sched_exempt(&m->core, m->source.cost);
    if (m->charged) { sched_charge(&m->core, &m->guests[0].entity, m->source.cost); }
    m->interrupt_at += m->source.distance + random_in(m->random, 0, 3) * random_in(m->random, 0, 9);
}

static void play(struct machine *m) {
    while (m->now < LENGTH) {
        struct sched_decision decision;
        uint64_t next;

        for (uint32_t i = 0; i < m->count; i++) {
            if (m->guests[i].act_at <= m->now && !m->guests[i].waiting) { act(m, &m->guests[i]); }
        }
        decision = dispatch(m);
        promises_hold(m);
        if (m->interrupt_at <= m->now) {
            interrupt(m);
            continue;
        }
        next = decision.until < m->interrupt_at ? decision.until : m->interrupt_at;
        for (uint32_t i = 0; i < m->count; i++) {
            if (m->guests[i].act_at < next && !m->guests[i].waiting) { next = m->guests[i].act_at; }
        }
        if (next <= m->now) { continue; /* an act was put off to a moment that has come */ }
        supply(m, decision.run, next < LENGTH ? next : LENGTH);
    }
}

/* Activations that start within one period of each other get at most Q together. */
static void no_chain_exceeds_the_budget(const struct guest *guest) {
    uint32_t first = 0;
    uint64_t sum = 0;

    for (uint32_t last = 0; last < guest->activations; last++) {
        sum += guest->got[last];
        while (guest->release[first] + guest->task.period <= guest->release[last]) { sum -= guest->got[first++]; }
        assert_true(sum <= guest->task.budget);
    }
}

/* The most that a window of w ticks can see: (1 + floor((w + D - 2Q)/T)) * Q and a part of Q. */
static uint64_t most_in_window(const struct sched_task *task, uint64_t w) {
    uint64_t reach = w + task->deadline + task->period - 2 * task->budget;

    return (reach / task->period + 1) * task->budget;
}

static void no_window_exceeds_its_bound(const struct guest *guest) {
    for (uint64_t w = 1; w < 4 * guest->task.period; w++) {
        uint64_t most = most_in_window(&guest->task, w);

        for (uint64_t start = 0; start + w <= LENGTH; start++) {
            assert_true(guest->total[start + w] - guest->total[start] <= most);
        }
    }
}

static void set_up(struct machine *m, struct random *random) {
    memset(m, 0, sizeof(*m));
    m->random = random;
    m->hides = random_in(random, 0, 1) == 0;
    sched_core_init(&m->core, 7);
    fill(m);
    m->interrupt_at = m->source.cost != 0 ? random_in(random, 0, 40) : SCHED_NEVER;
    for (uint32_t i = 0; i < 2; i++) {
        sched_entity_init_best_effort(&m->load[i], 1 + i);
        sched_add(&m->core, &m->load[i]);
        sched_wake(&m->core, &m->load[i], 0);
    }
    sched_pick(&m->core, 0);
    for (uint32_t i = 0; i < m->count; i++) {
        struct guest *guest = &m->guests[i];

        assert_int_equal(
            sched_entity_init_reserved(&guest->entity, guest->task.budget, guest->task.deadline, guest->task.period),
            SCHED_OK);
        sched_add(&m->core, &guest->entity);
        guest->greedy = random_in(random, 0, 3) == 0;
        guest->act_at = random_in(random, 0, 1) == 0 ? 0 : random_in(random, 0, 40);
    }
}

static void admitted_sets_never_miss_whatever_their_guests_do(void **state) {
    struct random random = random_start("admitted sets with hostile guests", 0x5e7);
    static struct machine machine;
    uint32_t sets = ROUNDS(30000);
    uint64_t activations = 0;
    double utilisation = 0;

    (void)state;
    for (uint32_t set = 0; set < sets; set++) {
        set_up(&machine, &random);
        play(&machine);
        for (uint32_t i = 0; i < machine.count; i++) {
            const struct guest *guest = &machine.guests[i];

            no_chain_exceeds_the_budget(guest);
            if (set % 16 == 0) { no_window_exceeds_its_bound(guest); }
            activations += guest->entity.stats.activations;
            utilisation += (double)guest->task.budget / (double)guest->task.period;
        }
    }
    printf("             %u sets, mean utilisation %.3f, %llu activations, no miss\n", sets, utilisation / sets,
           (unsigned long long)activations);
    assert_true(utilisation / sets > 0.85);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admitted_sets_never_miss_whatever_their_guests_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
