// SPDX-License-Identifier: Apache-2.0
// What CPUID says in a guest: rules by leaf (cpuid_policy.c) give, for each register, the bits that pass from the machine,
// and a function for what is computed. cpuid_policy_init makes a flat table of them, once for a VM; cpuid_read looks up
// and patches what depends on the VCPU. Nothing passes that no rule names: leaves unknown, beyond the maximum, or of
// another subleaf are zeros on either vendor (as AMD's are; Intel's repeat the last basic leaf, which nobody relies on).
// Sources: Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E; Linux Documentation/virt/kvm/x86/cpuid.rst.
//
// What a guest sees:
//   - one package of single-threaded cores, APIC ID = VCPU index; the machine's caches, of which those from level 3 on are
//     shared by all. Leaf 0x1f is not there: 0xb says all of it.
//   - always, because it is emulated: x2APIC, TSC deadline, TSC_ADJUST, invariant TSC, ARAT.
//   - MTRR: their MSRs are kept and do nothing (msr_policy.h says why).
//   - XSAVE for x87, SSE, AVX, AVX-512 and PKRU as far as machine and hypervisor have them, with XSAVEOPT, XSAVEC and
//     XGETBV(1). XSAVES is hidden (it needs IA32_XSS).
//   - on Intel, 0x16 and, if the TSC's frequency is a multiple of the APIC timer's, 0x15: what Linux would calibrate.
//   - KVM's leaves, so that Linux takes its TSC frequency from the PV clock; REALTIME is never hinted (Linux would spin
//     where a budgeted VCPU should yield). 0x40000010 (frequencies in kHz, VMware's convention) is for others: Linux 6.1
//     does not read it under KVM.
//   - Takt's own leaves at CPUID_TAKT.
// Hidden: what the guest cannot use (VMX, SVM, SMX, SGX, PT, MPX, TSX, CET, AMX, LWP, performance counters, power,
// thermal, MONITOR, debug store, OSVW, memory encryption, 57-bit addresses) and all speculation controls (IBRS, IBPB, STIBP,
// SSBD, AutoIBRS, ARCH_CAPABILITIES, L1D_FLUSH): they would need SPEC_CTRL switched with the guest. A guest falls back to
// retpolines; between VMs the hypervisor issues the barriers. MD_CLEAR passes: VERW needs no MSR.
//
// The owner's part: enable what passes and needs a control bit (VMX: RDTSCP, INVPCID); make LFENCE serialising on AMD
// (DE_CFG); switch XCR0, TSC_AUX and PKRU. The machine has long mode, NX and RDTSCP.
#ifndef X86_CPUID_POLICY_H
#define X86_CPUID_POLICY_H

#include "kernel/types.h"

enum {
    CPUID_ROWS = 56,
    CPUID_SLOTS = 0xa1,
    CPUID_PHYSICAL_BITS = 40, // of guest addresses, at most
};

#define CPUID_KVM             0x40000000u
#define CPUID_TAKT            0x40000100u // EAX: last leaf; EBX, ECX, EDX: "TaktTaktTakt"
// CPUID_TAKT + 1: EAX: version of include/takt/hypercall.h, major << 16 | minor; EBX: how to call.
#define CPUID_TAKT_CONVENTION 1u // VMCALL on Intel, VMMCALL on AMD; number in RAX

// XCR0: SDM vol. 1, 13.3.
#define XCR0_X87              BIT(0)
#define XCR0_SSE              BIT(1)
#define XCR0_AVX              BIT(2)
#define XCR0_AVX512           (BIT(5) | BIT(6) | BIT(7)) // opmask, ZMM_Hi256, Hi16_ZMM
#define XCR0_PKRU             BIT(9)

struct cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};

// Constant for a VM; read by cpuid_policy_init only.
struct cpuid_config {
    // The machine's CPUID.
    void (*machine)(void *context, uint32_t leaf, uint32_t subleaf, struct cpuid_result *result);
    void *context;
    uint64_t tsc_hz;  // of the guest's TSC
    uint64_t apic_hz; // of its local APIC's timer; less than 2^32
    uint64_t xcr0;    // what the hypervisor saves; what the machine or this policy has not is left out
    uint32_t vcpus;   // 1 .. MAX_VCPUS
};

// Of a VM, constant after cpuid_policy_init.
struct cpuid_policy {
    struct cpuid_result rows[CPUID_ROWS];
    struct cpuid_leaf {
        uint8_t first, count; // rows; subleaf n is the n-th
        bool any;             // the subleaf does not matter
        uint8_t patch;        // enum patch
    } leaves[CPUID_SLOTS];
    uint64_t xcr0;          // what the guest may set
    uint64_t efer;          // bits of EFER that go with what the guest sees; LMA is none of them
    uint32_t physical_bits; // of a guest's address
    bool intel;
};

// What of an answer depends on the VCPU; the owner keeps it current.
struct cpuid_vcpu {
    uint32_t apic_id;
    bool osxsave, ospke;              // CR4
    bool apic_disabled;               // APIC_BASE.EN clear
    uint32_t xsave_size, xsavec_size; // of the XCR0 set; cpuid_set_xcr0
};

// Any context, some microseconds. ERR_RANGE: the config is out of its bounds.
int cpuid_policy_init(struct cpuid_policy *policy, const struct cpuid_config *config);

// The guest executes CPUID. Bounded, a few dozen instructions; the VCPU's core.
void cpuid_read(const struct cpuid_policy *policy, const struct cpuid_vcpu *vcpu, uint32_t leaf, uint32_t subleaf,
                struct cpuid_result *result);

// The guest sets XCR0 (XSETBV), or it is reset to XCR0_X87. ERR_DENIED (#GP): a combination that SDM vol. 1, 13.3 forbids or
// a component that it has not; nothing was changed.
int cpuid_set_xcr0(const struct cpuid_policy *policy, struct cpuid_vcpu *vcpu, uint64_t xcr0);

#endif
