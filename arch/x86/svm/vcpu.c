// SPDX-License-Identifier: Apache-2.0
// A VCPU's state in its VMCB, and the events that it is given. AMD APM volume 2, chapter 15 and appendix B.
#include "arch/x86/control_regs.h"
#include "arch/x86/hardware.h"
#include "arch/x86/mmu.h"
#include "arch/x86/svm/svm.h"
#include "kernel/cpu.h"
#include "kernel/string.h"

// What a guest does that the hypervisor must see. #DB and #AC: delivering them could never end (CVE-2015-8104,
// CVE-2015-5307).
#define EXCEPTIONS (1u << EXCEPTION_DB | 1u << EXCEPTION_AC | 1u << EXCEPTION_MC)
#define INTERCEPTS_0                                                                                                  \
    (INTERCEPT(INTR) | INTERCEPT(NMI) | INTERCEPT(SMI) | INTERCEPT(INIT) | INTERCEPT(CHANGE_CR0) | INTERCEPT(RDPMC) | \
     INTERCEPT(CPUID) | INTERCEPT(INVD) | INTERCEPT(INVLPGA) | INTERCEPT(IOIO) | INTERCEPT(MSR) | INTERCEPT(TASK) |   \
     INTERCEPT(FERR) | INTERCEPT(SHUTDOWN))
#define INTERCEPTS_1                                                                                   \
    (INTERCEPT(VMRUN) | INTERCEPT(VMMCALL) | INTERCEPT(VMLOAD) | INTERCEPT(VMSAVE) | INTERCEPT(STGI) | \
     INTERCEPT(CLGI) | INTERCEPT(SKINIT) | INTERCEPT(ICEBP) | INTERCEPT(WBINVD) | INTERCEPT(MONITOR) | \
     INTERCEPT(MWAIT) | INTERCEPT(MWAIT_IF) | INTERCEPT(XSETBV) | INTERCEPT(RDPRU))

enum { PRIORITY_SHIFT = 4 };

#define DR6_POWER_ON 0xffff0ff0ull
#define DR7_POWER_ON 0x400ull

// ---- state ------------------------------------------------------------------------------------------------

static COLD void svm_reset(struct vcpu *vcpu) {
    struct vmcb *vmcb = vmcb_of(vcpu);

    memset(vmcb, 0, offsetof(struct vmcb, reserved12)); // behind that it is as it was allocated
    vmcb->exceptions = EXCEPTIONS;
    vmcb->intercepts[0] = INTERCEPTS_0 | INTERCEPT(HLT);
    vmcb->intercepts[1] = INTERCEPTS_1;
    vmcb->iopm = svm_machine.iopm;
    vmcb->msrpm = svm_machine.msrpm;
    vmcb->tsc_offset = vcpu->vm->arch.tsc_offset;
    vmcb->asid = vcpu->vm->id % svm_machine.asids + 1;
    vmcb->interrupt_control = SVM_MASKING;
    vmcb->nested_control = SVM_NESTED_ENABLE;
    vmcb->nested_cr3 = vcpu->vm->arch.nested_pa;
    vmcb->dr6 = DR6_POWER_ON;
    vmcb->dr7 = DR7_POWER_ON;
    vmcb->pat = PAT_POWER_ON;
}

// A TLB entry carries the VM's identifier, not the VCPU's: what a sibling left is not this one's; nor is what another VM left
// that shares the identifier.
static void svm_load(struct vcpu *vcpu) {
    uint8_t *resident = &vcpu->vm->arch.resident[vcpu->cpu->id];

    if (unlikely(*resident != vcpu->index + 1 || svm_machine.asids < MAX_VMS)) {
        *resident = (uint8_t)(vcpu->index + 1);
        vmcb_of(vcpu)->tlb_control = svm_machine.flush;
    }
}

static void svm_save(UNUSED struct vcpu *vcpu) {} // the VMCB has it all

#if TAKT_MOVES
static void svm_leave_core(UNUSED struct vcpu *vcpu) {}

// What it invalidated elsewhere is still in this core's TLB.
static COLD void svm_enter_core(struct vcpu *vcpu) { vcpu->vm->arch.resident[vcpu->cpu->id] = 0; }
#endif

static const uint16_t offsets[FIELDS] = {
#define FIELD(name, msr, in_vmcb, in_vmcs) offsetof(struct vmcb, in_vmcb),
#include "arch/x86/guest_fields.h"
};

static uint64_t *field_of(const struct vcpu *vcpu, enum guest_field field) {
    return (uint64_t *)((char *)vcpu->arch.control + offsets[field]);
}

// Eight bytes from where the field begins, also where it is shorter.
static uint64_t svm_get(const struct vcpu *vcpu, enum guest_field field) {
    uint64_t value = *field_of(vcpu, field);

    return field == FIELD_CR0 ? value | vmcb_of(vcpu)->cr0_pretended : value;
}

static void svm_set(struct vcpu *vcpu, enum guest_field field, uint64_t value) {
    struct vmcb *vmcb = vmcb_of(vcpu);

    if (field == FIELD_EFER) { value |= EFER_SVME; } // which hardware wants to be set
    if (field == FIELD_CR0) {
        vmcb->cr0_pretended = value & (CR0_CD | CR0_NW);
        vmcb->cr_reads = vmcb->cr_writes = vmcb->cr0_pretended != 0 ? INTERCEPT_CR0 : 0;
        vmcb->tlb_control = svm_machine.flush;
        value &= ~(CR0_CD | CR0_NW);
    }
    *field_of(vcpu, field) = value;
}

static COLD void svm_start(struct vcpu *vcpu, const struct guest_registers *registers) {
    struct vmcb *vmcb = vmcb_of(vcpu);

    memcpy(vmcb->segments, registers->segments, sizeof(vmcb->segments));
    vmcb->ldtr = registers->ldtr;
    vmcb->tr = registers->tr;
    vmcb->gdtr = registers->gdtr;
    vmcb->idtr = registers->idtr;
    vmcb->cr3 = registers->cr3;
    vmcb->cr4 = registers->cr4;
    svm_set(vcpu, FIELD_CR0, registers->cr0); // and flushes: what it translated in its last life is not to stay
    svm_set(vcpu, FIELD_EFER, registers->efer);
}

static void svm_trap_hlt(struct vcpu *vcpu, bool trap) {
    uint32_t *intercepts = &vmcb_of(vcpu)->intercepts[0];

    *intercepts = trap ? *intercepts | INTERCEPT(HLT) : *intercepts & ~INTERCEPT(HLT);
}

// ---- events -----------------------------------------------------------------------------------------------

static void svm_end_shadow(struct vcpu *vcpu) { vmcb_of(vcpu)->shadow &= ~SVM_SHADOW; }

static void svm_inject(struct vcpu *vcpu, const struct event *event) {
    struct vmcb *vmcb = vmcb_of(vcpu);

    vmcb->event = event->vector | (uint64_t)event->type << SVM_EVENT_TYPE_SHIFT | SVM_EVENT_VALID |
                  (event->has_error ? SVM_EVENT_ERROR | (uint64_t)event->error << SVM_EVENT_ERROR_SHIFT : 0);
    if (event->type == EVENT_NMI) { vmcb->intercepts[0] |= INTERCEPT(IRET); }
}

// A virtual interrupt: the hardware has the guest take it when RFLAGS.IF and the task priority let it (15.21.4).
static bool svm_interrupt(struct vcpu *vcpu, int vector) {
    struct vmcb *vmcb = vmcb_of(vcpu);
    uint32_t control = vmcb->interrupt_control & (SVM_TPR_MASK | SVM_MASKING);

    if (vector >= 0) {
        control |= SVM_INTERRUPT_VIRQ | ((unsigned)vector & APIC_PRIORITY_CLASS)
                                            << (SVM_PRIORITY_SHIFT - PRIORITY_SHIFT);
        vmcb->interrupt_vector = (uint8_t)vector;
    }
    vmcb->interrupt_control = control;
    vmcb->intercepts[0] &= ~INTERCEPT(VINTR);
    return false;
}

// Between an NMI and its IRET, which is intercepted, there is none. In a shadow, or behind another event, the next virtual
// interrupt that could be taken is the moment.
static bool svm_can_nmi(struct vcpu *vcpu) {
    struct vmcb *vmcb = vmcb_of(vcpu);

    if ((vmcb->intercepts[0] & INTERCEPT(IRET)) != 0) { return false; }
    if ((vmcb->event & SVM_EVENT_VALID) == 0 && (vmcb->shadow & SVM_SHADOW) == 0) { return true; }
    vmcb->intercepts[0] |= INTERCEPT(VINTR);
    vmcb->interrupt_control |= SVM_INTERRUPT_VIRQ | SVM_PRIORITY_MASK;
    return false;
}

const struct virt_ops svm_ops = {
    .name = "SVM",
    .machine_init = svm_machine_init,
    .cpu_init = svm_cpu_init,
    .nested_format = &long_mode_format,
    .nested_leaves = svm_leaves,
    .vm_init = svm_vm_init,
    .reset = svm_reset,
    .start = svm_start,
    .load = svm_load,
    .save = svm_save,
#if TAKT_MOVES
    .leave_core = svm_leave_core,
    .enter_core = svm_enter_core,
#endif
    .run = svm_enter,
    .get = svm_get,
    .set = svm_set,
    .end_shadow = svm_end_shadow,
    .inject = svm_inject,
    .interrupt = svm_interrupt,
    .can_nmi = svm_can_nmi,
    .trap_hlt = svm_trap_hlt,
};
