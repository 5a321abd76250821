// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/system.h"

#include "sched/latency_reclaim.h"
#include "sched/latency_split.h"

#include <string.h>

// ---- drawing ---------------------------------------------------------------------------------------------------------
/* Of a device that interrupts up to every 0.2 to 5 ms. */
static struct sched_source draw_source(struct random *random) {
    return (struct sched_source){.cost = random_in(random, 1000, 10000),
                                 .distance = random_in(random, 200000, 5000000)};
}

static struct sched_task draw_task(const struct system_plan *plan, struct random *random, double share) {
    uint64_t period = random_period(random);
    uint64_t budget = (uint64_t)(share * (double)period) + plan->overhead;
    struct sched_task task = {.period = period};

    budget = budget == 0 ? 1 : budget;
    task.budget = budget < period ? budget : period;
    task.deadline = period;
    if (plan->constrained) {
        task.deadline -= (uint64_t)(random_real(random) * random_real(random) * (double)(period - task.budget));
    }
    return task;
}

void system_draw(struct system *system, const struct system_plan *plan, struct random *random) {
    double shares[SYSTEM_VCPUS_MAX];

    system->machine = (struct sched_machine){
        .cores = system->loads,
        .core_count = plan->cores,
        .splits = !plan->whole,
        .switch_cost = plan->overhead,
        .migration_cost = plan->migration,
    };
    system->vcpu_count = plan->vcpus;
    random_utilisations(random, shares, plan->vcpus, plan->utilisation * plan->cores);
    for (uint32_t i = 0; i < plan->vcpus; i++) {
        system->requests[i] = (struct sched_request){
            .task = draw_task(plan, random, shares[i]), .vm = i, .core = SCHED_CORE_AUTO, .whole = plan->whole};
    }
    for (uint32_t i = 0; i < plan->cores; i++) {
        system->sources[i] = (struct sched_source){0};
        if (plan->sources && random_in(random, 0, 2) == 0) { system->sources[i] = draw_source(random); }
    }
    system_clear(system);
}

void system_clear(struct system *system) {
    for (uint32_t i = 0; i < system->machine.core_count; i++) {
        struct sched_core_load *load = &system->loads[i];

        load->task_count = 0;
        load->sources[0] = system->sources[i];
        load->source_count = system->sources[i].cost != 0 ? 1 : 0;
        load->member_count = 0;
        load->weight = 0;
    }
}

static void deal_out(struct system *system) {
    for (uint32_t i = 0; i < system->vcpu_count; i++) {
        system->placements[i] = (struct sched_placement){
            .step = SCHED_STEP_FIXED, .core = (int32_t)(i % system->machine.core_count), .second = -1};
    }
}

bool system_place(struct system *system, const struct system_plan *plan) {
    if (plan->overload) {
        deal_out(system);
        return true;
    }
    return sched_place_all(&system->machine, system->requests, system->placements, system->vcpu_count) == 0;
}

// ---- playing ---------------------------------------------------------------------------------------------------------
/* How the guests of one machine are cast. In a quarter of the mixtures all begin at once and run without pause: what the
 * demand test of admission is about. */
struct cast {
    const struct system_plan *plan;
    struct random *random;
    bool apart, greedy;
};

static struct cast cast_for(const struct system_plan *plan, struct random *random) {
    struct cast cast = {.plan = plan, .random = random, .apart = random_in(random, 0, 1) == 0};

    cast.greedy = plan->guests == SYSTEM_MIXED && !cast.apart && random_in(random, 0, 1) == 0;
    return cast;
}

static enum sim_behaviour choose(const struct cast *cast) {
    static const enum sim_behaviour mixture[] = {SIM_RUNS,    SIM_RUNS,    SIM_PERIODIC, SIM_SPORADIC,
                                                 SIM_HOSTILE, SIM_HOSTILE, SIM_HOSTILE,  SIM_HOSTILE};

    if (cast->greedy) { return SIM_RUNS; }
    if (cast->plan->guests != SYSTEM_MIXED) { return (enum sim_behaviour)cast->plan->guests; }
    return mixture[random_in(cast->random, 0, sizeof(mixture) / sizeof(mixture[0]) - 1)];
}

/* None to two of best effort, that always run or wait now and then. */
static void add_best_effort(struct sim_machine *machine, uint32_t core, struct random *random) {
    uint64_t count = random_in(random, 0, 2);

    for (uint32_t i = 0; i < count; i++) {
        enum sim_behaviour behaviour = random_in(random, 0, 2) == 0 ? SIM_HOSTILE : SIM_RUNS;

        (void)sim_add_best_effort(machine, core, 1 + i, behaviour);
    }
}

/* Half of the interrupts are paid for by a VCPU of the core, the others by nobody. */
static void add_source(struct sim_machine *machine, uint32_t core, const struct sched_source *source,
                       struct random *random) {
    struct sim_vcpu *owner = NULL;

    if (random_in(random, 0, 1) == 0) {
        for (uint32_t i = 0; i < machine->vcpu_count; i++) {
            struct sim_vcpu *vcpu = &machine->vcpus[i];

            if (vcpu->piece_count == 1 && vcpu->pieces[0].core == &machine->cores[core] && sim_is_reserved(vcpu)) {
                owner = vcpu;
            }
        }
    }
    sim_add_source(machine, core, source, owner);
}

static uint64_t longest_of(const struct sched_task *task, uint64_t longest) {
    return task->period > longest ? task->period : longest;
}

/* Cores that share split VCPUs, as far as these reach: the number of the first of them stands for all. */
static void join_cores(const struct system *system, uint32_t *group) {
    for (uint32_t i = 0; i < system->machine.core_count; i++) { group[i] = i; }
    for (uint32_t i = 0; i < system->vcpu_count; i++) {
        const struct sched_placement *placement = &system->placements[i];

        if (placement->step == SCHED_STEP_REFUSED || placement->second < 0) { continue; }
        uint32_t a = group[placement->core], b = group[placement->second];
        for (uint32_t j = 0; j < system->machine.core_count; j++) {
            if (group[j] == (a > b ? a : b)) { group[j] = a < b ? a : b; }
        }
    }
}

// Equal ones wait equally long.
static uint32_t index_of(const struct sched_core_load *load, const struct sched_task *task) {
    uint32_t i = 0;

    while (i < load->task_count && memcmp(&load->tasks[i], task, sizeof(*task)) != 0) { i++; }
    return i;
}

static bool may_reclaim(const struct sched_core_load *load) {
    return sched_may_reclaim(load->tasks, load->task_count, load->sources, load->source_count);
}

/* SCHED_NEVER: not decided. */
static uint64_t latency_of(const struct system *system, const struct system_plan *plan, uint32_t index) {
    const struct sched_placement *place = &system->placements[index];
    const struct sched_core_load *load = &system->loads[place->core];
    struct sched_latency latency;

    if (place->second < 0) {
        uint32_t i = index_of(load, &system->requests[index].task);

        if (plan->reclaim && may_reclaim(load)) {
            return sched_reclaim_latency(load->tasks, load->task_count, load->sources, load->source_count, 0, i);
        }
        return sched_start_latency(load->tasks, load->task_count, load->sources, load->source_count, 0, i, &latency)
                   ? latency.longest
                   : SCHED_NEVER;
    }
    struct sched_split split = {.load = {load, &system->loads[place->second]}};

    for (uint32_t i = 0; i < 2; i++) { split.index[i] = index_of(split.load[i], &place->pieces[i]); }
    return sched_split_latency(&split, 0);
}

static bool play_group(const struct system *system, const struct system_plan *plan, struct sim_machine *machine,
                       const uint32_t *group, uint32_t first, struct random random, struct sim_counts *counts) {
    uint32_t local[SYSTEM_CORES_MAX] = {0}, cores = 0;
    uint64_t longest = 0;

    for (uint32_t i = 0; i < system->machine.core_count; i++) {
        if (group[i] == first) { local[i] = cores++; }
    }
    struct cast cast = cast_for(plan, &random);

    sim_reset(machine, cores, random_next(&random));
    for (uint32_t i = 0; i < system->vcpu_count; i++) {
        const struct sched_placement *place = &system->placements[i];
        const struct sched_task *task = &system->requests[i].task;

        if (place->step == SCHED_STEP_REFUSED || group[place->core] != first) { continue; }
        struct sim_vcpu *vcpu =
            sim_add_reserved(machine, local[place->core], place->second < 0 ? task : &place->pieces[0], choose(&cast));
        if (vcpu == NULL ||
            (place->second >= 0 && !sim_split(machine, vcpu, local[place->second], &place->pieces[1], task))) {
            return false;
        }
        if (plan->latency) { vcpu->latency = latency_of(system, plan, i); }
        longest = longest_of(task, longest);
    }
    if (longest == 0) { return true; }
    for (uint32_t i = 0; i < system->machine.core_count; i++) {
        if (group[i] != first) { continue; }
        if (plan->reclaim && may_reclaim(&system->loads[i])) { sim_reclaim(machine, local[i]); }
        add_best_effort(machine, local[i], &random);
        if (system->sources[i].cost != 0) { add_source(machine, local[i], &system->sources[i], &random); }
    }
    sim_run(machine, plan->windows * longest, cast.apart);
    for (uint32_t i = 0; i < cores; i++) { sim_counts_add(counts, &machine->cores[i].counts); }
    return true;
}

bool system_play(const struct system *system, const struct system_plan *plan, struct sim_machine *machine,
                 uint64_t seed, struct sim_counts *counts) {
    uint32_t group[SYSTEM_CORES_MAX];

    join_cores(system, group);
    for (uint32_t i = 0; i < system->machine.core_count; i++) {
        struct random random = {seed + i};

        if (group[i] != i) { continue; }
        if (!play_group(system, plan, machine, group, i, random, counts)) { return false; }
    }
    return true;
}

bool system_play_core(const struct sched_core_load *load, const struct system_plan *plan, struct sim_machine *machine,
                      uint64_t seed, uint64_t end, struct sim_counts *counts) {
    struct random random = {seed};
    struct cast cast = cast_for(plan, &random);

    sim_reset(machine, 1, random_next(&random));
    for (uint32_t i = 0; i < load->task_count; i++) {
        if (sim_add_reserved(machine, 0, &load->tasks[i], choose(&cast)) == NULL) { return false; }
    }
    if (plan->reclaim && may_reclaim(load)) { sim_reclaim(machine, 0); }
    add_best_effort(machine, 0, &random);
    if (load->source_count != 0) { add_source(machine, 0, &load->sources[0], &random); }
    sim_run(machine, end, cast.apart);
    sim_counts_add(counts, &machine->cores[0].counts);
    return true;
}
