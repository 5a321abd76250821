// SPDX-License-Identifier: Apache-2.0
// What passes between two VCPUs of this VM when one follows the other on a core: each stores the clock as often as it can, and
// a gap in what all of them have stored is the hypervisor's. It holds on several cores, too, where instructions are
// counted and cores take turns: a turn that ends is no gap.
#include "rtprobe.h"

#define ROUNDS   1000
#define MOVES    50
#define GAP_NS   80  // a turn of the watching loop takes less, anything of the hypervisor more
#define MOVE_US  100 // a move takes less, a wait for budget more
#define QUIET_US 50  // nothing of a move takes as long
#define WAIT_US  400 // no piece runs as long; the wait for the next period does
#define START_US 5000
#define MEMBERS  3

static volatile uint64_t stored[MEMBERS];
static volatile bool over;

// Calls gap_seen(who stored last before, how long) for each gap that the caller finds, until `over`.
static void watch(void (*gap_seen)(unsigned before, uint64_t gap)) {
    unsigned self = vcpu_self();
    uint64_t least = us_to_ticks(GAP_NS) / 1000;
    stored[self] = clock_now();
    while (!over) {
        uint64_t now = clock_now(), last = 0;
        unsigned before = 0;
        for (unsigned i = 0; i < MEMBERS; i++) {
            uint64_t then = stored[i];
            if (then > last) last = then, before = i;
        }
        if (now > last && now - last > least) {
            gap_seen(before, now - last);
            now = clock_now();
        }
        stored[self] = now;
        spin_pause(); // the other cores' turn
    }
}

static _Noreturn void wait_for_ever(void) {
    for (;;) take_interrupt();
}

static void start(unsigned vcpu, void (*function)(void)) {
    if (vcpu_start(vcpu, function) == 0) return;
    say("rtprobe: rows m and r need VCPU %u\n", vcpu);
    machine_off();
}

// ---- one core: a reservation that uses up its budget beside who has none ------------------------

static struct row *exhausted_row, *replenished_row;

static void seen_by_background(unsigned before, uint64_t gap) {
    if (before == 1) row_add(exhausted_row, gap);
    over = exhausted_row->count == ROUNDS;
}

static void seen_by_reserved(unsigned before, uint64_t gap) {
    if (before == 0) row_add(replenished_row, gap);
}

static void reserved(void) {
    watch(seen_by_reserved);
    wait_for_ever();
}

void cost_of_budget(void) {
    exhausted_row = row_begin("cost_exhausted", "ns");
    replenished_row = row_begin("cost_replenished", "ns");
    start(1, reserved);
    watch(seen_by_background);
}

// ---- two cores: VCPU 0 in two pieces, VCPU 1 on one of them, VCPU 2 on the other -----------------

// A period of 1 ms: 0.3 ms in the first piece, 0.15 in the second, and a wait, whose end begins the next.
enum { RETURN, LEAVE, EXHAUSTED, PARTS };
static struct row *move_row, *moves_row;
static uint64_t taken[PARTS], taken_at; // in this period; the last of it
static unsigned part, periods;

static void seen_alone(unsigned before, uint64_t gap) {
    (void)before;
    if (gap < us_to_ticks(MOVE_US)) row_add(move_row, gap);
    over = move_row->count == MOVES;
}

static void period_over(void) {
    if (periods++ > 1) row_add(moves_row, taken[RETURN] + taken[LEAVE]); // what was seen first may be incomplete
    over = moves_row->count == MOVES;
    part = RETURN;
    taken[RETURN] = taken[LEAVE] = taken[EXHAUSTED] = 0;
}

// An emulated core loses its turn also where it sets its timer, so that a handler may be in two parts, one of them in a gap
// that another core sees. So both cores' gaps are summed up, till nothing happened for a while.
static void seen_by_any(unsigned before, uint64_t gap) {
    uint64_t now = clock_now(), quiet = now - taken_at;
    (void)before;
    if (quiet > us_to_ticks(WAIT_US))
        period_over();
    else if (quiet > us_to_ticks(QUIET_US) && part < EXHAUSTED)
        part++;
    taken[part] += gap;
    taken_at = now;
}

static void other(void) {
    watch(seen_by_any);
    wait_for_ever();
}

void cost_of_moves(void) {
    move_row = row_begin("migration", "ns");
    moves_row = row_begin("cost_moves", "ns");
    start(3, wait_for_ever); // who has a core alone has no budget that ends
    start(4, wait_for_ever);
    sleep_until(clock_now() + us_to_ticks(START_US));
    watch(seen_alone);
    over = false;
    start(1, other);
    start(2, other);
    watch(seen_by_any);
}
