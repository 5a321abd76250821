// SPDX-License-Identifier: Apache-2.0
#include "kernel/hand_over.h"

#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/trace.h"

enum { TIMERS = 3 };

static struct timer_event *timer_of(struct vcpu *vcpu, unsigned i) {
    struct timer_event *const timers[TIMERS] = {&vcpu->guest_timer, &vcpu->device_timer, &vcpu->call_timer};

    return timers[i];
}

// With the lock of the inbox held.
static void take_message(struct vcpu *vcpu) {
    struct vcpu **link = &vcpu->cpu->inbox.head;

    if (!vcpu->in_inbox) { return; }
    while (*link != vcpu) { link = &(*link)->inbox_next; }
    *link = vcpu->inbox_next;
    vcpu->inbox_next = vcpu;
    vcpu->in_inbox = false;
}

COLD void vcpu_hand_over(struct vcpu *vcpu, struct cpu *to) {
    struct cpu *cpu = vcpu->cpu;

    ASSERT(cpu == this_cpu() && cpu != to && vcpu->entity.state == SCHED_BLOCKED);
    if (cpu->current == vcpu) {
        vcpu_out(vcpu, arch_clock());
        __atomic_store_n(&cpu->current, NULL, __ATOMIC_RELAXED);
        arch_resume_set(cpu, NULL);
    }
    vcpu_vacate(vcpu);
    vcpu->carried = 0;
    for (unsigned i = 0; i < TIMERS; i++) {
        struct timer_event *event = timer_of(vcpu, i);
        if (!timer_queue_queued(event)) { continue; }
        timer_queue_remove(&cpu->timers, event);
        vcpu->carried |= (uint8_t)(1u << i);
    }
    arch_vcpu_leave_core(vcpu);
    trace(cpu, TRACE_MIGRATE, vcpu, to->id, 0);
    vcpu->arriving = true;
    cpu->todo |= TODO_DISPATCH;
    unsigned long flags = spin_lock(&cpu->inbox.lock);
    take_message(vcpu);
    __atomic_store_n(&vcpu->cpu, to, __ATOMIC_RELAXED); // from here on it is the other core's
    spin_unlock(&cpu->inbox.lock, flags);
    vcpu_kick(vcpu);
}

COLD void vcpu_take_over(struct vcpu *vcpu) {
    struct cpu *cpu = vcpu->cpu;

    vcpu->arriving = false;
    arch_vcpu_enter_core(vcpu);
    for (unsigned i = 0; i < TIMERS; i++) {
        struct timer_event *event = timer_of(vcpu, i);
        if ((vcpu->carried >> i & 1) == 0) { continue; }
        event->slack = TIMER_SLACK_BEST_EFFORT; // until its turn comes
        timer_queue_add(&cpu->timers, event, event->when);
    }
    if (vcpu->state == VCPU_BLOCKED) { vcpu_arm_timers(vcpu, arch_clock()); }
    cpu->todo |= TODO_DISPATCH;
}
