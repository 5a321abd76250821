// SPDX-License-Identifier: Apache-2.0
#include "sched/sched.h"

#include "sched/server.h"
#include "sched/share.h"
#if TAKT_RECLAIM
#include "sched/fraction.h"
#include "sched/reclaim.h"

#define APART __attribute__((cold, noinline))
#endif

#include <stddef.h>

#define ALWAYS_INLINE inline __attribute__((always_inline))

static inline uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

static struct sched_entity *entity_of(struct timer_event *refill) {
    return (struct sched_entity *)((char *)refill - offsetof(struct sched_entity, refill));
}

static inline void publish(uint64_t *word, uint64_t value) { __atomic_store_n(word, value, __ATOMIC_RELAXED); }

/* Counts the activation as missed when its budget came, or has still to come, after its deadline.
 */
static inline void check_deadline(const struct sched_core *core, struct sched_entity *entity, uint64_t supplied_at) {
    if (!sched_before(server_deadline(entity), supplied_at)) { return; }
    if (!core->behind) {
        entity->stats.misses[SCHED_MISS_DISPATCH]++;
    } else if (!sched_before(core->distorted_at, entity->release)) {
        entity->stats.misses[SCHED_MISS_PLATFORM]++;
    } else {
        entity->stats.misses[SCHED_MISS_BACKLOG]++;
    }
}

/* Until there is more than is owed: no decision has to look at a refill that only pays. */
static __attribute__((noinline)) void throttle(struct sched_core *core, struct sched_entity *entity) {
    entity->state = SCHED_THROTTLED;
    entity->refill.slack = entity->deadline;
    timer_queue_add(&core->throttled, &entity->refill, server_next_budget(entity, 0));
#if TAKT_SPLIT
    core->told |= entity->tells;
#endif
}

static __attribute__((noinline)) void make_ready(struct sched_core *core, struct sched_entity *entity) {
    entity->state = SCHED_READY;
    heap_push(&core->ready, entity, server_deadline(entity));
}

/* Takes ticks from a server's budget, the first of them not before `from`. */
static inline void consume(struct sched_core *core, struct sched_entity *entity, uint64_t ticks, uint64_t from) {
    if (ticks < entity->remaining) {
        entity->remaining -= ticks;
        entity->consumed += ticks;
        return;
    }

    uint64_t over = ticks - entity->remaining;

    if (entity->state == SCHED_READY) {
        check_deadline(core, entity, from + entity->remaining);
        entity->consumed += entity->remaining;
        entity->remaining = 0;
        server_exhaust(entity);
        heap_remove(&core->ready, entity);
        entity->state = SCHED_THROTTLED;
    }
    if (over != 0) { server_owe(entity, over); }
    if (entity->state == SCHED_THROTTLED) { throttle(core, entity); }
}

#if TAKT_RECLAIM
/* Apart and at the end of account(): who does not reclaim is not to pay for it. */
static APART void consume_all(struct sched_core *core, struct sched_entity *entity, uint64_t ran, uint64_t from) {
    reclaim_credit(core, from, core->clock, core->clock - ran - from);
    consume(core, entity, ran, from);
}
#endif

static ALWAYS_INLINE void account(struct sched_core *core, uint64_t now) {
    struct sched_entity *entity = core->running;
    uint64_t ran = now - core->run_start;

    /* Negative where ticks were exempted that are still to come, or for a wake-up dated back. */
    if (entity == NULL || (int64_t)ran <= 0) { return; }
    uint64_t from = core->clock;

    core->run_start = now;
    core->clock = now;
    entity->stats.supplied += ran;
    if (entity->class == SCHED_BEST_EFFORT) {
        share_consume(core, entity, ran);
    } else if (core->enforced) {
        /* Whether what was exempted meanwhile came before the end of the budget or behind it is not known: behind it. */
#if TAKT_RECLAIM
        if (core->enforced == SCHED_RECLAIMING) {
            consume_all(core, entity, ran, from);
            return;
        }
#endif
        consume(core, entity, ran, from);
    }
}

void sched_core_init(struct sched_core *core, uint64_t turn) {
    *core = (struct sched_core){
        .current_deadline = SCHED_NEVER,
        .turn = turn == 0               ? 1
                : turn < SHARE_TURN_MAX ? turn
                                        : SHARE_TURN_MAX,
    };
    timer_queue_init(&core->throttled);
}

int sched_entity_init_reserved(struct sched_entity *entity, uint64_t budget, uint64_t deadline, uint64_t period) {
    if (budget == 0 || budget > deadline || deadline > period || period >= SCHED_TICKS_MAX) { return SCHED_EINVAL; }
    *entity = (struct sched_entity){
        .class = SCHED_RESERVED,
        .state = SCHED_BLOCKED,
        .budget = budget,
        .deadline = deadline,
        .period = period,
#if TAKT_SPLIT
        .elsewhere = SCHED_NEVER,
#endif
#if TAKT_RECLAIM
        .share = fraction_ratio_up(budget, period) - 1,
#endif
    };
    server_reset(entity, 0);
    return SCHED_OK;
}

int sched_entity_init_best_effort(struct sched_entity *entity, uint32_t weight) {
    if (weight == 0 || weight > SCHED_WEIGHT_MAX) { return SCHED_EINVAL; }
    *entity = (struct sched_entity){
        .class = SCHED_BEST_EFFORT, .state = SCHED_BLOCKED, .deadline = SCHED_NEVER, .weight = weight};
    entity->inverse_weight = SHARE_SCALE / weight;
    return SCHED_OK;
}

int sched_add(struct sched_core *core, struct sched_entity *entity) {
    if (entity->core != NULL) { return SCHED_EINVAL; }
    if (core->population == SCHED_ENTITIES_MAX) { return SCHED_EFULL; }
    entity->core = core;
    core->member[core->population++] = entity;
    return SCHED_OK;
}

uint64_t sched_remove(struct sched_core *core, struct sched_entity *entity, uint64_t now) {
    uint64_t free_from = now;

#if TAKT_RECLAIM
    reclaim_return(core, entity);
#endif
    sched_block(core, entity, now);
    for (uint32_t i = 0; i < core->population; i++) {
        if (core->member[i] == entity) {
            core->member[i] = core->member[--core->population];
            entity->core = NULL;
            break;
        }
    }
    if (core->population <= 1) { core->enforced = false; }
#if TAKT_RECLAIM
    if (!core->enforced && core->spare != NULL) { reclaim_end_all(core); }
#endif
    if (entity->class == SCHED_RESERVED) {
        uint64_t last = server_refill(entity, entity->refill_count - 1)->time;

        last += entity->debt != 0 ? entity->period : 0;
        free_from = sched_before(now, last) ? last : now;
    }
    return free_from;
}

#if TAKT_SPLIT
void sched_relocate(struct sched_core *core, struct sched_entity *from, struct sched_entity *to) {
    for (uint32_t i = 0; i < core->population; i++) {
        if (core->member[i] == from) {
            core->member[i] = to;
            break;
        }
    }
    *to = *from;
    from->core = NULL;
}
#endif

#if TAKT_RECLAIM
/* What was spare until `at` is counted first. What was given away behind it, because nobody had told of the wake-up, is
 * given: then it is one of that moment. */
static APART uint64_t come_back(struct sched_core *core, struct sched_entity *entity, uint64_t at) {
    if (sched_before(at, core->clock) && reclaim_counts(entity, at)) { at = core->clock; }
    if (core->running != NULL && sched_before(core->clock, at)) {
        reclaim_credit(core, core->clock, at, core->run_start - core->clock);
    }
    reclaim_return(core, entity);
    return at;
}
#endif

void sched_wake(struct sched_core *core, struct sched_entity *entity, uint64_t at) {
    if (entity->state != SCHED_BLOCKED) {
#if TAKT_RECLAIM
        if (entity->state != SCHED_AWAY) { return; }
        at = come_back(core, entity, at);
#else
        return;
#endif
    }
    if (entity->class == SCHED_BEST_EFFORT) {
        account(core, at); /* the virtual time at which it starts must be that of now */
        share_enter(core, entity);
    } else if (server_open(entity, at)) {
        make_ready(core, entity);
    } else {
        throttle(core, entity);
    }
}

void sched_block(struct sched_core *core, struct sched_entity *entity, uint64_t now) {
    if (entity->state <= SCHED_AWAY) { return; }
    account(core, now);
    if (core->running == entity) { core->running = NULL; }
    switch (entity->state) {
    case SCHED_READY:
        if (core->enforced) { check_deadline(core, entity, now); }
        heap_remove(&core->ready, entity);
        server_close(entity, now);
        break;
    case SCHED_THROTTLED:
        timer_queue_remove(&core->throttled, &entity->refill);
        server_pay(entity, now);
        break;
    default: share_leave(core, entity); break;
    }
    entity->state = SCHED_BLOCKED;
    publish(&entity->wake_hint, sched_eligible_at(entity, 0));
}

void sched_charge(struct sched_core *core, struct sched_entity *owner, uint64_t ticks) {
    owner->stats.charged += ticks;
    if (owner->class == SCHED_BEST_EFFORT) {
        share_consume(core, owner, ticks);
    } else if (core->enforced) {
        consume(core, owner, ticks, core->clock - ticks);
    }
}

void sched_exempt(struct sched_core *core, uint64_t ticks) { core->run_start += ticks; }

/* The core is no longer one entity's own. Until now nobody was held to a budget, so all start
 * afresh: the demand test covers servers that begin full and together. */
static __attribute__((cold, noinline)) void begin_enforcing(struct sched_core *core, uint64_t now) {
    core->enforced = true;
#if TAKT_RECLAIM
    if (core->spare != NULL) { core->enforced = SCHED_RECLAIMING; }
#endif
    for (uint32_t i = 0; i < core->population; i++) {
        struct sched_entity *entity = core->member[i];

        if (entity->class != SCHED_RESERVED) { continue; }
        if (entity->state == SCHED_READY) {
            heap_remove(&core->ready, entity);
        } else if (entity->state == SCHED_THROTTLED) {
            timer_queue_remove(&core->throttled, &entity->refill);
        }
        server_reset(entity, now);
        if (entity->state != SCHED_BLOCKED) {
            server_open(entity, now);
            make_ready(core, entity);
        }
    }
}

static struct sched_decision decide_sole(struct sched_core *core) {
    struct sched_entity *entity = core->population == 0 ? NULL : core->member[0];

    return (struct sched_decision){
        .run = entity != NULL && entity->state != SCHED_BLOCKED ? entity : NULL,
        .until = SCHED_NEVER,
        .deadline = SCHED_NEVER,
    };
}

/* Of the refills that are eligible the one with the earliest deadline, if that changes the decision, opens an activation with its
 * own release, however late this call is. The others would change nothing and wait in the queue. */
static ALWAYS_INLINE void replenish(struct sched_core *core, uint64_t now) {
    uint64_t horizon = core->ready.count > 0 ? core->ready.slot[0]->key : SCHED_NEVER;
    struct timer_event *refill = timer_queue_pop(&core->throttled, now, horizon);

    if (refill != NULL) {
        if (entity_of(refill)->debt != 0) { server_pay(entity_of(refill), refill->when); }
        server_open(entity_of(refill), refill->when);
        make_ready(core, entity_of(refill));
    }
}

#if TAKT_RECLAIM
/* Until when a decision holds that was made without what others spare. */
static APART uint64_t stretched(struct sched_core *core, struct sched_entity *run, uint64_t until, uint64_t now) {
    reclaim_chosen(core, run, now);
    if (run == NULL || !run->reclaims || until != now + run->remaining) { return until; }
    return earlier(reclaim_end(core, now, run->remaining), timer_queue_next(&core->throttled, run->key));
}
#endif

static inline struct sched_decision decide(struct sched_core *core, uint64_t now) {
    struct sched_decision decision = {.deadline = SCHED_NEVER};

    if (core->ready.count > 0) {
        decision.run = core->ready.slot[0];
        decision.deadline = decision.run->key;
    }
    decision.until = core->told ? now : timer_queue_next(&core->throttled, decision.deadline);
    if (decision.run != NULL) {
        decision.until = earlier(decision.until, now + decision.run->remaining);
    } else {
        decision.run = share_pick(core, now, &decision.until);
    }
    return decision;
}

struct sched_decision sched_pick(struct sched_core *core, uint64_t now) {
    struct sched_decision decision;

    account(core, now);
    if (!core->enforced && core->population > 1) { begin_enforcing(core, now); }
    if (core->enforced) {
        replenish(core, now);
        decision = decide(core, now);
#if TAKT_RECLAIM
        if (core->enforced == SCHED_RECLAIMING) { decision.until = stretched(core, decision.run, decision.until, now); }
#endif
    } else {
        decision = decide_sole(core);
    }
    core->running = decision.run;
    core->run_start = now;
    core->clock = now;
    publish(&core->current_deadline, decision.deadline);
    return decision;
}

__attribute__((cold, noinline)) void sched_distorted(struct sched_core *core, uint64_t now) {
    struct sched_entity *entity = core->running;

    core->behind = true;
    core->distorted_at = now;
    core->distortions++;
    if (entity != NULL && core->enforced && entity->class == SCHED_RESERVED) {
        uint64_t ran = now - core->run_start;

        if ((int64_t)ran > 0 && ran > entity->remaining) {
            entity->stats.forgiven += ran - entity->remaining;
            core->run_start += ran - entity->remaining;
            core->clock += ran - entity->remaining; /* no interrupt's: what the machine lost can make it late */
        }
    }
    account(core, now);
}
