// SPDX-License-Identifier: Apache-2.0
// Exceptions that the hypervisor gives to a guest's EL1, as the processor itself would have taken them there. For the
// current VCPU: its EL1 registers are in the hardware, its PC and PSTATE in its frame. Handler context.
#ifndef ARM64_INJECT_H
#define ARM64_INJECT_H

#include "kernel/types.h"

struct vcpu;

// Undefined instruction at the guest's PC.
void inject_undefined(struct vcpu *vcpu);
// Synchronous external abort at the guest's PC, of a data access or an instruction fetch of virtual address `far`.
void inject_abort(struct vcpu *vcpu, uint64_t far, bool instruction);

#endif
