// SPDX-License-Identifier: Apache-2.0
// The arm64 half of kernel/arch.h that must be inline or sized: context structures and leaf operations.
#ifndef ARCH_TYPES_H
#define ARCH_TYPES_H

#include "arch/arm64/guest_state.h"
#include "arch/arm64/sysreg.h"
#include "kernel/types.h"

// Where struct vcpu has it: first, as the exception vectors find the register frame at offset 0.
#define ARCH_VCPU_FIRST struct arch_vcpu arch;
#define ARCH_VCPU_LATER

struct arch_cpu {
    struct regs thread;  // the hypervisor thread's frame (EL2t), see entry.S
    struct regs *resume; // the frame that the way out restores
    void *gic_own;       // the frame with the registers of its own interrupts (SGIs, PPIs)
};

static inline struct cpu *arch_this_cpu(void) {
    struct cpu *cpu; // constant on a core: not volatile, so that the compiler may keep it
    __asm__("mrs %0, tpidr_el2" : "=r"(cpu));
    return cpu;
}

static inline uint64_t arch_clock(void) { return read_sysreg(cntpct_el0); }

static inline unsigned long arch_irq_save(void) {
    unsigned long flags = read_sysreg(daif);
    __asm__ volatile("msr daifset, #2" ::: "memory");
    return flags;
}

static inline void arch_irq_restore(unsigned long flags) { __asm__ volatile("msr daif, %0" ::"r"(flags) : "memory"); }

static inline bool arch_interrupt_pending(void) { return (read_sysreg(isr_el1) & ISR_I) != 0; }

static inline void arch_relax(void) { __asm__ volatile("yield" ::: "memory"); }

static inline void arch_barrier_full(void) { __asm__ volatile("dmb ish" ::: "memory"); }

static inline void arch_idle(void) { __asm__ volatile("dsb sy; wfi" ::: "memory"); }

static inline bool arch_in_handler(void) {
    return read_sysreg(spsel) != 0; // the thread runs at EL2t
}

#endif
