// SPDX-License-Identifier: Apache-2.0
// The attacks of this architecture, and the tools that they share.
#include "arm64.h"
#include "gic.h"
#include "machine.h"

#define WINDOW_GIB 511 // of the identity map: far above anything
#define GIB_SHIFT  30
#define STUB_RET   0xd65f03c0

extern uint64_t guest_table[];

const struct attack *const attack_tables[] = {
    memory_attacks,    control_attacks, sysreg_attacks, call_attacks, smc_attacks,  psci_attacks,
    interrupt_attacks, pending_attacks, timer_attacks,  gic_attacks,  mmio_attacks, cache_attacks,
    console_attacks,   uart_attacks,    virtio_attacks, smp_attacks,  race_attacks, NULL,
};

uint64_t a_device(void) { return gic.gicd; }

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
