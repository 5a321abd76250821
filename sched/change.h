// SPDX-License-Identifier: Apache-2.0
/*
 * Changing a server while its core runs. Part `control`.
 *
 * When is that sound? Demand of two admitted sets mixes in windows that begin before the change and end after it, and
 * neither set's test says anything about those: with D < T a server may be gone, all its budget back, and still its last
 * job and the first of what came in its place make a third miss. So there is one moment for a change: an instant at which
 * no activation of the core is open. What was released before is then supplied, whatever comes is released later, and a
 * deadline that could be missed later has a window that begins at that instant or after it: only the new set is in it.
 *
 * At such an instant a server could begin anew with its whole budget. It does not: what it consumed comes back no sooner
 * than a new period after its release, so that no window has more than the larger of both reservations.
 */
#ifndef SCHED_CHANGE_H
#define SCHED_CHANGE_H

#include "sched/sched.h"

/* No reservation of this core has an open activation: what was released so far is supplied. For the caller to add: no
 * wake-up that has happened waits to be told. */
static inline bool sched_quiet(const struct sched_core *core, uint64_t now) {
    return core->ready.count == 0 && timer_queue_next(&core->throttled, SCHED_NEVER) > now;
}

/* The server is of another reservation from `now` on: 0 < budget <= deadline <= period < SCHED_TICKS_MAX, admitted beside
 * all others of its core, which is quiet (above), or of none: then the entity has left the last one at such an instant.
 * What the larger budget brings is eligible at once; a smaller one is taken from what comes back last. The entity stays
 * runnable if it was; follow with sched_pick(). Its core, interrupts masked. SCHED_EINVAL: the values, or it is best effort. */
int sched_change(struct sched_entity *entity, uint64_t budget, uint64_t deadline, uint64_t period, uint64_t now);

#endif
