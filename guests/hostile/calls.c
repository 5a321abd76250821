// SPDX-License-Identifier: Apache-2.0
// Hypercalls with ids and arguments from a random stream.
#include "hostile.h"
#include "interrupts.h"

#include <takt/hypercall.h>

#define CALLS        100000
#define PAST         1
#define PSCI_LAST    0x1f
#define FUNCTION(id) ((id) & 0xffff)
#define OWNER(id)    ((id) >> 24 & 0x3f)
#define OWNER_PSCI   4

struct call {
    uint64_t x[4];
};

static void make_call(void *argument) {
    struct call *call = argument;
    hypercall(call->x[0], call->x[1], call->x[2], call->x[3]);
}

// PSCI calls that do what they are asked: these have an attack of their own.
static bool effective(uint64_t id) { return OWNER(id) == OWNER_PSCI && FUNCTION(id) <= PSCI_LAST; }

static uint64_t any_id(void) {
    uint64_t r = random64();
    if (r & 1) return r >> 8;
    uint64_t owner = r >> 8 & 0x3f, function = r >> 16 & 0x3f;
    if (r & 2) function |= 0xff00;
    return 0x80000000 | (r & 4 ? 0x40000000 : 0) | owner << 24 | function;
}

uint64_t random_call_id(void) {
    uint64_t id;
    do { id = any_id(); } while (effective(id));
    return id;
}

uint64_t random_argument(void) {
    static const uint64_t edges[] = {0, 1, 0x7fffffff, 0x80000000, ~0ull, 1ull << 63, 0x40000000};
    uint64_t r = random64();
    return r & 1 ? random64() : edges[(r >> 8) % (sizeof(edges) / sizeof(edges[0]))];
}

static void hypercall_garbage(void) {
    for (unsigned i = 0; i < CALLS; i++) {
        struct call call = {{random_call_id(), random_argument(), random_argument(), random_argument()}};
        step(make_call, &call);
    }
    restore_interrupts();
}

static bool on_takt(void) {
    if (takt_present()) return true;
    skip("not on Takt");
    return false;
}

static void cancel_timers(void) {
    for (unsigned slot = 0; slot < TAKT_HC_TIMER_SLOTS; slot++) hypercall(TAKT_HC_TIMER_CANCEL, slot, 0, 0);
}

// Takt's own calls, their arguments garbage.
static void takt_calls(void) {
    static const uint64_t ids[] = {TAKT_HC_VERSION,      TAKT_HC_TIMER_SET, TAKT_HC_TIMER_CANCEL,
                                   TAKT_HC_TIMER_REPORT, TAKT_HC_STATS,     TAKT_HC_MARK};
    if (!on_takt()) return;
    for (unsigned i = 0; i < CALLS; i++) {
        struct call call = {
            {ids[i % (sizeof(ids) / sizeof(ids[0]))], random_argument(), random_argument(), random_argument()}};
        step(make_call, &call);
    }
    cancel_timers();
    restore_interrupts();
}

// The hypercall timers, always due: their least distance has to hold.
static void timer_past(void) {
    if (!on_takt()) return;
    irq_enable(CALL_TIMER_INTERRUPT);
    irq_unmask();
    for (unsigned i = 0; i < CALLS; i++) {
        hypercall(TAKT_HC_TIMER_SET, i / 2 % TAKT_HC_TIMER_SLOTS, i & 1 ? PAST : clock_now(), CALL_TIMER_CHOICE);
        step_passed();
    }
    irq_mask();
    cancel_timers();
    restore_interrupts();
}

const struct attack call_attacks[] = {
    {"hypercall-garbage", hypercall_garbage, CONTINUES},
    {"takt-calls", takt_calls, CONTINUES},
    {"timer-hypercall-past", timer_past, CONTINUES},
    {0},
};
