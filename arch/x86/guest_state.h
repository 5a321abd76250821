// SPDX-License-Identifier: Apache-2.0
// What of a VCPU and a VM only the architecture knows.
#ifndef X86_GUEST_STATE_H
#define X86_GUEST_STATE_H

#include "arch/x86/cpuid_policy.h"
#include "arch/x86/guest_registers.h"
#include "arch/x86/msr_policy.h"
#include "arch/x86/pc_ports.h"
#include "arch/x86/pv_clock.h"
#include "arch/x86/vioapic.h"
#include "arch/x86/vlapic.h"
#include "kernel/types.h"

enum { GUEST_GPRS = 16 };

struct guest_debug {
    uint64_t dr[4]; // DR0 to DR3; DR6 and DR7 are switched with the guest
};

// An instruction that exits, and how long it is (exits.c).
struct known_length {
    uint64_t rip, cr3;
    uint8_t operation, length;
};
enum { KNOWN_LENGTHS = 64 };

struct xsave_area;

struct arch_vcpu {
    uint64_t rip, rflags;
    bool shadowed;  // by STI or MOV SS: as the exit left it
    bool unhalt;    // published: another VCPU asks it to go on after its HLT
    uint8_t yields; // attempts at emulating that were given up for an interrupt, since one was not
    void *control;  // VMCB or VMCS
    paddr_t control_pa;
    uint64_t xcr0;
    struct xsave_area *fpu; // 64-byte aligned
    struct cpuid_vcpu cpuid;
    uint64_t gpr[GUEST_GPRS]; // in the order of their numbers; valid between an exit and the next entry
    struct guest_debug debug;
    struct pv_vcpu pv;
    struct vlapic vlapic;
    struct msr_state msr;
    struct known_length lengths[KNOWN_LENGTHS];
};

struct arch_vm {
    uint64_t *nested; // root of the second stage's tables
    paddr_t nested_pa;
    uint8_t resident[MAX_CORES]; // which VCPU, counted from 1, each core loaded last
    uint64_t tsc_offset;         // the guest's TSC is the machine's plus this; set when the VM starts
    struct vlapic *vlapics[MAX_VCPUS];
    struct vlapic_config vlapic_config;
    struct vioapic vioapic;
    struct pc_ports ports;
    struct cpuid_policy cpuid;
    struct pv_config pv;
    struct guest_registers start; // of the first VCPU
};

#endif
