// SPDX-License-Identifier: Apache-2.0
/*
 * Everything that the guests of one core can do to each other, tick by tick.
 *
 * In every tick each runnable VCPU may go on, block, or block and wake at once; each blocked one may wake; an interrupt
 * source may take the tick if its distance allows; and the dispatcher may have been called at that instant already for
 * another reason. Where the scope says so, the first has another reservation from some quiet instant on, or a decision
 * stands for several ticks and who reclaims runs longer. All is followed until no new state appears, so what holds here
 * holds for ever, for these reservations. Beside each server stands what it got from each release of the last period: all
 * that the checks need to know.
 */
#ifndef PROOF_CORE_STATES_H
#define PROOF_CORE_STATES_H

#include "search.h"

#include "sched/admission.h"
#include "sched/change.h"
#include "sched/entity_heap.h"
#include "sched/reclaim.h"
#include "sched/server.h"
#include "tests/unit/queue_check.h"

#define SERVERS_MAX 3u
#define PERIOD_MAX  16u
#define NOW         1000u

struct scope {
    struct sched_task tasks[SERVERS_MAX];
    uint32_t count;
    struct sched_source source; /* cost 0: none; else 1 */
    bool only_misses;           /* looks for nothing else */
    bool joins;                 /* the list may be full: budget may come back late */
    bool debts;                 /* budgets are charged, decisions come late: not looked at is what is in time */
    uint32_t periods_kept;      /* 0: of what a server got, a period; else so many */
    uint32_t dated_back;        /* a wake-up may name a release so many ticks ago */
    struct sched_task becomes;  /* what the first is some time; budget 0: it stays */
    bool anytime;               /* it is so in any instant, not in a quiet one alone */
    uint32_t reclaims;          /* who does, a bit each; 0: nobody, and each tick has a decision */
};

/* What is known of one server, times as distances from now: the key is made of these. */
struct server_key {
    uint8_t state;
    uint8_t spares;    /* while it is away */
    int8_t spare_from; /* while it does not spare yet */
    uint8_t age;       /* of the release, while an activation is open */
    uint8_t remaining;
    uint8_t consumed;
    uint8_t debt;
    uint8_t refill_count;
    int8_t refill_time[SCHED_REFILLS_MAX];
    uint8_t refill_amount[SCHED_REFILLS_MAX];
    uint8_t got[PERIOD_MAX]; /* from the activations released so many ticks ago */
};

struct core_key {
    struct server_key servers[SERVERS_MAX];
    uint8_t ready[SERVERS_MAX];     /* the heap: who + 1 */
    uint8_t throttled[SERVERS_MAX]; /* the same in order */
    uint8_t running;                /* who + 1; 0: best effort */
    uint8_t unpaid;                 /* ticks it ran that are not accounted */
    uint8_t quiet;                  /* ticks since the last interrupt */
    uint8_t changed;                /* the first has become what it becomes */
    uint8_t until;                  /* the decision stands so long; of who reclaims only */
    uint8_t chosen;                 /* as `running`, by the last decision */
    uint32_t fraction;
};

struct world {
    struct sched_core core;
    struct sched_entity servers[SERVERS_MAX];
    struct sched_entity filler; /* best effort, never blocks */
    uint8_t got[SERVERS_MAX][PERIOD_MAX];
    uint8_t quiet;
    bool changed;
    uint64_t until;
    struct sched_spare spare;
    const struct scope *scope;
};

static inline const struct sched_task *task_of(const struct world *world, uint32_t who) {
    return who == 0 && world->changed ? &world->scope->becomes : &world->scope->tasks[who];
}

static inline uint64_t awaits_nothing(struct sched_entity *entity) {
    (void)entity;
    return SCHED_NEVER;
}

static inline void restore_spare(struct world *world, const struct core_key *key) {
    sched_reclaim(&world->core, &world->spare, awaits_nothing);
    world->core.enforced = SCHED_RECLAIMING;
    world->spare.fraction = key->fraction;
    world->spare.chosen = key->chosen != 0 ? &world->servers[key->chosen - 1] : NULL;
    world->until = NOW + key->until;
    for (uint32_t i = 0; i < world->scope->count; i++) {
        struct sched_entity *entity = &world->servers[i];

        if (entity->state != SCHED_AWAY) { continue; }
        entity->spares = key->servers[i].spares != 0;
        world->spare.sum += entity->spares ? entity->share : 0;
        heap_push(entity->spares ? &world->spare.spares : &world->spare.leaving, entity,
                  entity->spares ? SCHED_TICKS_MAX : (uint64_t)((int64_t)NOW + key->servers[i].spare_from));
    }
}

static inline void restore_queues(struct world *world, const struct core_key *key) {
    struct sched_core *core = &world->core;

    for (uint32_t i = 0; i < SERVERS_MAX && key->ready[i] != 0; i++) {
        struct sched_entity *entity = &world->servers[key->ready[i] - 1];

        core->ready.slot[core->ready.count++] = entity;
        entity->position = i;
        entity->key = entity->release + entity->deadline;
    }
    for (uint32_t i = 0; i < SERVERS_MAX && key->throttled[i] != 0; i++) {
        struct sched_entity *entity = &world->servers[key->throttled[i] - 1];

        entity->refill.slack = entity->deadline;
        timer_queue_add(&core->throttled, &entity->refill, server_next_budget(entity, 0));
    }
}

static inline void restore(struct world *world, const struct scope *scope, const struct core_key *key) {
    memset(world, 0, sizeof(*world));
    world->scope = scope;
    world->quiet = key->quiet;
    world->changed = key->changed != 0;
    sched_core_init(&world->core, 1000);
    sched_entity_init_best_effort(&world->filler, 1);
    sched_add(&world->core, &world->filler);
    sched_wake(&world->core, &world->filler, NOW);
    for (uint32_t i = 0; i < scope->count; i++) {
        const struct server_key *from = &key->servers[i];
        const struct sched_task *task = task_of(world, i);
        struct sched_entity *entity = &world->servers[i];

        sched_entity_init_reserved(entity, task->budget, task->deadline, task->period);
        entity->reclaims = (scope->reclaims >> i & 1) != 0;
        sched_add(&world->core, entity);
        entity->state = (enum sched_state)from->state;
        entity->release = NOW - from->age;
        entity->remaining = from->remaining;
        entity->consumed = from->consumed;
        entity->debt = from->debt;
        entity->refill_count = from->refill_count;
        for (uint32_t k = 0; k < from->refill_count; k++) {
            entity->refills[k].time = (uint64_t)((int64_t)NOW + from->refill_time[k]);
            entity->refills[k].amount = from->refill_amount[k];
        }
        memcpy(world->got[i], from->got, PERIOD_MAX);
    }
    restore_queues(world, key);
    world->core.enforced = true;
    world->core.clock = NOW - key->unpaid;
    world->core.run_start = NOW - key->unpaid;
    world->core.running = key->running != 0 ? &world->servers[key->running - 1] : &world->filler;
    if (scope->reclaims != 0) { restore_spare(world, key); }
}

static inline void keep_queues(const struct world *world, struct core_key *key) {
    const struct sched_core *core = &world->core;
    const struct timer_event *refill = NULL;

    for (uint32_t i = 0; i < core->ready.count; i++) {
        key->ready[i] = (uint8_t)(core->ready.slot[i] - world->servers + 1);
    }
    for (uint32_t i = 0; (refill = queue_after(&core->throttled, refill)) != NULL; i++) {
        for (uint32_t who = 0; who < world->scope->count; who++) {
            if (refill == &world->servers[who].refill) { key->throttled[i] = (uint8_t)(who + 1); }
        }
    }
}

/* A blocked server's refills that have come are one as far as any wake-up from now on can tell. */
static inline void keep_server(const struct world *world, uint32_t who, uint64_t now, struct server_key *key) {
    const struct sched_entity *entity = &world->servers[who];
    int64_t oldest = -(int64_t)world->scope->dated_back;

    key->state = (uint8_t)entity->state;
    key->debt = (uint8_t)entity->debt;
    if (entity->state == SCHED_READY) {
        key->age = (uint8_t)(now - entity->release);
        key->remaining = (uint8_t)entity->remaining;
        key->consumed = (uint8_t)entity->consumed;
    }
    for (uint32_t i = 0; i < entity->refill_count; i++) {
        const struct sched_refill *refill = &entity->refills[(entity->refill_head + i) % SCHED_REFILLS_MAX];
        int64_t time = (int64_t)(refill->time - now);

        if (entity->state <= SCHED_AWAY && time <= oldest) {
            time = oldest;
            if (key->refill_count == 1 && key->refill_time[0] == oldest) {
                key->refill_amount[0] = (uint8_t)(key->refill_amount[0] + refill->amount);
                continue;
            }
        }
        key->refill_time[key->refill_count] = (int8_t)time;
        key->refill_amount[key->refill_count++] = (uint8_t)refill->amount;
    }
    memcpy(key->got, world->got[who], PERIOD_MAX);
    if (entity->state == SCHED_AWAY) {
        key->spares = entity->spares;
        key->spare_from = entity->spares ? 0 : (int8_t)(entity->key - now);
    }
}

static inline void keep(const struct world *world, uint64_t now, struct core_key *key) {
    memset(key, 0, sizeof(*key));
    for (uint32_t i = 0; i < world->scope->count; i++) { keep_server(world, i, now, &key->servers[i]); }
    keep_queues(world, key);
    key->running = world->core.running == &world->filler ? 0 : (uint8_t)(world->core.running - world->servers + 1);
    key->unpaid = (uint8_t)(now - world->core.run_start);
    key->quiet = world->quiet;
    key->changed = world->changed;
    if (world->scope->reclaims != 0) {
        const struct sched_entity *chosen = world->spare.chosen;

        key->until = (uint8_t)(world->until - now < UINT8_MAX ? world->until - now : UINT8_MAX);
        key->chosen = chosen != NULL ? (uint8_t)(chosen - world->servers + 1) : 0;
        key->fraction = world->spare.fraction;
    }
}

/* ---- what must hold ----------------------------------------------------------------------------------------- */

/* Budget that a server has now by the rule: Q less what came from releases within the last T. */
static inline uint64_t budget_left(const struct world *world, uint32_t who) {
    uint64_t left = task_of(world, who)->budget;

    for (uint32_t age = 0; age < task_of(world, who)->period; age++) { left -= world->got[who][age]; }
    return left;
}

/* When it has some, found by asking it at every instant from now on. */
static inline uint64_t budget_comes(struct world *world, uint32_t who) {
    static struct world saved;
    uint64_t at = NOW;

    saved = *world;
    for (uint32_t i = 0; i < world->scope->count; i++) {
        if (i != who) { sched_block(&world->core, &world->servers[i], NOW); }
    }
    sched_wake(&world->core, &world->servers[who], NOW);
    while (sched_pick(&world->core, at).run != &world->servers[who] && at < NOW + 4 * PERIOD_MAX) { at++; }
    *world = saved;
    return at;
}

/* Of the activation that its refill will open, or could have opened already. */
static inline uint64_t throttled_deadline(const struct sched_entity *entity) {
    return entity->refill.when + entity->deadline;
}

static inline const char *server_complaint(struct world *world, uint32_t who) {
    const struct sched_entity *entity = &world->servers[who];
    uint64_t eligible = entity->remaining;
    uint64_t sum = entity->remaining + entity->consumed;
    uint64_t last = 0;

    if (entity->refill_count > SCHED_REFILLS_MAX) { return "the list of refills is over its size"; }
    for (uint32_t i = 0; i < entity->refill_count; i++) {
        const struct sched_refill *refill = &entity->refills[(entity->refill_head + i) % SCHED_REFILLS_MAX];

        if (refill->time < last) { return "refills are out of order"; }
        last = refill->time;
        sum += refill->amount;
        eligible += refill->time <= NOW ? refill->amount : 0;
    }
    if (sum != entity->budget) { return "open, consumed and refills are not Q together"; }
    if (entity->debt > (world->scope->debts ? entity->budget : 0)) { return "more debt than there can be"; }
    if (eligible > budget_left(world, who)) { return "budget came back too early"; }
    if (eligible < budget_left(world, who) && !world->scope->joins) { return "budget came back too late"; }
    if (entity->state == SCHED_THROTTLED && eligible > entity->debt &&
        throttled_deadline(entity) < world->core.current_deadline) {
        return "throttled with budget that matters";
    }
    if (sched_eligible_at(entity, NOW) != budget_comes(world, who)) { return "eligible at another time than told"; }
    if (entity->state != SCHED_READY) { return entity->remaining == 0 ? NULL : "open while it cannot run"; }
    if (entity->remaining == 0) { return "ready without budget"; }
    if (entity->release > NOW) { return "released in the future"; }
    if (!world->scope->debts && entity->consumed != world->got[who][NOW - entity->release]) {
        return "charged with another time than it ran";
    }
    return NULL;
}

static inline bool missed(const struct world *world) {
    for (uint32_t i = 0; i < world->scope->count; i++) {
        const struct sched_entity *entity = &world->servers[i];

        if (entity->stats.misses[SCHED_MISS_DISPATCH] != 0) { return true; }
        if (entity->state == SCHED_READY && NOW >= entity->release + entity->deadline) { return true; }
        if (entity->state == SCHED_THROTTLED && NOW >= throttled_deadline(entity)) { return true; }
    }
    return false;
}

/* The first in EDF order runs; best effort when nobody with a reservation can. */
static inline const char *choice_complaint(const struct world *world, const struct sched_decision *decision) {
    uint64_t earliest = SCHED_NEVER;

    for (uint32_t i = 0; i < world->scope->count; i++) {
        const struct sched_entity *entity = &world->servers[i];
        uint64_t deadline = entity->release + entity->deadline;

        if (entity->state == SCHED_THROTTLED && entity->refill.when <= NOW) {
            deadline = throttled_deadline(entity);
        } else if (entity->state != SCHED_READY) {
            continue;
        }
        earliest = deadline < earliest ? deadline : earliest;
    }
    if (decision->deadline != earliest || world->core.current_deadline != earliest) {
        return "not the earliest deadline";
    }
    if (decision->run == NULL) { return "idle beside best effort"; }
    if (earliest == SCHED_NEVER) { return decision->run == &world->filler ? NULL : "runs without budget"; }
    if (decision->run->state != SCHED_READY) { return "what runs is not ready"; }
    return decision->run->release + decision->run->deadline == earliest ? NULL : "out of EDF order";
}

static inline bool same_decision(const struct sched_decision *one, const struct sched_decision *other) {
    return one->run == other->run && one->deadline == other->deadline;
}

/* Until `until` a decision is the same one, and then it is another. */
static inline const char *end_complaint(struct world *world, const struct sched_decision *decision) {
    static struct world saved;
    struct sched_decision before;
    struct sched_decision then;

    if (decision->until <= NOW) { return "the decision has no duration"; }
    if (decision->until == SCHED_NEVER) { return NULL; }
    saved = *world;
    before = sched_pick(&world->core, decision->until - 1);
    then = sched_pick(&world->core, decision->until);
    *world = saved;
    if (!same_decision(decision, &before)) { return "the decision changed before its end"; }
    return same_decision(decision, &then) ? "the decision ended for nothing" : NULL;
}

/* A wake-up that would change what runs is told to other cores. */
static inline const char *wake_complaint(struct world *world, const struct sched_decision *decision) {
    static struct world saved;

    for (uint32_t i = 0; i < world->scope->count; i++) {
        struct sched_entity *entity = &world->servers[i];
        struct sched_decision then;

        if (entity->state != SCHED_BLOCKED || sched_remote_preempts(&world->core, entity, NOW)) { continue; }
        saved = *world;
        sched_wake(&world->core, entity, NOW);
        then = sched_pick(&world->core, NOW);
        *world = saved;
        if (!same_decision(decision, &then)) { return "a wake-up from another core would be lost"; }
    }
    return NULL;
}

/* In the shorter of both periods who changes has no more than the larger of both budgets. */
static inline const char *change_complaint(const struct world *world) {
    const struct sched_task *old = &world->scope->tasks[0];
    const struct sched_task *new = &world->scope->becomes;
    uint64_t got = world->servers[0].remaining;

    for (uint32_t age = 0; age < (old->period < new->period ? old->period : new->period); age++) {
        got += world->got[0][age];
    }
    return got > (old->budget > new->budget ? old->budget : new->budget) ? "more than either reservation" : NULL;
}

static inline const char *complaint_about(struct world *world, const struct sched_decision *decision) {
    const char *complaint = NULL;

    if (missed(world) && !world->scope->debts) { return "a deadline is missed"; }
    if (world->scope->only_misses) { return NULL; }
    if (world->scope->becomes.budget != 0) { return change_complaint(world); }
    for (uint32_t i = 0; i < world->scope->count && complaint == NULL; i++) { complaint = server_complaint(world, i); }
    if (complaint == NULL) { complaint = choice_complaint(world, decision); }
    if (complaint == NULL && !world->scope->debts) { complaint = end_complaint(world, decision); }
    if (complaint == NULL) { complaint = wake_complaint(world, decision); }
    return complaint;
}

/* ---- one tick ----------------------------------------------------------------------------------------------- */

enum act { STAY, TURN, BLOCK_AND_WAKE, ACTS }; /* TURN: blocks when runnable, wakes when blocked */

/* When the first becomes another in this instant, or that nobody calls the dispatcher. */
enum special { USUAL, CHANGES_FIRST, CHANGES_BETWEEN, CHANGES_LAST, GOES_ON, SPECIALS };

static inline bool change(struct world *world) {
    const struct sched_task *new = &world->scope->becomes;

    if (world->changed || (!world->scope->anytime && !sched_quiet(&world->core, NOW))) { return false; }
    world->changed = true;
    return sched_change(&world->servers[0], new->budget, new->deadline, new->period, NOW) == SCHED_OK;
}

static inline bool special(struct world *world, enum special wanted, enum special now) {
    return wanted != now || (world->scope->becomes.budget != 0 && change(world));
}

static inline bool act(struct world *world, uint32_t acts, enum special when) {
    bool wakes[SERVERS_MAX];

    if (!special(world, when, CHANGES_FIRST)) { return false; }
    for (uint32_t i = 0; i < world->scope->count; i++, acts /= ACTS) {
        struct sched_entity *entity = &world->servers[i];
        bool blocked = entity->state <= SCHED_AWAY;

        if (blocked && acts % ACTS == BLOCK_AND_WAKE) { return false; }
        wakes[i] = acts % ACTS == (blocked ? TURN : BLOCK_AND_WAKE);
        if (!blocked && acts % ACTS != STAY) { sched_block(&world->core, entity, NOW); }
        if (wakes[i] && when != CHANGES_BETWEEN) { sched_wake(&world->core, entity, NOW); }
    }
    if (!special(world, when, CHANGES_BETWEEN)) { return false; }
    for (uint32_t i = 0; i < world->scope->count && when == CHANGES_BETWEEN; i++) {
        if (wakes[i]) { sched_wake(&world->core, &world->servers[i], NOW); }
    }
    return special(world, when, CHANGES_LAST);
}

/* The tick from now on: to an interrupt or to what was chosen. */
static inline void pass(struct world *world, const struct sched_decision *decision, bool interrupted) {
    const struct scope *scope = world->scope;

    for (uint32_t i = 0; i < scope->count && !scope->only_misses; i++) {
        uint64_t kept = scope->tasks[i].period * (scope->periods_kept != 0 ? scope->periods_kept : 1);

        if (i == 0 && kept < scope->becomes.period) { kept = scope->becomes.period; }
        if (!interrupted && decision->run == &world->servers[i]) { world->got[i][NOW - world->servers[i].release]++; }
        memmove(world->got[i] + 1, world->got[i], PERIOD_MAX - 1);
        world->got[i][0] = 0;
        memset(world->got[i] + kept, 0, PERIOD_MAX - kept);
    }
    if (interrupted) { sched_exempt(&world->core, 1); }
    world->quiet = interrupted ? 1 : (uint8_t)(world->quiet + (world->quiet < scope->source.distance ? 1 : 0));
}

/* One step from a state, by number: bit 0, the dispatcher was called before; bit 1, an interrupt comes; then what each
 * does, then what is special. Returns false where there is no such step. */
static inline bool step(struct world *world, uint32_t number, const char **complaint) {
    bool interrupted = (number & 2u) != 0;
    struct sched_decision decision = {.run = world->core.running};
    uint32_t acts = number >> 2;
    uint32_t all = 1;

    for (uint32_t i = 0; i < world->scope->count; i++) { all *= ACTS; }
    enum special when = (enum special)(acts / all);

    acts %= all;
    if (interrupted && (world->scope->source.cost == 0 || world->quiet < world->scope->source.distance)) {
        return false;
    }
    if (when == GOES_ON) {
        if (number % (all << 2) != 0 || world->until <= NOW || decision.run == &world->filler) { return false; }
        *complaint = missed(world) ? "a deadline is missed" : NULL;
    } else {
        if (acts == 0 && when == USUAL && (number & 1u) != 0) { return false; }
        if ((number & 1u) != 0) { sched_pick(&world->core, NOW); }
        if (!act(world, acts, when)) { return false; }
        decision = sched_pick(&world->core, NOW);
        world->until = decision.until;
        *complaint = complaint_about(world, &decision);
    }
    pass(world, &decision, interrupted);
    return true;
}

#endif
