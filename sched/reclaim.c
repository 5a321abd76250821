// SPDX-License-Identifier: Apache-2.0
#include "sched/reclaim.h"

#include "sched/fraction.h"
#include "sched/server.h"

#include <stddef.h>

__extension__ typedef unsigned __int128 wide;

#define ONE         SCHED_UTILISATION_ONE
#define SPARE_MAX   (ONE - ONE / 1024) /* so that no quotient below is longer than 64 bits */
#define STRETCH_MAX (UINT64_C(1) << 40)

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t spare_now(const struct sched_spare *spare) { return least(spare->sum, SPARE_MAX); }

static uint64_t part(uint64_t ticks, uint64_t share) { return (uint64_t)((wide)ticks * share >> 32); }

static void stay(struct sched_spare *spare, struct sched_entity *entity) {
    heap_remove(entity->spares ? &spare->spares : &spare->leaving, entity);
    spare->sum -= entity->spares ? entity->share : 0;
    entity->spares = false;
    entity->state = SCHED_BLOCKED;
}

/* The next change of the sum; SCHED_NEVER: none. */
static uint64_t next_change(const struct sched_spare *spare) {
    uint64_t back = spare->leaving.count > 0 ? spare->leaving.slot[0]->key : SCHED_NEVER;

    return spare->spares.count > 0 ? least(back, spare->spares.slot[0]->key) : back;
}

/* What ends comes first: a share is spare a moment too short rather than too long. */
static void change(struct sched_spare *spare, uint64_t at) {
    struct sched_entity *entity;
    uint64_t until;

    if (spare->spares.count > 0 && spare->spares.slot[0]->key == at) {
        stay(spare, spare->spares.slot[0]);
        return;
    }
    entity = spare->leaving.slot[0];
    until = least(spare->awaits(entity), SCHED_TICKS_MAX); /* as far as times compare */
    if (until <= at) {
        stay(spare, entity);
        return;
    }
    heap_remove(&spare->leaving, entity);
    entity->spares = true;
    spare->sum += entity->share;
    heap_push(&spare->spares, entity, until);
}

/* Each server changes twice at most until it runs again. */
static void change_until(struct sched_spare *spare, uint64_t now) {
    for (uint64_t at = next_change(spare); at <= now; at = next_change(spare)) { change(spare, at); }
}

/* The spare time between the two in units of 2^-32, less what else the core did meanwhile: when is not known, so when most was
 * spare. */
static wide spare_time(struct sched_spare *spare, uint64_t from, uint64_t to, uint64_t exempted) {
    uint64_t most;
    wide sum = 0;

    change_until(spare, from);
    most = spare_now(spare);
    for (uint64_t at = next_change(spare); at < to; at = next_change(spare)) {
        sum += (wide)(at - from) * spare_now(spare);
        from = at;
        change(spare, at);
        most = spare_now(spare) > most ? spare_now(spare) : most;
    }
    sum += (wide)(to - from) * spare_now(spare);

    wide lost = (wide)exempted * most;

    return sum > lost ? sum - lost : 0;
}

/* Parts of a tick are kept for the rest of the decision, which was made for no less. */
void reclaim_credit(struct sched_core *core, uint64_t from, uint64_t to, uint64_t exempted) {
    struct sched_entity *entity = core->running;
    struct sched_spare *spare = core->spare;
    wide gain;

    if (sched_before(from, spare->counted)) { from = spare->counted; }
    if (!entity->reclaims || !sched_before(from, to)) { return; }
    gain = spare->fraction + spare_time(spare, from, to, exempted);
    spare->counted = to;
    spare->fraction = (uint32_t)gain;
    entity->remaining += (uint64_t)(gain >> 32);
    entity->consumed -= (uint64_t)(gain >> 32); /* not below what the same decision is accounted with */
}

uint64_t reclaim_end(const struct sched_core *core, uint64_t now, uint64_t remaining) {
    const struct sched_spare *spare = core->spare;
    uint64_t share = spare_now(spare), extra;

    if (share == 0 || remaining >= STRETCH_MAX) { return now + remaining; }
    extra = remaining / (ONE - share) * share + remaining % (ONE - share) * share / (ONE - share);
    if (spare->spares.slot[0]->key - now < remaining + extra) { extra = part(spare->spares.slot[0]->key - now, share); }
    return now + remaining + extra;
}

void reclaim_chosen(struct sched_core *core, struct sched_entity *next, uint64_t now) {
    struct sched_spare *spare = core->spare;
    struct sched_entity *last = spare->chosen;

    spare->fraction = 0;
    if (last != NULL && last->core == core && last->state == SCHED_BLOCKED && last->debt == 0) {
        last->state = SCHED_AWAY;
        heap_push(&spare->leaving, last, server_refill(last, last->refill_count - 1)->time);
    }
    spare->chosen = next != NULL && next->class == SCHED_RESERVED ? next : NULL;
    change_until(spare, now);
}

void reclaim_return(struct sched_core *core, struct sched_entity *entity) {
    if (entity->state == SCHED_AWAY) { stay(core->spare, entity); }
}

bool reclaim_counts(const struct sched_entity *entity, uint64_t at) { return entity->spares && at < entity->key; }

void reclaim_end_all(struct sched_core *core) {
    struct sched_spare *spare = core->spare;

    while (spare->leaving.count > 0) { stay(spare, spare->leaving.slot[0]); }
    while (spare->spares.count > 0) { stay(spare, spare->spares.slot[0]); }
    spare->chosen = NULL;
}

void sched_reclaim(struct sched_core *core, struct sched_spare *spare,
                   uint64_t (*awaits)(struct sched_entity *entity)) {
    if (core->spare != NULL) { return; }
    *spare = (struct sched_spare){.awaits = awaits};
    core->spare = spare;
    if (core->enforced) { core->enforced = SCHED_RECLAIMING; }
}
