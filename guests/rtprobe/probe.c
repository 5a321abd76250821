// SPDX-License-Identifier: Apache-2.0
// mode=probe: random and periodic sleeps in turn, for ever, and one line a second about them.
#include "rtprobe.h"

#include <string.h>
#include <takt/hypercall.h>

#define MARK_SLEPT     (1ull << 63) // scripts/report_system.py tells by it the second mark of a sleep
#define GRID_US        1000         // periodic sleeps end on multiples of this
#define SLEEP_LEAST_US 20           // shorter ones would measure the programming of the timer
#define SLEEP_MOST_US  20000

// Lateness in ns, 16 buckets to each power of two: a bucket is at most 1/16 of its value wide.
#define SUB_BITS       4
#define SUB            (1u << SUB_BITS)
#define BUCKETS        (SUB * (64 - SUB_BITS + 1))

static struct {
    uint64_t count, sum, min, max;
    uint32_t buckets[BUCKETS];
} seen;

static unsigned bucket_of(uint64_t ns) {
    if (ns < SUB) return (unsigned)ns;
    unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - SUB_BITS;
    return (shift << SUB_BITS) + (unsigned)(ns >> shift);
}

static uint64_t bucket_low(unsigned bucket) {
    if (bucket < SUB) return bucket;
    unsigned shift = (bucket >> SUB_BITS) - 1;
    return (uint64_t)(SUB + bucket % SUB) << shift;
}

static void reset(void) {
    memset(&seen, 0, sizeof(seen));
    seen.min = UINT64_MAX;
}

static void record(uint64_t ns) {
    seen.count++;
    seen.sum += ns;
    if (ns < seen.min) seen.min = ns;
    if (ns > seen.max) seen.max = ns;
    seen.buckets[bucket_of(ns)]++;
}

// The upper end of the bucket that holds the sample at 99 of 100: never below the true value.
static uint64_t p99(void) {
    uint64_t rank = (99 * seen.count + 99) / 100, below = 0;
    for (unsigned i = 0; i < BUCKETS - 1; i++) {
        below += seen.buckets[i];
        if (below >= rank) {
            uint64_t high = bucket_low(i + 1) - 1;
            return high < seen.max ? high : seen.max;
        }
    }
    return seen.max;
}

static void print_line(void) {
    if (seen.count == 0) return;
    say("rtprobe: count %llu lateness ns min %llu mean %llu p99 %llu max %llu\n", (unsigned long long)seen.count,
        (unsigned long long)seen.min, (unsigned long long)(seen.sum / seen.count), (unsigned long long)p99(),
        (unsigned long long)seen.max);
}

static void print_histogram(void) {
    for (unsigned i = 0; i < BUCKETS - 1; i++)
        if (seen.buckets[i])
            say("rtprobe: histogram %llu..%llu ns %u\n", (unsigned long long)bucket_low(i),
                (unsigned long long)(bucket_low(i + 1) - 1), (unsigned)seen.buckets[i]);
}

// Every other sleep is random, the others end on the next point of a fixed grid.
static uint64_t next_due(bool random, uint64_t origin) {
    uint64_t now = clock_now(), least = us_to_ticks(SLEEP_LEAST_US);
    if (random) return now + random_between(least, us_to_ticks(SLEEP_MOST_US));
    uint64_t grid = us_to_ticks(GRID_US);
    return now + least + grid - (now + least - origin) % grid;
}

// Returns false when the user wants to quit.
static bool obey_key(void) {
    switch (console_read()) {
    case 'h': print_histogram(); return true;
    case 'r': reset(); return true;
    case 'q': return false;
    default: return true;
    }
}

// One sleep; with `marks` the trace has how long it was to be and how long it was, ns, both from the same moment.
static uint64_t sleep_marked(uint64_t due, bool marks) {
    if (!marks) return sleep_until(due);
    uint64_t begun = clock_now();
    hypercall(TAKT_HC_MARK, ticks_to_ns(due - begun), 0, 0);
    uint64_t woken = sleep_until(due);
    hypercall(TAKT_HC_MARK, MARK_SLEPT | ticks_to_ns(woken - begun), 0, 0);
    return woken;
}

void probe_run(void) {
    bool marks = arg_number("marks", 0) != 0 && takt_present();
    uint64_t start = clock_now(), next_line = start + clock_hz;
    uint64_t seconds = arg_number("seconds", 0), lines = 0;
    reset();
    for (bool random = true;; random = !random) {
        uint64_t due = next_due(random, start);
        record(ticks_to_ns(sleep_marked(due, marks) - due));
        if (clock_now() < next_line) continue;
        next_line += clock_hz;
        print_line();
        if (++lines == seconds || !obey_key()) break;
    }
    print_histogram();
    say("rtprobe: end\n");
}
