// SPDX-License-Identifier: Apache-2.0
/*
 * How long can it take from a wake-up until a server first runs, on a core where others reclaim? Parts `reclaim` and `analysis`.
 *
 * There sched_start_latency() does not hold: what others do in a while is not bounded by how often they are released, because
 * they may also use what sleepers spare. But used and spared together no server has more than its share of any time, and what
 * it is released for begun within s and due by t is at most Q + U s, at most U t, and nothing where t < T. So the core, busy
 * from 0 with what is due no later than a wake-up at o, is through with all of that by the least
 *
 *     s = blocking + I(s) + min(o, Q - 1 + U o) + sum over the others (t = o + T < Ti ? Ui s : min(Qi + Ui s, Ui t))
 *
 * with I(s) = sum cost + s cost/distance. Between the offsets at which a period of another starts to count, s - o grows until
 * o = Q - 1 + U o, and not beyond it; so few offsets are looked at. Where that is behind the period, with U > 1/2, the bound
 * is the deadline. It is never better than sched_start_latency() on a core where nobody reclaims, and never worse than the
 * deadline.
 *
 * Units: ticks below 2^62. Context: any; a pure function; 34 offsets, up to 1,024 rounds for each: boot, or a job.
 */
#ifndef SCHED_LATENCY_RECLAIM_H
#define SCHED_LATENCY_RECLAIM_H

#include "sched/admission.h"

/* For tasks[index], of a core where sched_may_reclaim() holds; blocking < 2^62. From the wake-up to the first tick of supply. */
uint64_t sched_reclaim_latency(const struct sched_task *tasks, uint32_t task_count, const struct sched_source *sources,
                               uint32_t source_count, uint64_t blocking, uint32_t index);

#endif
