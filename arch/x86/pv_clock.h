// SPDX-License-Identifier: Apache-2.0
// KVM's paravirtual interfaces of one VCPU, as stock Linux uses them: clock, wall clock, stolen time, end of interrupt, and
// hypercalls for IPIs. Source: Linux Documentation/virt/kvm/x86/{msr,hypercalls}.rst.
//
// The guest registers words of its memory by MSRs; what is registered is written through ops. All functions: the VCPU's own
// core, while it is not in the guest, bounded, they do not block. Other VCPUs may read the clock meanwhile: hence versions.
//
// The clock's record does not change while the guest leaves its TSC alone: time is the TSC, scaled. It says
// STABLE: all VCPUs agree as long as their TSCs do. The PV clock needs no update when a VCPU is switched.
#ifndef X86_PV_CLOCK_H
#define X86_PV_CLOCK_H

#include "arch/x86/vlapic.h"
#include "kernel/types.h"

#define PV_TSC_HZ_MIN 1000000ull
#define PV_TSC_HZ_MAX VLAPIC_CLOCK_HZ_MAX

// Constant for a VM from its start.
struct pv_config {
    uint32_t mul; // (ticks << shift) * mul >> 32 are ns (a negative shift is one to the right)
    int8_t shift;
};

struct pv_ops {
    // Guest memory, never across a page; `size` 1 to 64. What is 4 or 8 bytes is written at once, in the order of the calls. An
    // error: it is no RAM of the guest.
    int (*write)(void *context, gpa_t gpa, const void *data, size_t size);
    int (*read)(void *context, gpa_t gpa, void *data, size_t size);
};

// MSR_KVM_WALL_CLOCK_NEW, _SYSTEM_TIME_NEW, _STEAL_TIME, _PV_EOI_EN.
enum pv_page { PV_WALL, PV_CLOCK, PV_STEAL, PV_EOI, PV_PAGES };

struct pv_vcpu {
    const struct pv_config *config;
    const struct pv_ops *ops;
    void *context;
    uint64_t msr[PV_PAGES]; // as written
    uint64_t tsc_adjust;
    uint64_t stolen_ns;
    uint32_t version; // of the record written last: even
    bool eoi_offered;
};

// ---- life -------------------------------------------------------------------------------------------------

// ERR_RANGE: tsc_hz is not PV_TSC_HZ_MIN .. PV_TSC_HZ_MAX.
int pv_config_init(struct pv_config *config, uint64_t tsc_hz);
void pv_init(struct pv_vcpu *pv, const struct pv_config *config, const struct pv_ops *ops, void *context);
// Nothing is registered any more: INIT, and the VM's restart. The TSC and what was stolen stay.
void pv_reset(struct pv_vcpu *pv);

// ---- the guest's MSRs -------------------------------------------------------------------------------------

// What was written last is pv->msr[page]. ERR_DENIED (#GP): a reserved bit, an address that is misaligned, crosses a page, or
// is no RAM of the guest; what was registered before stays.
int pv_register(struct pv_vcpu *pv, enum pv_page page, uint64_t value);

// ---- what the owner reports -------------------------------------------------------------------------------

// The guest has moved its TSC: by `tsc_adjust` altogether since the VM's start.
void pv_tsc_moved(struct pv_vcpu *pv, uint64_t tsc_adjust);
// Runnable but not running for `stolen_ns` altogether. The VCPU is loaded (preempted false), or leaves its core while it
// would go on.
void pv_steal(struct pv_vcpu *pv, uint64_t stolen_ns, bool preempted);

static inline bool pv_eoi_wanted(const struct pv_vcpu *pv) { return pv->msr[PV_EOI] != 0; }

// PV end of interrupt. After an exit, before anything asks the local APIC: true once when the guest has ended the interrupt
// that was offered: vlapic_eoi.
bool pv_eoi_ended(struct pv_vcpu *pv);
// Before an entry, after the injection: whether the guest may end its interrupt so. It may if exactly one vector is in
// service, that is an edge (TMR clear), and none is requested: then nothing hangs on the end of it.
void pv_eoi_offer(struct pv_vcpu *pv, bool may);

// ---- hypercalls (VMCALL, VMMCALL) -------------------------------------------------------------------------

enum pv_action {
    PV_ANSWER, // nothing but the result
    PV_SEND,   // vlapic_receive(message) at each VCPU of `set`
    PV_WAKE,   // the VCPU in `set` goes on after its HLT, whatever its RFLAGS.IF
};

struct pv_call {
    int64_t result; // for RAX
    enum pv_action action;
    uint32_t set; // bit i: VCPU i
    struct vlapic_message message;
};

// What hypercall `number` (RAX) asks for; RBX, RCX, RDX, RSI. For CPL 0; the caller answers others with -KVM_EPERM. Pure.
#define KVM_EPERM 1
void pv_hypercall(bool long_mode, uint64_t number, const uint64_t arguments[4], unsigned vcpus, struct pv_call *call);

#endif
