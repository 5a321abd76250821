// SPDX-License-Identifier: Apache-2.0
// Part `analysis`: what admission promises of latency, and whether it is kept.
//
// A reserved VCPU's promise is the longest time from a wake-up that finds budget to its interrupt vector: the start latency of
// sched/latency.h under the longest section that the board's data allows with interrupts masked, and the way into the
// guest (`injection-ns`). What is watched are wake-ups by its own timer: how late they arrive is measured anyhow. One that
// had no budget when its timer expired counts from when it had.
#ifndef KERNEL_PROMISE_H
#define KERNEL_PROMISE_H

#include "kernel/vm.h"
#include "timer/clock.h"

#if TAKT_ANALYSIS

// The wake-up that has just been counted was later than its promise: counts that by cause, and says so once for each. Own
// core, handler context.
void promise_late(struct vcpu *vcpu);

// A VCPU gets its promise. VM creation.
static inline void promise_init(struct vcpu *vcpu, const struct vcpu_desc *desc) {
    vcpu->promise.latency = desc->reserved && desc->latency != 0 ? desc->latency : UINT64_MAX;
    vcpu->promise.allowed = UINT64_MAX;
}

// The VCPU waits, its timer expires at `expiry` and is looked at from `when` on, when there is budget. Own core.
static inline void promise_expect(struct vcpu *vcpu, uint64_t expiry, uint64_t when) {
    vcpu->promise.allowed = clock_add_saturating(vcpu->promise.latency, when - expiry);
}

// It leaves the core, and vcpu->timer_late says how late its timer brought it there. Only a wake-up counts: it began to want
// the core when the timer of its queue expired.
static inline void promise_check(struct vcpu *vcpu) {
    if (vcpu->ready_since != vcpu->guest_timer.when) { return; }
    vcpu->promise.checked++;
    if (unlikely(vcpu->timer_late > vcpu->promise.allowed)) { promise_late(vcpu); }
}

#else

static inline void promise_init(UNUSED struct vcpu *vcpu, UNUSED const struct vcpu_desc *desc) {}
static inline void promise_expect(UNUSED struct vcpu *vcpu, UNUSED uint64_t expiry, UNUSED uint64_t when) {}
static inline void promise_check(UNUSED struct vcpu *vcpu) {}

#endif
#endif
