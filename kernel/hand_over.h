// SPDX-License-Identifier: Apache-2.0
// Handing a VCPU over from core to core: the two halves of a move, whatever it is for. Parts `split` and `control`.
//
// vcpu_hand_over() is the old core's half. It takes the VCPU out of the hardware, its timers out of the queue, its message
// out of the inbox, and then, in one store, makes it the new core's; a message in the new core's inbox follows. That core's
// vcpu_attend() meets `arriving` and does the other half, vcpu_take_over(), before anything else. Guarantees:
//   - At each moment one core, vcpu->cpu, may touch the VCPU, and it never runs on two.
//   - No kick, interrupt, start or stop is lost. vcpu->cpu changes under the lock of the old core's inbox: who comes before
//     left a message that the hand-over takes along, who comes after finds the new core. The new core looks at
//     everything: interrupts, timers that expired on the way, `stop`.
//   - Its timers keep their times; vcpu->state stays as it is.
//   - Who asks sched_remote_preempts() meanwhile gets the answer for the new core, if the caller has put the deadline and
//     wake_hint of the entity to come into vcpu->entity.
// What the scheduler is to know is the caller's: it blocks, or removes, the entity on the old core before the first half and
// has vcpu->entity a member of the new core before the second, and wakes it after.
#ifndef KERNEL_HAND_OVER_H
#define KERNEL_HAND_OVER_H

#include "kernel/vm.h"

// Gives `vcpu` to core `to`, another one. Out of vcpu_attend() from the inbox, or from the core's thread: no handler may be at
// work for the VCPU, since nothing of it may be touched afterwards. Its own core, interrupts masked, vcpu->moves or ->comes,
// vcpu->entity blocked. Constant time: one save of its registers at most, and the length of this core's inbox.
void vcpu_hand_over(struct vcpu *vcpu, struct cpu *to);

// Takes over a VCPU that arrives: its timers are in this core's queue. The new core, from vcpu_attend().
void vcpu_take_over(struct vcpu *vcpu);

// What kernel/vcpu.c does for a VCPU that moves. Own core, handler context.
// Leaves it in the inbox of its core, which looks at it when it next decides.
void vcpu_post(struct vcpu *vcpu);
// The second half of vcpu_out(), for one that waits: its timers are in the queue of its core.
void vcpu_arm_timers(struct vcpu *vcpu, uint64_t now);
// Nothing of it stays in this core's hardware.
void vcpu_vacate(struct vcpu *vcpu);

#endif
