// SPDX-License-Identifier: Apache-2.0
/*
 * One sporadic server: its refills and its open activation. Private to sched/; knows no queue and
 * no other server.
 *
 * Invariant: remaining + consumed + sum of the refills == Q. Releases never decrease: whatever is
 * eligible carries a time not before the release of the activation that it is left from, and an
 * activation opens no earlier than the refills it takes. So refills appended at release + T arrive
 * in order and the ring stays sorted.
 */
#ifndef SCHED_SERVER_H
#define SCHED_SERVER_H

#include "sched/entity_heap.h"
#include "sched/sched.h"

static inline struct sched_refill *server_refill(struct sched_entity *entity, uint32_t index) {
    return &entity->refills[(entity->refill_head + index) & (SCHED_REFILLS_MAX - 1)];
}

/* When refills are back that are more than is owed. Where everything is owed the debt takes the whole list, whose first part is
 * back one period later, or after `from` if that is later. Nothing is open, so the list holds all of Q. */
static inline __attribute__((always_inline)) uint64_t server_next_budget(const struct sched_entity *entity,
                                                                         uint64_t from) {
    const struct sched_refill *refill;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < entity->refill_count; i++) {
        refill = &entity->refills[(entity->refill_head + i) & (SCHED_REFILLS_MAX - 1)];
        sum += refill->amount;
        if (sum > entity->debt) { return refill->time; }
    }
    refill = &entity->refills[entity->refill_head & (SCHED_REFILLS_MAX - 1)];
    return (sched_before(refill->time, from) ? from : refill->time) + entity->period;
}

static inline uint64_t server_deadline(const struct sched_entity *entity) { return entity->release + entity->deadline; }

/* Whole budget eligible from `now`, nothing open, nothing owed. */
void server_reset(struct sched_entity *entity, uint64_t now);

/* Opens an activation released at `at` with every refill eligible then, after paying debt from it.
 * False when that leaves no budget: the server has to wait for its next refill. */
bool server_open(struct sched_entity *entity, uint64_t at);

/* Ends the activation that ran out: what it consumed returns at its release + T. */
void server_exhaust(struct sched_entity *entity);

/* Ends the open activation at a block: what it consumed returns at its release + T, the rest stays
 * eligible. */
void server_close(struct sched_entity *entity, uint64_t now);

/* Notes ticks that no open activation could pay. */
void server_owe(struct sched_entity *entity, uint64_t ticks);

/* Refills that have been back `until` then and are owed wholly pay, each as of its own time: it comes back at that + T. Nothing is
 * open; where nothing is owed nothing changes. */
void server_pay(struct sched_entity *entity, uint64_t until);

/* Earliest time >= now at which a wake-up finds budget, debt paid. */
uint64_t server_eligible_at(const struct sched_entity *entity, uint64_t now);

#endif
