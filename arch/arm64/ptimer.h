// SPDX-License-Identifier: Apache-2.0
// The guest's physical timer (CNTP_*_EL0): the machine's own belongs to the hypervisor, so this one is an event in the
// core's queue. The physical counter itself is read without a trap.
#ifndef ARM64_PTIMER_H
#define ARM64_PTIMER_H

#include "kernel/types.h"

struct vcpu;

enum ptimer_register { PTIMER_TVAL, PTIMER_CTL, PTIMER_CVAL };

// Trapped accesses of the current VCPU. Handler context.
uint64_t ptimer_read(struct vcpu *vcpu, enum ptimer_register which);
void ptimer_write(struct vcpu *vcpu, enum ptimer_register which, uint64_t value);
// Power-on state: off. The VCPU is off, its event is in no queue.
void ptimer_reset(struct vcpu *vcpu);

#endif
