// SPDX-License-Identifier: Apache-2.0
/*
 * Best effort: proportional share by weight in the time that no reservation wants. Private to
 * sched/.
 *
 * Each entity has a virtual time that advances by ticks / weight while it runs; whoever has the
 * smallest gets the next turn. Newcomers and sleepers start at the smallest among those that share,
 * so sleeping earns nothing, and one that is ahead keeps its place, so a short nap earns nothing
 * either. Preemption by a reservation does not end a turn.
 */
#ifndef SCHED_SHARE_H
#define SCHED_SHARE_H

#include "sched/entity_heap.h"
#include "sched/sched.h"

/* Virtual time units per tick at weight 1: the rounding of 1/weight stays below 0.1 %. Virtual
 * times wrap; those that compare lie within a few turns of each other. */
#define SHARE_SCALE    (UINT64_C(1) << 20)
#define SHARE_TURN_MAX (UINT64_C(1) << 40)

/* Accounts ticks to an entity that may be sharing or blocked. */
static inline void share_consume(struct sched_core *core, struct sched_entity *entity, uint64_t ticks) {
    entity->vtime += ticks * entity->inverse_weight;
    if (entity->state == SCHED_SHARING) { heap_delay(&core->sharing, entity, entity->vtime); }
    if (entity == core->turn_of) { core->turn_left -= ticks < core->turn_left ? ticks : core->turn_left; }
}

static inline void share_enter(struct sched_core *core, struct sched_entity *entity) {
    uint64_t least = core->sharing.count > 0 ? core->sharing.slot[0]->vtime : core->vtime;
    uint64_t ahead = entity->vtime - least;

    /* Further ahead than turns can explain, or behind (the difference wrapped): start at the
     * minimum. */
    if (ahead > 2 * core->turn * entity->inverse_weight) { entity->vtime = least; }
    entity->state = SCHED_SHARING;
    heap_push(&core->sharing, entity, entity->vtime);
}

static inline void share_leave(struct sched_core *core, struct sched_entity *entity) {
    heap_remove(&core->sharing, entity);
    if (core->sharing.count == 0) { core->vtime = entity->vtime; }
    if (core->turn_of == entity) { core->turn_of = 0; }
}

/* Who runs now; *until is brought forward to the end of its turn when others wait. */
static inline struct sched_entity *share_pick(struct sched_core *core, uint64_t now, uint64_t *until) {
    if (core->sharing.count == 0) { return 0; }
    if (core->turn_of == 0 || core->turn_left == 0) {
        core->turn_of = core->sharing.slot[0];
        core->turn_left = core->turn;
    }
    if (core->sharing.count > 1 && now + core->turn_left < *until) { *until = now + core->turn_left; }
    return core->turn_of;
}

#endif
