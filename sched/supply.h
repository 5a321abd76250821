// SPDX-License-Identifier: Apache-2.0
/*
 * What a reservation supplies at least, and whether a guest's tasks fit into that.
 *
 * The supply bound function sbf(t) is the least CPU time in any window of length t in which the VCPU wants to run all the
 * time: nothing for the blackout, then the budget without a pause in every period (Shin & Lee, RTSS 2003, for D = T;
 * Easwaran, Anand & Lee, RTSS 2007, for D <= T). How long the blackout is depends on what the VCPU did before:
 *
 *   T + D - 2Q  it has always wanted to run: its budget was used in one piece, and returns in one
 *   T + D - Q   it blocks when it likes, as a guest does that waits when it has nothing to do: its budget may have been used
 *               in pieces, each of which returns a period after its own release and is supplied by its own deadline. (To be
 *               exact one tick less; so it holds in a unit coarser than ticks, too.)
 *
 * A guest that schedules its tasks by EDF keeps their deadlines iff sum dbf(t) <= sbf(t) at each of them, up to the end of
 * the longest time for which it can have something to do: there the supply has caught up with all that was released. It is
 * decided by QPA's walk down (Zhang & Burns 2009), with sbf in the place of time.
 *
 * Units: any, one for all (ticks, microseconds); every value below 2^62. Context: any; pure functions, no division of more than 64 bits.
 */
#ifndef SCHED_SUPPLY_H
#define SCHED_SUPPLY_H

#include "sched/admission.h"

#include <stdint.h>

struct sched_supply {
    uint64_t blackout; /* the longest time without any */
    uint64_t budget;   /* Q > 0 */
    uint64_t period;   /* T >= Q */
};

/* The two blackouts; 0 < Q <= D <= T. */
struct sched_supply sched_supply_wanting(const struct sched_task *reservation);
struct sched_supply sched_supply_waking(const struct sched_task *reservation);

/* sbf(t): the least supply in a window of `length`. */
uint64_t sched_supply_within(const struct sched_supply *supply, uint64_t length);
/* The shortest window that has `amount` for sure; saturating. */
uint64_t sched_supply_window(const struct sched_supply *supply, uint64_t amount);

/* Do the tasks (C, D, T; C <= D, D > T allowed), scheduled by EDF, fit? SCHED_REFUSED: at verdict->at they can want
 * verdict->demand, of which verdict->excess is not supplied. SCHED_UNDECIDED: not within SCHED_QPA_STEPS_MAX steps, each a
 * division for each task. SCHED_MALFORMED: more than SCHED_TASKS_MAX, or a value of 0 or too large. */
enum sched_outcome sched_supply_fits(const struct sched_supply *supply, const struct sched_task *tasks,
                                     uint32_t task_count, struct sched_verdict *verdict);

/* The smallest budget for this deadline and period (Q of *reservation is not looked at) with which the tasks of a guest
 * that blocks fit; 0: none, or none that is decided. At most 64 times the cost above. */
uint64_t sched_supply_least_budget(const struct sched_task *reservation, const struct sched_task *tasks,
                                   uint32_t task_count);

#endif
