// SPDX-License-Identifier: Apache-2.0
#include "sched/change.h"

#include "sched/server.h"

#include <stddef.h>

/* More budget, from now on. */
static void grow(struct sched_entity *entity, uint64_t more, uint64_t now) {
    struct sched_refill *first = server_refill(entity, 0);
    bool waits = sched_before(now, first->time);

    if (more == 0) { return; }
    if (waits && entity->refill_count < SCHED_REFILLS_MAX) {
        entity->refill_head--;
        entity->refill_count++;
        *server_refill(entity, 0) = (struct sched_refill){.time = now, .amount = more};
    } else { /* the later time of both */
        first->amount += more;
        first->time = waits ? first->time : now;
    }
}

/* Less of it: what comes back last does not. Something is left of the first. */
static void shrink(struct sched_entity *entity, uint64_t less) {
    while (less > 0) {
        struct sched_refill *last = server_refill(entity, entity->refill_count - 1);
        uint64_t taken = less < last->amount ? less : last->amount;

        last->amount -= taken;
        less -= taken;
        if (last->amount == 0) { entity->refill_count--; }
    }
}

/* Several may be eligible; one that gets a later time must not stand before one with an earlier time. */
static void gather(struct sched_entity *entity, uint64_t now) {
    while (entity->refill_count > 1 && !sched_before(now, server_refill(entity, 1)->time)) {
        server_refill(entity, 1)->amount += server_refill(entity, 0)->amount;
        entity->refill_head++;
        entity->refill_count--;
    }
}

static void postpone(struct sched_entity *entity, uint64_t by, uint64_t now) {
    for (uint32_t i = 0; i < entity->refill_count; i++) {
        struct sched_refill *refill = server_refill(entity, i);

        if (sched_before(now, refill->time)) { refill->time += by; }
    }
}

int sched_change(struct sched_entity *entity, uint64_t budget, uint64_t deadline, uint64_t period, uint64_t now) {
    bool runnable = entity->state != SCHED_BLOCKED;

    if (entity->class != SCHED_RESERVED || budget == 0 || budget > deadline || deadline > period ||
        period >= SCHED_TICKS_MAX) {
        return SCHED_EINVAL;
    }
    if (runnable) { sched_block(entity->core, entity, now); }
    gather(entity, now);
    if (period > entity->period) { postpone(entity, period - entity->period, now); }
    if (budget > entity->budget) {
        grow(entity, budget - entity->budget, now);
    } else {
        shrink(entity, entity->budget - budget);
    }
    entity->budget = budget;
    entity->deadline = deadline;
    entity->period = period;
    entity->debt = entity->debt < budget ? entity->debt : budget;
    __atomic_store_n(&entity->wake_hint, sched_eligible_at(entity, 0), __ATOMIC_RELAXED);
    if (runnable) { sched_wake(entity->core, entity, now); }
    return SCHED_OK;
}
