// SPDX-License-Identifier: Apache-2.0
#include "sched/server.h"

void server_reset(struct sched_entity *entity, uint64_t now) {
    entity->refill_head = 0;
    entity->refill_count = 1;
    entity->refills[0] = (struct sched_refill){.time = now, .amount = entity->budget};
    entity->consumed = 0;
    entity->debt = 0;
}

/* Full list: joins the two neighbours whose joining delays the earlier one least. The first, what a
 * block has left, is no such neighbour: nearly the whole budget would wait for a refill of nearly
 * nothing. Joining takes the later time: a refill may be postponed, never advanced. */
static __attribute__((cold, noinline)) void join_closest(struct sched_entity *entity) {
    uint32_t best = 1;
    uint64_t best_delay = UINT64_MAX;

    for (uint32_t i = best; i + 1 < entity->refill_count; i++) {
        uint64_t delay = server_refill(entity, i + 1)->time - server_refill(entity, i)->time;

        if (delay < best_delay) {
            best = i;
            best_delay = delay;
        }
    }
    server_refill(entity, best + 1)->amount += server_refill(entity, best)->amount;
    for (uint32_t i = best; i > 0; i--) { *server_refill(entity, i) = *server_refill(entity, i - 1); }
    entity->refill_head++;
    entity->refill_count--;
}

static void append(struct sched_entity *entity, uint64_t time, uint64_t amount) {
    *server_refill(entity, entity->refill_count++) = (struct sched_refill){.time = time, .amount = amount};
}

bool server_open(struct sched_entity *entity, uint64_t at) {
    uint64_t amount = 0;

    while (entity->refill_count > 0 && !sched_before(at, server_refill(entity, 0)->time)) {
        amount += server_refill(entity, 0)->amount;
        entity->refill_head++;
        entity->refill_count--;
    }
    if (amount == 0) { return false; }
    entity->release = at;
    entity->remaining = amount;
    entity->stats.activations++;
    if (entity->debt != 0) {
        uint64_t paid = entity->debt < amount ? entity->debt : amount;

        entity->debt -= paid;
        entity->remaining -= paid;
        entity->consumed = paid;
        if (entity->remaining == 0) {
            server_exhaust(entity);
            return false;
        }
    }
    return true;
}

void server_pay(struct sched_entity *entity, uint64_t until) {
    while (entity->debt != 0 && server_refill(entity, 0)->amount <= entity->debt &&
           !sched_before(until, server_refill(entity, 0)->time)) {
        const struct sched_refill paid = *server_refill(entity, 0);

        entity->debt -= paid.amount;
        entity->refill_head++;
        entity->refill_count--;
        append(entity, paid.time + entity->period, paid.amount);
    }
}

/* Opening took at least one refill off the list, so there is room. */
void server_exhaust(struct sched_entity *entity) {
    append(entity, entity->release + entity->period, entity->consumed);
    entity->consumed = 0;
    entity->stats.exhaustions++;
}

void server_close(struct sched_entity *entity, uint64_t now) {
    struct sched_refill *next = server_refill(entity, 0);

    if (entity->refill_count > 0 && !sched_before(now, next->time)) {
        next->amount += entity->remaining; /* both are eligible: one refill, the later time */
    } else {
        entity->refill_head--;
        entity->refill_count++;
        *server_refill(entity, 0) = (struct sched_refill){.time = entity->release, .amount = entity->remaining};
    }
    entity->remaining = 0;
    if (entity->consumed != 0) {
        if (entity->refill_count == SCHED_REFILLS_MAX) { join_closest(entity); }
        append(entity, entity->release + entity->period, entity->consumed);
        entity->consumed = 0;
    }
}

void server_owe(struct sched_entity *entity, uint64_t ticks) {
    uint64_t room = entity->budget - entity->debt;
    uint64_t owed = ticks < room ? ticks : room;

    entity->debt += owed;
    entity->stats.forgiven += ticks - owed;
}

/* What is eligible then here may be so sooner elsewhere, but not before now. Who is throttled need not be woken first. */
uint64_t server_eligible_at(const struct sched_entity *entity, uint64_t now) {
    uint64_t time = entity->state == SCHED_THROTTLED ? entity->refill.when : now;

    if (entity->state < SCHED_READY) { time = server_next_budget(entity, now); }
#if TAKT_SPLIT
    time = entity->elsewhere < time ? entity->elsewhere : time;
#endif
    return sched_before(time, now) ? now : time;
}
