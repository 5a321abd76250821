// SPDX-License-Identifier: Apache-2.0
/*
 * Reclaiming: who chose it runs longer on its budget while others do not want theirs (GRUB: Lipari & Baruah, Greedy
 * reclamation of unused bandwidth in constant-bandwidth servers, ECRTS 2000). Private to sched/; part `reclaim`.
 *
 * A server's share Q/T is spare from the instant on at which it is blocked and its last refill is back: what it ran for has
 * had its whole period by then. It is spare until it wakes, or until a timer of its own expires whose handling may wait.
 * While the spare shares of a core sum up to F, a running server that reclaims pays 1 - F for each tick. docs/scheduling.md
 * says why nobody is late by it where sched_may_reclaim() holds.
 *
 * A blocked server waits in one of two heaps of its core: `leaving`, by the time of its last refill, then `spare`, by the end of
 * what it can spare. Its state is then SCHED_AWAY.
 */
#ifndef SCHED_RECLAIM_H
#define SCHED_RECLAIM_H

#include "sched/sched.h"

#if TAKT_RECLAIM

/* What runs does not pay for the spare time between the two, but for `exempted` ticks of that: it gets as much budget back. The
 * whole time is accounted afterwards. */
void reclaim_credit(struct sched_core *core, uint64_t from, uint64_t to, uint64_t exempted);

/* `remaining` that is run down from `now` on ends then at the earliest. Nobody wakes meanwhile but by his own timer. */
uint64_t reclaim_end(const struct sched_core *core, uint64_t now, uint64_t remaining);

/* Who was chosen last has blocked since: its share will be spare. `next` was chosen now. */
void reclaim_chosen(struct sched_core *core, struct sched_entity *next, uint64_t now);

/* A server that was away is SCHED_BLOCKED again. */
void reclaim_return(struct sched_core *core, struct sched_entity *entity);

/* Is its share counted as spare at `at`? */
bool reclaim_counts(const struct sched_entity *entity, uint64_t at);

/* Nobody is away any more: the core is one entity's own. */
void reclaim_end_all(struct sched_core *core);

#endif
#endif
