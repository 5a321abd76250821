// SPDX-License-Identifier: Apache-2.0
// A VCPU as its local APIC and its MSRs see it.
#ifndef X86_VCPU_H
#define X86_VCPU_H

#include "arch/x86/virt.h"

extern const struct vlapic_ops vcpu_lapic_ops; // context: the VCPU
extern const struct msr_ops vcpu_msr_ops;
extern const struct pv_ops vcpu_pv_ops;

// Of a loaded VCPU, between its exits: what emulation needs; lines of the log.
void vcpu_view(struct vcpu *vcpu, struct guest_state_view *view);
void vcpu_dump(const struct vcpu *vcpu);

// PV end of interrupt, around a run of the guest: whether it may end its interrupt without an exit, and whether it has.
static inline void vcpu_prepare_entry(struct vcpu *vcpu) {
    if (unlikely(pv_eoi_wanted(&vcpu->arch.pv))) {
        pv_eoi_offer(&vcpu->arch.pv, vlapic_may_end_quietly(&vcpu->arch.vlapic));
    }
}

static inline void vcpu_finish_exit(struct vcpu *vcpu) {
    if (unlikely(vcpu->arch.pv.eoi_offered) && pv_eoi_ended(&vcpu->arch.pv)) { vlapic_eoi(&vcpu->arch.vlapic); }
}

#endif
