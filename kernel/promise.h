// SPDX-License-Identifier: Apache-2.0
// Part `analysis`: what admission promises of latency, and whether it is kept.
//
// A reserved VCPU's promise is the longest time from a wake-up that finds budget to its interrupt vector: the start latency of
// sched/latency.h under the longest section that the board's data allows with interrupts masked, and the way into the
// guest (`injection-ns`). What is watched are wake-ups by its own timer: how late they arrive is measured anyhow. One that
// had no budget when its timer expired counts from when it had. Who came to its other
// piece since then may have had none in either, and is held against the longest time with or without.
#ifndef KERNEL_PROMISE_H
#define KERNEL_PROMISE_H

#include "kernel/cpu.h"
#include "kernel/vm.h"

enum { PROMISE_TEXT = 56 };

#if TAKT_ANALYSIS

// The longest that a wake-up waits for budget: a refill is never further than a period away, in whichever pieces the budget
// was used. Where the deadline leaves time beside the budget the blackout is longer, and stands for both.
static inline uint64_t promise_wait_us(const struct vcpu_desc *vcpu) {
    return MAX(sysdesc_blackout_us(vcpu), (uint64_t)vcpu->period_us);
}

// The report's columns: latency with budget left, and whether there is any or not.
#define PROMISE_HEAD "  latency-us   always-us"
void promise_text(char *text, size_t size, const struct system_desc *desc, const struct vcpu_desc *vcpu);

// The wake-up that has just been counted was later than a promise with budget left: where that is a breach, counts it by cause,
// and says so once for each. Own core, handler context.
void promise_late(struct vcpu *vcpu);

// A VCPU gets its promise. VM creation.
static inline void promise_init(struct vcpu *vcpu, const struct vcpu_desc *desc) {
    vcpu->promise.latency = desc->reserved && desc->latency != 0 ? desc->latency : UINT64_MAX;
    vcpu->promise.allowed = UINT64_MAX;
}

// The VCPU waits, its timer expires at `expiry` and is looked at from `when` on, when there is budget; said again by who
// puts it off further, with the former `when` for its expiry. Own core.
static inline void promise_expect(struct vcpu *vcpu, uint64_t expiry, uint64_t when) {
    uint64_t allowed = expiry == vcpu->promise.from ? vcpu->promise.allowed : vcpu->promise.latency;

    vcpu->promise.from = when;
    vcpu->promise.allowed = clock_add_saturating(allowed, when - expiry);
    vcpu->promise.late_sum = vcpu->cpu->stats.timer.late_sum;
    vcpu->promise.expiries = vcpu->cpu->stats.timer.expiries;
}

// It leaves the core, and vcpu->timer_late says how late its timer brought it there. Only a wake-up counts: it began to want
// the core when the timer of its queue expired.
static inline void promise_check(struct vcpu *vcpu) {
    if (vcpu->ready_since != vcpu->promise.from) { return; }
    vcpu->promise.checked++;
    if (unlikely(vcpu->timer_late > vcpu->promise.allowed)) { promise_late(vcpu); }
}

#else

#define PROMISE_HEAD ""
static inline void promise_text(char *text, UNUSED size_t size, UNUSED const struct system_desc *desc,
                                UNUSED const struct vcpu_desc *vcpu) {
    text[0] = '\0';
}
static inline void promise_init(UNUSED struct vcpu *vcpu, UNUSED const struct vcpu_desc *desc) {}
static inline void promise_expect(UNUSED struct vcpu *vcpu, UNUSED uint64_t expiry, UNUSED uint64_t when) {}
static inline void promise_check(UNUSED struct vcpu *vcpu) {}

#endif
#endif
