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
#include "timer/timer_queue.h"

struct vcpu;

// Things to do before a guest is resumed; the exit path tests the whole word once.
enum cpu_todo {
    TODO_DISPATCH = 1u << 0,   // the scheduling decision may have changed
    TODO_INBOX = 1u << 1,      // another core left something in `inbox`
    TODO_INTERRUPTS = 1u << 2, // the current VCPU's virtual interrupts must be moved to hardware
};

struct cpu {
    // -- read by arch/*/entry.S, keep first and in this order (offsets asserted in arch code) --
    void *stack_top;      // handlers start here
    struct vcpu *current; // the VCPU that runs or was just interrupted; NULL: the thread
    uint32_t todo;        // enum cpu_todo; published: others set bits atomically, then send an IPI
    uint32_t id; // logical number, 0..cpu_count-1: the order of /cpus in the board's device tree
    // -------------------------------------------------------------------------------------------
    struct arch_cpu arch; // incl. the thread's register frame
    struct vcpu
        *loaded; // whose guest registers the hardware holds; may differ from current while idle
    struct sched_core sched;
    struct timer_queue timers;
    struct timer_event decision; // "decide again": budget end, replenishment, turn end
    uint64_t horizon; // absolute deadline of what runs now; see timer_queue_next; published
    uint64_t armed;   // what the hardware timer is programmed to, UINT64_MAX: off
    struct job_thread thread;
    struct {
        struct spinlock lock;
        struct vcpu *wake; // list through vcpu->inbox_next of VCPUs whose state changed elsewhere
    } inbox;
    struct cpu_stats stats;
    bool online; // published
};

extern struct cpu *cpus[MAX_CORES]; // set once at boot
extern unsigned cpu_count;

// The core that executes this. Any context.
static inline struct cpu *this_cpu(void)
{
    return arch_this_cpu();
}

#endif
