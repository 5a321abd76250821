// SPDX-License-Identifier: Apache-2.0
// Generic timer semantics: DDI 0487, D12.2.4.
#include "arch/arm64/ptimer.h"

#include "arch/arm64/gic.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/vm.h"

static bool expired(const struct guest_timer *timer, uint64_t now) {
    return (timer->ctl & TIMER_ENABLE) != 0 && now >= timer->cval;
}

// Sets the interrupt's level as it is at `now`.
static void set_level(struct vcpu *vcpu, uint64_t now) {
    const struct guest_timer *timer = &vcpu->arch.ptimer;

    vgic_set_line(vcpu, GIC_PPI_PTIMER, expired(timer, now) && (timer->ctl & TIMER_IMASK) == 0);
}

static void fired(struct timer_event *event, uint64_t now) {
    set_level(container_of(event, struct vcpu, device_timer), now);
}

// An event is queued only while it has an interrupt to raise.
static void update(struct vcpu *vcpu) {
    const struct guest_timer *timer = &vcpu->arch.ptimer;
    struct cpu *cpu = vcpu->cpu;
    uint64_t now = arch_clock();

    set_level(vcpu, now);
    if ((timer->ctl & (TIMER_ENABLE | TIMER_IMASK)) != TIMER_ENABLE || expired(timer, now)) {
        timer_queue_remove(&cpu->timers, &vcpu->device_timer);
        return;
    }
    vcpu->device_timer.slack = vcpu_running_slack(vcpu);
    timer_queue_add(&cpu->timers, &vcpu->device_timer, timer->cval);
    cpu->todo |= TODO_DISPATCH; // programs the hardware timer
}

uint64_t ptimer_read(struct vcpu *vcpu, enum ptimer_register which) {
    const struct guest_timer *timer = &vcpu->arch.ptimer;
    uint64_t now = arch_clock();

    switch (which) {
    case PTIMER_TVAL: return (uint32_t)(timer->cval - now);
    case PTIMER_CTL: return timer->ctl | (expired(timer, now) ? TIMER_ISTATUS : 0);
    default: return timer->cval;
    }
}

void ptimer_write(struct vcpu *vcpu, enum ptimer_register which, uint64_t value) {
    struct guest_timer *timer = &vcpu->arch.ptimer;

    switch (which) {
    case PTIMER_TVAL: timer->cval = arch_clock() + (uint64_t)(int64_t)(int32_t)value; break;
    case PTIMER_CTL: timer->ctl = (uint32_t)value & (TIMER_ENABLE | TIMER_IMASK); break;
    default: timer->cval = value; break;
    }
    update(vcpu);
}

void ptimer_reset(struct vcpu *vcpu) {
    vcpu->arch.ptimer = (struct guest_timer){0};
    vcpu->device_timer.fire = fired;
}
