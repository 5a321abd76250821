// SPDX-License-Identifier: Apache-2.0
// VMX's part of virt.h, by file: vmx.c (machine, VM), vcpu.c (a VCPU's state and events), exits.c (entry and exits). A VCPU's
// VMCS is active on its core, from its first reset there until it leaves for another one; the VCPU that is loaded has the current one.
#ifndef X86_VMX_H
#define X86_VMX_H

#include "arch/x86/virt.h"
#include "arch/x86/vmx/vmcs.h"
#include "kernel/cpu.h"

enum vmx_control { VMX_PIN, VMX_PRIMARY, VMX_SECONDARY, VMX_EXIT, VMX_ENTRY, VMX_CONTROLS };

struct vmx_machine {
    uint32_t controls[VMX_CONTROLS]; // that this machine is used with
    uint32_t revision;
    uint8_t timer_shift; // of the preemption timer
    paddr_t msr_bitmap;
};
extern struct vmx_machine vmx_machine; // constant after boot

// Bits of CR0 that stay the hypervisor's; what the guest writes to CD and NW is nothing (msr_policy.h). Of CR4 all but what
// a guest may have without telling; of those MCE and PCE are nothing, the others refused.
#define VMX_CR0_OWNED (CR0_NE | CR0_CD | CR0_NW)
#define VMX_CR4_GUESTS                                                                                             \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | \
     CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PKE)
#define VMX_CR4_OWNED   (~VMX_CR4_GUESTS & UINT32_MAX)
#define VMX_CR4_REFUSED (VMX_CR4_OWNED & ~(CR4_MCE | CR4_PCE))

// MSRs that neither entries nor exits switch, and the hypervisor does not use: the first of enum guest_field.
enum { VMX_SWITCHED = FIELD_KERNEL_GS_BASE + 1 };

// What of a VCPU is not in its VMCS, or is asked too often to be read from there.
struct vmx_vcpu {
    bool launched;
    bool event;       // one is to be injected
    uint32_t primary; // the primary controls
    uint64_t cr2, dr6, msrs[VMX_SWITCHED];
};

static inline struct vmx_vcpu *vmx_of(const struct vcpu *vcpu) { return vcpu->arch.control; }

static inline uint64_t vmx_ept_pointer(const struct vm *vm) {
    return vm->arch.nested_pa | EPT_POINTER_WALK4 | EPT_POINTER_WB;
}

static inline uint16_t vmx_vpid(const struct vcpu *vcpu) {
    return (uint16_t)(vcpu->vm->id * MAX_VCPUS + vcpu->index + 1); // 0 is the hypervisor's
}

// vmx.c, for vmx_ops
extern const struct pagetable_format vmx_format;
extern const uint64_t vmx_leaves[];
int vmx_machine_init(void);
int vmx_cpu_init(struct cpu *cpu);
int vmx_vm_init(struct vm *vm);

// vcpu.c
uint64_t vmx_get(const struct vcpu *vcpu, enum guest_field field);

// exits.c
void vmx_enter(struct vcpu *vcpu, uint64_t until, struct vm_exit *exit);

// run.S: enters the current VMCS's guest with the general registers `gpr`, in the order of their numbers, until it exits.
// Not 0: it did not enter. Exits arrive at vmx_exited.
int vmx_run(uint64_t *gpr, bool launched);
extern const char vmx_exited[];

#endif
