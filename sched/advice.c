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
    return sched_admit(load->tasks, load->task_count + 1, load->sources, load->source_count, verdict);
}

/* Largest admissible Q below the refused one. A smaller budget never harms, so bisection holds. */
static uint64_t largest_budget(struct sched_core_load *load, struct sched_task task) {
    uint64_t passes = 0;
    uint64_t fails = task.budget;
    struct sched_verdict verdict;

    while (fails - passes > 1) {
        task.budget = passes + (fails - passes) / 2;
        if (placement_test(load, &task, &verdict) == SCHED_ADMITTED) {
            passes = task.budget;
        } else {
            fails = task.budget;
        }
    }
    return passes;
}

static enum sched_outcome test_period(struct sched_core_load *load, struct sched_task task, uint64_t period) {
    struct sched_verdict verdict;

    task.deadline = task.deadline == task.period ? period : task.deadline;
    task.period = period;
    return placement_test(load, &task, &verdict);
}

/* Smallest admissible T above the refused one; 0 when none is found. A longer period (and with it a
 * later deadline) never harms. */
static uint64_t smallest_period(struct sched_core_load *load, const struct sched_task *task) {
    uint64_t fails = task->period;
    uint64_t passes = 0;

    for (uint32_t i = 0; i < PERIOD_DOUBLINGS && passes == 0; i++) {
        uint64_t period = fails * 2;

        if (period >= SCHED_TICKS_MAX) { return 0; }
        if (test_period(load, *task, period) == SCHED_ADMITTED) {
            passes = period;
        } else {
            fails = period;
        }
    }
    while (passes != 0 && passes - fails > 1) {
        uint64_t period = fails + (passes - fails) / 2;

        if (test_period(load, *task, period) == SCHED_ADMITTED) {
            passes = period;
        } else {
            fails = period;
        }
    }
    return passes;
}

void placement_advise(struct sched_machine *machine, const struct sched_request *request,
                      struct sched_placement *placement) {
    for (uint32_t i = 0; i < machine->core_count; i++) {
        struct sched_core_load *core = &machine->cores[i];

        if (!placement_allows(request, i)) { continue; }

        uint64_t budget = largest_budget(core, request->task);
        uint64_t period = smallest_period(core, &request->task);

        if (budget > placement->largest_budget) { placement->largest_budget = budget; }
        if (period != 0 && (placement->smallest_period == 0 || period < placement->smallest_period)) {
            placement->smallest_period = period;
        }
    }
}
