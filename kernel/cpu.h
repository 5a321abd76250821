// SPDX-License-Identifier: Apache-2.0
// One structure per core; everything that belongs to a core hangs off it. A core reads and writes only its
// own, except `inbox`, which others fill under its lock, and the words marked "published".
//
// Three contexts run on a core, and only these:
//   handler  - exception level 2, interrupts masked, on the core's own stack; entered by a trap or an interrupt
//              of a guest or of the thread, always runs to its end in bounded time, then calls dispatch()
//   thread   - the core's one hypervisor thread (kernel/job.h): jobs in slices, else idle; interrupts open
//   guest    - a VCPU
#ifndef KERNEL_CPU_H
#define KERNEL_CPU_H

#include "arch_types.h"
#include "kernel/job.h"
#include "kernel/lock.h"
#include "kernel/stats.h"
#include "kernel/types.h"
#include "sched/sched.h"
#include "timer/clock.h"
#include "timer/timer_queue.h"

struct vcpu;

// Things to do before a guest is resumed; the way out tests both words at once.
enum cpu_todo {
    TODO_DISPATCH = 1u << 0,   // the scheduling decision may have changed
    TODO_INTERRUPTS = 1u << 1, // virtual interrupts of the current VCPU must be moved to the hardware
    TODO_INBOX = 1u << 2,      // remote word: another core left something in `inbox` or for the thread
    TODO_KICKED = 1u << 3,     // remote word: its IPI is on the way, no second one is needed
    TODO_TRACE = 1u << 4,      // stays set while this core traces: every way out passes dispatch()
};

struct cpu {
    // -- arch/*/entry.S knows these by offset; arch code asserts them --
    void *stack_top;                           // handlers start here
    struct vcpu *current;                      // the VCPU that runs or was interrupted; NULL: the thread
    uint32_t todo __attribute__((aligned(8))); // own core only, plain
    uint32_t todo_remote;                      // published: others set bits (cpu_notify), this core takes them
    void *panic_stack;                         // top; for exceptions of the hypervisor itself
    void *thread_stack;                        // top
    // ------------------------------------------------------------------
    uint32_t id;         // logical number, 0..cpu_count-1: the order of /cpus in the board's device tree
    bool online;         // published
    uint64_t hwid;       // as in /cpus
    struct vcpu *loaded; // whose guest registers the hardware holds; may differ from current while idle
    uint64_t armed;      // what the hardware timer is programmed to; UINT64_MAX: off
    uint64_t entered;    // when the running handler began
    uint64_t late_limit; // a timer interrupt that is later than this was lost by the machine; constant
    uint64_t load_time;  // an event that is nearer than this is waited for, before a VCPU is loaded; constant
    struct {
        struct spinlock lock;
        struct vcpu *head; // VCPUs to look at, linked by vcpu->inbox_next
    } inbox;
    struct arch_cpu arch; // incl. the thread's register frame
    struct sched_core sched;
    struct timer_queue timers;
    struct job_thread thread;
    struct cpu_stats stats;
#if TAKT_RECLAIM
    struct sched_spare spare; // of sched
#endif
#if TAKT_TRACE
    struct trace_ring *trace; // NULL: none. kernel/trace.h
#endif
};

extern struct cpu boot_cpu;         // the first; start.S points the core's register at it
extern struct cpu *cpus[MAX_CORES]; // set once at boot
extern unsigned cpu_count;
extern struct clock_rate clock_rate; // of arch_clock(); set once at boot

// The core that executes this. Any context.
static inline struct cpu *this_cpu(void) { return arch_this_cpu(); }

// Sets `bits` (TODO_INBOX, TODO_INTERRUPTS) for another core, and sends the IPI when `now` and none is on the way.
// Without `now` the core looks when it next decides. A full barrier. Interrupts masked.
void cpu_notify(struct cpu *cpu, uint32_t bits, bool now);

// ---- entered by arch code ---------------------------------------------------------------------------------
// The boot core, translation on, interrupts masked, on its own stack; `fdt` is the firmware's device tree.
void kernel_main(paddr_t fdt) __attribute__((noreturn));
// Every other core, in the same state.
void cpu_main(struct cpu *cpu) __attribute__((noreturn));
// Tells the scheduler when the machine itself lost time: the one-shot timer is overdue by more than any masked section of
// ours, or this handler is. Before anything is accounted up to `now`. Own core, handler context.
void cpu_check_time(struct cpu *cpu, uint64_t now);
// This core's one-shot timer fired. Handler context; dispatch follows.
void cpu_timer_expired(struct cpu *cpu);

// Charges what handling this event has cost since `since` to the VCPU that owns it; what runs does not pay. Nobody pays for
// what the machine lost meanwhile. Own core, handler context; a dispatch follows, since the owner may have no budget left.
static inline void cpu_account_event(struct cpu *cpu, struct sched_entity *owner, uint64_t since) {
    uint64_t spent = arch_clock() - since;

    cpu->stats.irq_ticks += spent;
    sched_exempt(&cpu->sched, spent);
    if (owner != NULL) { sched_charge(&cpu->sched, owner, MIN(spent, cpu->late_limit)); }
}

// How long interrupts have been masked, for the longest such section. Own core, handler context.
static inline void cpu_note_masked(struct cpu *cpu, uint64_t now) {
    uint64_t masked = now - cpu->entered;

    if (unlikely(masked > cpu->stats.masked_max)) { cpu->stats.masked_max = masked; }
}

// Between two steps of a handler's work: true when an interrupt waits for this core. Then the rest is for later, after
// that one; else the handler goes on as if it had been left and entered anew. Own core.
static inline bool cpu_must_yield(struct cpu *cpu) {
    if (arch_interrupt_pending()) { return true; }
    uint64_t now = arch_clock();
    cpu_note_masked(cpu, now);
    cpu->entered = now;
    return false;
}

// ---- kernel/dispatch.c ------------------------------------------------------------------------------------
// Before a guest or the thread resumes, when either todo word is set: takes what other cores left, fires timers,
// decides, switches, and takes interrupts that the work left over yields to. Handler context. Bounded between two of these:
// every timer and every VCPU of the core once.
void dispatch(struct cpu *cpu);

#endif
