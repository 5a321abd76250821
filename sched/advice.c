// SPDX-License-Identifier: Apache-2.0
#include "sched/advice.h"

#include "sched/sched.h"

#define PERIOD_DOUBLINGS 20u

void advice_begin(struct sched_advice *advice, const struct sched_task *refused, uint64_t budget, uint64_t period) {
    *advice = (struct sched_advice){.refused = *refused, .largest_budget = budget, .smallest_period = period};
    advice->value = budget + 1;
}

struct sched_task advice_trial(const struct sched_advice *advice) {
    struct sched_task task = advice->refused;

    if (!advice->of_period) {
        task.budget = advice->value;
    } else {
        task.deadline = task.deadline == task.period ? advice->value : task.deadline;
        task.period = advice->value;
    }
    return task;
}

/* The budget is known, or that there is none; now the period. What is known of another core has to be beaten. */
static bool ask_for_period(struct sched_advice *advice) {
    if (advice->of_period) { return false; }
    advice->of_period = true;
    advice->bisecting = false;
    advice->doublings = advice->smallest_period == 0 ? PERIOD_DOUBLINGS : 1;
    advice->value = advice->smallest_period == 0 ? advice->refused.period * 2 : advice->smallest_period - 1;
    return advice->value < SCHED_TICKS_MAX;
}

/* A smaller budget or a longer period (and with it a later deadline) never harms, so bisection holds. */
bool advice_learn(struct sched_advice *advice, bool passed) {
    if (!advice->bisecting && !passed) {
        if (!advice->of_period || --advice->doublings == 0 || advice->value * 2 >= SCHED_TICKS_MAX) {
            return ask_for_period(advice);
        }
        advice->value *= 2;
        return true;
    }
    if (!advice->bisecting) { advice->fails = advice->of_period ? advice->refused.period : advice->refused.budget; }
    advice->bisecting = true;
    *(passed ? &advice->passes : &advice->fails) = advice->value;

    int64_t step = (int64_t)(advice->fails - advice->passes) / 2;

    advice->value = advice->passes + (uint64_t)step;
    if (step != 0) { return true; }
    *(advice->of_period ? &advice->smallest_period : &advice->largest_budget) = advice->passes;
    return ask_for_period(advice);
}

/* A core is searched only when it passes with better than the best so far: most cost two tests. */
void placement_advise(struct sched_machine *machine, const struct sched_request *request,
                      struct sched_placement *placement) {
    for (uint32_t i = 0; i < machine->core_count; i++) {
        struct sched_advice advice;
        struct sched_verdict verdict;
        struct sched_task trial;

        if (!placement_allows(machine, request, i)) { continue; }
        advice_begin(&advice, &request->task, placement->largest_budget, placement->smallest_period);
        do {
            trial = advice_trial(&advice);
        } while (advice_learn(&advice, placement_test(&machine->cores[i], &trial, &verdict) == SCHED_ADMITTED));
        placement->largest_budget = advice.largest_budget;
        placement->smallest_period = advice.smallest_period;
    }
}
