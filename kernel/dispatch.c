// SPDX-License-Identifier: Apache-2.0
// Walk 1 of the house, from an interrupt to the guest that it makes run: what other cores left is taken, expired
// timers fire, the scheduler decides, the chosen VCPU takes the core, and the one hardware timer is set to the next
// moment that can change the decision.
#include "kernel/arch.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/vm.h"

// A timer interrupt this late was not ours to prevent: the longest masked section is far below (docs/design.md).
#define DISTORTION_NS 100000

void cpu_notify(struct cpu *cpu, bool now)
{
    uint32_t bits = now ? TODO_INBOX | TODO_KICKED : TODO_INBOX;
    uint32_t old = __atomic_fetch_or(&cpu->todo_remote, bits, __ATOMIC_SEQ_CST);

    if (!now) {
        return;
    }
    if ((old & TODO_KICKED) == 0) {
        this_cpu()->stats.ipis_sent++;
        arch_ipi(cpu);
    } else {
        this_cpu()->stats.ipis_saved++;
    }
}

void cpu_timer_expired(struct cpu *cpu)
{
    uint64_t late = cpu->entered - cpu->armed;

    if (cpu->entered > cpu->armed && late > clock_ns_to_ticks_up(&clock_rate, DISTORTION_NS)) {
        cpu->stats.distortions++;
        sched_distorted(&cpu->sched, cpu->entered);
    }
    cpu->armed = 0; // it has fired: whatever comes next is programmed anew
    cpu->todo |= TODO_DISPATCH;
}

// What other cores left: VCPUs to look at, jobs for the thread. Bounded by the VCPUs that can be on one core; what
// comes in meanwhile beyond that has set the bit again.
static void take_inbox(struct cpu *cpu)
{
    __atomic_fetch_and(&cpu->todo_remote, ~(uint32_t)(TODO_INBOX | TODO_KICKED), __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < SCHED_ENTITIES_MAX; i++) {
        unsigned long flags = spin_lock(&cpu->inbox.lock);
        struct vcpu *vcpu = cpu->inbox.head;
        if (vcpu != NULL) {
            cpu->inbox.head = vcpu->inbox_next;
            vcpu->in_inbox = false;
        }
        spin_unlock(&cpu->inbox.lock, flags);
        if (vcpu == NULL) {
            break;
        }
        vcpu_attend(vcpu, cpu->entered);
    }
    job_poll(cpu);
}

// Charges what handling this event cost to the VCPU that owns it; what runs does not pay.
static void account_event(struct cpu *cpu, struct sched_entity *owner, uint64_t since)
{
    uint64_t spent = arch_clock() - since;

    cpu->stats.irq_ticks += spent;
    sched_exempt(&cpu->sched, spent);
    if (owner != NULL) {
        sched_charge(&cpu->sched, owner, spent);
    }
}

static struct sched_decision decide(struct cpu *cpu)
{
    uint64_t now = arch_clock();
    struct sched_decision decision = sched_pick(&cpu->sched, now);
    struct timer_event *event = timer_queue_pop(&cpu->timers, now, decision.deadline);

    // Each pass fires at least one event, and an event fires again only when its owner ran in between.
    while (event != NULL) {
        uint64_t began = now;
        do {
            event->fire(event, now);
            account_event(cpu, event->owner, began);
            began = arch_clock();
            event = timer_queue_pop(&cpu->timers, now, decision.deadline);
        } while (event != NULL);
        now = arch_clock();
        decision = sched_pick(&cpu->sched, now);
        event = timer_queue_pop(&cpu->timers, now, decision.deadline);
    }
    return decision;
}

static void leave_vcpu(struct cpu *cpu, struct vcpu *vcpu)
{
    arch_vcpu_pause(vcpu);
    vcpu_out(vcpu, cpu->entered);
}

static void enter_vcpu(struct cpu *cpu, struct vcpu *vcpu)
{
    if (cpu->loaded != vcpu) {
        if (cpu->loaded != NULL) {
            arch_vcpu_save(cpu->loaded);
        }
        arch_vcpu_load(vcpu);
        cpu->loaded = vcpu;
        cpu->stats.switches++;
    }
    vcpu_in(vcpu, cpu->entered);
    arch_vcpu_sync_interrupts(vcpu);
    arch_vcpu_resume(vcpu);
}

static void switch_to(struct cpu *cpu, struct vcpu *next)
{
    struct vcpu *previous = cpu->current;

    if (previous != NULL) {
        leave_vcpu(cpu, previous);
    }
    cpu->current = next;
    if (next != NULL) {
        enter_vcpu(cpu, next);
    }
    arch_resume_set(cpu, next);
}

// A VCPU that owns its core keeps it while it waits: nobody else wants it.
static void set_wfi(struct cpu *cpu, struct vcpu *vcpu)
{
    bool trap = !sched_sole(&cpu->sched);

    if (vcpu->wfi_traps != trap) {
        vcpu->wfi_traps = trap;
        arch_vcpu_trap_wfi(vcpu, trap);
    }
}

static void arm(struct cpu *cpu, const struct sched_decision *decision)
{
    uint64_t when = MIN(decision->until, timer_queue_next(&cpu->timers, decision->deadline));

    if (when != cpu->armed) {
        cpu->armed = when;
        arch_timer_arm(when);
    }
}

void dispatch(struct cpu *cpu)
{
    struct sched_decision decision;
    struct vcpu *next;

    do {
        if (cpu->todo_remote != 0) {
            take_inbox(cpu);
        }
        if ((cpu->todo & TODO_DISPATCH) == 0) {
            break;
        }
        cpu->todo &= ~(uint32_t)TODO_DISPATCH;
        cpu->stats.dispatches++;
        decision = decide(cpu);
        next = vcpu_of_entity(cpu, decision.run);
        if (next != cpu->current) {
            switch_to(cpu, next);
        }
        if (next != NULL) {
            set_wfi(cpu, next);
        }
        arm(cpu, &decision);
        arch_barrier_full(); // the decision is published before the words are read again (sched_remote_preempts)
    } while (cpu->todo_remote != 0 || (cpu->todo & TODO_DISPATCH) != 0);
    if ((cpu->todo & TODO_INTERRUPTS) != 0) {
        cpu->todo &= ~(uint32_t)TODO_INTERRUPTS;
        if (cpu->current != NULL) {
            arch_vcpu_sync_interrupts(cpu->current);
        }
    }
}
