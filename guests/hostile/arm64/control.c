// SPDX-License-Identifier: Apache-2.0
// Programs that lose their way: undefined instructions, ruined stacks, waits without end.
#include "arm64.h"

#include "interrupts.h"

#define LOOPS       100000
#define UNASSIGNED  0x00010000 // low addresses, where the default map has nothing
#define STACK_BELOW 64

static void undefined_instructions(void) {
    static const uint32_t words[] = {
        0x00000000, // udf #0
        0xffffffff, // unallocated
        0xd4200000, // brk #0
        0xd4400000, // hlt #0
        0xd4000001, // svc #0: from EL1 to EL1
        0xd4a00001, // dcps1
        0xd4a00002, // dcps2
        0xd4a00003, // dcps3
        0xd6bf03e0, // drps
        0x04000000, // SVE
        0xd503233f, // paciasp, a hint where it is not implemented
        0x0e284800, // aese: optional
    };
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) step_instruction(words[i], 0);
    for (unsigned i = 0; i < LOOPS / 10; i++)
        step_instruction((uint32_t)random64() & 0x01ffffff, 0); // the reserved group of opcodes
}

static void jump(void *address) { ((void (*)(void))(uintptr_t)address)(); }

static void jump_null(void) { step(jump, NULL); }

static void jump_odd(void) { step(jump, (void *)0x40080002); }

// There is no way back from a ruined stack, so an undefined instruction follows the store.
static void use_stack(void *top) {
    __asm__ volatile("mov sp, %0\n\tstp x0, x1, [sp, #-64]!\n\tudf #0" ::"r"(top) : "memory");
    __builtin_unreachable();
}

// Below the lowest address lies the other half of the address space, which is not mapped.
static void stack_overflow(void) { step(use_stack, NULL); }

static void stack_unaligned(void) {
    SYSREG_WRITE(sctlr_el1, SYSREG_READ(sctlr_el1) | 1 << 3); // SA
    step(use_stack, (void *)(memory_end() - STACK_BELOW - 3));
    SYSREG_WRITE(sctlr_el1, SYSREG_READ(sctlr_el1) & ~(1ull << 3));
}

static void stack_outside(void) { step(use_stack, (void *)UNASSIGNED); }

// Neither stack is usable: each exception raises the next one, at once and for ever.
static void handler_loop(void) {
    __asm__ volatile("msr spsel, #1\n\tmov sp, %0\n\tmsr spsel, #0\n\tmov sp, %0\n\t"
                     "stp x0, x1, [sp, #-16]!\n\tb ." ::"r"(0ull)
                     : "memory");
}

// The vectors are not there: the same, without a single good fetch.
static void vectors_gone(void) {
    SYSREG_WRITE(vbar_el1, 0xffff000000000000ull);
    __asm__ volatile("udf #0");
}

static void spin_masked(void) { __asm__ volatile("msr daifset, #0xf\n\tb ."); }

static void wait_forever(void) {
    for (;;) wait_for_interrupt();
}

static void wfe_loop(void) {
    for (unsigned i = 0; i < LOOPS; i++) {
        __asm__ volatile("sev\n\twfe\n\tsevl\n\twfe" ::: "memory");
        step_passed();
    }
}

// An interrupt that is pending and masked ends every WFI at once.
static void wfi_loop(void) {
    irq_enable(TIMER_INTERRUPT);
    timer_set(clock_now());
    for (unsigned i = 0; i < LOOPS; i++) {
        wait_for_interrupt();
        step_passed();
    }
    restore_interrupts();
}

const struct attack control_attacks[] = {
    {"undefined-instructions", undefined_instructions, CONTINUES},
    {"jump-null", jump_null, CONTINUES},
    {"jump-odd", jump_odd, CONTINUES},
    {"stack-overflow", stack_overflow, CONTINUES},
    {"stack-unaligned", stack_unaligned, CONTINUES},
    {"stack-outside", stack_outside, DIES},
    {"wfe-loop", wfe_loop, CONTINUES},
    {"wfi-loop", wfi_loop, CONTINUES},
    {"handler-loop", handler_loop, SPINS},
    {"vectors-gone", vectors_gone, SPINS},
    {"spin-masked", spin_masked, SPINS},
    {"wait-forever", wait_forever, SPINS},
    {0},
};
