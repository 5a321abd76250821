// SPDX-License-Identifier: Apache-2.0
// The rows of the benchmark table. Nothing inside a measured loop prints, allocates or traps beyond
// what the row is about; two back-to-back reads of the counter cost 2 instructions, not subtracted.
#include "gic.h"
#include "rtprobe.h"

#include <string.h>
#include <takt/hypercall.h>

#define COST_SAMPLES   2000
#define SLEEP_SAMPLES  1000
#define PERIODS        500
#define PERIOD_US      10000
#define WORK_LOOPS     2007000 // two instructions each: 4.014 ms at one instruction per ns
#define SGI_REMOTE     1
#define SGI_TARGET     1
#define SGI_SETTLE_US  5
#define SLEEP_LEAST_US 20
#define SLEEP_MOST_US  20000
#define QUIET_US       300000 // three times what the console waits before it draws its prompt again
#define GICD_TYPER     0x4

static void null_hypercall(void) {
    struct row *row = row_begin("null_hypercall", "ns");
    for (unsigned i = 0; i < COST_SAMPLES; i++) {
        register uint64_t x0 __asm__("x0") = PSCI_VERSION;
        uint64_t before, after;
        __asm__ volatile("mrs x19, cntvct_el0\n\thvc #0\n\tmrs x20, cntvct_el0\n\t"
                         "mov %0, x19\n\tmov %1, x20"
                         : "=&r"(before), "=&r"(after), "+r"(x0)::"x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9",
                           "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x19", "x20", "memory");
        row_add(row, after - before);
    }
}

static uint64_t timed_gicd_read(void) {
    uint64_t before, after, value;
    __asm__ volatile("mrs %0, cntvct_el0\n\tldr %w2, [%3]\n\tmrs %1, cntvct_el0"
                     : "=&r"(before), "=&r"(after), "=&r"(value)
                     : "r"(gic.gicd + GICD_TYPER)
                     : "memory");
    return after - before;
}

// Twice: after an access to the same device, and after one to another, which the hypervisor has to look up.
static void gicd_read(void) {
    struct row *same = row_begin("gicd_read", "ns"), *other = row_begin("gicd_read_other", "ns");
    same->first_apart = true;
    for (unsigned i = 0; i <= COST_SAMPLES; i++) row_add(same, timed_gicd_read());
    for (unsigned i = 0; i < COST_SAMPLES; i++) {
        console_read();
        row_add(other, timed_gicd_read());
    }
}

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

static void timer_wfi(void) { timer_rows(sleep_until, COST_SAMPLES, 100, 150, "timer_wfi"); }

static unsigned samples_wanted(unsigned otherwise) {
    uint64_t samples = arg_number("samples", otherwise);
    return samples < SAMPLES_MAX ? (unsigned)samples : SAMPLES_MAX;
}

static void sleeps(const char *name) {
    timer_rows(sleep_until, samples_wanted(SLEEP_SAMPLES), SLEEP_LEAST_US, SLEEP_MOST_US, name);
}

static void sleep_shared(void) { sleeps("sleep_shared"); }

static void sleep_shared_storm(void) { sleeps("sleep_shared_storm"); }

static void work(void) {
    uint64_t loops = WORK_LOOPS;
    __asm__ volatile("1: subs %0, %0, #1\n\tb.ne 1b" : "+r"(loops)::"cc");
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

static volatile uint64_t sgi_seen_at;
static volatile bool sgi_seen, target_up, target_sleeps;

static void on_sgi(uint32_t intid, uint64_t stamp) {
    (void)intid;
    sgi_seen_at = stamp;
    sgi_seen = true;
}

// An SGI that comes between the test and the WFI is handled there; the next one ends the WFI.
static void sgi_target(void) {
    irq_unmask();
    target_up = true;
    for (;;) {
        if (target_sleeps)
            wait_for_interrupt();
        else
            spin_pause();
    }
}

static void sgi_row(bool sleeps, const char *name) {
    struct row *row = row_begin(name, "ns");
    row->first_apart = true;
    target_sleeps = sleeps;
    for (unsigned i = 0; i <= COST_SAMPLES; i++) {
        // Gives the target time to come back from the handler to its wait.
        sleep_until(clock_now() + us_to_ticks(SGI_SETTLE_US));
        sgi_seen = false;
        barrier_full();
        uint64_t sent = gic_send_stamped(SGI_TARGET, SGI_REMOTE);
        while (!sgi_seen) spin_pause();
        row_add(row, sgi_seen_at - sent);
    }
}

static void sgi_remote(void) {
    irq_handle(SGI_REMOTE, on_sgi);
    if (vcpu_count() < 2 || vcpu_start(SGI_TARGET, sgi_target) != 0) {
        say("rtprobe: row g needs a second VCPU\n");
        return;
    }
    while (!target_up) spin_pause();
    sgi_row(false, "sgi_remote");
    sgi_row(true, "sgi_remote_wfi");
}

static const struct {
    char letter;
    void (*measure)(void);
} rows[] = {
    {'a', null_hypercall},     {'b', gicd_read}, {'c', timer_running}, {'d', timer_wfi},         {'e', sleep_shared},
    {'f', sleep_shared_storm}, {'p', periodic},  {'g', sgi_remote},    {'i', cost_of_interrupt}, {'o', cost_of_both},
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
        struct smccc_result result = hvc_call(TAKT_HC_STATS, account[i].index, 0, 0);
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
        struct smccc_result mark = hvc_call(TAKT_HC_MARK, 0, 0, 0);
        if ((int64_t)mark.x[0] == TAKT_HC_OK) first = mark.x[1] - (mark.x[2] - boot_clock);
    }
    value_add("boot_first_instruction", "ns", first);
    static const char *const parts[] = {"boot_hash", "boot_copy", "boot_scrub"};
    for (unsigned i = 0; takt && i < 3; i++) {
        struct smccc_result result = hvc_call(TAKT_HC_STATS, TAKT_STAT_BOOT_HASH + i, 0, 0);
        if ((int64_t)result.x[0] == TAKT_HC_OK) value_add(parts[i], "ns", result.x[1]);
    }
    rows_print();
}
