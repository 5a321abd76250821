// SPDX-License-Identifier: Apache-2.0
/* The ways to place a whole set; splitting a VCPU over two cores. Private to sched/. Part `split`: without it, nobody is split,
 * and only the simplest ways are tried. */
#ifndef SCHED_SPLIT_H
#define SCHED_SPLIT_H

#include "sched/placement.h"

/* A way to place a whole set: free reservations one after the other. */
struct plan {
    uint64_t (*hardness)(const struct sched_task *task); /* in decreasing order of this; NULL: as given */
    bool fullest;                                        /* to the most used core that passes, not to the least */
    bool splits;                                         /* who passes on none may be split */
    enum sched_step step;                                /* what is said of who found a core by it */
};

#if TAKT_SPLIT
/* In the order in which they are tried until one finds room for all. The last one says what is told when none does, and is
 * that of who arrives alone; behind it stands the one by count. */
#define PLAN_COUNT 8u
extern const struct plan plans[PLAN_COUNT + 1];

/* Which one a set of `count` is tried by first. */
static inline uint32_t plan_first(const struct sched_machine *machine, uint32_t count) {
    return machine->by_count ? PLAN_COUNT : count == 1 ? PLAN_COUNT - 1 : 0;
}

/* May a VCPU without a fixed core live on this one? By count there is one that may be asked, whether it fits there or not. */
bool plan_allows(const struct sched_machine *machine, uint32_t core);

/* Looks for two cores on which a reservation that passes on none does so in two pieces, C=D (Burns, Davis, Wang & Zhang 2012).
 * The first piece has the largest budget that passes on its core, and as deadline D1 the time by which that core supplies it
 * when nothing but interrupts comes before it; the rest, released D1 later, goes to the least used core on which it passes,
 * with the return of the VCPU to its first core as another source of interrupts: once in a period, as long as a migration.
 * Of several cores for the first, the one that takes most. When there are
 * no two such cores, nothing changes. Some ten exact tests for each core, 64 at most, then one for each pair that has the room. */
void split_place(struct sched_machine *machine, const struct sched_request *request, struct sched_placement *placement);
/* A second piece leaves this core, the last that came: takes its return out of the sources. */
void split_forget_return(const struct sched_machine *machine, struct sched_core_load *load);
#else
#define PLAN_COUNT 3u
static const struct plan plans[PLAN_COUNT] = {
    {sched_utilisation, false, false, SCHED_STEP_LEAST_USED},
    {sched_utilisation, true, false, SCHED_STEP_BEST_FIT},
    {sched_utilisation, false, false, SCHED_STEP_LEAST_USED},
};
static inline uint32_t plan_first(const struct sched_machine *machine, uint32_t count) {
    (void)machine;
    return count == 1 ? PLAN_COUNT - 1 : 0;
}
static inline bool plan_allows(const struct sched_machine *machine, uint32_t core) {
    (void)machine, (void)core;
    return true;
}
static inline void split_place(struct sched_machine *machine, const struct sched_request *request,
                               struct sched_placement *placement) {
    (void)machine, (void)request, (void)placement;
}
#endif

#endif
