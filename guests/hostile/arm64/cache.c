// SPDX-License-Identifier: Apache-2.0
// Caches and TLBs: maintenance by set and way, by addresses that are not the guest's, and broadcasts
// without end. The guest's own data must still be there afterwards.
#include "arm64.h"

#define LEVELS     7
#define SETS       256
#define WAYS       4
#define LINE_SHIFT 6
#define BROADCASTS 10000

static uint64_t canary[512];

static void canary_set(void) {
    for (unsigned i = 0; i < 512; i++) canary[i] = i * 0x9e3779b97f4a7c15ull;
}

static void canary_check(void) {
    for (unsigned i = 0; i < 512; i++) {
        if (canary[i] != i * 0x9e3779b97f4a7c15ull) {
            say("hostile: memory lost its contents at word %u\n", i);
            return;
        }
    }
}

static void by_set_and_way(void *argument) {
    uint64_t value = *(uint64_t *)argument;
    __asm__ volatile("dc csw, %0\n\tdc cisw, %0" ::"r"(value) : "memory");
}

static void set_way(void) {
    canary_set();
    for (uint64_t level = 0; level < LEVELS; level++)
        for (uint64_t way = 0; way < WAYS; way++)
            for (uint64_t set = 0; set < SETS; set++) {
                uint64_t value = way << 30 | set << LINE_SHIFT | level << 1;
                step(by_set_and_way, &value);
            }
    canary_check();
}

// Invalidation alone throws away what was written, unless the hypervisor makes it clean first: a
// guest may lose its own data this way, hence only others' matter here.
static void invalidate(void *argument) {
    uint64_t value = *(uint64_t *)argument;
    __asm__ volatile("dc isw, %0" ::"r"(value) : "memory");
}

static void set_way_invalidate(void) {
    for (uint64_t set = 0; set < SETS; set++) {
        uint64_t value = set << LINE_SHIFT;
        step(invalidate, &value);
    }
}

static void by_address(void *address) {
    __asm__ volatile("dc cvac, %0\n\tdc civac, %0\n\tic ivau, %0\n\tdsb sy" ::"r"(address) : "memory");
}

static void own_addresses(void) {
    canary_set();
    for (unsigned offset = 0; offset < sizeof(canary); offset++) step(by_address, (char *)canary + offset);
    canary_check();
}

static void foreign_addresses(void) {
    static const uint64_t addresses[] = {0, 0x08000000, 0x09000000, 0x7ff00000, 0xffffffffc0ull};
    for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        step(by_address, window(addresses[i], true, false));
    step(by_address, window(memory_end(), true, false));
}

static void broadcasts(void) {
    for (unsigned i = 0; i < BROADCASTS; i++) {
        __asm__ volatile("tlbi vmalle1is\n\tdsb ish\n\tic ialluis\n\tdsb ish\n\tisb" ::: "memory");
        step_passed();
    }
}

const struct attack cache_attacks[] = {
    {"cache-set-way", set_way, CONTINUES},
    {"cache-set-way-invalidate", set_way_invalidate, EITHER},
    {"cache-own-addresses", own_addresses, CONTINUES},
    {"cache-foreign-addresses", foreign_addresses, EITHER},
    {"cache-broadcasts", broadcasts, CONTINUES},
    {0},
};
