// SPDX-License-Identifier: Apache-2.0
// The host's half of kernel/arch.h: one fake core that tests drive by hand (host.h). Guests' state is arm64's, so that
// what models a guest's machine is tested on the very same structures.
#ifndef ARCH_TYPES_H
#define ARCH_TYPES_H

#include "arch/arm64/guest_state.h"
#include "kernel/types.h"

#define ARCH_VCPU_FIRST struct arch_vcpu arch;
#define ARCH_VCPU_LATER

struct arch_cpu {
    struct regs thread;
    struct regs *resume;
};

// The fake core. A test sets them as it likes; host_reset gives them sane values.
extern struct cpu *host_cpu;
extern uint64_t host_clock;
extern bool host_irqs_masked;
extern bool host_irq_pending;
extern bool host_in_handler;
extern void (*host_meanwhile)(void); // at every full barrier, where other cores may do something; NULL: they do nothing

static inline struct cpu *arch_this_cpu(void) { return host_cpu; }

static inline uint64_t arch_clock(void) { return host_clock; }

static inline unsigned long arch_irq_save(void) {
    unsigned long flags = host_irqs_masked;
    host_irqs_masked = true;
    return flags;
}

static inline void arch_irq_restore(unsigned long flags) { host_irqs_masked = flags != 0; }

static inline bool arch_interrupt_pending(void) { return host_irq_pending; }

static inline void arch_relax(void) {}

static inline void arch_barrier_full(void) {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (host_meanwhile != NULL) { host_meanwhile(); }
}

static inline void arch_idle(void) {}

static inline bool arch_in_handler(void) { return host_in_handler; }

#endif
