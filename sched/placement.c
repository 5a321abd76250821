// SPDX-License-Identifier: Apache-2.0
#include "sched/placement.h"

#include "sched/advice.h"
#include "sched/fraction.h"
#include "sched/sched.h"

#include <stddef.h>

_Static_assert(SCHED_MEMBERS_MAX + 1 == SCHED_ENTITIES_MAX,
               "a placed VCPU finds room on its core, beside the core's thread");

/* How a reservation without a fixed core chooses among the cores on which the exact test passes, in
 * the order in which the ways are tried on the whole set. Steps that do more than choose a core
 * (splitting over two cores, a planned repack of all) are rows before the last: that one says what
 * is told when nothing holds. */
static const enum sched_step policies[] = {SCHED_STEP_LEAST_USED, SCHED_STEP_BEST_FIT, SCHED_STEP_LEAST_USED};

#define POLICY_COUNT (sizeof(policies) / sizeof(policies[0]))

uint64_t sched_utilisation(const struct sched_task *task) { return fraction_ratio_up(task->budget, task->period); }

uint64_t sched_core_utilisation(const struct sched_core_load *load) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < load->task_count; i++) { sum += sched_utilisation(&load->tasks[i]); }
    for (uint32_t i = 0; i < load->source_count; i++) {
        sum += fraction_ratio_up(load->sources[i].cost, load->sources[i].distance);
    }
    return sum;
}

static void enter(struct sched_core_load *load, const struct sched_request *request) {
    if (request->weight == 0) { load->tasks[load->task_count++] = request->task; }
    load->weight += request->weight;
    load->vm[load->member_count++] = request->vm;
}

/* Keeps the refusal that says most: an admission error beats none, a small excess a large one. */
static bool closer(const struct sched_verdict *verdict, const struct sched_placement *placement) {
    if (verdict->outcome == SCHED_MALFORMED) { return false; }
    if (placement->core < 0) { return true; }
    if ((verdict->at != 0) != (placement->verdict.at != 0)) { return verdict->at != 0; }
    return verdict->excess < placement->verdict.excess;
}

static void place_reserved(struct sched_machine *machine, const struct sched_request *request, enum sched_step policy,
                           struct sched_placement *placement) {
    bool found = false;
    uint64_t best = 0;

    for (uint32_t i = 0; i < machine->core_count; i++) {
        struct sched_verdict verdict;

        if (!placement_allows(request, i)) { continue; }
        uint64_t used = sched_core_utilisation(&machine->cores[i]);
        if (placement_test(&machine->cores[i], &request->task, &verdict) == SCHED_ADMITTED) {
            if (found && (policy == SCHED_STEP_BEST_FIT ? used <= best : used >= best)) { continue; }
            found = true;
            best = used;
        } else if (found || !closer(&verdict, placement)) {
            continue;
        }
        placement->core = (int32_t)i;
        placement->verdict = verdict;
    }
    if (found) {
        placement->step = request->core == SCHED_CORE_AUTO ? policy : SCHED_STEP_FIXED;
        enter(&machine->cores[placement->core], request);
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

        if (!placement_allows(request, i) || core->member_count == SCHED_MEMBERS_MAX) { continue; }
        if (best == NULL || suits_better(core, best, request)) {
            best = core;
            placement->core = (int32_t)i;
        }
    }
    placement->verdict.outcome = best == NULL ? SCHED_REFUSED : SCHED_ADMITTED;
    if (best == NULL) { return; }
    placement->step = request->core == SCHED_CORE_AUTO ? SCHED_STEP_BEST_EFFORT : SCHED_STEP_FIXED;
    enter(best, request);
}

/* What the exact test does not look at. */
static bool well_formed(const struct sched_machine *machine, const struct sched_request *request) {
    return request->weight <= SCHED_WEIGHT_MAX &&
           (request->core == SCHED_CORE_AUTO || (request->core >= 0 && (uint32_t)request->core < machine->core_count));
}

static void place(struct sched_machine *machine, const struct sched_request *request, enum sched_step policy,
                  struct sched_placement *placement) {
    *placement = (struct sched_placement){.step = SCHED_STEP_REFUSED,
                                          .core = -1,
                                          .second = -1,
                                          .verdict.outcome = SCHED_MALFORMED,
                                          .order = placement->order};
    if (!well_formed(machine, request)) { return; }
    if (request->weight != 0) {
        place_best_effort(machine, request, placement);
    } else {
        place_reserved(machine, request, policy, placement);
    }
}

enum { RANK_FREE = 1, RANK_BEST_EFFORT = 2 };

static uint32_t rank(const struct sched_request *request) {
    return (request->weight != 0 ? RANK_BEST_EFFORT : 0) + (request->core == SCHED_CORE_AUTO ? RANK_FREE : 0);
}

/* Fixed before free, reserved before best effort, and free reservations by decreasing utilisation:
 * what is hard to place comes while there is room. */
static bool goes_before(const struct sched_request *a, const struct sched_request *b) {
    uint32_t rank_a = rank(a);
    uint32_t rank_b = rank(b);

    if (rank_a != rank_b || rank_a != RANK_FREE) { return rank_a < rank_b; }
    return sched_utilisation(&a->task) > sched_utilisation(&b->task);
}

/* Stable insertion sort of request indices into placements[].order. */
static void sort(const struct sched_request *requests, struct sched_placement *placements, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = i;

        while (slot > 0 && goes_before(&requests[i], &requests[placements[slot - 1].order])) {
            placements[slot].order = placements[slot - 1].order;
            slot--;
        }
        placements[slot].order = i;
    }
}

/* How full a core was before the set came. */
struct mark {
    uint32_t tasks;
    uint32_t members;
    uint32_t weight;
};

static uint32_t place_by(struct sched_machine *machine, const struct sched_request *requests,
                         struct sched_placement *placements, uint32_t count, enum sched_step policy) {
    uint32_t left_out = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t next = placements[i].order;

        place(machine, &requests[next], policy, &placements[next]);
        left_out += placements[next].step == SCHED_STEP_REFUSED;
    }
    return left_out;
}

static void rewind_to(struct sched_machine *machine, const struct mark *marks) {
    for (uint32_t i = 0; i < machine->core_count; i++) {
        machine->cores[i].task_count = marks[i].tasks;
        machine->cores[i].member_count = marks[i].members;
        machine->cores[i].weight = marks[i].weight;
    }
}

static void advise(struct sched_machine *machine, const struct sched_request *requests,
                   struct sched_placement *placements, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (placements[i].step == SCHED_STEP_REFUSED && requests[i].weight == 0 &&
            placements[i].verdict.outcome != SCHED_MALFORMED) {
            placement_advise(machine, &requests[i], &placements[i]);
        }
    }
}

uint32_t sched_place_in_order(struct sched_machine *machine, const struct sched_request *requests,
                              struct sched_placement *placements, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) { placements[i].order = i; }

    uint32_t left_out = place_by(machine, requests, placements, count, SCHED_STEP_LEAST_USED);

    advise(machine, requests, placements, count);
    return left_out;
}

uint32_t sched_place_all(struct sched_machine *machine, const struct sched_request *requests,
                         struct sched_placement *placements, uint32_t count) {
    struct mark marks[SCHED_CORES_MAX];
    uint32_t left_out = 0;

    for (uint32_t i = 0; i < machine->core_count; i++) {
        const struct sched_core_load *core = &machine->cores[i];

        marks[i] = (struct mark){core->task_count, core->member_count, core->weight};
    }
    sort(requests, placements, count);
    for (uint32_t i = 0; i < POLICY_COUNT; i++) {
        rewind_to(machine, marks);
        left_out = place_by(machine, requests, placements, count, policies[i]);
        if (left_out == 0) { return 0; }
    }
    advise(machine, requests, placements, count);
    return left_out;
}
