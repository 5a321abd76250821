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

/* Time of the next refill. Valid while no activation is open: the list then holds all of Q. */
static inline uint64_t server_next_refill(struct sched_entity *entity) { return server_refill(entity, 0)->time; }

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

/* Earliest time >= now at which a wake-up finds budget, debt paid. */
uint64_t server_eligible_at(const struct sched_entity *entity, uint64_t now);

#endif
