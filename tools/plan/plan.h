// SPDX-License-Identifier: Apache-2.0
// What takt-plan knows: who asked for what, what admission decided, and what went wrong. Its two readers fill it
// (system.c, csv.c), its two writers only read it (text.c, json.c); chart.c plays a core's first instants. One thread; whatever
// cannot be had of the C library ends the program with PLAN_TROUBLE.
#ifndef TOOLS_PLAN_PLAN_H
#define TOOLS_PLAN_PLAN_H

#include <stdio.h>

#include "kernel/sysdesc_check.h"

enum plan_status { PLAN_ADMITTED = 0, PLAN_REFUSED = 1, PLAN_TROUBLE = 2 }; // exit statuses

struct plan_mistake {
    char place[256], wrong[224], remedy[160];
};

struct plan_vcpu {
    const char *vm; // or the name in a CSV
    unsigned index; // in its VM
    unsigned line;  // in a CSV
    const struct vcpu_desc *desc;
    const struct sched_placement *placement;
    struct plan_mistake refusal; // of a placement that is SCHED_STEP_REFUSED
};

struct plan {
    struct sysdesc_sink sink; // counts what was wrong; the first of them stand in `mistakes`
    struct plan_mistake mistakes[SYSDESC_MISTAKES];
    struct blob input[2]; // the files, which what is below points into
    void *memory[8];      // of plan_allocate
    unsigned memory_count;
    const char *source;  // of the description, or the CSV's path
    const char *machine; // what it is planned for
    uint64_t hz;
    struct clock_rate rate; // of hz; all zero when that is none
    uint32_t overhead_ns, migration_ns;
    bool smt; // no bound holds
    unsigned core_count, vcpu_count;
    const struct sched_core_load *cores;
    struct plan_vcpu *vcpus;       // those that could be judged
    const struct system_desc *sys; // NULL: there is no memory to map, the plan is of a CSV
};

// Options of a plan that comes from a CSV; a system image has all of it inside.
struct plan_options {
    const char *csv; // NULL: a system image
    uint64_t hz;
    unsigned cores;
    uint32_t overhead_ns, migration_ns;
    unsigned irq_count;
    struct plan_irq {
        unsigned core;
        uint32_t cost_ns, distance_us;
    } irqs[SCHED_CORES_MAX * 4];
};

// An empty plan; its sink notes what its readers find wrong.
void plan_init(struct plan *plan);
// Zeroed, and the plan's until plan_free. Ends the program when there is no memory; at most eight times.
void *plan_allocate(struct plan *plan, size_t count, size_t size);
void plan_free(struct plan *plan);
// The refusals' reasons, once all VCPUs are placed; `c` says the names of files and the rate.
void plan_explain(struct plan *plan, const struct sysdesc_check *c);
unsigned plan_refused_count(const struct plan *plan);

// Readers of plan->input: an image and the board's device tree, or a CSV.
// False, with a message: the plan could not be made.
bool plan_system(struct plan *plan, uint64_t hz);
bool plan_csv(struct plan *plan, const struct plan_options *options);

// Writers.
void plan_text(const struct plan *plan);
void plan_json(const struct plan *plan, FILE *out);

// ---- the start of a core's hyperperiod ----------------------------------------------------------------------

enum {
    PLAN_INTERRUPTS = -1, // who, when it is nobody's VCPU
    PLAN_BARS_MAX = 1000,
};

struct plan_bar {
    int who; // index of plan->vcpus, or PLAN_INTERRUPTS
    uint64_t begin, end;
};

// Ticks from the common release on. What is played is the shortest of the hyperperiod, 20 of the longest period, and what
// bars_max bars hold.
struct plan_chart {
    uint64_t end;         // 0: nobody lives here
    uint64_t hyperperiod; // 0: no reservation here, or beyond 2^62 ticks
    unsigned count;
    struct plan_bar bars[PLAN_BARS_MAX]; // in order of time; no two overlap
};

// Plays one core with the hypervisor's dispatcher: all VCPUs released at 0 (the second piece of a split one when its first
// has to be through), all of them always wanting, interrupts as often as they may come. 2 <= bars_max <= PLAN_BARS_MAX.
void plan_chart(const struct plan *plan, unsigned core, unsigned bars_max, struct plan_chart *chart);

#endif
