// SPDX-License-Identifier: Apache-2.0
/*
 * Placement: which core does a VCPU without a fixed core live on?
 *
 * A reservation goes to the core with the least requested utilisation on which the exact test
 * passes. A whole set is placed at boot: fixed cores first, then by decreasing utilisation; when
 * that leaves somebody out, the whole set is tried again by best fit (the fullest core that
 * passes), then with VCPUs split over two cores, C=D (Burns, Davis, Wang & Zhang 2012), then in
 * other orders. Best effort follows the reservations: away from VCPUs of the same VM, then where
 * the free time per weight is largest. Ties go to the lowest core index. The ways are rows of the
 * table of plans in split.c; without part `split` the first two are all.
 *
 * Context: any; deterministic; no allocation; about 5 KB of stack. A plan takes up to one exact test
 * per core for each VCPU, and 64 more for each that it splits; after a refusal every plan was tried,
 * and the advice took up to 150 on some cores. Not for a trap path.
 */
#ifndef SCHED_PLACEMENT_H
#define SCHED_PLACEMENT_H

#include "sched/admission.h"

#include <stdbool.h>
#include <stdint.h>

#define SCHED_CORES_MAX   64u
#define SCHED_MEMBERS_MAX 31u /* VCPUs on one core: its thread needs a place as well */
#define SCHED_CORE_AUTO   (-1)

/* What lives on a core. Zero-initialised: nothing. The caller may put sources (and tasks of its
 * own) in before. */
struct sched_core_load {
    uint32_t task_count, source_count, member_count;
    uint32_t weight;                /* sum over its best-effort VCPUs */
    uint32_t vm[SCHED_MEMBERS_MAX]; /* VM of each VCPU placed here, reserved or not */
    struct sched_task tasks[SCHED_TASKS_MAX];
    struct sched_source sources[SCHED_SOURCES_MAX];
#if TAKT_SPLIT
    uint64_t tests, steps; /* what placement took: exact tests, evaluations of demand; only counted up */
#endif
};

/* Lengths are ticks. What is not given: by utilisation, and nobody is split. */
struct sched_machine {
    struct sched_core_load *cores;
    uint32_t core_count; /* 1 .. SCHED_CORES_MAX */
#if TAKT_SPLIT
    bool by_count; /* a free VCPU goes, in the order given, to the core with the fewest, of these the last, and where
                            that cannot keep it nowhere: Xen 3.4's rule */
    bool splits;   /* a VCPU that fits nowhere whole may be split over two cores */
    uint64_t switch_cost; /* what every budget holds for its own dispatching: the second piece gets it once more, and a
                            piece is at least ten times as long */
    uint64_t migration_cost; /* what each piece's budget is inflated by */
#endif
};

/* One VCPU to place. weight 0: reserved by `task` (overheads included); otherwise best effort. */
struct sched_request {
    struct sched_task task;
    uint32_t weight;
    uint32_t vm;  /* VCPUs with the same number are siblings */
    int32_t core; /* index or SCHED_CORE_AUTO */
#if TAKT_SPLIT
    bool whole; /* must not be split, as one that is interrupted by devices; one with a fixed core never is */
#endif
};

enum sched_step {
    SCHED_STEP_FIXED, /* the core was given */
    SCHED_STEP_LEAST_USED,
    SCHED_STEP_BEST_FIT,
#if TAKT_SPLIT
    SCHED_STEP_SPLIT,    /* over `core` and `second` */
    SCHED_STEP_REPACKED, /* whole, in a plan that needed another order of the set */
    SCHED_STEP_FEWEST,   /* by count */
#endif
    SCHED_STEP_BEST_EFFORT,
    SCHED_STEP_REFUSED,
};

struct sched_placement {
    enum sched_step step;
    int32_t core;                 /* where it lives, split: with its first piece; refused: the core that came closest
                     (least excess), -1 when no core could be tried */
    struct sched_verdict verdict; /* of the exact test with it on that core; split: on `second`; best effort: its
                     outcome alone */
    uint64_t largest_budget;  /* refused: largest admissible Q for these D and T on any allowed core, whole; 0: none */
    uint64_t smallest_period; /* refused: smallest admissible T for this Q (D = T stays so, a shorter D
                            stays as it is); 0: none up to 2^20 times the requested one */
    uint32_t order;           /* used inside: processing order */
#if TAKT_SPLIT
    int32_t second; /* split: the core of its second piece; -1: whole */
    /* Split (C=D): as admitted, costs included. The first has to be supplied by its deadline D1, which leaves it no more slack
     * than interrupts take; the second is released D1 after the first, its deadline is D - D1. Both have period T. */
    struct sched_task pieces[2];
#endif
};

/* Places a whole set, placements[i] for requests[i], in whatever order finds room for all. One by one, as VCPUs arrive: call
 * it for each; who has a place keeps it. Returns the number of VCPUs that found no place; those that did are entered in the
 * loads. */
uint32_t sched_place_all(struct sched_machine *machine, const struct sched_request *requests,
                         struct sched_placement *placements, uint32_t count);

/* Q/T rounded up, and a core's sum over tasks and sources, in units of 1/SCHED_UTILISATION_ONE. For
 * ordering and reports; admission itself never rounds. */
uint64_t sched_utilisation(const struct sched_task *task);
uint64_t sched_core_utilisation(const struct sched_core_load *load);

#endif
