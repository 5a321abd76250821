// SPDX-License-Identifier: Apache-2.0
#include "sched/sched.h"
#include "tools/plan/plan.h"

#define TURN_NS     2000000u // of best effort, as in kernel/cpu.c
#define PERIODS     20u
#define TURNS_SHOWN 10u // where nobody has a reservation

struct player {
    unsigned count;
    struct member {
        int who;
        struct sched_task task; // of a reservation
        uint64_t release;       // of its first activation
        struct sched_entity entity;
    } members[SCHED_ENTITIES_MAX];
    struct sched_entity thread; // of the hypervisor, with nothing to do
    struct sched_core core;
    const struct sched_core_load *load;
    uint64_t due[SCHED_SOURCES_MAX];
};

static uint64_t common_multiple(uint64_t a, uint64_t b) {
    uint64_t x = a, y = b;

    while (y != 0) {
        uint64_t rest = x % y;
        x = y;
        y = rest;
    }
    return a / x > (SCHED_TICKS_MAX - 1) / b ? 0 : a / x * b;
}

// A VCPU, or one piece of it.
static void join(struct player *p, int who, const struct vcpu_desc *desc, const struct sched_task *task,
                 uint64_t release) {
    struct member *m = &p->members[p->count];
    int status = desc->reserved ? sched_entity_init_reserved(&m->entity, task->budget, task->deadline, task->period)
                                : sched_entity_init_best_effort(&m->entity, desc->weight);

    if (status != SCHED_OK || sched_add(&p->core, &m->entity) != SCHED_OK) { return; }
    m->who = who;
    m->release = release;
    if (desc->reserved) { m->task = *task; }
    p->count++;
}

static void gather(struct player *p, const struct plan *plan, unsigned core) {
    bool pieces = false;

    for (unsigned i = 0; i < plan->vcpu_count && p->count < SCHED_MEMBERS_MAX; i++) {
        const struct vcpu_desc *desc = plan->vcpus[i].desc;
        const struct sched_placement *placement = plan->vcpus[i].placement;
        bool split = placement->second >= 0;
        if (placement->step == SCHED_STEP_REFUSED) { continue; }
        pieces |= split && (placement->core == (int32_t)core || placement->second == (int32_t)core);
        if (placement->core == (int32_t)core) { join(p, (int)i, desc, split ? &placement->pieces[0] : &desc->task, 0); }
        if (split && placement->second == (int32_t)core) {
            join(p, (int)i, desc, &placement->pieces[1], placement->pieces[0].deadline);
        }
    }
    // A piece has its budget even where it is alone.
    if (pieces && sched_entity_init_best_effort(&p->thread, 1) == SCHED_OK) { (void)sched_add(&p->core, &p->thread); }
}

static void choose_end(const struct player *p, uint64_t turn, struct plan_chart *chart) {
    uint64_t longest = 0;

    for (unsigned i = 0; i < p->count; i++) {
        const struct sched_task *task = &p->members[i].task;
        if (task->period == 0) { continue; }
        chart->hyperperiod = longest == 0              ? task->period
                             : chart->hyperperiod == 0 ? 0
                                                       : common_multiple(chart->hyperperiod, task->period);
        longest = MAX(longest, task->period);
    }
    if (longest == 0) {
        chart->end = p->count == 0 ? 0 : TURNS_SHOWN * turn;
        return;
    }
    chart->end = longest > SCHED_TICKS_MAX / PERIODS ? longest : longest * PERIODS;
    if (chart->hyperperiod != 0) { chart->end = MIN(chart->end, chart->hyperperiod); }
}

// Longer by what goes on, or one more bar.
static void draw(struct plan_chart *chart, int who, uint64_t begin, uint64_t end) {
    struct plan_bar *last = chart->count == 0 ? NULL : &chart->bars[chart->count - 1];

    if (begin == end) { return; }
    if (last != NULL && last->who == who && last->end == begin) {
        last->end = end;
    } else {
        chart->bars[chart->count++] = (struct plan_bar){who, begin, end};
    }
}

static int who_is(const struct player *p, const struct sched_entity *entity) {
    for (unsigned i = 0; i < p->count; i++) {
        if (entity == &p->members[i].entity) { return p->members[i].who; }
    }
    return PLAN_INTERRUPTS;
}

static uint64_t next_event(const struct player *p, uint64_t now, uint64_t until) {
    for (unsigned i = 0; i < p->load->source_count; i++) { until = MIN(until, p->due[i]); }
    for (unsigned i = 0; i < p->count; i++) {
        if (p->members[i].release > now) { until = MIN(until, p->members[i].release); }
    }
    return until;
}

// Whatever interrupts at `now`, one after the other; returns how long it takes.
static uint64_t interrupt(struct player *p, uint64_t now) {
    uint64_t cost = 0;

    for (unsigned i = 0; i < p->load->source_count; i++) {
        if (p->due[i] != now) { continue; }
        cost += p->load->sources[i].cost;
        p->due[i] += p->load->sources[i].distance;
    }
    // Handling is longer than another source's distance: that one waits.
    for (unsigned i = 0; i < p->load->source_count; i++) { p->due[i] = MAX(p->due[i], now + cost); }
    return cost;
}

static void play(struct player *p, unsigned bars_max, struct plan_chart *chart) {
    uint64_t now = 0;

    while (now < chart->end) {
        if (chart->count + 2 > bars_max) {
            chart->end = now;
            return;
        }
        for (unsigned i = 0; i < p->count; i++) {
            struct member *m = &p->members[i];
            if (m->release <= now) { sched_wake(&p->core, &m->entity, m->release); }
        }
        struct sched_decision decision = sched_pick(&p->core, now);
        uint64_t next = MIN(next_event(p, now, decision.until), chart->end);
        if (decision.run != NULL) { draw(chart, who_is(p, decision.run), now, next); }
        uint64_t cost = interrupt(p, next);
        draw(chart, PLAN_INTERRUPTS, next, MIN(next + cost, chart->end));
        sched_exempt(&p->core, cost);
        now = next + cost;
    }
}

void plan_chart(const struct plan *plan, unsigned core, unsigned bars_max, struct plan_chart *chart) {
    struct player p = {.load = &plan->cores[core]};
    uint64_t turn = clock_ns_to_ticks_up(&plan->rate, TURN_NS);

    *chart = (struct plan_chart){.end = 0};
    sched_core_init(&p.core, turn);
    gather(&p, plan, core);
    choose_end(&p, turn, chart);
    play(&p, bars_max, chart);
}
