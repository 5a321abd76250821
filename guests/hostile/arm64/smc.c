// SPDX-License-Identifier: Apache-2.0
// The other conduit, and immediates that are no calls.
#include "arm64.h"
#include "firmware.h"

#define CALLS    100000
#define HVC_WORD 0xd4000002
#define SMC_WORD 0xd4000003

static void make_call(void *argument) {
    const uint64_t *x = argument;
    smc_call(x[0], x[1], x[2], x[3]);
}

static void smc_garbage(void) {
    for (unsigned i = 0; i < CALLS; i++) {
        uint64_t x[4] = {random_call_id(), random_argument(), random_argument(), random_argument()};
        step(make_call, x);
    }
    restore_interrupts();
}

// Only immediate 0 is a call.
static void call_immediates(void) {
    for (uint32_t immediate = 1; immediate <= 0xffff; immediate += 257) {
        step_instruction(HVC_WORD | immediate << 5, PSCI_VERSION);
        step_instruction(SMC_WORD | immediate << 5, PSCI_VERSION);
    }
}

const struct attack smc_attacks[] = {
    {"smc-garbage", smc_garbage, CONTINUES},
    {"call-immediates", call_immediates, CONTINUES},
    {0},
};
