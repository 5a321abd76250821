// SPDX-License-Identifier: Apache-2.0
// Exceptions of what runs below the handlers: guests and the core's thread. Called by entry.S with the register frame
// of what was interrupted; each returns the frame to resume. Handler context.
#ifndef ARM64_TRAP_H
#define ARM64_TRAP_H

#include "arch/arm64/guest_state.h"
#include "kernel/cpu.h"

struct regs *trap_sync(struct regs *regs, struct cpu *cpu);
struct regs *trap_irq(struct regs *regs, struct cpu *cpu);
struct regs *trap_serror(struct regs *regs, struct cpu *cpu);
struct regs *trap_thread(struct regs *regs, struct cpu *cpu);

// Which handler each core's own interrupts have. Boot core, when the interrupt controller is known.
void irq_init(void);

// An exception that the hypervisor itself took through entry `vector` of the table, on a stack that is sound; `regs`
// holds the interrupted stack pointer in sp_el0. Logs everything and stops the core.
void arch_panic_exception(struct regs *regs, unsigned vector) __attribute__((noreturn));

// Leaves the handler for `frame`. Never returns. entry.S.
void resume_frame(struct regs *frame) __attribute__((noreturn));

// What every handler ends with: do what is to be done, note how long interrupts were masked, choose the frame.
static inline struct regs *trap_leave(struct cpu *cpu) {
    uint64_t words;

    _Static_assert(offsetof(struct cpu, todo_remote) == offsetof(struct cpu, todo) + 4, "one load reads both");
    words = __atomic_load_n((uint64_t *)(void *)&cpu->todo, __ATOMIC_RELAXED);
    if (unlikely(words != 0)) { dispatch(cpu); }
    cpu_note_masked(cpu, arch_clock());
    return cpu->arch.resume;
}

#endif
