// SPDX-License-Identifier: Apache-2.0
// PSCI (Arm DEN0022) with every argument wrong.
#include "arm64.h"

#include "firmware.h"
#include "interrupts.h"

#define CPU_ON_32           0x84000003
#define CPU_SUSPEND_32      0x84000001
#define AFFINITY_INFO_32    0x84000004
#define MIGRATE             0xC4000005
#define MIGRATE_INFO_TYPE   0x84000006
#define MIGRATE_INFO_CPU    0xC4000007
#define FEATURES            0x8400000A
#define CPU_DEFAULT_SUSPEND 0xC400000C
#define NODE_HW_STATE       0xC400000D
#define SYSTEM_SUSPEND      0xC400000E
#define SET_SUSPEND_MODE    0x8400000F
#define STAT_RESIDENCY      0xC4000010
#define MEM_PROTECT         0x84000013
#define MEM_PROTECT_RANGE   0xC4000014
#define OUTSIDE             0xfffff000ull
#define WAKE_US             1000

struct request {
    uint64_t function, a, b, c;
};

static void make_request(void *argument) {
    const struct request *r = argument;
    psci_call(r->function, r->a, r->b, r->c);
}

// None of these may start, stop or wake anything: the targets do not exist, the entry points lie
// outside memory or are odd, the states are reserved.
static void bad_arguments(void) {
    static const struct request requests[] = {
        {PSCI_CPU_ON, 0, 0x40080000, 0},
        {PSCI_CPU_ON, 8, 0x40080000, 0},
        {PSCI_CPU_ON, 0x80000000, 0x40080000, 0},
        {PSCI_CPU_ON, 0xff00000000, 0x40080000, 0},
        {PSCI_CPU_ON, ~0ull, 0x40080000, 0},
        {CPU_ON_32, ~0ull, 0x40080000, 0},
        {PSCI_AFFINITY, 0, 1, 0},
        {PSCI_AFFINITY, 0, ~0ull, 0},
        {PSCI_AFFINITY, ~0ull, 0, 0},
        {AFFINITY_INFO_32, 0x00ffffff, 3, 0},
        {MIGRATE, 0, 0, 0},
        {MIGRATE, ~0ull, 0, 0},
        {MIGRATE_INFO_TYPE, ~0ull, 0, 0},
        {MIGRATE_INFO_CPU, 0, 0, 0},
        {FEATURES, 0, 0, 0},
        {FEATURES, ~0ull, 0, 0},
        {FEATURES, 0x8400ffff, 0, 0},
        {NODE_HW_STATE, ~0ull, ~0ull, 0},
        {SET_SUSPEND_MODE, ~0ull, 0, 0},
        {STAT_RESIDENCY, ~0ull, ~0ull, 0},
        {MEM_PROTECT, ~0ull, 0, 0},
        {MEM_PROTECT_RANGE, 0, ~0ull, 0},
        {MEM_PROTECT_RANGE, ~0ull, ~0ull, 0},
    };
    for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct request request = requests[i];
        step(make_request, &request);
    }
}

// A second VCPU may exist; its entry point does not.
static void bad_entry(void) {
    static const uint64_t entries[] = {OUTSIDE, 0x40080001, 0x40080002, 0, ~0ull, 1ull << 52, 0x09000000};
    for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        struct request request = {PSCI_CPU_ON, 1, entries[i], 0};
        step(make_request, &request);
    }
}

// Whether refused or taken as a plain wait, each returns: a timer wakes it.
static void bad_suspend(void) {
    static const uint64_t functions[] = {PSCI_CPU_SUSPEND, CPU_SUSPEND_32};
    static const uint64_t states[] = {0,          1,          0xffff,     0x00ff0000, 0x01000000,
                                      0x03000000, 0x40000000, 0x80000000, 0xfffeffff};
    irq_enable(TIMER_INTERRUPT);
    for (unsigned f = 0; f < 2; f++) {
        for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
            struct request request = {functions[f], states[i], OUTSIDE, random64()};
            timer_set(clock_now() + us_to_ticks(WAKE_US));
            step(make_request, &request);
        }
    }
    restore_interrupts();
}

// Calls that few firmwares have. Those that suspend get an entry point outside memory.
static void bad_rare(void) {
    static const uint64_t functions[] = {CPU_DEFAULT_SUSPEND, SYSTEM_SUSPEND};
    irq_enable(TIMER_INTERRUPT);
    for (unsigned i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        struct request request = {functions[i], OUTSIDE, 0, 0};
        timer_set(clock_now() + us_to_ticks(WAKE_US));
        step(make_request, &request);
    }
    restore_interrupts();
}

static void reset(void) { psci_call(PSCI_SYSTEM_RESET, ~0ull, ~0ull, ~0ull); }

static void power_off(void) { psci_call(PSCI_SYSTEM_OFF, ~0ull, ~0ull, ~0ull); }

// The last VCPU leaves: nobody is left to start it again.
static void last_off(void) { psci_call(PSCI_CPU_OFF, 0, 0, 0); }

const struct attack psci_attacks[] = {
    {"psci-arguments", bad_arguments, CONTINUES},
    {"psci-entry", bad_entry, EITHER},
    {"psci-suspend", bad_suspend, CONTINUES},
    {"psci-rare", bad_rare, EITHER},
    {"psci-reset", reset, DIES},
    {"psci-off", power_off, DIES},
    {"psci-last-off", last_off, EITHER},
    {0},
};
