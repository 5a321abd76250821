// SPDX-License-Identifier: Apache-2.0
/*
 * Experiment 1: where VCPUs go by count (Xen 3.4's rule) and by requested utilisation, and what share of random sets finds
 * places. Cores are numbered from 1, as the paper does.
 */
#include "tools/sim/campaign.h"
#include "tools/sim/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PERIOD      UINT64_C(10000000) /* of the made-up VCPUs of the examples */
#define NEWCOMERS   8u
#define CORES_MAX   8u
#define RESIDENTS   8u
#define POINTS      7u
#define POINT_FIRST 0.70
#define POINT_STEP  0.05

/* What lives on a core before anybody comes: `count` VCPUs that use `percent` together. */
struct resident {
    uint32_t core, count, percent;
};

struct scene {
    const char *name, *about;
    uint32_t cores, newcomers, percent; /* each newcomer asks for that */
    struct resident residents[RESIDENTS];
};

static const struct scene scenes[] = {
    {"experiment 1",
     "8 cores with one VCPU each (dom0's); 8 VCPUs of 10 % come",
     8,
     8,
     10,
     {{1, 1, 5}, {2, 1, 5}, {3, 1, 5}, {4, 1, 5}, {5, 1, 5}, {6, 1, 5}, {7, 1, 5}, {8, 1, 5}}},
    {"experiment 2",
     "the same, but what is on cores 8, 6 and 3 uses 80 %, 60 % and 40 %",
     8,
     8,
     10,
     {{1, 1, 5}, {2, 1, 5}, {3, 1, 40}, {4, 1, 5}, {5, 1, 5}, {6, 1, 60}, {7, 1, 5}, {8, 1, 80}}},
    {"90 % + 15 %",
     "4 cores; core 3 has the fewest VCPUs and is used most; one of 15 % comes",
     4,
     1,
     15,
     {{1, 3, 60}, {2, 4, 40}, {3, 2, 90}, {4, 3, 70}}},
};

#define SCENES (sizeof(scenes) / sizeof(scenes[0]))

enum rule { RULE_COUNT, RULE_UTILISATION, RULES };

static const char *const rule_names[RULES] = {"count", "utilisation"};

/* Where a newcomer went, or by that rule would have had to: and what the core's VCPUs then ask for together. */
struct arrival {
    uint32_t core;
    bool admitted;
    uint32_t per_mille;
};

/* How sets are placed for the curve. */
enum strategy { BY_COUNT, IN_ORDER, FIRST_FIT, CHAIN, STRATEGIES };

static const char *const strategy_names[STRATEGIES] = {"count", "least utilised", "first-fit decreasing", "full chain"};

enum cost { FREE, MEASURED, COSTS };

struct experiment {
    uint64_t sets, seed, cores, vcpus;
    struct option_board board;
    const char *out;
    struct arrival arrivals[SCENES][RULES][NEWCOMERS];
    uint64_t accepted[COSTS][POINTS][STRATEGIES];
};

// ---- who goes where --------------------------------------------------------------------------------------------------
static struct sched_task task_of(uint32_t percent) {
    return (struct sched_task){.budget = PERIOD / 100 * percent, .deadline = PERIOD, .period = PERIOD};
}

static uint32_t to_per_mille(uint64_t utilisation) {
    return (uint32_t)((utilisation * 1000 + SCHED_UTILISATION_ONE / 2) / SCHED_UTILISATION_ONE);
}

static void settle_residents(const struct scene *scene, struct sched_core_load *loads) {
    for (uint32_t i = 0; i < RESIDENTS && scene->residents[i].core != 0; i++) {
        const struct resident *resident = &scene->residents[i];
        struct sched_core_load *load = &loads[resident->core - 1];

        for (uint32_t j = 0; j < resident->count; j++) {
            load->tasks[load->task_count] = task_of(resident->percent);
            load->tasks[load->task_count++].budget /= resident->count;
            load->member_count++;
        }
    }
}

static void play_scene(const struct scene *scene, enum rule rule, struct arrival *arrivals) {
    struct sched_core_load loads[CORES_MAX];
    struct sched_machine machine = {.cores = loads, .core_count = scene->cores, .by_count = rule == RULE_COUNT};

    memset(loads, 0, sizeof(loads));
    settle_residents(scene, loads);
    for (uint32_t i = 0; i < scene->newcomers; i++) {
        struct sched_request request = {.task = task_of(scene->percent), .core = SCHED_CORE_AUTO, .vm = i};
        struct sched_placement placement;
        bool admitted = sched_place_all(&machine, &request, &placement, 1) == 0;
        uint64_t used = sched_core_utilisation(&loads[placement.core]);

        used += admitted ? 0 : sched_utilisation(&request.task);
        arrivals[i] = (struct arrival){(uint32_t)placement.core + 1, admitted, to_per_mille(used)};
    }
}

// ---- the curve -------------------------------------------------------------------------------------------------------
/* Largest first, each to the first core that passes. */
static bool first_fit(struct system *system) {
    bool placed[SYSTEM_VCPUS_MAX] = {false};

    for (uint32_t i = 0; i < system->vcpu_count; i++) {
        uint32_t next = 0, core = 0;
        struct sched_verdict verdict;

        while (placed[next]) { next++; }
        for (uint32_t j = next + 1; j < system->vcpu_count; j++) {
            if (!placed[j] &&
                sched_utilisation(&system->requests[j].task) > sched_utilisation(&system->requests[next].task)) {
                next = j;
            }
        }
        placed[next] = true;
        for (; core < system->machine.core_count; core++) {
            struct sched_core_load *load = &system->loads[core];

            if (load->task_count == SCHED_MEMBERS_MAX) { continue; }
            load->tasks[load->task_count] = system->requests[next].task;
            if (sched_admit(load->tasks, load->task_count + 1, NULL, 0, &verdict) == SCHED_ADMITTED) { break; }
        }
        if (core == system->machine.core_count) { return false; }
        system->loads[core].task_count++;
    }
    return true;
}

static bool in_order(struct system *system) {
    for (uint32_t i = 0; i < system->vcpu_count; i++) {
        if (sched_place_all(&system->machine, &system->requests[i], &system->placements[i], 1) != 0) { return false; }
    }
    return true;
}

static bool accepts(struct system *system, const struct system_plan *plan, enum strategy strategy) {
    bool good;

    system_clear(system);
    switch (strategy) {
    case FIRST_FIT: return first_fit(system);
    case CHAIN: return system_place(system, plan);
    default: break;
    }
    system->machine.by_count = strategy == BY_COUNT;
    system->machine.splits = false;
    good = in_order(system);
    system->machine.by_count = false;
    system->machine.splits = !plan->whole;
    return good;
}

static void draw_curve(struct experiment *e) {
    static struct system system;

    for (uint32_t cost = 0; cost < COSTS; cost++) {
        if (cost == MEASURED && e->board.path == NULL) { continue; }
        for (uint32_t point = 0; point < POINTS; point++) {
            struct random random = {e->seed}; /* the same sets for every cost */
            struct system_plan plan = {.cores = (uint32_t)e->cores,
                                       .vcpus = (uint32_t)e->vcpus,
                                       .utilisation = POINT_FIRST + POINT_STEP * point,
                                       .overhead = cost == MEASURED ? e->board.overhead_ns : 0,
                                       .migration = cost == MEASURED ? e->board.migration_ns : 0,
                                       .whole = cost == MEASURED && e->board.migration_ns == 0};

            for (uint64_t set = 0; set < e->sets; set++) {
                system_draw(&system, &plan, &random);
                for (uint32_t s = 0; s < STRATEGIES; s++) {
                    e->accepted[cost][point][s] += accepts(&system, &plan, (enum strategy)s) ? 1 : 0;
                }
            }
            fprintf(stderr, "takt-sim: %" PRIu64 " sets at %.2f%s\n", e->sets, plan.utilisation,
                    cost == MEASURED ? " with measured overheads" : "");
        }
    }
}

// ---- printing --------------------------------------------------------------------------------------------------------
static void print_scenes(const struct experiment *e) {
    for (uint32_t i = 0; i < SCENES; i++) {
        const struct scene *scene = &scenes[i];

        printf("%s: %s\n", scene->name, scene->about);
        for (uint32_t rule = 0; rule < RULES; rule++) {
            printf("  by %-12s", rule_names[rule]);
            for (uint32_t j = 0; j < scene->newcomers; j++) {
                const struct arrival *arrival = &e->arrivals[i][rule][j];

                printf(" %4u%s", arrival->core, arrival->admitted ? "" : "!");
                if (scene->newcomers == 1) {
                    printf("  (%u.%u %% there%s)", arrival->per_mille / 10, arrival->per_mille % 10,
                           arrival->admitted ? "" : ": refused");
                }
            }
            printf("\n");
        }
    }
    printf("  the core of each newcomer in turn; !: the core cannot keep it, and by count no other is asked\n\n");
}

static double share(const struct experiment *e, uint32_t cost, uint32_t point, uint32_t strategy) {
    return (double)e->accepted[cost][point][strategy] / (double)e->sets;
}

static void print_curve(const struct experiment *e, uint32_t cost) {
    printf("Accepted share of %" PRIu64 " random sets a point (seed %" PRIu64 "), %" PRIu64 " VCPUs on %" PRIu64
           " cores, D = T,",
           e->sets, e->seed, e->vcpus, e->cores);
    if (cost == FREE) {
        printf(" no overheads\n");
    } else {
        printf(" overheads of %s:\n%" PRIu64 " ns on each budget, %" PRIu64
               " ns more on each piece of a split VCPU%s\n",
               e->board.path, e->board.overhead_ns, e->board.migration_ns,
               e->board.migration_ns == 0 ? " (not measured: nobody is split)" : "");
    }
    printf("per core");
    for (uint32_t s = 0; s < STRATEGIES; s++) { printf(" %21s", strategy_names[s]); }
    printf("\n");
    for (uint32_t point = 0; point < POINTS; point++) {
        printf("    %.2f", POINT_FIRST + POINT_STEP * point);
        for (uint32_t s = 0; s < STRATEGIES; s++) { printf(" %21.3f", share(e, cost, point, s)); }
        printf("\n");
    }
    printf("\n");
}

static void write_scene(const struct experiment *e, uint32_t i, FILE *out) {
    fprintf(out, "%s\n  {\"name\": \"%s\", \"about\": \"%s\"", i == 0 ? "" : ",", scenes[i].name, scenes[i].about);
    for (uint32_t rule = 0; rule < RULES; rule++) {
        fprintf(out, ",\n   \"%s\": [", rule_names[rule]);
        for (uint32_t j = 0; j < scenes[i].newcomers; j++) {
            const struct arrival *arrival = &e->arrivals[i][rule][j];

            fprintf(out, "%s{\"core\": %u, \"admitted\": %s, \"utilisation\": %.3f}", j == 0 ? "" : ", ", arrival->core,
                    arrival->admitted ? "true" : "false", arrival->per_mille / 1000.0);
        }
        fprintf(out, "]");
    }
    fprintf(out, "}");
}

static void write_curve(const struct experiment *e, uint32_t cost, FILE *out) {
    fprintf(out, "%s\n  {\"overhead_ns\": %" PRIu64 ", \"migration_ns\": %" PRIu64 ", \"points\": [",
            cost == FREE ? "" : ",", cost == FREE ? 0 : e->board.overhead_ns, cost == FREE ? 0 : e->board.migration_ns);
    for (uint32_t point = 0; point < POINTS; point++) {
        fprintf(out, "%s\n    {\"utilisation\": %.2f", point == 0 ? "" : ",", POINT_FIRST + POINT_STEP * point);
        for (uint32_t s = 0; s < STRATEGIES; s++) {
            fprintf(out, ", \"%s\": %.4f", strategy_names[s], share(e, cost, point, s));
        }
        fprintf(out, "}");
    }
    fprintf(out, "]}");
}

static bool write_json(const struct experiment *e) {
    FILE *out = fopen(e->out, "w");

    if (out == NULL) {
        fprintf(stderr, "takt-sim: --out: %s: %s; give a file in a folder that there is\n", e->out, strerror(errno));
        return false;
    }
    fprintf(out,
            "{\"seed\": %" PRIu64 ", \"sets\": %" PRIu64 ", \"cores\": %" PRIu64 ", \"vcpus\": %" PRIu64
            ",\n \"scenes\": [",
            e->seed, e->sets, e->cores, e->vcpus);
    for (uint32_t i = 0; i < SCENES; i++) { write_scene(e, i, out); }
    fprintf(out, "],\n \"curves\": [");
    for (uint32_t cost = 0; cost < (e->board.path != NULL ? COSTS : MEASURED); cost++) { write_curve(e, cost, out); }
    fprintf(out, "]}\n");
    if (fclose(out) == 0) { return true; }
    fprintf(stderr, "takt-sim: %s: %s\n", e->out, strerror(errno));
    return false;
}

int placement_command(int argc, char **argv) {
    static struct experiment e = {.sets = 1000, .seed = 1, .cores = 4, .vcpus = 12};
    const struct option options[] = {
        {"sets", OPTION_NUMBER, &e.sets, 1, 1e6},
        {"seed", OPTION_NUMBER, &e.seed, 0, 1e15},
        {"cores", OPTION_NUMBER, &e.cores, 1, SYSTEM_CORES_MAX},
        {"vcpus", OPTION_NUMBER, &e.vcpus, 1, SYSTEM_VCPUS_MAX},
        {"board", OPTION_BOARD, &e.board, 0, 0},
        {"out", OPTION_TEXT, &e.out, 0, 0},
        {NULL, OPTION_FLAG, NULL, 0, 0},
    };

    if (!options_parse(options, argc, argv)) { return SIM_EXIT_TROUBLE; }
    if (e.vcpus < e.cores || e.vcpus > 16 * e.cores) {
        fprintf(stderr, "takt-sim: --vcpus: give from 1 to 16 for each core\n");
        return SIM_EXIT_TROUBLE;
    }
    for (uint32_t i = 0; i < SCENES; i++) {
        for (uint32_t rule = 0; rule < RULES; rule++) { play_scene(&scenes[i], (enum rule)rule, e.arrivals[i][rule]); }
    }
    print_scenes(&e);
    draw_curve(&e);
    for (uint32_t cost = 0; cost < (e.board.path != NULL ? COSTS : MEASURED); cost++) { print_curve(&e, cost); }
    return e.out == NULL || write_json(&e) ? SIM_EXIT_GOOD : SIM_EXIT_TROUBLE;
}
