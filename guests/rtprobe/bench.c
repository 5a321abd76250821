// SPDX-License-Identifier: Apache-2.0
// The rows of the benchmark table. Nothing inside a measured loop prints, allocates or traps beyond
// what the row is about; two back-to-back reads of the counter cost 2 instructions, not subtracted.
#include "interrupts.h"
#include "rows.h"
#include "rtprobe.h"

#include <string.h>
#include <takt/hypercall.h>

#define SLEEP_SAMPLES  1000
#define PERIODS        500
#define FRAMES         500
#define FRAME_US       25000 // room for the work and the longest sleep
#define PERIOD_US      10000
#define REMOTE_IPI     1
#define REMOTE_VCPU    1
#define REMOTE_US      5 // for it to come back from the handler to its wait
#define SLEEP_LEAST_US 20
#define SLEEP_MOST_US  20000
#define QUIET_US       300000 // three times what the console waits before it draws its prompt again

static void timer_rows(uint64_t (*wait)(uint64_t), unsigned samples, uint64_t least_us, uint64_t most_us,
                       const char *name) {
    struct row *row = row_begin(name, "ns");
    uint64_t least = us_to_ticks(least_us), most = us_to_ticks(most_us);
    for (unsigned i = 0; i < samples; i++) {
        uint64_t due = clock_now() + random_between(least, most);
        row_add(row, wait(due) - due);
    }
}

static void timer_running(void) { timer_rows(spin_until, COST_SAMPLES, 100, 150, "timer_running"); }

static void timer_asleep(void) { timer_rows(sleep_until, COST_SAMPLES, 100, 150, ROW_TIMER_ASLEEP); }

static unsigned samples_wanted(unsigned otherwise) {
    uint64_t samples = arg_number("samples", otherwise);
    return samples < SAMPLES_MAX ? (unsigned)samples : SAMPLES_MAX;
}

static void sleeps(const char *name) {
    timer_rows(sleep_until, samples_wanted(SLEEP_SAMPLES), SLEEP_LEAST_US, SLEEP_MOST_US, name);
}

static void sleep_shared(void) { sleeps("sleep_shared"); }

static void sleep_shared_storm(void) { sleeps("sleep_shared_storm"); }

// The film of the paper on precise timers (docs/experiments.md): random sleeps. With `decode` each frame begins on a grid and
// with the work of row p; without, it takes no time and the next one begins at once.
static void film(void) {
    struct row *requested = row_begin("film_requested", "ns"), *late = row_begin("film_late", "ns");
    uint64_t least = us_to_ticks(SLEEP_LEAST_US), most = us_to_ticks(SLEEP_MOST_US);
    unsigned frames = samples_wanted(FRAMES);
    bool decode = arg_has("decode");
    uint64_t frame = clock_now();
    for (unsigned i = 0; i < frames; i++) {
        if (decode) {
            frame += us_to_ticks(FRAME_US);
            if (frame > clock_now()) sleep_until(frame);
            work();
        }
        uint64_t wanted = random_between(least, most), due = clock_now() + wanted;
        row_add(requested, wanted);
        row_add(late, sleep_until(due) - due);
    }
}

// Releases lie on a fixed grid: a late job does not move the next one.
static void periodic(void) {
    struct row *late = row_begin("periodic_release", "ns"), *response = row_begin("periodic_response", "ns");
    uint64_t period = us_to_ticks(PERIOD_US), misses = 0;
    unsigned periods = samples_wanted(PERIODS);
    uint64_t release = clock_now() + period;
    for (unsigned i = 0; i < periods; i++, release += period) {
        row_add(late, sleep_until(release) - release);
        work();
        uint64_t took = clock_now() - release;
        row_add(response, took);
        misses += took > period;
    }
    value_add("periodic_misses", "count", misses);
}

static volatile uint64_t ipi_seen_at;
static volatile bool ipi_seen, target_up, target_sleeps;

static void on_ipi(uint32_t interrupt, uint64_t stamp) {
    (void)interrupt;
    ipi_seen_at = stamp;
    ipi_seen = true;
}

// An IPI that comes between the test and the wait is handled there; the next one ends the wait.
static void ipi_target(void) {
    irq_unmask();
    target_up = true;
    for (;;) {
        if (target_sleeps)
            wait_for_interrupt();
        else
            spin_pause();
    }
}

static void ipi_row(bool sleeps, const char *name) {
    struct row *row = row_begin(name, "ns");
    row->first_apart = true;
    target_sleeps = sleeps;
    for (unsigned i = 0; i <= COST_SAMPLES; i++) {
        sleep_until(clock_now() + us_to_ticks(REMOTE_US));
        ipi_seen = false;
        barrier_full();
        uint64_t sent = ipi_send_stamped(REMOTE_VCPU, REMOTE_IPI);
        while (!ipi_seen) spin_pause();
        row_add(row, ipi_seen_at - sent);
    }
}

static void ipi_remote(void) {
    irq_handle(IPI_INTERRUPT(REMOTE_IPI), on_ipi);
    if (vcpu_count() < 2 || vcpu_start(REMOTE_VCPU, ipi_target) != 0) {
        say("rtprobe: row g needs a second VCPU\n");
        return;
    }
    while (!target_up) spin_pause();
    ipi_row(false, ROW_REMOTE);
    ipi_row(true, ROW_REMOTE_ASLEEP);
}

static const struct {
    char letter;
    void (*measure)(void);
} rows[] = {
    {'a', null_hypercall},
    {'b', machine_rows},
    {'c', timer_running},
    {'d', timer_asleep},
    {'e', sleep_shared},
    {'f', sleep_shared_storm},
    {'p', periodic},
    {'g', ipi_remote},
    {'i', cost_of_interrupt},
    {'o', cost_of_both},
    {'s', film},
    {'r', cost_of_budget},
    {'m', cost_of_moves},
    {'u', cost_of_console},
    {'w', cost_in_a_crowd},
};

// What the hypervisor counted on this core while the rows were measured.
static void account_rows(void) {
    static const struct {
        const char *name;
        unsigned index;
        const char *unit;
    } account[] = {
        {"takt_masked_max", TAKT_STAT_MASKED_MAX, "ns"},
        {"takt_timer_late_min", TAKT_STAT_TIMER_LATE_MIN, "ns"},
        {"takt_timer_late_mean", TAKT_STAT_TIMER_LATE_MEAN, "ns"},
        {"takt_timer_late_max", TAKT_STAT_TIMER_LATE_MAX, "ns"},
        {"takt_switches", TAKT_STAT_SWITCHES, "count"},
        {"takt_exits", TAKT_STAT_EXITS, "count"},
        {"takt_misses", TAKT_STAT_MISSES, "count"},
    };
    if (!takt_present()) return;
    for (unsigned i = 0; i < sizeof(account) / sizeof(account[0]); i++) {
        struct call_result result = hypercall(TAKT_HC_STATS, account[i].index, 0, 0);
        if ((int64_t)result.x[0] != TAKT_HC_OK) continue;
        value_add(account[i].name, account[i].unit, result.x[1]);
    }
}

// Till it returns the console prints what the boot had to say, and the budget that our own line took comes back. The
// first timer interrupt of all is a row: the hypervisor prepares for it what all later ones find.
static void wait_for_quiet(void) {
    uint64_t due = clock_now() + us_to_ticks(QUIET_US);
    value_add("timer_first", "ns", sleep_until(due) - due);
}

void bench_run(const char *letters) {
    char wanted[32];
    strlcpy(wanted, letters, sizeof(wanted));
    wait_for_quiet();
    for (const char *letter = wanted; *letter; letter++) {
        unsigned i = 0;
        while (i < sizeof(rows) / sizeof(rows[0]) && rows[i].letter != *letter) i++;
        if (i == sizeof(rows) / sizeof(rows[0]))
            say("rtprobe: no row %c\n", *letter);
        else
            rows[i].measure();
    }
    account_rows();
    rows_print();
}

// On Takt the virtual clock need not start at reset: the mark ties it to the physical counter.
void bench_boot(void) {
    uint64_t first = boot_clock;
    bool takt = takt_present();
    if (takt) {
        struct call_result mark = hypercall(TAKT_HC_MARK, 0, 0, 0);
        if ((int64_t)mark.x[0] == TAKT_HC_OK) first = mark.x[1] - (mark.x[2] - boot_clock);
    }
    value_add("boot_first_instruction", "ns", first);
    static const char *const parts[] = {"boot_hash", "boot_copy", "boot_scrub"};
    for (unsigned i = 0; takt && i < 3; i++) {
        struct call_result result = hypercall(TAKT_HC_STATS, TAKT_STAT_BOOT_HASH + i, 0, 0);
        if ((int64_t)result.x[0] == TAKT_HC_OK) value_add(parts[i], "ns", result.x[1]);
    }
    rows_print();
}
