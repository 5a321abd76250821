// SPDX-License-Identifier: Apache-2.0
#include "kernel/call_timer.h"

#include "kernel/arch.h"
#include "kernel/string.h"

static uint64_t least_distance(const struct vcpu *vcpu) {
    return clock_ns_to_ticks_up(&clock_rate, vcpu->vm->desc->timer_distance_us * 1000ull);
}

// Sets the one event to the first slot that is armed, but not before `earliest`.
static void arm_first(struct vcpu *vcpu, uint64_t earliest) {
    const struct call_slot *first = NULL;

    vcpu->cpu->todo |= TODO_DISPATCH; // programs the hardware timer
    for (unsigned i = 0; i < TAKT_HC_TIMER_SLOTS; i++) {
        const struct call_slot *slot = &vcpu->call_slots[i];
        if (slot->interrupt != 0 && (first == NULL || slot->when < first->when)) { first = slot; }
    }
    if (first == NULL) {
        timer_queue_remove(&vcpu->cpu->timers, &vcpu->call_timer);
        return;
    }
    timer_queue_add(&vcpu->cpu->timers, &vcpu->call_timer, MAX(first->when, MAX(vcpu->call_earliest, earliest)));
}

static void fire_slots(struct vcpu *vcpu, uint64_t now) {
    for (unsigned i = 0; i < TAKT_HC_TIMER_SLOTS; i++) {
        struct call_slot *slot = &vcpu->call_slots[i];
        unsigned interrupt = slot->interrupt;
        if (interrupt == 0 || slot->when > now) { continue; }
        slot->fired = slot->when;
        slot->late = now - slot->when;
        slot->interrupt = 0;
        arch_vcpu_inject(vcpu, interrupt);
    }
}

// A VCPU that waits is woken as of the expiry, which may have waited for a decision that it matters to. So the injection
// must not do it, as of now: meanwhile the VCPU looks ready, and what other cores made pending then is looked for here.
static void call_timer_fired(struct timer_event *event, uint64_t now) {
    struct vcpu *vcpu = container_of(event, struct vcpu, call_timer);
    bool waits = vcpu->state == VCPU_BLOCKED;

    vcpu->call_earliest = clock_add_saturating(event->when, least_distance(vcpu));
    if (waits) { __atomic_store_n(&vcpu->state, (uint8_t)VCPU_READY, __ATOMIC_RELAXED); }
    fire_slots(vcpu, now);
    if (waits && vcpu->state == VCPU_READY) { // else its VM ends
        __atomic_store_n(&vcpu->state, (uint8_t)VCPU_BLOCKED, __ATOMIC_RELAXED);
        arch_barrier_full(); // see vcpu_interrupt
        vcpu_attend(vcpu, event->when);
        if (vcpu->state == VCPU_READY) { event->slack = TIMER_SLACK_BEST_EFFORT; } // until it is its turn
    }
    arm_first(vcpu, vcpu->state == VCPU_BLOCKED ? sched_eligible_at(&vcpu->entity, now) : 0);
}

int64_t call_timer_set(struct vcpu *vcpu, uint64_t *x) {
    struct call_slot *slot = &vcpu->call_slots[x[1] % TAKT_HC_TIMER_SLOTS];
    uint64_t offset = arch_vcpu_clock_offset(vcpu);
    uint64_t interrupt = x[3] == 0 ? TAKT_HC_TIMER_INTID : x[3];

    if (x[1] >= TAKT_HC_TIMER_SLOTS || interrupt > UINT8_MAX || !arch_vcpu_interrupt_free(vcpu, (unsigned)interrupt)) {
        return TAKT_HC_INVALID;
    }
    slot->when = MAX(clock_add_saturating(x[2], offset), clock_add_saturating(arch_clock(), least_distance(vcpu)));
    slot->interrupt = (uint8_t)interrupt;
    vcpu->call_timer.fire = call_timer_fired;
    vcpu->call_timer.slack = vcpu_running_slack(vcpu);
    arm_first(vcpu, 0);
    x[1] = slot->when - offset;
    return TAKT_HC_OK;
}

int64_t call_timer_cancel(struct vcpu *vcpu, uint64_t *x) {
    struct call_slot *slot = &vcpu->call_slots[x[1] % TAKT_HC_TIMER_SLOTS];

    if (x[1] >= TAKT_HC_TIMER_SLOTS) { return TAKT_HC_INVALID; }
    x[1] = slot->interrupt != 0;
    slot->interrupt = 0;
    arm_first(vcpu, 0);
    return TAKT_HC_OK;
}

int64_t call_timer_report(struct vcpu *vcpu, uint64_t *x) {
    struct call_slot *slot = &vcpu->call_slots[x[1] % TAKT_HC_TIMER_SLOTS];
    uint64_t offset = arch_vcpu_clock_offset(vcpu);

    if (x[1] >= TAKT_HC_TIMER_SLOTS) { return TAKT_HC_INVALID; }
    x[1] = slot->interrupt != 0 ? slot->when - offset : 0;
    x[2] = slot->fired != 0 ? slot->fired - offset : 0;
    x[3] = slot->late;
    return TAKT_HC_OK;
}

COLD void call_timer_forget(struct vcpu *vcpu) {
    memset(vcpu->call_slots, 0, sizeof(vcpu->call_slots));
    vcpu->call_earliest = 0;
    arm_first(vcpu, 0);
}
