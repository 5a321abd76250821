// SPDX-License-Identifier: Apache-2.0
#include "sched/placement.h"

#include "sched/advice.h"
#include "sched/fraction.h"
#include "sched/sched.h"

#include <stddef.h>

_Static_assert(SCHED_MEMBERS_MAX + 1 == SCHED_ENTITIES_MAX,
               "a placed VCPU finds room on its core, beside the core's thread");

uint64_t sched_utilisation(const struct sched_task *task) { return fraction_ratio_up(task->budget, task->period); }

uint64_t sched_core_utilisation(const struct sched_core_load *load) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < load->task_count; i++) { sum += sched_utilisation(&load->tasks[i]); }
    for (uint32_t i = 0; i < load->source_count; i++) {
        sum += fraction_ratio_up(load->sources[i].cost, load->sources[i].distance);
    }
    return sum;
}

void placement_enter(struct sched_core_load *load, const struct sched_request *request, const struct sched_task *task) {
    if (request->weight == 0) { load->tasks[load->task_count++] = *task; }
    load->weight += request->weight;
    load->vm[load->member_count++] = request->vm;
}

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

/* Keeps the refusal that says most: an admission error beats none, a small excess a large one. */
static bool closer(const struct sched_verdict *verdict, const struct sched_placement *placement) {
    if (verdict->outcome == SCHED_MALFORMED) { return false; }
    if (placement->core < 0) { return true; }
    if ((verdict->at != 0) != (placement->verdict.at != 0)) { return verdict->at != 0; }
    return verdict->excess < placement->verdict.excess;
}

static void place_reserved(struct sched_machine *machine, const struct sched_request *request, const struct plan *plan,
                           struct sched_placement *placement) {
    bool found = false;
    uint64_t best = 0;

    for (uint32_t i = 0; i < machine->core_count; i++) {
        struct sched_verdict verdict;

        if (!placement_allows(machine, request, i)) { continue; }
        uint64_t used = sched_core_utilisation(&machine->cores[i]);
        if (found && (plan->fullest ? used <= best : used >= best)) { continue; }
        if (placement_test(&machine->cores[i], &request->task, &verdict) == SCHED_ADMITTED) {
            found = true;
            best = used;
        } else if (found || !closer(&verdict, placement)) {
            continue;
        }
        placement->core = (int32_t)i;
        placement->verdict = verdict;
    }
    if (found) {
        placement->step = request->core == SCHED_CORE_AUTO ? plan->step : SCHED_STEP_FIXED;
        placement_enter(&machine->cores[placement->core], request, &request->task);
    } else if (plan->splits && placement->core >= 0) {
        split_place(machine, request, placement);
    }
}

static uint32_t siblings(const struct sched_core_load *load, uint32_t vm) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < load->member_count; i++) { count += load->vm[i] == vm ? 1 : 0; }
    return count;
}

static uint64_t free_share(const struct sched_core_load *load) {
    uint64_t used = sched_core_utilisation(load);

    return used < SCHED_UTILISATION_ONE ? SCHED_UTILISATION_ONE - used : 1;
}

/* Fewer siblings first; then more free time for each unit of weight, the newcomer's included. */
static bool suits_better(const struct sched_core_load *core, const struct sched_core_load *best,
                         const struct sched_request *request) {
    uint32_t here = siblings(core, request->vm), there = siblings(best, request->vm);

    if (here != there) { return here < there; }
    return free_share(core) * (best->weight + request->weight) > free_share(best) * (core->weight + request->weight);
}

static void place_best_effort(struct sched_machine *machine, const struct sched_request *request,
                              struct sched_placement *placement) {
    struct sched_core_load *best = NULL;

    for (uint32_t i = 0; i < machine->core_count; i++) {
        struct sched_core_load *core = &machine->cores[i];

        if (!placement_allows(machine, request, i) || core->member_count == SCHED_MEMBERS_MAX) { continue; }
        if (best == NULL || suits_better(core, best, request)) {
            best = core;
            placement->core = (int32_t)i;
        }
    }
    placement->verdict.outcome = best == NULL ? SCHED_REFUSED : SCHED_ADMITTED;
    if (best == NULL) { return; }
    placement->step = request->core == SCHED_CORE_AUTO ? SCHED_STEP_BEST_EFFORT : SCHED_STEP_FIXED;
    placement_enter(best, request, NULL);
}

static void place(struct sched_machine *machine, const struct sched_request *request, const struct plan *plan,
                  struct sched_placement *placement) {
    *placement = (struct sched_placement){SCHED_STEP_REFUSED, -1, .order = placement->order};
#if TAKT_SPLIT
    placement->second = -1;
#endif
    placement->verdict.outcome = SCHED_MALFORMED;
    /* SCHED_CORE_AUTO is -1. */
    if (request->weight > SCHED_WEIGHT_MAX || (uint32_t)request->core + 1 > machine->core_count) { return; }
    if (request->weight != 0) {
        place_best_effort(machine, request, placement);
    } else {
        place_reserved(machine, request, plan, placement);
    }
}

/* Fixed before free, reserved before best effort, and free reservations as the plan says: what is hard to place comes while
 * there is room. */
static uint64_t urgency(const struct sched_request *request, const struct plan *plan) {
    uint64_t rank = (request->weight == 0 ? 2u : 0u) + (request->core != SCHED_CORE_AUTO ? 1u : 0u);

    if (plan->hardness == NULL) { return 0; }
    return (rank << 62) + (rank == 2 ? plan->hardness(&request->task) % SCHED_TICKS_MAX : 0);
}

/* Stable insertion sort of request indices into placements[].order. */
static void sort(const struct sched_request *requests, struct sched_placement *placements, uint32_t count,
                 const struct plan *plan) {
    for (uint32_t i = 0; i < count; i++) {
        uint64_t mine = urgency(&requests[i], plan);
        uint32_t slot = i;

        while (slot > 0 && urgency(&requests[placements[slot - 1].order], plan) < mine) {
            placements[slot].order = placements[slot - 1].order;
            slot--;
        }
        placements[slot].order = i;
    }
}

static uint32_t place_by(struct sched_machine *machine, const struct sched_request *requests,
                         struct sched_placement *placements, uint32_t count, const struct plan *plan) {
    uint32_t left_out = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t next = placements[i].order;

        place(machine, &requests[next], plan, &placements[next]);
        left_out += placements[next].step == SCHED_STEP_REFUSED;
    }
    return left_out;
}

static void leave(struct sched_core_load *load, const struct sched_request *request) {
    load->task_count -= request->weight == 0 ? 1 : 0;
    load->weight -= request->weight;
    load->member_count--;
}

/* The set came last to each core, so that it leaves by counting down. */
static void take_back(struct sched_machine *machine, const struct sched_request *requests,
                      const struct sched_placement *placements, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (placements[i].step == SCHED_STEP_REFUSED) { continue; }
        leave(&machine->cores[placements[i].core], &requests[i]);
#if TAKT_SPLIT
        if (placements[i].second >= 0) {
            leave(&machine->cores[placements[i].second], &requests[i]);
            split_forget_return(machine, &machine->cores[placements[i].second]);
        }
#endif
    }
}

uint32_t sched_place_all(struct sched_machine *machine, const struct sched_request *requests,
                         struct sched_placement *placements, uint32_t count) {
    uint32_t plan = plan_first(machine, count);
    uint32_t left_out;

    for (;;) {
        sort(requests, placements, count, &plans[plan]);
        left_out = place_by(machine, requests, placements, count, &plans[plan]);
        if (left_out == 0 || ++plan >= PLAN_COUNT) { break; }
        take_back(machine, requests, placements, count);
    }
    for (uint32_t i = 0; i < count && left_out != 0; i++) {
        if (placements[i].step == SCHED_STEP_REFUSED && requests[i].weight == 0 &&
            placements[i].verdict.outcome != SCHED_MALFORMED) {
            placement_advise(machine, &requests[i], &placements[i]);
        }
    }
    return left_out;
}
