// SPDX-License-Identifier: Apache-2.0
/*
 * Admission: can one core keep every promise made on it? Exact and bounded.
 *
 * Tasks are servers (Q, D, T); sources are interrupts that run above EDF, at most one `cost` per
 * `distance`. A core is feasible iff its utilisation, sources included, is at most 1 and at every
 * deadline t up to the first idle instant (all released at 0, then as often as possible)
 *
 *     h(t) = sum max(0, floor((t-D)/T)+1) * Q  +  sum (floor(t/distance)+1) * cost  <=  t
 *
 * (Baruah, Rosier & Howell 1990; Jeffay & Stone 1993). It is decided by the density shortcut, else
 * by QPA (Zhang & Burns 2009) from the smaller of two bounds on the last instant that can fail.
 * Every comparison is exact: sums of fractions are compared by cross-multiplication, in as many
 * bits as they need. Budgets are passed as they have to be supplied, overheads included.
 *
 * Context: any; pure functions; about 1.2 KB of stack; up to SCHED_QPA_STEPS_MAX steps of two
 * divisions for each task and one for each source: not for a trap or interrupt path.
 */
#ifndef SCHED_ADMISSION_H
#define SCHED_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#define SCHED_TASKS_MAX       32u
#define SCHED_SOURCES_MAX     32u
#define SCHED_QPA_STEPS_MAX   1024u
#define SCHED_UTILISATION_ONE (UINT64_C(1) << 32) /* fixed point of utilisations */

struct sched_task {
    uint64_t budget;   /* Q > 0 */
    uint64_t deadline; /* D, Q <= D <= T */
    uint64_t period;   /* T < 2^62 */
};

struct sched_source {
    uint64_t cost;     /* of one interrupt, > 0 and < 2^62 */
    uint64_t distance; /* least time between two, > 0 and < 2^62 */
};

enum sched_outcome {
    SCHED_ADMITTED = 0,
    SCHED_REFUSED = 1,
    SCHED_UNDECIDED = 2, /* not decided within SCHED_QPA_STEPS_MAX steps: treat as refused, say so */
    SCHED_MALFORMED = -1 /* a value or count out of its range */
};

/* An exact sum; sched/fraction.h. */
#define FRACTION_TERMS_MAX (SCHED_TASKS_MAX + SCHED_SOURCES_MAX + 1)
struct fraction {
    uint32_t limbs;
    uint64_t numerator[FRACTION_TERMS_MAX + 2];
    uint64_t denominator[FRACTION_TERMS_MAX + 2];
};

struct sched_verdict {
    enum sched_outcome outcome;
    uint64_t at;     /* refused: an instant whose demand exceeds it; 0 when utilisation exceeds 1 by so
                    little that no instant below 2^62 shows it */
    uint64_t demand; /* h(at), saturating at UINT64_MAX */
    uint64_t excess; /* demand - at */
    uint32_t steps;  /* evaluations of h */
};

/* A test in steps, for one who may not be away for long: begin, then step until it is decided; the verdict is in
 * `verdict`. Tasks and sources must stay as they are until then. A step is at most two divisions for each task and one for
 * each source, or a sum of FRACTION_TERMS_MAX limbs; there are at most 3 * SCHED_QPA_STEPS_MAX. */
struct sched_test {
    struct sched_verdict verdict;
    const struct sched_task *tasks; /* the rest is private to admission.c */
    const struct sched_source *sources;
    uint32_t task_count, source_count;
    uint32_t phase, next;
    uint64_t at, limit;
    uint64_t interrupts, least_deadline;
    struct fraction sum;
};
void sched_test_begin(struct sched_test *test, const struct sched_task *tasks, uint32_t task_count,
                      const struct sched_source *sources, uint32_t source_count);
/* True: decided. */
bool sched_test_step(struct sched_test *test);

/* Decides in one go; fills *verdict and returns its outcome. No task at all: only utilisation counts. */
enum sched_outcome sched_admit(const struct sched_task *tasks, uint32_t task_count, const struct sched_source *sources,
                               uint32_t source_count, struct sched_verdict *verdict);

#if TAKT_RECLAIM
/* May servers of this core reclaim (sched_reclaim) without making anybody late? Each has D = T, and the density shortcut holds:
 * sum Q/T + sum cost/distance + sum cost / the shortest T <= 1. Exact. False, too, of what is malformed. */
bool sched_may_reclaim(const struct sched_task *tasks, uint32_t task_count, const struct sched_source *sources,
                       uint32_t source_count);
#endif

#endif
