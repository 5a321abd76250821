// SPDX-License-Identifier: Apache-2.0
/* Cores with VCPUs of their own, one after the other: as many as you like. */
#define _POSIX_C_SOURCE 200809L

#include "tools/sim/campaign.h"
#include "tools/sim/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#define DRAWS_MAX 10000u
#define NS_PER_MS UINT64_C(1000000)

struct cores {
    uint64_t cores, vcpus, seed, time_ms;
    struct system_plan plan;
    bool json;
    struct option_board board;
};

/* Draws until the exact test admits all of them on one core. */
static bool draw_core(const struct cores *cores, struct system *system, struct random *random, struct record *record) {
    for (uint32_t i = 0; i < DRAWS_MAX; i++) {
        struct sched_core_load *load = &system->loads[0];
        struct sched_verdict verdict;

        record->draws++;
        system_draw(system, &cores->plan, random);
        for (uint32_t j = 0; j < system->vcpu_count; j++) { load->tasks[j] = system->requests[j].task; }
        load->task_count = system->vcpu_count;
        if (cores->plan.overload ||
            sched_admit(load->tasks, load->task_count, load->sources, load->source_count, &verdict) == SCHED_ADMITTED) {
            return true;
        }
    }
    return false;
}

static double percent(uint64_t part, uint64_t whole) { return 100.0 * (double)part / (double)whole; }

static void print_core(const struct cores *cores, uint64_t core, const struct record *record) {
    const struct sim_counts *counts = &record->counts;
    uint64_t time = cores->time_ms * NS_PER_MS;

    if (cores->json) {
        printf("%s{\"core\": %" PRIu64 ", ", core == 0 ? "" : ",\n", core);
        record_print(record, true, stdout);
        printf("}");
        return;
    }
    printf("%4" PRIu64 " %10" PRIu64 " %10" PRIu64 " %11" PRIu64 " %7.2f %% %7.2f %% %12.3f %7" PRIu64 "\n", core,
           counts->dispatches, counts->switches, counts->activations, percent(counts->reserved, time),
           percent(counts->idle, time), (double)counts->lateness / 1000, sim_faults(counts));
}

static void print_total(const struct cores *cores, const struct record *sum) {
    if (cores->json) {
        printf("],\n\"total\": {");
        record_print(sum, true, stdout);
        printf("}}\n");
        return;
    }
    printf("\n");
    record_print(sum, false, stdout);
}

/* What depends on this machine goes to stderr: equal seeds print equal results. */
static void print_costs(const struct record *sum, const struct timespec *began) {
    struct timespec now;
    struct rusage usage;

    clock_gettime(CLOCK_MONOTONIC, &now);
    double seconds = (double)(now.tv_sec - began->tv_sec) + (double)(now.tv_nsec - began->tv_nsec) / 1e9;
    getrusage(RUSAGE_SELF, &usage);
    fprintf(stderr, "takt-sim: %.2f s, %.0f events/s, %ld KiB of memory\n", seconds,
            (double)sum->counts.events / seconds, usage.ru_maxrss);
}

static int play(const struct cores *cores) {
    static struct system system;
    struct record sum = record_zero(0);
    struct sim_machine machine;
    struct timespec began;

    clock_gettime(CLOCK_MONOTONIC, &began);
    if (!sim_create(&machine, 1, SCHED_ENTITIES_MAX)) { return SIM_EXIT_TROUBLE; }
    printf(cores->json ? "{\"cores\": ["
                       : "core dispatches   switches activations  reserved      idle  lateness us  faults\n");
    for (uint64_t i = 0; i < cores->cores; i++) {
        struct random random = {cores->seed + i * UINT64_C(0xd1342543de82ef95)};
        struct record record = record_zero(i);

        random.state = random_next(&random);
        if (!draw_core(cores, &system, &random, &record)) {
            fprintf(stderr,
                    "takt-sim: core %" PRIu64 ": none of %u random sets was admitted; give a smaller --utilisation\n",
                    i, DRAWS_MAX);
            sim_destroy(&machine);
            return SIM_EXIT_TROUBLE;
        }
        (void)system_play_core(&system.loads[0], &cores->plan, &machine, random_next(&random),
                               cores->time_ms * NS_PER_MS, &record.counts);
        record.sets = 1;
        record.first_bad = sim_faults(&record.counts) != 0 ? i : RECORD_NO_SET;
        print_core(cores, i, &record);
        record_add(&sum, &record);
    }
    print_total(cores, &sum);
    print_costs(&sum, &began);
    sim_destroy(&machine);
    return sim_faults(&sum.counts) != 0 ? SIM_EXIT_FAULTS : SIM_EXIT_GOOD;
}

int cores_command(int argc, char **argv) {
    struct cores cores = {.cores = 4, .vcpus = 3, .seed = 1, .time_ms = 1000};
    struct system_plan *plan = &cores.plan;

    *plan = (struct system_plan){.cores = 1, .utilisation = 0.9, .whole = true, .guests = SYSTEM_MIXED};
    const struct option options[] = {
        {"cores", OPTION_NUMBER, &cores.cores, 1, 1e6},
        {"vcpus", OPTION_NUMBER, &cores.vcpus, 1, SIM_CORE_VCPUS_MAX - 2}, /* best effort has room beside them */
        {"utilisation", OPTION_REAL, &plan->utilisation, 0.01, 4},
        {"seed", OPTION_NUMBER, &cores.seed, 0, 1e15},
        {"time", OPTION_NUMBER, &cores.time_ms, 1, 1e9},
        {"guests", OPTION_GUESTS, &plan->guests, 0, 0},
        {"board", OPTION_BOARD, &cores.board, 0, 0},
        {"short-deadlines", OPTION_FLAG, &plan->constrained, 0, 0},
        {"interrupts", OPTION_FLAG, &plan->sources, 0, 0},
        {"reclaim", OPTION_FLAG, &plan->reclaim, 0, 0},
        {"overload", OPTION_FLAG, &plan->overload, 0, 0},
        {"json", OPTION_FLAG, &cores.json, 0, 0},
        {NULL, OPTION_FLAG, NULL, 0, 0},
    };
    if (!options_parse(options, argc, argv)) { return SIM_EXIT_TROUBLE; }
    plan->vcpus = (uint32_t)cores.vcpus;
    plan->overhead = cores.board.overhead_ns;
    if (plan->utilisation > (double)plan->vcpus) {
        fprintf(stderr, "takt-sim: --utilisation: %u VCPUs cannot use %g; give more --vcpus\n", plan->vcpus,
                plan->utilisation);
        return SIM_EXIT_TROUBLE;
    }
    return play(&cores);
}
