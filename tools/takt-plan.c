// SPDX-License-Identifier: Apache-2.0
// takt-plan: what every VCPU of a system gets, or everything that is wrong with it, before it starts. docs/planner.md.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/plan/plan.h"

#define HZ_DEFAULT    62500000ull // of QEMU's Cortex-A CPUs
#define COST_NS_MAX   1000000u    // of an interrupt, as in a board's data
#define FILE_SIZE_MAX (4ull << 30)

static const char usage[] =
    "usage: takt-plan [--hz N] [--json FILE] SYSTEM.itb BOARD.dtb\n"
    "       takt-plan [--hz N] [--json FILE] --csv FILE [--cores N] [--overhead-ns N] [--migration-ns N]\n"
    "                 [--irq CORE:COST-NS:DISTANCE-US]...\n"
    "\n"
    "Says where each VCPU lives, what each core and VCPU is promised and, if that cannot be kept, why, and what could.\n"
    "  --csv FILE       plan the reservations of a table instead of a system: docs/planner.md has its columns\n"
    "  --cores N        cores to place them on, 1 to 64 (1)\n"
    "  --overhead-ns N  added to each budget (0)\n"
    "  --migration-ns N added to each half of a reservation that is split over two cores (0: none is split)\n"
    "  --irq C:NS:US    an interrupt of core C: its cost, and how far apart two of them are at least\n"
    "  --hz N           the frequency of the machine's counter, in whose ticks admission counts (62500000)\n"
    "  --json FILE      all of it as JSON, with who runs when at first; `-`: on the standard output, and no text\n"
    "Exit status: 0 admitted, 1 refused or mistaken, 2 the plan could not be made.\n";

// ---- the plan -----------------------------------------------------------------------------------------------

void *plan_allocate(struct plan *plan, size_t count, size_t size) {
    void *memory = plan->memory_count < ARRAY_SIZE(plan->memory) ? calloc(count, size) : NULL;

    if (memory == NULL) {
        fprintf(stderr, "takt-plan: out of memory\n");
        exit(PLAN_TROUBLE);
    }
    plan->memory[plan->memory_count++] = memory;
    return memory;
}

void plan_free(struct plan *plan) {
    for (unsigned i = 0; i < plan->memory_count; i++) { free(plan->memory[i]); }
    plan->memory_count = 0;
}

static void note(struct plan_mistake *mistake, const char *place, const char *wrong, const char *remedy) {
    snprintf(mistake->place, sizeof(mistake->place), "%s", place);
    snprintf(mistake->wrong, sizeof(mistake->wrong), "%s", wrong);
    snprintf(mistake->remedy, sizeof(mistake->remedy), "%s", remedy);
}

// The sink is the plan's first member, and has counted.
static void note_mistake(struct sysdesc_sink *sink, const char *place, const char *wrong, const char *remedy) {
    struct plan *plan = (struct plan *)sink;

    note(&plan->mistakes[sink->count - 1], place, wrong, remedy);
}

struct reason {
    struct sysdesc_sink sink;
    struct plan_mistake *out;
};

static void note_reason(struct sysdesc_sink *sink, const char *place, const char *wrong, const char *remedy) {
    note(((struct reason *)sink)->out, place, wrong, remedy);
}

void plan_init(struct plan *plan) {
    *plan = (struct plan){.sink = {.mistake = note_mistake}, .source = "", .machine = ""};
}

void plan_explain(struct plan *plan, const struct sysdesc_check *c) {
    for (unsigned i = 0; i < plan->vcpu_count; i++) {
        struct plan_vcpu *vcpu = &plan->vcpus[i];
        struct reason reason = {{.mistake = note_reason}, &vcpu->refusal};
        struct sysdesc_check teller = *c;
        if (vcpu->placement->step != SCHED_STEP_REFUSED) { continue; }
        teller.sink = &reason.sink;
        sysdesc_refused(&teller, vcpu->desc, vcpu->placement);
    }
}

unsigned plan_refused_count(const struct plan *plan) {
    unsigned count = 0;

    for (unsigned i = 0; i < plan->vcpu_count; i++) { count += plan->vcpus[i].placement->step == SCHED_STEP_REFUSED; }
    return count;
}

// ---- files --------------------------------------------------------------------------------------------------

static bool load(struct plan *plan, FILE *file, struct blob *out) {
    if (fseek(file, 0, SEEK_END) != 0) { return false; }
    long size = ftell(file);
    if (size < 0 || (unsigned long)size >= FILE_SIZE_MAX || fseek(file, 0, SEEK_SET) != 0) { return false; }
    void *data = plan_allocate(plan, 1, (size_t)size + 1);
    *out = (struct blob){data, (uint64_t)size};
    return fread(data, 1, (size_t)size, file) == (size_t)size;
}

// Reads a whole file, aligned as the checker wants it.
static bool read_file(struct plan *plan, const char *path, struct blob *out) {
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        fprintf(stderr, "takt-plan: %s: %s\n", path, strerror(errno));
        return false;
    }
    bool good = load(plan, file, out);
    if (!good) { fprintf(stderr, "takt-plan: %s: cannot be read\n", path); }
    fclose(file);
    return good;
}

static bool write_json(const struct plan *plan, const char *path) {
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdout : fopen(path, "w");

    if (file != NULL) { plan_json(plan, file); }
    if (file == NULL || fflush(file) != 0 || ferror(file) != 0 || (!standard && fclose(file) != 0)) {
        fprintf(stderr, "takt-plan: %s: %s\n", path, strerror(errno));
        return false;
    }
    return true;
}

// ---- options ------------------------------------------------------------------------------------------------

static bool read_number(const char **text, uint64_t min, uint64_t max, uint64_t *out) {
    char *end;

    if (**text < '0' || **text > '9') { return false; }
    errno = 0;
    *out = strtoull(*text, &end, 10);
    *text = end;
    return errno == 0 && *out >= min && *out <= max;
}

static bool read_irq(const char *text, struct plan_options *options) {
    static const uint64_t min[] = {0, 1, 1}, max[] = {SCHED_CORES_MAX - 1, COST_NS_MAX, PERIOD_US_MAX};
    uint64_t value[3] = {0};
    bool good = options->irq_count < ARRAY_SIZE(options->irqs);

    for (int i = 0; i < 3 && good; i++) {
        good = read_number(&text, min[i], max[i], &value[i]) && *text == (i < 2 ? ':' : '\0');
        text += i < 2 && good;
    }
    if (!good) {
        fprintf(stderr,
                "takt-plan: --irq wants CORE:COST-NS:DISTANCE-US, as in 0:1500:1000; cores 0 to %u, 1 to %u ns, "
                "1 to %d us, at most %zu of them\n",
                SCHED_CORES_MAX - 1, COST_NS_MAX, PERIOD_US_MAX, ARRAY_SIZE(options->irqs));
        return false;
    }
    options->irqs[options->irq_count++] = (struct plan_irq){(unsigned)value[0], (uint32_t)value[1], (uint32_t)value[2]};
    return true;
}

struct arguments {
    struct plan_options options;
    const char *json;
    const char *files[2];
    int file_count;
    bool table; // an option of tables was given
};

static bool read_option(struct arguments *a, const char *name, const char *value) {
    static const struct {
        const char *name;
        uint64_t min, max;
    } numbers[] = {{"--hz", 1, CLOCK_HZ_MAX},
                   {"--cores", 1, SCHED_CORES_MAX},
                   {"--overhead-ns", 0, OVERHEAD_NS_MAX},
                   {"--migration-ns", 0, OVERHEAD_NS_MAX}};
    struct plan_options *options = &a->options;
    const char *text = value;
    uint64_t number = 0;

    if (strcmp(name, "--csv") == 0) {
        options->csv = value;
        return true;
    }
    if (strcmp(name, "--json") == 0) {
        a->json = value;
        return true;
    }
    if (strcmp(name, "--irq") == 0) {
        a->table = true;
        return read_irq(value, options);
    }
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (strcmp(name, numbers[i].name) != 0) { continue; }
        if (!read_number(&text, numbers[i].min, numbers[i].max, &number) || *text != '\0') {
            fprintf(stderr, "takt-plan: %s wants a number, %llu to %llu\n", name, (unsigned long long)numbers[i].min,
                    (unsigned long long)numbers[i].max);
            return false;
        }
        a->table |= i > 0;
        switch (i) {
        case 0: options->hz = number; break;
        case 1: options->cores = (unsigned)number; break;
        case 2: options->overhead_ns = (uint32_t)number; break;
        default: options->migration_ns = (uint32_t)number; break;
        }
        return true;
    }
    fprintf(stderr, "takt-plan: %s is no option; --help lists them\n", name);
    return false;
}

static bool read_arguments(struct arguments *a, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            if (a->file_count < 2) { a->files[a->file_count] = argv[i]; }
            a->file_count++;
        } else if (i + 1 == argc) {
            fprintf(stderr, "takt-plan: %s wants a value; --help lists the options\n", argv[i]);
            return false;
        } else if (!read_option(a, argv[i], argv[i + 1])) {
            return false;
        } else {
            i++;
        }
    }
    if (a->options.csv != NULL ? a->file_count != 0 : a->file_count != 2 || a->table) {
        fputs(usage, stderr);
        return false;
    }
    return true;
}

static enum plan_status make_plan(struct plan *plan, const struct arguments *a) {
    bool table = a->options.csv != NULL;
    bool good = read_file(plan, table ? a->options.csv : a->files[0], &plan->input[0]) &&
                (table || read_file(plan, a->files[1], &plan->input[1]));

    good = good && (table ? plan_csv(plan, &a->options) : plan_system(plan, a->options.hz));
    if (!good || (a->json != NULL && !write_json(plan, a->json))) { return PLAN_TROUBLE; }
    if (a->json == NULL || strcmp(a->json, "-") != 0) { plan_text(plan); }
    return plan->sink.count == 0 ? PLAN_ADMITTED : PLAN_REFUSED;
}

int main(int argc, char **argv) {
    static struct arguments arguments = {.options = {.hz = HZ_DEFAULT, .cores = 1}};
    static struct plan plan;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return PLAN_ADMITTED;
    }
    if (!read_arguments(&arguments, argc, argv)) { return PLAN_TROUBLE; }
    plan_init(&plan);
    enum plan_status status = make_plan(&plan, &arguments);
    plan_free(&plan);
    return status;
}
