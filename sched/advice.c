// SPDX-License-Identifier: Apache-2.0
#include "sched/advice.h"

#include "sched/sched.h"

#define PERIOD_DOUBLINGS 20u

enum sched_outcome placement_test(struct sched_core_load *load, const struct sched_task *task,
                                  struct sched_verdict *verdict) {
    if (load->task_count == SCHED_TASKS_MAX || load->member_count == SCHED_MEMBERS_MAX) {
        *verdict = (struct sched_verdict){.outcome = SCHED_REFUSED};
        return SCHED_REFUSED;
    }
    load->tasks[load->task_count] = *task;
    sched_admit(load->tasks, load->task_count + 1, load->sources, load->source_count, verdict);
#if TAKT_SPLIT
    load->tests++;
    load->steps += verdict->steps;
#endif
    return verdict->outcome;
}

/* Does it pass with another budget, or with another period (D = T stays so)? */
static bool passes_with(struct sched_core_load *load, struct sched_task task, bool period, uint64_t value) {
    struct sched_verdict verdict;

    if (!period) {
        task.budget = value;
    } else {
        task.deadline = task.deadline == task.period ? value : task.deadline;
        task.period = value;
    }
    return placement_test(load, &task, &verdict) == SCHED_ADMITTED;
}

/* The last value that passes on the way to one that fails. A smaller budget or a longer period (and
 * with it a later deadline) never harms, so bisection holds. */
static uint64_t bisect(struct sched_core_load *load, const struct sched_task *task, bool period, uint64_t passes,
                       uint64_t fails) {
    for (;;) {
        int64_t step = (int64_t)(fails - passes) / 2;

        if (step == 0) { return passes; }
        if (passes_with(load, *task, period, passes + (uint64_t)step)) {
            passes += (uint64_t)step;
        } else {
            fails = passes + (uint64_t)step;
        }
    }
}

/* A period above the refused one that passes; 0 when none is found. */
static uint64_t longer_period(struct sched_core_load *load, const struct sched_task *task) {
    uint64_t period = task->period;

    for (uint32_t i = 0; i < PERIOD_DOUBLINGS && period * 2 < SCHED_TICKS_MAX; i++) {
        period *= 2;
        if (passes_with(load, *task, true, period)) { return period; }
    }
    return 0;
}

/* A core is searched only when it passes with better than the best so far: most cost two tests. */
void placement_advise(struct sched_machine *machine, const struct sched_request *request,
                      struct sched_placement *placement) {
    const struct sched_task *task = &request->task;

    for (uint32_t i = 0; i < machine->core_count; i++) {
        struct sched_core_load *core = &machine->cores[i];
        uint64_t budget = placement->largest_budget + 1, period = placement->smallest_period - 1;

        if (!placement_allows(machine, request, i)) { continue; }
        if (passes_with(core, *task, false, budget)) {
            placement->largest_budget = bisect(core, task, false, budget, task->budget);
        }
        if (placement->smallest_period == 0) {
            period = longer_period(core, task);
        } else if (!passes_with(core, *task, true, period)) {
            continue;
        }
        if (period != 0) { placement->smallest_period = bisect(core, task, true, period, task->period); }
    }
}
