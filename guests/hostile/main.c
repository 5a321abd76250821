// SPDX-License-Identifier: Apache-2.0
// Chooses and runs the attacks, and the tools that they share.
#include "hostile.h"

#include "fdt.h"
#include "gic.h"

#include <string.h>

#define WINDOW_GIB   511 // of the identity map: far above anything
#define GIB_SHIFT    30
#define STUB_RET     0xd65f03c0
#define DEFAULT_SEED 20261

extern uint64_t guest_table[];

static const struct attack *const tables[] = {
    memory_attacks, control_attacks, sysreg_attacks, call_attacks,    psci_attacks,   interrupt_attacks, timer_attacks,
    gic_attacks,    mmio_attacks,    cache_attacks,  console_attacks, virtio_attacks, smp_attacks,
};

static struct {
    uint64_t trapped, passed;
    const char *skipped;
} tally;

static uint64_t random_state;

uint64_t random64(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

bool step(void (*function)(void *), void *argument) {
    static struct trap_context context;
    bool trapped = guard(&context, function, argument);
    irq_mask();
    if (trapped)
        tally.trapped++;
    else
        tally.passed++;
    return trapped;
}

void step_passed(void) { tally.passed++; }

void skip(const char *why) { tally.skipped = why; }

uint64_t memory_end(void) {
    uint64_t address, size, end = 0;
    int node = FDT_NONE;
    while ((node = fdt_next_with(node, "device_type", "memory")) != FDT_NONE)
        for (int i = 0; fdt_reg(node, i, &address, &size); i++)
            if (address + size > end) end = address + size;
    return end;
}

void *window(uint64_t address, bool normal, bool executable) {
    uint64_t gib = address >> GIB_SHIFT << GIB_SHIFT;
    uint64_t block = gib | BLOCK_AF | BLOCK_VALID | 1ull << 54;
    block |= normal ? BLOCK_ATTR(MAIR_NORMAL) | BLOCK_INNER_SH : BLOCK_ATTR(MAIR_DEVICE);
    if (!executable) block |= 1ull << 53;
    guest_table[WINDOW_GIB] = 0;
    __asm__ volatile("dsb ishst\n\ttlbi vmalle1is\n\tdsb ish\n\tisb" ::: "memory");
    guest_table[WINDOW_GIB] = block;
    barrier_full();
    return (void *)(((uint64_t)WINDOW_GIB << GIB_SHIFT) + (address - gib));
}

// A page of its own, so that changing it disturbs nothing else.
static uint32_t stub[1024] __attribute__((aligned(4096)));

static void call_stub(void *value) { ((void (*)(uint64_t))(uintptr_t)stub)(*(uint64_t *)value); }

bool step_instruction(uint32_t instruction, uint64_t value) {
    stub[0] = instruction;
    stub[1] = STUB_RET;
    __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(stub) : "memory");
    return step(call_stub, &value);
}

void restore_interrupts(void) {
    irq_mask();
    timer_off();
    SYSREG_WRITE(cntp_ctl_el0, 0);
    gic_init();
}

static void run(const struct attack *attack) {
    memset(&tally, 0, sizeof(tally));
    say("hostile: %s start\n", attack->name);
    attack->run();
    irq_mask();
    if (tally.skipped)
        say("hostile: %s skipped %s\n", attack->name, tally.skipped);
    else
        say("hostile: %s survived trapped %llu passed %llu\n", attack->name, (unsigned long long)tally.trapped,
            (unsigned long long)tally.passed);
}

static void list(const struct attack *attack) {
    static const char *const words[] = {"continues", "dies", "either", "spins"};
    say("hostile: attack %s expects %s\n", attack->name, words[attack->expected]);
}

// Runs or lists every row that the name stands for; returns how many.
static unsigned apply(const char *name) {
    unsigned count = 0;
    bool all = strcmp(name, "all-survivable") == 0, listed = strcmp(name, "list") == 0;
    for (unsigned t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (const struct attack *attack = tables[t]; attack->name; attack++) {
            if (listed)
                list(attack);
            else if ((all && attack->expected == CONTINUES) || strcmp(name, attack->name) == 0)
                run(attack);
            else
                continue;
            count++;
        }
    }
    return count;
}

void guest_main(void) {
    char name[64];
    strlcpy(name, arg_text("attack", "list"), sizeof(name));
    uint64_t repeat = arg_number("repeat", 1);
    random_state = arg_number("seed", DEFAULT_SEED) | 1ull << 63;
    unsigned count = apply(name);
    for (uint64_t round = 1; round != repeat && count > 0; round++) apply(name);
    if (count == 0) say("hostile: there is no attack %s\n", name);
    say("hostile: done %u\n", count);
}
