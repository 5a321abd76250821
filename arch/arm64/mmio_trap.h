// SPDX-License-Identifier: Apache-2.0
// Aborts of a guest at stage 2: emulated devices, and accesses to nothing. Handler context, current VCPU.
#ifndef ARM64_MMIO_TRAP_H
#define ARM64_MMIO_TRAP_H

#include "kernel/types.h"

struct vcpu;

// A data abort from a lower level. An access to an emulated device is done and the PC moved on; one that no device
// answers, or that cannot be decoded, gives the guest a synchronous external abort, as a bus would; an external abort
// of the real bus, from an assigned device, ends the VM.
void mmio_trap(struct vcpu *vcpu, uint64_t esr);
// An instruction abort from a lower level: nothing outside RAM can be executed.
void mmio_fetch_trap(struct vcpu *vcpu, uint64_t esr);

#endif
