// SPDX-License-Identifier: Apache-2.0
// The hypercall timers, "timers as a service": the calls as include/takt/hypercall.h has them. Part `timers`.
//
// A VCPU has a few slots and one timer event, which stands at the first of them: what the dispatcher looks at is as much as
// for one timer. All of it: handler context, the VCPU's own core, O(slots) and one operation on the queue.
#ifndef KERNEL_CALL_TIMER_H
#define KERNEL_CALL_TIMER_H

#include "kernel/types.h"
#include "takt/hypercall.h"

struct vcpu;

#if TAKT_TIMERS
struct call_slot { // times by the physical clock
    uint64_t when;
    uint64_t fired;    // its last expiry, 0: none
    uint64_t late;     // how much later than that its interrupt became pending
    uint8_t interrupt; // 0: not armed
};

// Of the current VCPU, by kernel/hypercall.h.
int64_t call_timer_set(struct vcpu *vcpu, uint64_t *x);
int64_t call_timer_cancel(struct vcpu *vcpu, uint64_t *x);
int64_t call_timer_report(struct vcpu *vcpu, uint64_t *x);

// The VCPU leaves its core: nothing of its timers is left.
void call_timer_forget(struct vcpu *vcpu);
#else
#define call_timer_set    NULL
#define call_timer_cancel NULL
#define call_timer_report NULL
static inline void call_timer_forget(struct vcpu *vcpu) { (void)vcpu; }
#endif

#endif
