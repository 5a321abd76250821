// SPDX-License-Identifier: Apache-2.0
// What a guest writes to a control register where one of its bits is not the guest's own. Intel SDM volume 3, 2.5 (what is
// refused), 4.1 and 9.8.5 (paging), 4.4.1 (PDPTEs), 25.1.3; volume 2, MOV to control registers.
#include "arch/x86/guest_ram.h"
#include "arch/x86/hardware.h"
#include "arch/x86/vmx/vmx.h"

enum { PDPTES = 4, PDPT_SIZE = 32, TPR_SHIFT = 4, TPR_CLASSES = 16, VALUE_32 = 32 };
#define CR3_PCID 0xfffull

static bool is_64bit(uint64_t efer) {
    return (efer & EFER_LMA) != 0 && (vmx_rights(SEGMENT_CS) & VMX_RIGHTS_LONG) != 0;
}

// PAE's four top entries are in the VMCS where the processor loads them at the write.
static bool load_pdptes(struct vcpu *vcpu) {
    uint64_t entries[PDPTES];

    if (guest_ram_read(vcpu, (uint32_t)ALIGN_DOWN(vmx_cr3(vcpu), PDPT_SIZE), entries, sizeof(entries)) != OK) {
        return false;
    }
    for (unsigned i = 0; i < PDPTES; i++) { vmcs_write(VMCS_GUEST_PDPTE0 + VMCS_NEXT * i, entries[i]); }
    return true;
}

static bool paging_changed(struct vcpu *vcpu) {
    bool pae = vmx_paging(vcpu) && (vmcs_read(VMCS_GUEST_EFER) & EFER_LMA) == 0 && (vmx_cr4(vcpu) & CR4_PAE) != 0;

    vmx_flush_vcpu(vcpu);
    return !pae || load_pdptes(vcpu);
}

// Long mode begins and ends with paging; the entry control follows.
static bool set_paging(uint64_t cr4, bool on) {
    uint64_t efer = vmcs_read(VMCS_GUEST_EFER);

    if (on && (efer & EFER_LME) != 0 && ((cr4 & CR4_PAE) == 0 || (vmx_rights(SEGMENT_CS) & VMX_RIGHTS_LONG) != 0)) {
        return false;
    }
    if (!on && ((cr4 & CR4_PCIDE) != 0 || is_64bit(efer))) { return false; }
    if ((efer & EFER_LME) != 0) {
        vmcs_write(VMCS_GUEST_EFER, efer ^ EFER_LMA);
        vmcs_write(VMCS_ENTRY_CONTROLS, vmcs_read(VMCS_ENTRY_CONTROLS) ^ ENTRY_LONG_MODE);
    }
    return true;
}

static bool set_cr0(struct vcpu *vcpu, uint64_t value) {
    uint64_t changed = value ^ vmx_cr0();

    if (value >> VALUE_32 != 0 || (value & (CR0_PG | CR0_PE)) == CR0_PG || (value & (CR0_NW | CR0_CD)) == CR0_NW) {
        return false;
    }
    if ((changed & CR0_PG) != 0 && !set_paging(vmx_cr4(vcpu), (value & CR0_PG) != 0)) { return false; }
    vmx_give_cr0(value | CR0_ET);
    return (changed & (CR0_PG | CR0_CD | CR0_NW)) == 0 || paging_changed(vcpu);
}

static bool set_cr4(struct vcpu *vcpu, uint64_t value) {
    const uint64_t paging = CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE;
    uint64_t changed = value ^ vmx_cr4(vcpu);
    bool long_mode = (vmcs_read(VMCS_GUEST_EFER) & EFER_LMA) != 0;

    if ((value & ~(VMX_CR4_GUESTS | CR4_MCE | CR4_PCE)) != 0 || (value & ~vmx_machine.cr4_allowed) != 0 ||
        (long_mode && (value & CR4_PAE) == 0)) {
        return false;
    }
    if ((changed & value & CR4_PCIDE) != 0 && (!long_mode || (vmx_cr3(vcpu) & CR3_PCID) != 0)) { return false; }
    vmx_give_cr4(value);
    return (changed & paging) == 0 || paging_changed(vcpu);
}

static bool set_cr8(struct vcpu *vcpu, uint64_t value) {
    if (value >= TPR_CLASSES) { return false; }
    vlapic_set_tpr(&vcpu->arch.vlapic, (uint8_t)(value << TPR_SHIFT));
    return true;
}

bool vmx_control(struct vcpu *vcpu, const struct vm_exit *exit) {
    uint64_t *gpr = &vcpu->arch.gpr[exit->info1 >> QUALIFICATION_CR_GPR_SHIFT & (GUEST_GPRS - 1)];
    uint64_t value = is_64bit(vmcs_read(VMCS_GUEST_EFER)) ? *gpr : (uint32_t)*gpr;

    if ((exit->info1 & QUALIFICATION_CR_READ) != 0) { // CR8; no other one exits
        *gpr = vlapic_tpr(&vcpu->arch.vlapic) >> TPR_SHIFT;
        return true;
    }
    switch (exit->info1 & QUALIFICATION_CR_MASK) {
    case 0: return set_cr0(vcpu, value);
    case 4: return set_cr4(vcpu, value);
    default: return set_cr8(vcpu, value);
    }
}
