// SPDX-License-Identifier: Apache-2.0
// Every model-specific register that may be there, read and written, and CPUID with every leaf.
#include "apic.h"
#include "x86.h"

#define LEAVES    0x140
#define SUBLEAVES 4

static const struct {
    uint32_t first, last;
} ranges[] = {
    {0x00000000, 0x00001fff}, // Intel's, and common ones
    {0x40000000, 0x400001ff}, // of hypervisors
    {0x4b564d00, 0x4b564dff}, // of KVM
    {0xc0000000, 0xc0001fff}, // AMD64's
    {0xc0010000, 0xc0011fff}, // AMD's
};

// Registers in which a guest that wants to live keeps its own state, or by which it can stop itself.
static bool vital(uint32_t msr) {
    return msr == MSR_TSC || msr == MSR_TSC_ADJUST || msr == MSR_APIC_BASE || msr == MSR_PAT || msr == MSR_EFER ||
           (msr >= MSR_X2APIC && msr < MSR_X2APIC + 0x100);
}

static void each(void (*function)(uint32_t msr)) {
    for (unsigned i = 0; i < COUNT_OF(ranges); i++)
        for (uint32_t msr = ranges[i].first; msr <= ranges[i].last; msr++) function(msr);
    restore_interrupts();
}

static void read_one(uint32_t msr) {
    static const uint8_t rdmsr[] = {0x0f, 0x32};
    step_code(rdmsr, sizeof(rdmsr), &(struct registers){.rcx = msr});
}

static void read_msrs(void) { each(read_one); }

static void write_ones(uint32_t msr) {
    if (!vital(msr)) step_msr_write(msr, ~0ull);
}

static void write_zero(uint32_t msr) {
    if (!vital(msr)) step_msr_write(msr, 0);
}

// An address outside of memory, enabled where bit 0 does that.
static void write_outside(uint32_t msr) {
    if (!vital(msr)) step_msr_write(msr, memory_end() | 1);
}

static void write_msrs(void) {
    each(write_ones);
    each(write_outside);
    each(write_zero);
}

static void random_msrs(void) {
    for (unsigned i = 0; i < 0x2000; i++) read_one((uint32_t)random64());
}

static void pat_values(void) {
    uint64_t old = msr_read(MSR_PAT);
    for (unsigned i = 0; i < 0x100; i++) {
        step_msr_write(MSR_PAT, i * 0x0101010101010101ull);
        step_msr_write(MSR_PAT, old);
    }
}

// The clock jumps, and comes back.
static void clock_jumps(void) {
    uint64_t adjust = msr_read(MSR_TSC_ADJUST), now = clock_now();
    step_msr_write(MSR_TSC, 0);
    step_msr_write(MSR_TSC, ~0ull);
    step_msr_write(MSR_TSC, now);
    step_msr_write(MSR_TSC_ADJUST, 1ull << 63);
    step_msr_write(MSR_TSC_ADJUST, adjust);
}

static void cpuid_leaves(void) {
    static const uint32_t bases[] = {0, 0x20000000, 0x40000000, 0x80000000, 0x8fffff00, 0xc0000000, 0xfffffec0};
    for (unsigned i = 0; i < COUNT_OF(bases); i++)
        for (uint32_t leaf = 0; leaf < LEAVES; leaf++)
            for (uint32_t subleaf = 0; subleaf < SUBLEAVES; subleaf++) {
                cpuid(bases[i] + leaf, subleaf == SUBLEAVES - 1 ? ~0u : subleaf);
                step_passed();
            }
}

const struct attack msr_attacks[] = {
    {"read-msrs", read_msrs, CONTINUES},
    {"write-msrs", write_msrs, CONTINUES},
    {"random-msrs", random_msrs, CONTINUES},
    {"pat-values", pat_values, CONTINUES},
    {"clock-jumps", clock_jumps, EITHER},
    {"cpuid-leaves", cpuid_leaves, CONTINUES},
    {0},
};
