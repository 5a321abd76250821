// SPDX-License-Identifier: Apache-2.0
// SVM's part of virt.h, by file: svm.c (machine, VM), vcpu.c (a VCPU's state and events), exits.c (entry and exits).
#ifndef X86_SVM_H
#define X86_SVM_H

#include "arch/x86/svm/vmcb.h"
#include "arch/x86/virt.h"

struct svm_machine {
    bool next_rip;  // exits say where the next instruction is
    uint8_t flush;  // TLB_CONTROL that empties an ASID
    uint32_t asids; // for guests, from 1 on; where they are fewer than VMs, some share one
    paddr_t iopm, msrpm;
};
extern struct svm_machine svm_machine; // constant after boot

static inline struct vmcb *vmcb_of(const struct vcpu *vcpu) { return vcpu->arch.control; }

// svm.c, for svm_ops
extern const uint64_t svm_leaves[];
int svm_machine_init(void);
int svm_cpu_init(struct cpu *cpu);
int svm_vm_init(struct vm *vm);

// exits.c
void svm_enter(struct vcpu *vcpu, uint64_t until, struct vm_exit *exit);

#endif
