// SPDX-License-Identifier: Apache-2.0
/* The exact test of one more VCPU on a core, and what to ask for after a refusal. Private to sched/. */
#ifndef SCHED_ADVICE_H
#define SCHED_ADVICE_H

#include "sched/split.h"

static inline bool placement_allows(const struct sched_machine *machine, const struct sched_request *request,
                                    uint32_t core) {
    return request->core == SCHED_CORE_AUTO ? plan_allows(machine, core) : request->core == (int32_t)core;
}

/* Puts a VCPU on a core, with `task` unless it is best effort. */
void placement_enter(struct sched_core_load *load, const struct sched_request *request, const struct sched_task *task);

/* Tests a core with one more task. Uses the slot behind its last task; the load stays the same. A
 * full core is a refusal without an instant. */
enum sched_outcome placement_test(struct sched_core_load *load, const struct sched_task *task,
                                  struct sched_verdict *verdict);

/* Parts `analysis` and `control`; without both, nothing is advised.
 *
 * What to ask for after a refusal by one core: the largest budget, then the smallest period. Begin with what is known already
 * of other cores (0: nothing), then test the trial and tell how it went until advice_learn() is false. At most 150 trials. */
#if TAKT_ADVICE
struct sched_advice {
    uint64_t largest_budget, smallest_period; /* as in sched_placement */
    struct sched_task refused;                /* the rest is private to advice.c */
    uint64_t value, passes, fails;
    uint32_t doublings;
    bool of_period, bisecting;
};
void advice_begin(struct sched_advice *advice, const struct sched_task *refused, uint64_t budget, uint64_t period);
struct sched_task advice_trial(const struct sched_advice *advice);
bool advice_learn(struct sched_advice *advice, bool passed);

/* Fills largest_budget and smallest_period of a refused reservation, over all cores that it may
 * use. */
void placement_advise(struct sched_machine *machine, const struct sched_request *request,
                      struct sched_placement *placement);
#else
static inline void placement_advise(struct sched_machine *machine, const struct sched_request *request,
                                    struct sched_placement *placement) {
    (void)machine, (void)request, (void)placement;
}
#endif

#endif
