// SPDX-License-Identifier: Apache-2.0
// A VCPU's state in its VMCS, and the events that it is given. Intel SDM volume 3, 24.4 to 24.8, 26.2, 26.3, 26.6.
#include "arch/x86/control_regs.h"
#include "arch/x86/hardware.h"
#include "arch/x86/vmx/vmx.h"
#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/string.h"

// What a guest does that the hypervisor must see. #DB and #AC: delivering them could never end (CVE-2015-8104,
// CVE-2015-5307).
#define EXCEPTIONS   (1u << EXCEPTION_DB | 1u << EXCEPTION_AC | 1u << EXCEPTION_MC)

#define DR6_POWER_ON 0xffff0ff0ull
#define DR7_POWER_ON 0x400ull

static const uint32_t switched_msrs[VMX_SWITCHED] = {MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK, MSR_KERNEL_GS_BASE};

// ---- state ------------------------------------------------------------------------------------------------

static void select_vmcs(paddr_t pa) { __asm__ volatile("vmptrld %0" ::"m"(pa) : "cc", "memory"); }

// After work on the VMCS of a VCPU that is not loaded.
static COLD void select_loaded(const struct cpu *cpu) {
    if (cpu->loaded != NULL) { select_vmcs(cpu->loaded->arch.control_pa); }
}

// To what exits return: as this core is now, and for good.
static COLD void write_host(const struct cpu *cpu) {
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idt;

    __asm__ volatile("sidt %0" : "=m"(idt));
    vmcs_write(VMCS_HOST_CR0, read_cr0());
    vmcs_write(VMCS_HOST_CR3, read_cr3());
    vmcs_write(VMCS_HOST_CR4, read_cr4());
    vmcs_write(VMCS_HOST_CS, SELECTOR_CODE);
    vmcs_write(VMCS_HOST_SS, SELECTOR_DATA);
    vmcs_write(VMCS_HOST_DS, SELECTOR_DATA);
    vmcs_write(VMCS_HOST_ES, SELECTOR_DATA);
    vmcs_write(VMCS_HOST_TR, SELECTOR_TSS);
    vmcs_write(VMCS_HOST_GS_BASE, (uint64_t)cpu);
    vmcs_write(VMCS_HOST_TR_BASE, (uint64_t)&cpu->arch.tss);
    vmcs_write(VMCS_HOST_GDTR_BASE, (uint64_t)cpu->arch.gdt);
    vmcs_write(VMCS_HOST_IDTR_BASE, idt.base);
    vmcs_write(VMCS_HOST_PAT, read_msr(MSR_PAT));
    vmcs_write(VMCS_HOST_EFER, read_msr(MSR_EFER));
    vmcs_write(VMCS_HOST_RIP, (uint64_t)vmx_exited);
}

static COLD void write_controls(const struct vcpu *vcpu) {
    vmcs_write(VMCS_PIN_CONTROLS, vmx_machine.controls[VMX_PIN]);
    vmcs_write(VMCS_PRIMARY_CONTROLS, vmx_of(vcpu)->primary);
    vmcs_write(VMCS_SECONDARY_CONTROLS, vmx_machine.controls[VMX_SECONDARY]);
    vmcs_write(VMCS_EXIT_CONTROLS, vmx_machine.controls[VMX_EXIT]);
    vmcs_write(VMCS_ENTRY_CONTROLS, vmx_machine.controls[VMX_ENTRY]);
    vmcs_write(VMCS_EXCEPTION_BITMAP, EXCEPTIONS);
    vmcs_write(VMCS_MSR_BITMAP, vmx_machine.msr_bitmap);
    vmcs_write(VMCS_EPT_POINTER, vmx_ept_pointer(vcpu->vm));
    if ((vmx_machine.controls[VMX_SECONDARY] & SECONDARY_VPID) != 0) { vmcs_write(VMCS_VPID, vmx_vpid(vcpu)); }
    vmcs_write(VMCS_CR0_MASK, VMX_CR0_OWNED);
    vmcs_write(VMCS_CR4_MASK, VMX_CR4_OWNED);
    vmcs_write(VMCS_TSC_OFFSET, vcpu->vm->arch.tsc_offset);
}

// What nobody gives another value, or only later. The rest of a VMCS that was cleared is undefined, too, and not used.
static const uint16_t zeroes[] = {
    VMCS_PAGE_FAULT_MASK,    VMCS_PAGE_FAULT_MATCH,   VMCS_CR3_TARGETS,       VMCS_EXIT_STORE_MSRS,
    VMCS_EXIT_LOAD_MSRS,     VMCS_ENTRY_LOAD_MSRS,    VMCS_ENTRY_EVENT,       VMCS_INTERRUPTIBILITY,
    VMCS_ACTIVITY,           VMCS_PENDING_DEBUG,      VMCS_GUEST_DEBUGCTL,    VMCS_GUEST_SYSENTER_CS,
    VMCS_GUEST_SYSENTER_ESP, VMCS_GUEST_SYSENTER_EIP, VMCS_HOST_FS,           VMCS_HOST_GS,
    VMCS_HOST_FS_BASE,       VMCS_HOST_SYSENTER_CS,   VMCS_HOST_SYSENTER_ESP, VMCS_HOST_SYSENTER_EIP,
};

COLD void vmx_reset(struct vcpu *vcpu) {
    struct vmx_vcpu *own = vmx_of(vcpu);
    paddr_t pa = vcpu->arch.control_pa;

    *own = (struct vmx_vcpu){.primary = vmx_machine.controls[VMX_PRIMARY], .dr6 = DR6_POWER_ON};
    __asm__ volatile("vmclear %0" ::"m"(pa) : "cc", "memory");
    select_vmcs(pa);
    for (unsigned i = 0; i < ARRAY_SIZE(zeroes); i++) { vmcs_write(zeroes[i], 0); }
    write_host(vcpu->cpu);
    write_controls(vcpu);
    vmcs_write(VMCS_LINK_POINTER, LINK_NONE);
    vmcs_write(VMCS_GUEST_DR7, DR7_POWER_ON);
    vmcs_write(VMCS_GUEST_PAT, PAT_POWER_ON);
    vmx_flush_vcpu(vcpu);
    select_loaded(vcpu->cpu);
}

static void write_segment(unsigned number, const struct guest_segment *segment) {
    vmcs_write(VMCS_GUEST_SELECTOR + VMCS_NEXT * number, segment->selector);
    vmcs_write(VMCS_GUEST_LIMIT + VMCS_NEXT * number, segment->limit);
    vmcs_write(VMCS_GUEST_RIGHTS + VMCS_NEXT * number, guest_attributes_vmcs(segment->attributes));
    vmcs_write(VMCS_GUEST_BASE + VMCS_NEXT * number, segment->base);
}

static uint64_t merge(uint64_t guests, uint64_t mask, uint64_t owned) { return (guests & ~mask) | (owned & mask); }

COLD void vmx_start(struct vcpu *vcpu, const struct guest_registers *registers) {
    bool long_mode = (registers->efer & EFER_LMA) != 0;

    select_vmcs(vcpu->arch.control_pa);
    for (unsigned i = 0; i < SEGMENTS; i++) { write_segment(i, &registers->segments[i]); }
    write_segment(VMCS_LDTR, &registers->ldtr);
    write_segment(VMCS_TR, &registers->tr);
    vmcs_write(VMCS_GUEST_GDTR_BASE, registers->gdtr.base);
    vmcs_write(VMCS_GUEST_GDTR_LIMIT, registers->gdtr.limit);
    vmcs_write(VMCS_GUEST_IDTR_BASE, registers->idtr.base);
    vmcs_write(VMCS_GUEST_IDTR_LIMIT, registers->idtr.limit);
    vmcs_write(VMCS_GUEST_CR3, registers->cr3);
    vmcs_write(VMCS_GUEST_EFER, registers->efer);
    vmcs_write(VMCS_ENTRY_CONTROLS, vmx_machine.controls[VMX_ENTRY] | (long_mode ? ENTRY_LONG_MODE : 0));
    vmcs_write(VMCS_GUEST_CR0, merge(registers->cr0, VMX_CR0_OWNED, read_cr0()));
    vmcs_write(VMCS_CR0_SHADOW, registers->cr0);
    vmcs_write(VMCS_GUEST_CR4, merge(registers->cr4, VMX_CR4_OWNED, CR4_VMXE | CR4_MCE));
    vmcs_write(VMCS_CR4_SHADOW, registers->cr4);
    select_loaded(vcpu->cpu);
}

// What was flushed from a VM's tables is in the TLB of a core until it loads one of its VCPUs.
void vmx_load(struct vcpu *vcpu) {
    const struct vmx_vcpu *own = vmx_of(vcpu);
    uint8_t *resident = &vcpu->vm->arch.resident[vcpu->cpu->id];

    select_vmcs(vcpu->arch.control_pa);
    for (unsigned i = 0; i < VMX_SWITCHED; i++) { write_msr(switched_msrs[i], own->msrs[i]); }
    write_cr2(own->cr2);
    write_dr6(own->dr6);
    if (unlikely(*resident == 0)) {
        *resident = 1;
        vmx_flush_nested(vcpu->vm);
    }
}

void vmx_save(struct vcpu *vcpu) {
    struct vmx_vcpu *own = vmx_of(vcpu);

    for (unsigned i = 0; i < VMX_SWITCHED; i++) { own->msrs[i] = read_msr(switched_msrs[i]); }
    own->cr2 = read_cr2();
    own->dr6 = read_dr6();
}

static uint64_t cr0(void) { return merge(vmcs_read(VMCS_GUEST_CR0), VMX_CR0_OWNED, vmcs_read(VMCS_CR0_SHADOW)); }

uint64_t vmx_cr4(UNUSED const struct vcpu *vcpu) {
    return merge(vmcs_read(VMCS_GUEST_CR4), VMX_CR4_OWNED, vmcs_read(VMCS_CR4_SHADOW));
}

void vmx_view(struct vcpu *vcpu, struct guest_state_view *view) {
    uint64_t guest_cr0 = cr0(), efer = vmcs_read(VMCS_GUEST_EFER), code = vmx_rights(SEGMENT_CS);
    bool real = (guest_cr0 & CR0_PE) == 0 || (vcpu->arch.rflags & RFLAGS_VM) != 0;

    view->gpr = vcpu->arch.gpr;
    view->rip = vcpu->arch.rip;
    view->rflags = vcpu->arch.rflags;
    for (unsigned i = 0; i < GUEST_SEGMENTS; i++) {
        view->segment_base[i] = vmcs_read(VMCS_GUEST_BASE + VMCS_NEXT * i);
    }
    view->mode = real                                                      ? DECODE_16
                 : (efer & EFER_LMA) != 0 && (code & VMX_RIGHTS_LONG) != 0 ? DECODE_64
                 : (code & VMX_RIGHTS_BIG) != 0                            ? DECODE_32
                                                                           : DECODE_16;
    view->paging = (struct guest_paging){
        .cr0 = guest_cr0,
        .cr3 = vmcs_read(VMCS_GUEST_CR3),
        .cr4 = vmx_cr4(vcpu),
        .efer = efer,
        .rflags = vcpu->arch.rflags,
        .cpl = vmx_rights(SEGMENT_SS) >> VMX_RIGHTS_DPL_SHIFT & VMX_RIGHTS_DPL_MASK,
        .maxphyaddr = (uint8_t)vcpu->vm->arch.cpuid.physical_bits,
    };
}

bool vmx_paging(UNUSED const struct vcpu *vcpu) { return (vmcs_read(VMCS_GUEST_CR0) & CR0_PG) != 0; }

void vmx_set_cr2(UNUSED struct vcpu *vcpu, uint64_t value) { write_cr2(value); }

void vmx_tsc_offset(UNUSED struct vcpu *vcpu, uint64_t offset) { vmcs_write(VMCS_TSC_OFFSET, offset); }

static void write_primary(struct vmx_vcpu *own, uint32_t value) {
    if (own->primary != value) {
        own->primary = value;
        vmcs_write(VMCS_PRIMARY_CONTROLS, value);
    }
}

void vmx_trap_hlt(struct vcpu *vcpu, bool trap) {
    struct vmx_vcpu *own = vmx_of(vcpu);

    write_primary(own, trap ? own->primary | PRIMARY_HLT : own->primary & ~PRIMARY_HLT);
}

// ---- MSRs -------------------------------------------------------------------------------------------------

static const struct {
    uint32_t msr;
    uint16_t field;
} msr_fields[] = {
    {MSR_EFER, VMCS_GUEST_EFER},
    {MSR_PAT, VMCS_GUEST_PAT},
    {MSR_FS_BASE, VMCS_GUEST_BASE + VMCS_NEXT *SEGMENT_FS},
    {MSR_GS_BASE, VMCS_GUEST_BASE + VMCS_NEXT *SEGMENT_GS},
    {MSR_SYSENTER_CS, VMCS_GUEST_SYSENTER_CS},
    {MSR_SYSENTER_ESP, VMCS_GUEST_SYSENTER_ESP},
    {MSR_SYSENTER_EIP, VMCS_GUEST_SYSENTER_EIP},
};

// 0, which is the VPID's: none. What has no field is in the processor.
static unsigned field_of(uint32_t msr) {
    for (unsigned i = 0; i < ARRAY_SIZE(msr_fields); i++) {
        if (msr_fields[i].msr == msr) { return msr_fields[i].field; }
    }
    return 0;
}

uint64_t vmx_msr_load(UNUSED const struct vcpu *vcpu, uint32_t msr) {
    unsigned field = field_of(msr);

    return field != 0 ? vmcs_read(field) : read_msr(msr);
}

void vmx_msr_store(UNUSED struct vcpu *vcpu, uint32_t msr, uint64_t value) {
    unsigned field = field_of(msr);

    if (msr == MSR_EFER) { value |= vmcs_read(VMCS_GUEST_EFER) & EFER_LMA; }
    if (field != 0) {
        vmcs_write(field, value);
    } else {
        write_msr(msr, value);
    }
}

// ---- events -----------------------------------------------------------------------------------------------

void vmx_end_shadow(UNUSED struct vcpu *vcpu) {
    uint64_t shadow = vmcs_read(VMCS_INTERRUPTIBILITY);

    if (unlikely((shadow & (SHADOW_STI | SHADOW_MOV_SS)) != 0)) {
        vmcs_write(VMCS_INTERRUPTIBILITY, shadow & ~(uint64_t)(SHADOW_STI | SHADOW_MOV_SS));
    }
}

static bool free_for_event(const struct vcpu *vcpu, unsigned shadows) {
    return !vmx_of(vcpu)->event && (vmcs_read(VMCS_INTERRUPTIBILITY) & shadows) == 0;
}

// An exception ends a shadow. It has no error code in real mode, where the entry would fail with one.
void vmx_inject(struct vcpu *vcpu, const struct event *event) {
    uint32_t info = event->vector | (uint32_t)event->type << VMX_EVENT_TYPE_SHIFT | VMX_EVENT_VALID;

    if (unlikely(event->type == EVENT_EXCEPTION)) { vmx_end_shadow(vcpu); }
    if (unlikely(event->has_error) && (vmcs_read(VMCS_GUEST_CR0) & CR0_PE) != 0) {
        info |= VMX_EVENT_ERROR;
        vmcs_write(VMCS_ENTRY_ERROR, event->error);
    }
    vmcs_write(VMCS_ENTRY_EVENT, info);
    vmx_of(vcpu)->event = true;
}

bool vmx_interrupt(struct vcpu *vcpu, int vector) {
    struct vmx_vcpu *own = vmx_of(vcpu);
    uint32_t closed = own->primary & ~(PRIMARY_INTERRUPT_WINDOW | PRIMARY_NMI_WINDOW);
    bool can = (vcpu->arch.rflags & RFLAGS_IF) != 0 && vector >= 0 && free_for_event(vcpu, SHADOW_STI | SHADOW_MOV_SS);

    write_primary(own, vector < 0 || can ? closed : closed | PRIMARY_INTERRUPT_WINDOW);
    if (can) {
        const struct event event = {.type = EVENT_INTERRUPT, .vector = (uint8_t)vector};
        vmx_inject(vcpu, &event);
    }
    return can;
}

bool vmx_can_nmi(struct vcpu *vcpu) {
    struct vmx_vcpu *own = vmx_of(vcpu);

    if (free_for_event(vcpu, SHADOW_STI | SHADOW_MOV_SS | SHADOW_NMI)) { return true; }
    write_primary(own, own->primary | PRIMARY_NMI_WINDOW);
    return false;
}

// ---- for the log ------------------------------------------------------------------------------------------

COLD void vmx_dump(const struct vcpu *vcpu) {
    log_line("  cr0 %lx  cr2 %lx  cr3 %lx  cr4 %lx  efer %lx", cr0(), read_cr2(), vmcs_read(VMCS_GUEST_CR3),
             vmx_cr4(vcpu), vmcs_read(VMCS_GUEST_EFER));
    log_line("  cs %lx base %lx rights %lx  ss %lx rights %lx  gdt %lx  idt %lx",
             vmcs_read(VMCS_GUEST_SELECTOR + VMCS_NEXT * SEGMENT_CS),
             vmcs_read(VMCS_GUEST_BASE + VMCS_NEXT * SEGMENT_CS), vmx_rights(SEGMENT_CS),
             vmcs_read(VMCS_GUEST_SELECTOR + VMCS_NEXT * SEGMENT_SS), vmx_rights(SEGMENT_SS),
             vmcs_read(VMCS_GUEST_GDTR_BASE), vmcs_read(VMCS_GUEST_IDTR_BASE));
    log_line("  exit %lx  qualification %lx  event %lx  entry %lx  shadow %lx  activity %lx",
             vmcs_read(VMCS_EXIT_REASON), vmcs_read(VMCS_QUALIFICATION), vmcs_read(VMCS_VECTORING_EVENT),
             vmcs_read(VMCS_ENTRY_EVENT), vmcs_read(VMCS_INTERRUPTIBILITY), vmcs_read(VMCS_ACTIVITY));
}
