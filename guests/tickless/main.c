// SPDX-License-Identifier: Apache-2.0
// tickless: a small real-time system without a timer device. All its time is from the hypervisor's timers
// (guests/lib/timer.h): two periodic tasks and a watchdog in interrupt handlers, and between them one-shot sleeps of random
// lengths, in which it idles without a tick.
//
// Boot arguments:
//   seconds=N   ends after N lines; without it, at the key q
//   seed=N      of the sleeps
//
// A line a second says of each task how often it expired and how late its vector was in ns (mean, max), behind the handlers of
// others that were due; how late an interrupt was made pending at most, in ns; how many wake-ups came before a sleep's end, and
// how much of that sleep was left at the last of them, in us; and faults: expiries that came early, twice, not at all or after
// they were cancelled, and reports that do not say so.
#include "timer.h"

#define FAST_US        1000
#define SLOW_US        2500
#define WATCHDOG_US    100000
#define SLEEP_LEAST_US 150
#define SLEEP_MOST_US  6000
#define QUIET_US       300000 // the console has its prompt again

enum { FAST, SLOW, SLEEP, TASKS, WATCHDOG = TASKS };
_Static_assert(WATCHDOG < CALL_TIMERS, "a slot for each");

static struct task {
    uint64_t period, due;
    uint64_t count, sum, max; // lateness in ticks
} tasks[TASKS];

static volatile uint64_t faults;
static volatile bool slept;
static uint64_t early_wakes, left, pending_max;

static void require(bool holds) {
    if (!holds) faults = faults + 1;
}

// The expiry at tasks[slot].due has come, and no other.
static void expired(unsigned slot, uint64_t stamp) {
    struct task *task = &tasks[slot];
    uint64_t late = stamp - task->due;
    struct timer_report report = call_timer_ask(slot);
    require(stamp >= task->due && report.armed == 0 && report.expired == task->due && report.late <= late);
    task->count++;
    task->sum += late;
    if (late > task->max) task->max = late;
    if (report.late > pending_max) pending_max = report.late;
}

// Releases lie on a grid: a late one does not move the next one.
static void on_period(unsigned slot, uint64_t stamp) {
    struct task *task = &tasks[slot];
    expired(slot, stamp);
    task->due += task->period;
    require(call_timer_set(slot, task->due) == task->due);
}

static void on_sleep(unsigned slot, uint64_t stamp) {
    require(!slept);
    slept = true;
    expired(slot, stamp);
}

static void on_watchdog(unsigned slot, uint64_t stamp) {
    (void)slot, (void)stamp;
    require(false);
}

static void feed_watchdog(void) {
    require(call_timer_cancel(WATCHDOG));
    require(!call_timer_cancel(WATCHDOG) && call_timer_ask(WATCHDOG).armed == 0);
    call_timer_set(WATCHDOG, clock_now() + us_to_ticks(WATCHDOG_US));
}

// Knuth's MMIX generator, of which the high bits are good.
static uint64_t random_us(void) {
    static uint64_t state;
    if (state == 0) state = arg_number("seed", 1);
    state = state * 6364136223846793005u + 1442695040888963407u;
    return SLEEP_LEAST_US + (state >> 33) % (SLEEP_MOST_US - SLEEP_LEAST_US);
}

// Idle without a tick: whatever wakes it, it learns how much is left. Masked; an expiry waits for the next take_interrupt().
static void sleep_once(void) {
    struct task *task = &tasks[SLEEP];
    slept = false;
    task->due = clock_now() + us_to_ticks(random_us());
    require(call_timer_set(SLEEP, task->due) == task->due);
    for (take_interrupt(); !slept; take_interrupt()) {
        struct timer_report report = call_timer_ask(SLEEP);
        uint64_t now = clock_now();
        early_wakes++;
        require(report.armed == 0 || report.armed == task->due);
        left = report.armed > now ? report.armed - now : 0;
    }
}

// The tasks go on meanwhile. Each handler makes its next expiry due, so those of a period are all there or one is missing.
static void print_line(uint64_t origin) {
    struct task seen[TASKS];
    unsigned long long n[TASKS], mean[TASKS], max[TASKS];
    for (unsigned i = 0; i < TASKS; i++) {
        seen[i] = tasks[i];
        n[i] = seen[i].count;
        mean[i] = n[i] ? ticks_to_ns(seen[i].sum / n[i]) : 0;
        max[i] = ticks_to_ns(seen[i].max);
        require(seen[i].period == 0 || origin + (seen[i].count + 1) * seen[i].period == seen[i].due);
    }
    unsigned long long pending = ticks_to_ns(pending_max), early = early_wakes, left_us = ticks_to_ns(left) / 1000,
                       wrong = faults;
    irq_unmask();
    say("tickless: late ns fast %llu %llu %llu slow %llu %llu %llu sleep %llu %llu %llu pending %llu early %llu left us %llu faults %llu\n",
        n[FAST], mean[FAST], max[FAST], n[SLOW], mean[SLOW], max[SLOW], n[SLEEP], mean[SLEEP], max[SLEEP], pending,
        early, left_us, wrong);
    irq_mask();
}

static void start(uint64_t origin) {
    static const uint32_t period_us[] = {[FAST] = FAST_US, [SLOW] = SLOW_US};
    for (unsigned slot = FAST; slot <= SLOW; slot++) {
        tasks[slot].period = us_to_ticks(period_us[slot]);
        tasks[slot].due = origin + tasks[slot].period;
        call_timer_handle(slot, on_period);
        call_timer_set(slot, tasks[slot].due);
    }
    call_timer_handle(SLEEP, on_sleep);
    call_timer_handle(WATCHDOG, on_watchdog);
    call_timer_set(WATCHDOG, origin + us_to_ticks(WATCHDOG_US));
}

void guest_main(void) {
    if (!call_timer_init()) {
        say("tickless: no hypervisor with timers here\n");
        return;
    }
    say("tickless: counter %llu Hz, %u timers\n", (unsigned long long)clock_hz, CALL_TIMERS);
    call_timer_sleep_until(SLEEP, clock_now() + us_to_ticks(QUIET_US));
    uint64_t origin = clock_now(), next_line = origin + clock_hz, lines = arg_number("seconds", 0);
    start(origin);
    do {
        sleep_once();
        feed_watchdog();
        if (clock_now() < next_line) continue;
        next_line += clock_hz;
        print_line(origin);
        if (lines != 0 && --lines == 0) break;
    } while (console_read() != 'q');
    for (unsigned slot = 0; slot < CALL_TIMERS; slot++) call_timer_cancel(slot);
    say("tickless: end\n");
}
