// SPDX-License-Identifier: Apache-2.0
/*
 * How long can it take from a wake-up until a VCPU in two pieces first runs? Parts `split` and `analysis`.
 *
 * A wake-up that finds budget in a piece that the VCPU can use, on the core where it waits or after the move that is due:
 *
 *   - The first piece has budget, and the VCPU is there: L1, the start latency of that piece on its core.
 *   - The VCPU is there, but only the second piece has budget: the wake-up is seen by the first core when that has nothing to
 *     do any more that is due before the first piece would be. That is the start latency of a piece with its budget used up,
 *     and no later than its deadline D1, when all that was due is done. Then it moves, and waits for L2 at most.
 *   - It waits on the second core, whose piece has budget: L2. If it has to return before it ran, because the first piece has
 *     its refill, that has budget from then on: L2, a move, and L1.
 *
 * The longest of the three is the last or the one before it. A wake-up that comes while the VCPU moves waits for the rest of
 * the move instead, and for the piece that it moves to.
 *
 * Units: one for all values (ticks), below 2^62. Context: any; a pure function; three of sched_start_latency().
 */
#ifndef SCHED_LATENCY_SPLIT_H
#define SCHED_LATENCY_SPLIT_H

#include "sched/latency.h"
#include "sched/placement.h"

struct sched_split {
    const struct sched_core_load *load[2]; /* of the first and the second core, as admitted */
    uint32_t index[2];                     /* of its pieces among their tasks */
    uint64_t migration;                    /* what moving takes */
};

/* From the wake-up to the first tick of supply. `blocking` as in sched_start_latency(), once on each core. The cores were
 * admitted: what sched_start_latency() does not decide ends with the piece's deadline. */
uint64_t sched_split_latency(const struct sched_split *split, uint64_t blocking);

#endif
