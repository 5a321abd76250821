// SPDX-License-Identifier: Apache-2.0
// Hypercalls and firmware calls with ids and arguments from a random stream.
#include "hostile.h"

#include <takt/hypercall.h>

#define CALLS        100000
#define HVC_WORD     0xd4000002
#define SMC_WORD     0xd4000003
#define PSCI_LAST    0x1f
#define FUNCTION(id) ((id) & 0xffff)
#define OWNER(id)    ((id) >> 24 & 0x3f)
#define OWNER_PSCI   4

struct call {
    bool smc;
    uint64_t x[4];
};

static void make_call(void *argument) {
    struct call *call = argument;
    (call->smc ? smc_call : hvc_call)(call->x[0], call->x[1], call->x[2], call->x[3]);
}

// PSCI calls that do what they are asked: these have an attack of their own.
static bool effective(uint64_t id) { return OWNER(id) == OWNER_PSCI && FUNCTION(id) <= PSCI_LAST; }

// Half of the ids are near those that exist, the others anything.
static uint64_t random_id(void) {
    uint64_t r = random64();
    if (r & 1) return r >> 8;
    uint64_t owner = r >> 8 & 0x3f, function = r >> 16 & 0x3f;
    if (r & 2) function |= 0xff00;
    return 0x80000000 | (r & 4 ? 0x40000000 : 0) | owner << 24 | function;
}

// Arguments at the edges as well as anywhere.
static uint64_t random_argument(void) {
    static const uint64_t edges[] = {0, 1, 0x7fffffff, 0x80000000, ~0ull, 1ull << 63, 0x40000000};
    uint64_t r = random64();
    return r & 1 ? random64() : edges[(r >> 8) % (sizeof(edges) / sizeof(edges[0]))];
}

static void garbage(bool smc) {
    for (unsigned i = 0; i < CALLS; i++) {
        struct call call = {smc, {random_id(), random_argument(), random_argument(), random_argument()}};
        if (!effective(call.x[0])) step(make_call, &call);
    }
    restore_interrupts();
}

static void hypercall_garbage(void) { garbage(false); }

static void smc_garbage(void) { garbage(true); }

// Only immediate 0 is a call.
static void call_immediates(void) {
    for (uint32_t immediate = 1; immediate <= 0xffff; immediate += 257) {
        step_instruction(HVC_WORD | immediate << 5, PSCI_VERSION);
        step_instruction(SMC_WORD | immediate << 5, PSCI_VERSION);
    }
}

// Takt's own calls, their arguments garbage.
static void takt_calls(void) {
    static const uint64_t ids[] = {TAKT_HC_VERSION, TAKT_HC_TIMER_SET, TAKT_HC_TIMER_CANCEL, TAKT_HC_STATS,
                                   TAKT_HC_MARK};
    if (!takt_present()) {
        skip("not on Takt");
        return;
    }
    for (unsigned i = 0; i < CALLS; i++) {
        struct call call = {
            false, {ids[i % (sizeof(ids) / sizeof(ids[0]))], random_argument(), random_argument(), random_argument()}};
        step(make_call, &call);
    }
    hvc_call(TAKT_HC_TIMER_CANCEL, 0, 0, 0);
    restore_interrupts();
}

const struct attack call_attacks[] = {
    {"hypercall-garbage", hypercall_garbage, CONTINUES},
    {"smc-garbage", smc_garbage, CONTINUES},
    {"call-immediates", call_immediates, CONTINUES},
    {"takt-calls", takt_calls, CONTINUES},
    {0},
};
