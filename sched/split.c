// SPDX-License-Identifier: Apache-2.0
#include "sched/split.h"

#include "sched/advice.h"
#include "sched/fraction.h"
#include "sched/sched.h"

#include <stddef.h>

#define PIECE_SWITCHES  10u /* a piece is no shorter than so many switches cost */
#define SEARCH_ROUNDS   64u
#define FIXPOINT_ROUNDS 1024u

static uint64_t length(const struct sched_task *task) { return task->budget; }
static uint64_t density(const struct sched_task *task) { return fraction_ratio_up(task->budget, task->deadline); }

const struct plan plans[PLAN_COUNT + 1] = {
    {sched_utilisation, false, false, SCHED_STEP_LEAST_USED},
    {sched_utilisation, true, false, SCHED_STEP_BEST_FIT},
    {sched_utilisation, false, true, SCHED_STEP_LEAST_USED},
    /* The set is packed anew. Which order helps differs from set to set; these do, by experiment. */
    {sched_utilisation, true, true, SCHED_STEP_REPACKED},
    {length, true, true, SCHED_STEP_REPACKED},
    {length, false, true, SCHED_STEP_REPACKED},
    {density, false, true, SCHED_STEP_REPACKED},
    {sched_utilisation, false, true, SCHED_STEP_LEAST_USED},
    [PLAN_COUNT] = {NULL, false, false, SCHED_STEP_FEWEST},
};

bool plan_allows(const struct sched_machine *machine, uint32_t core) {
    const struct sched_core_load *cores = machine->cores;

    for (uint32_t i = 0; machine->by_count && i < machine->core_count; i++) {
        if (cores[i].member_count < cores[core].member_count + (i > core ? 1 : 0)) { return false; }
    }
    return true;
}

/* The larger piece of a request that a core takes. */
struct first_piece {
    struct sched_task task; /* budget 0: none */
    uint64_t rest;          /* of the budget requested */
};

static uint64_t least_piece(const struct sched_machine *machine) { return PIECE_SWITCHES * machine->switch_cost + 1; }

static uint64_t interrupts(const struct sched_core_load *load, uint64_t t) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < load->source_count; i++) {
        const struct sched_source *source = &load->sources[i];
        uint64_t count = t / source->distance + 1;

        if (count > SCHED_TICKS_MAX / source->cost) { return SCHED_TICKS_MAX; }
        sum += count * source->cost;
        if (sum >= SCHED_TICKS_MAX) { return SCHED_TICKS_MAX; }
    }
    return sum;
}

/* The least t = budget + I(t): when what nothing but interrupts delays is done. 0: not by `limit`. */
static uint64_t done_by(const struct sched_core_load *load, uint64_t budget, uint64_t limit) {
    uint64_t t = budget;

    for (uint32_t round = 0; round < FIXPOINT_ROUNDS && t <= limit; round++) {
        uint64_t next = budget + interrupts(load, t);

        if (next == t) { return t; }
        t = next;
    }
    return 0;
}

/* The largest share of a period that a core's utilisation leaves. */
static uint64_t free_budget(const struct sched_core_load *load, uint64_t period) {
    uint64_t used = sched_core_utilisation(load);
    uint64_t idle = used < SCHED_UTILISATION_ONE ? SCHED_UTILISATION_ONE - used : 0;

    return (period >> 32) * idle + (((period & UINT32_MAX) * idle) >> 32);
}

/* Where the test failed at t, k jobs of the piece were due. A smaller piece is due earlier, so at least as many of its jobs
 * are, and none larger than its share of what the others leave at t can pass. 0: no piece can. */
static uint64_t next_lower(const struct sched_task *piece, const struct sched_verdict *verdict) {
    if (verdict->outcome != SCHED_REFUSED || verdict->at == 0) { return piece->budget - piece->budget / 64 - 1; }
    if (verdict->at < piece->deadline || verdict->demand == UINT64_MAX) { return 0; }

    uint64_t jobs = (verdict->at - piece->deadline) / piece->period + 1;
    uint64_t share = piece->budget - (verdict->excess + jobs - 1) / jobs;

    return verdict->excess > jobs * piece->budget ? 0 : share;
}

/* Goes down from what utilisation allows, past nothing that passes, to the first that does. */
static struct first_piece largest_piece(struct sched_machine *machine, uint32_t core,
                                        const struct sched_request *request) {
    struct sched_core_load *load = &machine->cores[core];
    const struct sched_task *whole = &request->task;
    uint64_t least = least_piece(machine);
    uint64_t extra = machine->migration_cost;
    uint64_t most = free_budget(load, whole->period) + 1;
    struct sched_task piece = {.period = whole->period};

    if (whole->budget < 2 * least) { return (struct first_piece){0}; }
    piece.budget = whole->budget - least + extra < most ? whole->budget - least + extra : most;
    for (uint32_t round = 0; round < SEARCH_ROUNDS && piece.budget >= least + extra; round++) {
        struct sched_verdict verdict = {.outcome = SCHED_UNDECIDED};

        piece.deadline = done_by(load, piece.budget, whole->deadline);
        if (piece.deadline != 0 && placement_test(load, &piece, &verdict) == SCHED_ADMITTED) {
            return (struct first_piece){piece, whole->budget - (piece.budget - extra)};
        }
        piece.budget = next_lower(&piece, &verdict);
    }
    return (struct first_piece){0};
}

static bool has_room(const struct sched_core_load *load, const struct sched_task *task) {
    return sched_core_utilisation(load) + sched_utilisation(task) <= SCHED_UTILISATION_ONE + FRACTION_TERMS_MAX;
}

/* The least used core but one that passes with the second piece; -1: none. */
static int32_t core_for_rest(struct sched_machine *machine, uint32_t not, const struct sched_task *rest,
                             struct sched_verdict *best_verdict) {
    int32_t best = -1;
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < machine->core_count; i++) {
        uint64_t used = sched_core_utilisation(&machine->cores[i]);
        struct sched_verdict verdict;

        if (i == not|| used >= least || !has_room(&machine->cores[i], rest) ||
            placement_test(&machine->cores[i], rest, &verdict) != SCHED_ADMITTED) {
            continue;
        }
        best = (int32_t)i;
        least = used;
        *best_verdict = verdict;
    }
    return best;
}

static const struct first_piece *largest(const struct first_piece *first, uint32_t count) {
    uint32_t best = 0;

    for (uint32_t i = 1; i < count; i++) { best = first[i].task.budget > first[best].task.budget ? i : best; }
    return &first[best];
}

void split_place(struct sched_machine *machine, const struct sched_request *request,
                 struct sched_placement *placement) {
    struct first_piece first[SCHED_CORES_MAX];

    if (!machine->splits || request->whole || request->core != SCHED_CORE_AUTO) { return; }
    for (uint32_t i = 0; i < machine->core_count; i++) { first[i] = largest_piece(machine, i, request); }
    for (uint32_t tries = 0; tries < machine->core_count; tries++) {
        uint32_t core = (uint32_t)(largest(first, machine->core_count) - first);
        struct sched_task *piece = &first[core].task;
        struct sched_task rest = {first[core].rest + machine->switch_cost + machine->migration_cost,
                                  request->task.deadline - piece->deadline, request->task.period};
        int32_t second = -1;

        if (piece->budget == 0) { return; }
        if (rest.budget <= rest.deadline) { second = core_for_rest(machine, core, &rest, &placement->verdict); }
        if (second >= 0) {
            placement->step = SCHED_STEP_SPLIT;
            placement->core = (int32_t)core;
            placement->second = second;
            placement->pieces[0] = *piece;
            placement->pieces[1] = rest;
            placement_enter(&machine->cores[core], request, piece);
            placement_enter(&machine->cores[second], request, &rest);
            return;
        }
        piece->budget = 0;
    }
}
