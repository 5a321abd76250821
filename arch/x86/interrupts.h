// SPDX-License-Identifier: Apache-2.0
// Exceptions and interrupts of the hypervisor itself: the descriptor tables, what the thread's interrupts do, and what is
// taken in the middle of a handler.
#ifndef X86_INTERRUPTS_H
#define X86_INTERRUPTS_H

#include "kernel/cpu.h"

// What entry.S leaves on the stack; order and offsets are known there.
struct frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

// The table of interrupts, the same for all cores. Boot core, once.
void interrupts_init(void);
// Segments, task state and exception stacks of the calling core; from here on this_cpu() works. Each core, interrupts
// masked.
void interrupts_cpu_init(struct cpu *cpu);
// The exception stack, when the core has one of its own.
void interrupts_set_stacks(struct cpu *cpu);

// An interrupt with `vector`, taken by the machine from the thread, or within a handler that lets it in. Its work is done
// or noted in `todo`. Handler context.
void interrupt_take(struct cpu *cpu, unsigned vector);
// The same for the machine's next one, if there is any, which still waits at the local APIC.
void interrupt_let_in(struct cpu *cpu);

// Called by entry.S.
void thread_interrupted(struct cpu *cpu, unsigned vector) __attribute__((noreturn));
void exception_taken(struct frame *frame);

// For a dump: the chain of calls from a stack pointer on.
void panic_dump_from(uint64_t stack);

// Leaves the handler for the thread. Never returns. entry.S.
void thread_resume(struct cpu *cpu) __attribute__((noreturn));

#endif
