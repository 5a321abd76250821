// SPDX-License-Identifier: Apache-2.0
/*
 * How long can it take from a wake-up until the server first runs?
 *
 * The longest time from a wake-up that opens an activation (one that finds budget; an activation that a refill opens for a
 * VCPU that waited for it counts the same) to the instant at which that server gets the core, on a core whose servers were
 * admitted and block and wake as they like. It is Spuri's analysis by deadline busy periods (Analysis of deadline scheduled
 * real-time systems, INRIA RR-2772, 1996), for the first unit of the work in place of its last:
 *
 *   - Every unit of a server's budget is a sporadic job (1, D, T), so what others do is covered by servers that want all
 *     the time (sched/sched.h).
 *   - Let the wake-up come `offset` after the start of a period in which the core only does what is due no later than it,
 *     offset + D. The others do most there when they all wake at its start; of those only what is due by then counts.
 *     Interrupts run above all, one `cost` per `distance` and one at the start.
 *   - One section of length `blocking` that nothing preempts may have begun just before the period did.
 *   - The server itself may have run in that period and blocked again: up to Q per T, but a unit has to be left. That is
 *     counted in two ways, and the smaller result holds. Either all of it belongs to the work of the period; or the period
 *     is looked at from its last tick on, when only that is left which is due no earlier than the activation that had the
 *     tick. How long before that can have been released is known from how long an activation takes at most, by the same
 *     analysis for the last unit.
 *
 * The longest wait is at one of few offsets. They are looked at in order up to the end of the longest busy period, so that
 * each begins where the last one ended.
 *
 * Not in it: debt (an overrun, or an interrupt charged beyond the budget, is paid by the next refill, which then opens
 * nothing), and a budget given anew when a second VCPU comes to a core that one had alone.
 *
 * Context: any; a pure function; up to SCHED_LATENCY_STEPS_MAX steps of three divisions for each task: boot, or a job.
 */
#ifndef SCHED_LATENCY_H
#define SCHED_LATENCY_H

#include "sched/admission.h"

#include <stdbool.h>
#include <stdint.h>

#define SCHED_LATENCY_STEPS_MAX 16384u

struct sched_latency {
    uint64_t longest; /* from the wake-up to the first tick of supply */
    uint64_t offset;  /* of the wake-up that waits so long, in its busy period */
    uint32_t steps;   /* evaluations of what comes before */
};

/* The search in steps, for one who may not be away for long: begin, then step until it is done; then `decided` is what
 * sched_start_latency() returns, and `result` what it fills. Tasks and sources must stay as they are until then. A step is at
 * most five divisions for each task and one for each source. */
struct sched_latency_search {
    struct sched_latency result;
    bool decided;
    const struct sched_task *tasks; /* the rest is private to latency.c */
    const struct sched_source *sources;
    uint32_t task_count, source_count;
    uint64_t blocking;
    uint32_t index; /* of the server that is asked about */
    uint32_t question;
    uint64_t end;                 /* of the longest busy period */
    uint64_t offset, start;       /* looked at now; how long it waits at least */
    uint64_t longest, longest_at; /* so far, for this question */
    uint64_t whole;               /* the longest for the first question */
};
void sched_latency_begin(struct sched_latency_search *search, const struct sched_task *tasks, uint32_t task_count,
                         const struct sched_source *sources, uint32_t source_count, uint64_t blocking, uint32_t index);
/* True: it is done. */
bool sched_latency_step(struct sched_latency_search *search);

/* Fills *result for tasks[index]. The tasks and sources are those that sched_admit() has admitted; blocking < 2^62. False:
 * not decided, within SCHED_LATENCY_STEPS_MAX steps or because the busy period is beyond 2^62 or not found; nothing is
 * known then but that an admitted server has its whole budget by its deadline. */
bool sched_start_latency(const struct sched_task *tasks, uint32_t task_count, const struct sched_source *sources,
                         uint32_t source_count, uint64_t blocking, uint32_t index, struct sched_latency *result);

#endif
