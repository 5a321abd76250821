// SPDX-License-Identifier: Apache-2.0
// A VCPU's state in its VMCB, and the events that it is given. AMD APM volume 2, chapter 15 and appendix B.
#include "arch/x86/control_regs.h"
#include "arch/x86/hardware.h"
#include "arch/x86/svm/svm.h"
#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/string.h"

// What a guest does that the hypervisor must see. #DB and #AC: delivering them could never end (CVE-2015-8104,
// CVE-2015-5307).
#define EXCEPTIONS (1u << EXCEPTION_DB | 1u << EXCEPTION_AC | 1u << EXCEPTION_MC)
#define INTERCEPTS_0                                                                                         \
    (INTERCEPT_INTR | INTERCEPT_NMI | INTERCEPT_SMI | INTERCEPT_INIT | INTERCEPT_RDPMC | INTERCEPT_CPUID |   \
     INTERCEPT_INVD | INTERCEPT_INVLPGA | INTERCEPT_IOIO | INTERCEPT_MSR | INTERCEPT_TASK | INTERCEPT_FERR | \
     INTERCEPT_SHUTDOWN)
#define INTERCEPTS_1                                                                                               \
    (INTERCEPT_VMRUN | INTERCEPT_VMMCALL | INTERCEPT_VMLOAD | INTERCEPT_VMSAVE | INTERCEPT_STGI | INTERCEPT_CLGI | \
     INTERCEPT_SKINIT | INTERCEPT_ICEBP | INTERCEPT_WBINVD | INTERCEPT_MONITOR | INTERCEPT_MWAIT |                 \
     INTERCEPT_MWAIT_IF | INTERCEPT_XSETBV | INTERCEPT_RDPRU)

enum { PRIORITY_SHIFT = 4 };

#define DR6_POWER_ON 0xffff0ff0ull
#define DR7_POWER_ON 0x400ull

// ---- state ------------------------------------------------------------------------------------------------

COLD void svm_reset(struct vcpu *vcpu) {
    struct vmcb *vmcb = vmcb_of(vcpu);

    memset(vmcb, 0, sizeof(*vmcb));
    vmcb->exceptions = EXCEPTIONS;
    vmcb->intercepts[0] = INTERCEPTS_0 | INTERCEPT_HLT;
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

static struct vmcb_segment segment_of(const struct guest_segment *s) {
    return (struct vmcb_segment){s->selector, s->attributes, s->limit, s->base};
}

COLD void svm_start(struct vcpu *vcpu, const struct guest_registers *registers) {
    struct vmcb *vmcb = vmcb_of(vcpu);
    struct vmcb_segment *const segments[] = {
        [SEGMENT_ES] = &vmcb->es, [SEGMENT_CS] = &vmcb->cs, [SEGMENT_SS] = &vmcb->ss,
        [SEGMENT_DS] = &vmcb->ds, [SEGMENT_FS] = &vmcb->fs, [SEGMENT_GS] = &vmcb->gs,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(segments); i++) { *segments[i] = segment_of(&registers->segments[i]); }
    vmcb->ldtr = segment_of(&registers->ldtr);
    vmcb->tr = segment_of(&registers->tr);
    vmcb->gdtr = segment_of(&registers->gdtr);
    vmcb->idtr = segment_of(&registers->idtr);
    vmcb->cr0 = registers->cr0;
    vmcb->cr3 = registers->cr3;
    vmcb->cr4 = registers->cr4;
    vmcb->efer = registers->efer | EFER_SVME; // which hardware wants to be set
}

// A TLB entry carries the VM's identifier, not the VCPU's: what a sibling left is not this one's; nor is what another VM left
// that shares the identifier.
void svm_load(struct vcpu *vcpu) {
    uint8_t *resident = &vcpu->vm->arch.resident[vcpu->cpu->id];

    if (unlikely(*resident != vcpu->index + 1 || svm_machine.asids < MAX_VMS)) {
        *resident = (uint8_t)(vcpu->index + 1);
        vmcb_of(vcpu)->tlb_control = svm_machine.flush;
    }
}

void svm_save(UNUSED struct vcpu *vcpu) {} // the VMCB has it all

void svm_view(struct vcpu *vcpu, struct guest_state_view *view) {
    const struct vmcb *vmcb = vmcb_of(vcpu);
    const struct vmcb_segment *const segments[] = {
        [SEGMENT_ES] = &vmcb->es, [SEGMENT_CS] = &vmcb->cs, [SEGMENT_SS] = &vmcb->ss,
        [SEGMENT_DS] = &vmcb->ds, [SEGMENT_FS] = &vmcb->fs, [SEGMENT_GS] = &vmcb->gs,
    };
    bool real = (vmcb->cr0 & CR0_PE) == 0 || (vcpu->arch.rflags & RFLAGS_VM) != 0;

    view->gpr = vcpu->arch.gpr;
    view->rip = vcpu->arch.rip;
    view->rflags = vcpu->arch.rflags;
    for (unsigned i = 0; i < GUEST_SEGMENTS; i++) { view->segment_base[i] = segments[i]->base; }
    view->mode = real                                                                        ? DECODE_16
                 : (vmcb->efer & EFER_LMA) != 0 && (vmcb->cs.attributes & SEGMENT_LONG) != 0 ? DECODE_64
                 : (vmcb->cs.attributes & SEGMENT_BIG) != 0                                  ? DECODE_32
                                                                                             : DECODE_16;
    view->paging = (struct guest_paging){
        .cr0 = vmcb->cr0,
        .cr3 = vmcb->cr3,
        .cr4 = vmcb->cr4,
        .efer = vmcb->efer,
        .rflags = vcpu->arch.rflags,
        .cpl = vmcb->cpl,
        .maxphyaddr = (uint8_t)vcpu->vm->arch.cpuid.physical_bits,
    };
}

uint64_t svm_cr4(const struct vcpu *vcpu) { return vmcb_of(vcpu)->cr4; }

bool svm_paging(const struct vcpu *vcpu) { return (vmcb_of(vcpu)->cr0 & CR0_PG) != 0; }

void svm_set_cr2(struct vcpu *vcpu, uint64_t value) { vmcb_of(vcpu)->cr2 = value; }

void svm_tsc_offset(struct vcpu *vcpu, uint64_t offset) { vmcb_of(vcpu)->tsc_offset = offset; }

void svm_trap_hlt(struct vcpu *vcpu, bool trap) {
    uint32_t *intercepts = &vmcb_of(vcpu)->intercepts[0];

    *intercepts = trap ? *intercepts | INTERCEPT_HLT : *intercepts & ~INTERCEPT_HLT;
}

// ---- MSRs that the VMCB holds -----------------------------------------------------------------------------

static const struct {
    uint32_t msr;
    uint16_t offset;
} msr_fields[] = {
    {MSR_STAR, offsetof(struct vmcb, star)},
    {MSR_LSTAR, offsetof(struct vmcb, lstar)},
    {MSR_CSTAR, offsetof(struct vmcb, cstar)},
    {MSR_SFMASK, offsetof(struct vmcb, sfmask)},
    {MSR_FS_BASE, offsetof(struct vmcb, fs.base)},
    {MSR_GS_BASE, offsetof(struct vmcb, gs.base)},
    {MSR_KERNEL_GS_BASE, offsetof(struct vmcb, kernel_gs_base)},
    {MSR_SYSENTER_CS, offsetof(struct vmcb, sysenter_cs)},
    {MSR_SYSENTER_ESP, offsetof(struct vmcb, sysenter_esp)},
    {MSR_SYSENTER_EIP, offsetof(struct vmcb, sysenter_eip)},
    {MSR_PAT, offsetof(struct vmcb, pat)},
};

static void *field_of(const struct vcpu *vcpu, uint32_t msr) {
    for (unsigned i = 0; i < ARRAY_SIZE(msr_fields); i++) {
        if (msr_fields[i].msr == msr) { return (char *)vcpu->arch.control + msr_fields[i].offset; }
    }
    return NULL;
}

uint64_t svm_msr_load(const struct vcpu *vcpu, uint32_t msr) {
    const uint64_t *field = field_of(vcpu, msr);

    if (msr == MSR_EFER) { return vmcb_of(vcpu)->efer & ~EFER_SVME; }
    return field != NULL ? *field : 0;
}

void svm_msr_store(struct vcpu *vcpu, uint32_t msr, uint64_t value) {
    uint64_t *field = field_of(vcpu, msr);
    struct vmcb *vmcb = vmcb_of(vcpu);

    if (msr == MSR_EFER) {
        vmcb->efer = value | EFER_SVME | (vmcb->efer & EFER_LMA);
    } else if (field != NULL) {
        *field = value;
    }
}

// ---- events -----------------------------------------------------------------------------------------------

void svm_end_shadow(struct vcpu *vcpu) { vmcb_of(vcpu)->shadow &= ~SVM_SHADOW; }

void svm_inject(struct vcpu *vcpu, const struct event *event) {
    struct vmcb *vmcb = vmcb_of(vcpu);

    vmcb->event = event->vector | (uint64_t)event->type << SVM_EVENT_TYPE_SHIFT | SVM_EVENT_VALID |
                  (event->has_error ? SVM_EVENT_ERROR | (uint64_t)event->error << SVM_EVENT_ERROR_SHIFT : 0);
    if (event->type == EVENT_NMI) { vmcb->intercepts[0] |= INTERCEPT_IRET; }
}

// A virtual interrupt: the hardware has the guest take it when RFLAGS.IF and the task priority let it (15.21.4).
bool svm_interrupt(struct vcpu *vcpu, int vector) {
    struct vmcb *vmcb = vmcb_of(vcpu);
    uint32_t control = vmcb->interrupt_control & (SVM_TPR_MASK | SVM_MASKING);

    if (vector >= 0) {
        control |= SVM_INTERRUPT_VIRQ | ((unsigned)vector & APIC_PRIORITY_CLASS)
                                            << (SVM_PRIORITY_SHIFT - PRIORITY_SHIFT);
        vmcb->interrupt_vector = (uint8_t)vector;
    }
    vmcb->interrupt_control = control;
    vmcb->intercepts[0] &= ~INTERCEPT_VINTR;
    return false;
}

// Between an NMI and its IRET, which is intercepted, there is none. In a shadow, or behind another event, the next virtual
// interrupt that could be taken is the moment.
bool svm_can_nmi(struct vcpu *vcpu) {
    struct vmcb *vmcb = vmcb_of(vcpu);

    if ((vmcb->intercepts[0] & INTERCEPT_IRET) != 0) { return false; }
    if ((vmcb->event & SVM_EVENT_VALID) == 0 && (vmcb->shadow & SVM_SHADOW) == 0) { return true; }
    vmcb->intercepts[0] |= INTERCEPT_VINTR;
    vmcb->interrupt_control |= SVM_INTERRUPT_VIRQ | SVM_PRIORITY_MASK;
    return false;
}

// ---- for the log ------------------------------------------------------------------------------------------

COLD void svm_dump(const struct vcpu *vcpu) {
    const struct vmcb *vmcb = vmcb_of(vcpu);

    log_line("  cr0 %lx  cr2 %lx  cr3 %lx  cr4 %lx  efer %lx", vmcb->cr0, vmcb->cr2, vmcb->cr3, vmcb->cr4, vmcb->efer);
    log_line("  cs %x base %lx attributes %x  ss %x  cpl %u  gdt %lx  idt %lx", vmcb->cs.selector, vmcb->cs.base,
             vmcb->cs.attributes, vmcb->ss.selector, vmcb->cpl, vmcb->gdtr.base, vmcb->idtr.base);
    log_line("  exit %lx  info %lx %lx  event %lx %lx", vmcb->exit_code, vmcb->exit_info1, vmcb->exit_info2,
             vmcb->exit_event, vmcb->event);
}
