// SPDX-License-Identifier: Apache-2.0
/* When a guest that wants somebody to miss waits and wakes: at the boundaries at which servers change. */
#ifndef TOOLS_SIM_HOSTILE_H
#define TOOLS_SIM_HOSTILE_H

#include "sched/sched.h"
#include "tools/sim/random.h"

/* The end of this server's budget, its deadline, a refill, or any moment up to `span` away. */
static inline uint64_t hostile_boundary(struct random *random, const struct sched_entity *entity, uint64_t now,
                                        uint64_t span) {
    uint64_t slot = random_in(random, 0, SCHED_REFILLS_MAX - 1);

    switch (random_in(random, 0, 5)) {
    case 0: return now + entity->remaining + 1;
    case 1: return entity->release + entity->deadline + 1;
    case 2: return entity->release + entity->period + 1;
    case 3: return entity->refills[slot].time + 1;
    case 4: return now + random_in(random, 1, span);
    default: return now + random_in(random, 1, 4);
    }
}

/* A boundary give or take a tick, after now. */
static inline uint64_t hostile_moment(struct random *random, const struct sched_entity *entity, uint64_t now,
                                      uint64_t span) {
    uint64_t moment = hostile_boundary(random, entity, now, span) + random_in(random, 0, 2);

    return moment > now + 2 ? moment - 2 : now + 1;
}

#endif
