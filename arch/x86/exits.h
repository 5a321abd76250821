// SPDX-License-Identifier: Apache-2.0
// What a guest's exits do, the same on SVM and VMX.
#ifndef X86_EXITS_H
#define X86_EXITS_H

#include "arch/x86/virt.h"

// Handles an exit of `vcpu`, which this core runs. Handler context; bounded.
void exit_handle(struct vcpu *vcpu, struct vm_exit *exit);

// Memory of the guest for page walks, the registered words of the PV interfaces and emulation; context: the VCPU.
extern const struct emulate_ops guest_emulation;

#endif
