// SPDX-License-Identifier: Apache-2.0
/* Questions about an entity that change nothing. */
#include "sched/server.h"

#include <stddef.h>

static inline uint64_t read_published(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }

uint64_t sched_eligible_at(const struct sched_entity *entity, uint64_t now) {
    if (entity->class == SCHED_BEST_EFFORT || (entity->core != NULL && !entity->core->enforced)) { return now; }
    return server_eligible_at(entity, now);
}

bool sched_remote_preempts(const struct sched_core *core, const struct sched_entity *entity, uint64_t now) {
    uint64_t current = read_published(&core->current_deadline);

    if (current == SCHED_NEVER) { return true; }
    if (entity->class == SCHED_BEST_EFFORT) { return false; }

    uint64_t eligible = read_published(&entity->wake_hint);

    return (sched_before(eligible, now) ? now : eligible) + entity->deadline < current;
}
