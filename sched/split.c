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

static uint64_t least_piece(const struct sched_machine *machine) {
    return machine->switch_cost == 0 ? 1 : PIECE_SWITCHES * machine->switch_cost;
}

/* Below 2^63 where they leave the core any time. Elsewhere any number will do: the exact test refuses. */
static uint64_t interrupts(const struct sched_core_load *load, uint64_t t) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < load->source_count; i++) {
        sum += (t / load->sources[i].distance + 1) * load->sources[i].cost;
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

/* No budget above this fits beside what a core has. */
static uint64_t room(const struct sched_core_load *load, uint64_t period) {
    uint64_t used = sched_core_utilisation(load); /* rounded up by less than FRACTION_TERMS_MAX < 2^7 */
    uint64_t idle = used < SCHED_UTILISATION_ONE ? SCHED_UTILISATION_ONE - used : 0;

    return (period >> 32) * idle + (((period & UINT32_MAX) * idle) >> 32) + (period >> 25) + 1;
}

static bool passes(struct sched_core_load *load, struct sched_task *piece, uint64_t budget, uint64_t limit,
                   struct sched_verdict *verdict) {
    piece->budget = budget;
    piece->deadline = done_by(load, budget, limit); /* 0: malformed */
    return placement_test(load, piece, verdict) == SCHED_ADMITTED;
}

/* Where the test failed at t, k jobs of the piece were due. A smaller piece is due earlier, so at least as many of its jobs
 * are, and none larger than its share of what the others leave at t can pass. 0: no piece can. A 64th less where no such t is
 * known, as where nothing shows by how little utilisation is above one. */
static uint64_t next_lower(const struct sched_task *piece, const struct sched_verdict *verdict) {
    if (verdict->outcome != SCHED_REFUSED || verdict->at < piece->deadline) {
        return piece->budget - piece->budget / 64 - 1;
    }

    uint64_t jobs = (verdict->at - piece->deadline) / piece->period + 1;

    return verdict->excess > jobs * piece->budget ? 0 : piece->budget - (verdict->excess + jobs - 1) / jobs;
}

/* The largest budget, least .. most, with which a piece passes; 0: none. Goes down from the largest, past nothing that
 * passes; only interrupts may let pass what it passed over, because a core with less to do is idle before they come. */
static uint64_t largest_budget(struct sched_core_load *load, struct sched_task *piece, uint64_t least, uint64_t most,
                               uint64_t limit) {
    struct sched_verdict verdict;
    uint64_t budget = most, refused = most + 1;

    for (uint32_t round = 0; !passes(load, piece, budget, limit, &verdict); round++) {
        refused = budget;
        budget = next_lower(piece, &verdict);
        if (budget < least || round == SEARCH_ROUNDS) { return 0; }
    }
    while (load->source_count != 0 && refused - budget > 1) {
        uint64_t middle = budget + (refused - budget) / 2;

        *(passes(load, piece, middle, limit, &verdict) ? &budget : &refused) = middle;
    }
    piece->deadline = done_by(load, budget, limit);
    return budget;
}

/* Once in a period the VCPU goes back, and that interrupts whatever runs on its second core: a source of that core. */
static bool add_return(const struct sched_machine *machine, struct sched_core_load *load, uint64_t period) {
    if (machine->migration_cost == 0) { return true; }
    if (load->source_count == SCHED_SOURCES_MAX) { return false; }
    load->sources[load->source_count++] = (struct sched_source){machine->migration_cost, period};
    return true;
}

void split_forget_return(const struct sched_machine *machine, struct sched_core_load *load) {
    load->source_count -= machine->migration_cost != 0 ? 1 : 0;
}

static bool rest_passes(const struct sched_machine *machine, struct sched_core_load *load,
                        const struct sched_task *rest, struct sched_verdict *verdict) {
    if (rest->budget > room(load, rest->period) || !add_return(machine, load, rest->period)) { return false; }
    placement_test(load, rest, verdict);
    split_forget_return(machine, load);
    return verdict->outcome == SCHED_ADMITTED;
}

/* The least used core but one that passes with the second piece; -1: none, as where that has too little time. */
static int32_t core_for_rest(struct sched_machine *machine, uint32_t not, const struct sched_task *rest,
                             struct sched_verdict *best_verdict) {
    int32_t best = -1;
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < machine->core_count; i++) {
        uint64_t used = sched_core_utilisation(&machine->cores[i]);
        struct sched_verdict verdict;

        if (i == not|| used >= least || !rest_passes(machine, &machine->cores[i], rest, &verdict)) { continue; }
        best = (int32_t)i;
        least = used;
        *best_verdict = verdict;
    }
    return best;
}

/* The largest first piece that each core takes; budget 0: none. Those are passed over that have too little room even beside
 * the emptiest of the others. */
static void find_first_pieces(struct sched_machine *machine, const struct sched_task *whole,
                              struct sched_task *pieces) {
    uint64_t rooms[SCHED_CORES_MAX];
    uint64_t extra = machine->migration_cost, least = least_piece(machine);
    uint64_t largest = whole->budget > least ? whole->budget - least + extra : 0;

    for (uint32_t i = 0; i < machine->core_count; i++) { rooms[i] = room(&machine->cores[i], whole->period); }
    for (uint32_t i = 0; i < machine->core_count; i++) {
        uint64_t most = rooms[i] < largest ? rooms[i] : largest, other = 0;

        for (uint32_t j = 0; j < machine->core_count; j++) { other = j != i && rooms[j] > other ? rooms[j] : other; }
        pieces[i] = (struct sched_task){.period = whole->period};
        if (most < least + extra || rooms[i] + other < whole->budget + machine->switch_cost + 2 * extra) { continue; }
        pieces[i].budget = largest_budget(&machine->cores[i], &pieces[i], least + extra, most, whole->deadline);
    }
}

void split_place(struct sched_machine *machine, const struct sched_request *request,
                 struct sched_placement *placement) {
    struct sched_task firsts[SCHED_CORES_MAX];
    const struct sched_task *whole = &request->task;

    if (!machine->splits || request->whole || request->core != SCHED_CORE_AUTO) { return; }
    find_first_pieces(machine, whole, firsts);
    for (uint32_t tries = 0; tries < machine->core_count; tries++) {
        uint32_t core = 0;

        for (uint32_t i = 1; i < machine->core_count; i++) { core = firsts[i].budget > firsts[core].budget ? i : core; }
        if (firsts[core].budget == 0) { return; }

        struct sched_task rest = {whole->budget - firsts[core].budget + 2 * machine->migration_cost +
                                      machine->switch_cost,
                                  whole->deadline - firsts[core].deadline, whole->period};
        int32_t second = core_for_rest(machine, core, &rest, &placement->verdict);

        if (second >= 0) {
            placement->step = SCHED_STEP_SPLIT;
            placement->core = (int32_t)core;
            placement->second = second;
            placement->pieces[0] = firsts[core];
            placement->pieces[1] = rest;
            placement_enter(&machine->cores[core], request, &firsts[core]);
            placement_enter(&machine->cores[second], request, &rest);
            (void)add_return(machine, &machine->cores[second], rest.period);
            return;
        }
        firsts[core].budget = 0;
    }
}
