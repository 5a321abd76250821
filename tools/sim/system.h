// SPDX-License-Identifier: Apache-2.0
/* Random systems: what is drawn, where it is placed, and how it is played. */
#ifndef TOOLS_SIM_SYSTEM_H
#define TOOLS_SIM_SYSTEM_H

#include "sched/placement.h"
#include "tools/sim/sim.h"

#define SYSTEM_CORES_MAX SCHED_CORES_MAX
#define SYSTEM_VCPUS_MAX 512u

/* What guests do: one of enum sim_behaviour, or a mixture. */
#define SYSTEM_MIXED     ((int)SIM_BEHAVIOURS)

/* How systems are drawn and played. Lengths are ns. */
struct system_plan {
    uint32_t cores, vcpus;
    double utilisation; /* per core, interrupts not counted */
    bool constrained;   /* D <= T, else D = T */
    bool sources;       /* some cores have an interrupt source */
    bool overload;      /* VCPUs are dealt out to the cores in turn, admitted or not */
    bool whole;         /* nobody is split */
    bool reclaim;       /* on every core where that is sound */
    bool latency;       /* wake-ups are compared with the latency that is computed for them */
    uint32_t windows;   /* a core is played for so many times its longest period */
    uint64_t overhead, migration;
    int guests;
};

struct system {
    struct sched_machine machine;
    uint32_t vcpu_count;
    struct sched_core_load loads[SYSTEM_CORES_MAX];
    struct sched_source sources[SYSTEM_CORES_MAX]; /* of each core's device; cost 0: it has none */
    struct sched_request requests[SYSTEM_VCPUS_MAX];
    struct sched_placement placements[SYSTEM_VCPUS_MAX];
};

/* UUniFast-discard over all cores; periods log-uniform 1 to 100 ms on a grid of 100 us. Nothing is placed. */
void system_draw(struct system *system, const struct system_plan *plan, struct random *random);

/* Empties the cores, but for interrupt sources, for another way to place. */
void system_clear(struct system *system);

/* The whole chain of sched_place_all(), or dealt out when the plan overloads. True: everybody has a place. */
bool system_place(struct system *system, const struct system_plan *plan);

/* Plays it with guests that `seed` decides. Cores that share a split VCPU are played together, the others one after the
 * other. False: out of memory. */
bool system_play(const struct system *system, const struct system_plan *plan, struct sim_machine *machine,
                 uint64_t seed, struct sim_counts *counts);

/* One core alone with VCPUs that were not placed: those of the command line. */
bool system_play_core(const struct sched_core_load *load, const struct system_plan *plan, struct sim_machine *machine,
                      uint64_t seed, uint64_t end, struct sim_counts *counts);

#endif
