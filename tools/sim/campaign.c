// SPDX-License-Identifier: Apache-2.0
/*
 * Many sets on many processors. Workers read the numbers of chunks from one pipe and write records into another; this
 * process keeps the first one filled and appends the records to the file in the order of their numbers, so that a file is
 * the same however many workers there were and however often it was continued.
 */
#define _POSIX_C_SOURCE 200809L

#include "tools/sim/campaign.h"

#include "tools/sim/options.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX      1024u
#define PROGRESS_SECONDS 5
#define AHEAD            2u /* chunks handed out for each worker: nobody waits for the next one */

_Static_assert(sizeof(struct record) <= 512, "a record fits into a pipe whole (POSIX's smallest PIPE_BUF)");

/* A record that waits for one before it. */
struct early {
    bool here;
    struct record record;
};

struct work {
    struct campaign campaign;
    const char *out;
    FILE *file;
    uint64_t chunks;
    uint64_t done;  /* records in the file */
    uint64_t given; /* chunks handed out */
    uint64_t workers;
    struct record sum;
    time_t began, told;
    int to_workers, from_workers;
};

static bool trouble(const char *what, const char *why) {
    fprintf(stderr, "takt-sim: %s: %s\n", what, why);
    return false;
}

// ---- the file --------------------------------------------------------------------------------------------------------
static void write_heading(const struct work *work, char line[RECORD_LINE_MAX]) {
    const struct campaign *c = &work->campaign;

    snprintf(line, RECORD_LINE_MAX,
             "takt-sim campaign 2: seed=%" PRIu64 " first=%" PRIu64 " sets=%" PRIu64 " chunk=%" PRIu64
             " cores=%u vcpus=%u utilisation=%g windows=%u guests=%d overhead=%" PRIu64 " migration=%" PRIu64
             " whole=%d overload=%d latency=%d reclaim=%d\n",
             c->seed, c->first, c->sets, c->chunk, c->plan.cores, c->plan.vcpus, c->plan.utilisation, c->plan.windows,
             c->plan.guests, c->plan.overhead, c->plan.migration, c->plan.whole, c->plan.overload, c->plan.latency,
             c->plan.reclaim);
}

/* Takes over what an earlier run finished; a line that it could not finish is dropped. */
static bool read_file(struct work *work, const char *heading) {
    char line[RECORD_LINE_MAX];
    long good = 0;

    if (fgets(line, sizeof(line), work->file) != NULL) {
        if (strcmp(line, heading) != 0) {
            return trouble(work->out, "it holds another campaign; give that one's options, or another --out");
        }
        good = ftell(work->file);
        while (fgets(line, sizeof(line), work->file) != NULL && line[strlen(line) - 1] == '\n') {
            struct record record;

            if (!record_read(line, &record) || record.chunk != work->done) {
                return trouble(work->out, "a line of it is damaged; remove the file, or give another --out");
            }
            record_add(&work->sum, &record);
            work->done++;
            good = ftell(work->file);
        }
    }
    if (ftruncate(fileno(work->file), good) != 0 || fseek(work->file, 0, SEEK_END) != 0 ||
        (good == 0 && fputs(heading, work->file) == EOF)) {
        return trouble(work->out, strerror(errno));
    }
    return true;
}

static bool open_file(struct work *work) {
    char heading[RECORD_LINE_MAX];

    if (work->out == NULL) { return true; }
    work->file = fopen(work->out, "a+");
    if (work->file == NULL || fseek(work->file, 0, SEEK_SET) != 0) {
        fprintf(stderr, "takt-sim: --out: %s: %s; give a file in a folder that there is\n", work->out, strerror(errno));
        return false;
    }
    write_heading(work, heading);
    return read_file(work, heading);
}

static bool append(struct work *work, const struct record *record) {
    char line[RECORD_LINE_MAX];

    record_add(&work->sum, record);
    work->done++;
    if (work->file == NULL) { return true; }
    record_write(record, line);
    if (fputs(line, work->file) == EOF || fflush(work->file) != 0) { return trouble(work->out, strerror(errno)); }
    return true;
}

// ---- workers ---------------------------------------------------------------------------------------------------------
static _Noreturn void be_worker(const struct campaign *campaign, int in, int out) {
    struct sim_machine machine;
    struct record record;
    uint64_t number;

    if (!sim_create(&machine, SYSTEM_CORES_MAX, SYSTEM_VCPUS_MAX + 2 * SYSTEM_CORES_MAX)) { _exit(1); }
    while (read(in, &number, sizeof(number)) == (ssize_t)sizeof(number)) {
        if (!campaign_run_chunk(campaign, number, &machine, &record) ||
            write(out, &record, sizeof(record)) != (ssize_t)sizeof(record)) {
            _exit(1);
        }
    }
    sim_destroy(&machine);
    _exit(0);
}

static bool start_workers(struct work *work) {
    int down[2], up[2];

    if (pipe(down) != 0 || pipe(up) != 0) { return trouble("pipe", strerror(errno)); }
    for (uint64_t i = 0; i < work->workers; i++) {
        pid_t child = fork();

        if (child < 0) { return trouble("fork", strerror(errno)); }
        if (child == 0) {
            close(down[1]);
            close(up[0]);
            be_worker(&work->campaign, down[0], up[1]);
        }
    }
    close(down[0]);
    close(up[1]);
    work->to_workers = down[1];
    work->from_workers = up[0];
    return true;
}

static bool hand_out(struct work *work) {
    uint64_t number = work->given++;

    if (number >= work->chunks) { return true; }
    if (write(work->to_workers, &number, sizeof(number)) == (ssize_t)sizeof(number)) { return true; }
    return trouble("a worker", strerror(errno));
}

/* A worker that ended takes a chunk with it: nobody would ever send that one. */
static bool receive(const struct work *work, struct record *record) {
    struct pollfd from = {.fd = work->from_workers, .events = POLLIN};

    while (poll(&from, 1, 1000) == 0) {
        if (waitpid(-1, NULL, WNOHANG) != 0) { return false; }
    }
    return read(work->from_workers, record, sizeof(*record)) == (ssize_t)sizeof(*record) &&
           record->chunk < work->chunks;
}

static void tell_progress(struct work *work, uint64_t started_at) {
    time_t now = time(NULL);

    if (now < work->told + PROGRESS_SECONDS) { return; }
    work->told = now;
    uint64_t here = (work->done - started_at) * work->campaign.chunk;
    fprintf(stderr, "takt-sim: %" PRIu64 " of %" PRIu64 " chunks, %" PRIu64 " sets/s, %" PRIu64 " faults\n", work->done,
            work->chunks, here / (uint64_t)(now - work->began), sim_faults(&work->sum.counts));
}

static bool collect(struct work *work, struct early *early) {
    uint64_t started_at = work->done;

    work->given = work->done;
    for (uint64_t i = 0; i < AHEAD * work->workers; i++) {
        if (!hand_out(work)) { return false; }
    }
    while (work->done < work->chunks) {
        struct record record;

        if (!receive(work, &record)) { return trouble("a worker", "it ended before its work did"); }
        early[record.chunk] = (struct early){true, record};
        while (work->done < work->chunks && early[work->done].here) {
            if (!append(work, &early[work->done].record)) { return false; }
        }
        tell_progress(work, started_at);
        if (!hand_out(work)) { return false; }
    }
    return true;
}

static bool run(struct work *work) {
    bool good;

    if (work->done == work->chunks) { return true; }
    struct early *early = calloc(work->chunks, sizeof(*early));
    if (early == NULL) { return trouble("memory", strerror(ENOMEM)); }
    fflush(NULL); /* or every worker writes it again */
    good = start_workers(work) && collect(work, early);
    close(work->to_workers); /* they end */
    close(work->from_workers);
    while (wait(NULL) > 0) {}
    free(early);
    return good;
}

// ---- the command -----------------------------------------------------------------------------------------------------
static int tell(const struct work *work, bool json) {
    const struct record *sum = &work->sum;
    bool bad = sim_faults(&sum->counts) != 0;

    if (json) { printf("{"); }
    record_print(sum, json, stdout);
    if (json) { printf("}\n"); }
    if (bad) {
        fprintf(stderr,
                "takt-sim: promises were broken; the first set that shows it, alone: --seed %" PRIu64
                " --first %" PRIu64 " --sets 1, and the other options\n",
                work->campaign.seed, sum->first_bad);
    }
    if (sum->sets != work->campaign.sets) {
        fprintf(stderr, "takt-sim: %" PRIu64 " sets were not admitted however small\n",
                work->campaign.sets - sum->sets);
        bad = true;
    }
    return bad ? SIM_EXIT_FAULTS : SIM_EXIT_GOOD;
}

int campaign_command(int argc, char **argv) {
    struct work work = {.sum = record_zero(0), .began = time(NULL), .told = time(NULL)};
    struct campaign *campaign = &work.campaign;
    uint64_t cores = 4, vcpus = 12, windows = 2;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct option_board board = {0};
    bool json = false;

    *campaign = (struct campaign){.seed = 1, .sets = 10000, .chunk = 1000, .plan.guests = SYSTEM_MIXED};
    work.workers = processors > 0 ? (uint64_t)processors : 1;
    const struct option options[] = {
        {"sets", OPTION_NUMBER, &campaign->sets, 1, 1e9},
        {"out", OPTION_TEXT, &work.out, 0, 0},
        {"seed", OPTION_NUMBER, &campaign->seed, 0, 1e15},
        {"first", OPTION_NUMBER, &campaign->first, 0, 1e15},
        {"chunk", OPTION_NUMBER, &campaign->chunk, 1, 1e6},
        {"workers", OPTION_NUMBER, &work.workers, 1, WORKERS_MAX},
        {"cores", OPTION_NUMBER, &cores, 1, SYSTEM_CORES_MAX},
        {"vcpus", OPTION_NUMBER, &vcpus, 1, SYSTEM_VCPUS_MAX},
        {"utilisation", OPTION_REAL, &campaign->plan.utilisation, 0.01, 4},
        {"windows", OPTION_NUMBER, &windows, 1, 1e6},
        {"guests", OPTION_GUESTS, &campaign->plan.guests, 0, 0},
        {"board", OPTION_BOARD, &board, 0, 0},
        {"reclaim", OPTION_FLAG, &campaign->plan.reclaim, 0, 0},
        {"latency", OPTION_FLAG, &campaign->plan.latency, 0, 0},
        {"whole", OPTION_FLAG, &campaign->plan.whole, 0, 0},
        {"overload", OPTION_FLAG, &campaign->plan.overload, 0, 0},
        {"json", OPTION_FLAG, &json, 0, 0},
        {NULL, OPTION_FLAG, NULL, 0, 0},
    };
    if (!options_parse(options, argc, argv)) { return SIM_EXIT_TROUBLE; }
    if (vcpus < cores || vcpus > 16 * cores) {
        trouble("--vcpus", "give from 1 to 16 for each core");
        return SIM_EXIT_TROUBLE;
    }
    campaign->plan.cores = (uint32_t)cores;
    campaign->plan.vcpus = (uint32_t)vcpus;
    campaign->plan.windows = (uint32_t)windows;
    campaign->plan.overhead = board.overhead_ns;
    campaign->plan.migration = board.migration_ns;
    work.chunks = (campaign->sets + campaign->chunk - 1) / campaign->chunk;

    bool good = open_file(&work) && run(&work);
    if (work.file != NULL && fclose(work.file) != 0) { good = trouble(work.out, strerror(errno)); }
    return good ? tell(&work, json) : SIM_EXIT_TROUBLE;
}
