// SPDX-License-Identifier: Apache-2.0
// What a guest's RDMSR and WRMSR do: one table (msr_policy.c), where each row has one of a few kinds. What is in no row is
// #GP for the guest, and told to the owner once for each number, for the first few: what Linux touches and no row has shows
// there. Sources: Intel SDM vol. 4; AMD APM vol. 2, appendix A.
//
// Four kinds of rows:
//   direct    msr_direct: the hardware switches the value with the guest, so the guest may have the MSR itself (bitmaps of
//             SVM and VMX). Where an access exits all the same, it is done here, through ops.
//   kept      in struct msr_state; ops->store is told what must be in hardware while the guest runs (PAT, TSC_AUX).
//   passed on to the local APIC (APIC_BASE, x2APIC, TSC deadline) and to the PV interfaces (pv_clock.h).
//   constant  what kernels read on the way up, on Intel (PLATFORM_ID, FEATURE_CONTROL: locked, PLATFORM_INFO) and on AMD
//             (SYSCFG, HWCR, NB_CFG, P-states, K7 counters, LS/IC/DC/DE/BU_CFG); writes to some of them are ignored.
//
// MTRRs are kept and checked, and do nothing: memory types are the nested tables' and PAT's. They are there because Linux
// before 6.2 turns PAT off, and write combining with it, on a machine without them. They begin as firmware would leave
// them: enabled, write-back by default. The price: Linux sets CR0.CD and executes WBINVD for a moment on each CPU that
// comes up; the owner has to make both of them nothing.
// Hidden with their CPUID bits: SPEC_CTRL, PRED_CMD, ARCH_CAPABILITIES, XSS, debug store, performance counters of Intel.
// A write of DEBUGCTL is ignored (single stepping by branches becomes single stepping).
#ifndef X86_MSR_POLICY_H
#define X86_MSR_POLICY_H

#include "arch/x86/cpuid_policy.h"
#include "arch/x86/msr_regs.h"
#include "arch/x86/pv_clock.h"
#include "kernel/types.h"

enum {
    MSR_MTRR_RANGES = 8,
    MSR_MTRR_FIXED = 11,
    MSR_LOG = 8,
    MSR_DIRECT = 10,
    MSR_X2APIC_LAST = 0x8ff, // all of x2APIC's, more than there are registers
};

extern const uint32_t msr_direct[MSR_DIRECT];

// What lies outside; all on the VCPU's own core, with `context` of msr_init.
struct msr_ops {
    // What the guest has in MSR_EFER (LMA as it is, nothing of the hypervisor's own) or in one of msr_direct.
    uint64_t (*load)(void *context, uint32_t msr);
    // The guest goes on with it: MSR_EFER (LMA clear, the hardware's to set), one of msr_direct, MSR_PAT, MSR_TSC_AUX.
    void (*store)(void *context, uint32_t msr, uint64_t value);
    bool (*paging)(void *context);                // CR0.PG
    uint64_t (*tsc)(void *context);               // the guest's, now
    void (*tsc_move)(void *context, uint64_t by); // it is to be that much more: its offset, and vlapic_set_tsc_offset
    // MSR_APIC_BASE, MSR_TSC_DEADLINE, APIC_MSR_FIRST .. MSR_X2APIC_LAST: OK or ERR_DENIED.
    int (*apic_read)(void *context, uint32_t msr, uint64_t *value);
    int (*apic_write)(void *context, uint32_t msr, uint64_t value);
    // The guest gets #GP for an MSR that has no row; each number once.
    void (*unknown)(void *context, uint32_t msr, bool write);
};

struct msr_state {
    const struct cpuid_policy *cpuid;
    struct pv_vcpu *pv;
    const struct msr_ops *ops;
    void *context;
    uint64_t pat, tsc_aux, tsc_adjust;
    uint64_t mtrr_def, mtrr_fixed[MSR_MTRR_FIXED], mtrr_range[2 * MSR_MTRR_RANGES]; // base, mask, base, ...
    struct msr_log {
        uint32_t msrs[MSR_LOG];
        uint32_t count;
    } log;
};

// What is pointed to stays. Resets.
void msr_init(struct msr_state *state, const struct cpuid_policy *cpuid, struct pv_vcpu *pv, const struct msr_ops *ops,
              void *context);
// Power-on values, the log empty; ops->store is told PAT and TSC_AUX. EFER, the direct ones, the TSC, the local APIC and
// the VCPU's other state are the owner's; the PV interfaces are reset. INIT keeps all that: pv_reset only.
void msr_reset(struct msr_state *state);

// The guest executes RDMSR or WRMSR; ECX, EDX:EAX. OK; ERR_DENIED: #GP, and nothing was changed. Own core, bounded.
int msr_read(struct msr_state *state, uint32_t msr, uint64_t *value);
int msr_write(struct msr_state *state, uint32_t msr, uint64_t value);

#endif
