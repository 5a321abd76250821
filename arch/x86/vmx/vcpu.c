// SPDX-License-Identifier: Apache-2.0
// A VCPU's state in its VMCS, and the events that it is given. Intel SDM volume 3, 25.4 to 25.8, 27.2, 27.3, 27.6.
#include "arch/x86/control_regs.h"
#include "arch/x86/hardware.h"
#include "arch/x86/vmx/vmx.h"

// What a guest does that the hypervisor must see. #DB and #AC: delivering them could never end (CVE-2015-8104,
// CVE-2015-5307).
#define EXCEPTIONS   (1u << EXCEPTION_DB | 1u << EXCEPTION_AC | 1u << EXCEPTION_MC)

#define DR6_POWER_ON 0xffff0ff0ull
#define DR7_POWER_ON 0x400ull

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

static void flush_vcpu(const struct vcpu *vcpu) {
    const uint64_t descriptor[2] = {vmx_vpid(vcpu), 0};

    if ((vmx_machine.controls[VMX_SECONDARY] & SECONDARY_VPID) != 0) {
        __asm__ volatile("invvpid %0, %1" ::"m"(descriptor), "r"((uint64_t)INVALIDATE_SINGLE) : "cc", "memory");
    }
}

static void flush_nested(const struct vm *vm) {
    const uint64_t descriptor[2] = {vmx_ept_pointer(vm), 0};

    __asm__ volatile("invept %0, %1" ::"m"(descriptor), "r"((uint64_t)INVALIDATE_SINGLE) : "cc", "memory");
}

static COLD void vmx_reset(struct vcpu *vcpu) {
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
    flush_vcpu(vcpu);
    select_loaded(vcpu->cpu);
}

static void write_segment(unsigned number, const struct guest_segment *segment) {
    vmcs_write(VMCS_SEGMENT(SELECTOR, number), segment->selector);
    vmcs_write(VMCS_SEGMENT(LIMIT, number), segment->limit);
    vmcs_write(VMCS_SEGMENT(RIGHTS, number), guest_attributes_vmcs(segment->attributes));
    vmcs_write(VMCS_SEGMENT(BASE, number), segment->base);
}

static uint64_t merge(uint64_t guests, uint64_t mask, uint64_t owned) { return (guests & ~mask) | (owned & mask); }

static COLD void vmx_start(struct vcpu *vcpu, const struct guest_registers *registers) {
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
static void vmx_load(struct vcpu *vcpu) {
    const struct vmx_vcpu *own = vmx_of(vcpu);
    uint8_t *resident = &vcpu->vm->arch.resident[vcpu->cpu->id];

    select_vmcs(vcpu->arch.control_pa);
    for (unsigned i = 0; i < VMX_SWITCHED; i++) { write_msr(guest_msrs[i], own->msrs[i]); }
    write_cr2(own->cr2);
    write_dr6(own->dr6);
    if (unlikely(*resident == 0)) {
        *resident = 1;
        flush_nested(vcpu->vm);
    }
}

static void vmx_save(struct vcpu *vcpu) {
    struct vmx_vcpu *own = vmx_of(vcpu);

    for (unsigned i = 0; i < VMX_SWITCHED; i++) { own->msrs[i] = read_msr(guest_msrs[i]); }
    own->cr2 = read_cr2();
    own->dr6 = read_dr6();
}

#if TAKT_MOVES
// A VMCS is active on one core (SDM 25.11.1): VMCLEAR brings all of it to memory.
static COLD void vmx_leave_core(struct vcpu *vcpu) {
    paddr_t pa = vcpu->arch.control_pa;

    __asm__ volatile("vmclear %0" ::"m"(pa) : "cc", "memory");
    vmx_of(vcpu)->launched = false;
}

// What it invalidated elsewhere is still in this core's TLB.
static COLD void vmx_enter_core(struct vcpu *vcpu) {
    select_vmcs(vcpu->arch.control_pa);
    write_host(vcpu->cpu);
    flush_vcpu(vcpu);
    select_loaded(vcpu->cpu);
}
#endif

static const uint16_t fields[FIELDS] = {
#define FIELD(name, msr, in_vmcb, in_vmcs) in_vmcs,
#include "arch/x86/guest_fields.h"
};

// What has no field is in the processor.
uint64_t vmx_get(UNUSED const struct vcpu *vcpu, enum guest_field field) {
    if (field == FIELD_CR2) { return read_cr2(); }
    if (field == FIELD_DR6) { return read_dr6(); }
    if (fields[field] == 0) { return read_msr(guest_msrs[field]); }
    uint64_t value = vmcs_read(fields[field]);
    switch (field) {
    case FIELD_CR0: return merge(value, VMX_CR0_OWNED, vmcs_read(VMCS_CR0_SHADOW));
    case FIELD_CR4: return merge(value, VMX_CR4_OWNED, vmcs_read(VMCS_CR4_SHADOW));
    case FIELD_CPL: return value >> VMX_RIGHTS_DPL_SHIFT;
    case FIELD_CODE: return value >> VMX_RIGHTS_UPPER_SHIFT;
    default: return value;
    }
}

static void vmx_set(UNUSED struct vcpu *vcpu, enum guest_field field, uint64_t value) {
    if (field == FIELD_CR2) {
        write_cr2(value);
    } else if (field == FIELD_DR6) {
        write_dr6(value);
    } else if (fields[field] == 0) {
        write_msr(guest_msrs[field], value);
    } else {
        vmcs_write(fields[field], value);
    }
}

static void write_primary(struct vmx_vcpu *own, uint32_t value) {
    if (own->primary != value) {
        own->primary = value;
        vmcs_write(VMCS_PRIMARY_CONTROLS, value);
    }
}

static void vmx_trap_hlt(struct vcpu *vcpu, bool trap) {
    struct vmx_vcpu *own = vmx_of(vcpu);

    write_primary(own, trap ? own->primary | PRIMARY_HLT : own->primary & ~PRIMARY_HLT);
}

// ---- events -----------------------------------------------------------------------------------------------

static void vmx_end_shadow(UNUSED struct vcpu *vcpu) {
    uint64_t shadow = vmcs_read(VMCS_INTERRUPTIBILITY);

    if (unlikely((shadow & (SHADOW_STI | SHADOW_MOV_SS)) != 0)) {
        vmcs_write(VMCS_INTERRUPTIBILITY, shadow & ~(uint64_t)(SHADOW_STI | SHADOW_MOV_SS));
    }
}

static bool free_for_event(const struct vcpu *vcpu, unsigned shadows) {
    return !vmx_of(vcpu)->event && (vmcs_read(VMCS_INTERRUPTIBILITY) & shadows) == 0;
}

// An exception ends a shadow. It has no error code in real mode, where the entry would fail with one.
static void vmx_inject(struct vcpu *vcpu, const struct event *event) {
    uint32_t info = event->vector | (uint32_t)event->type << VMX_EVENT_TYPE_SHIFT | VMX_EVENT_VALID;

    if (unlikely(event->type == EVENT_EXCEPTION)) { vmx_end_shadow(vcpu); }
    if (unlikely(event->has_error) && (vmcs_read(VMCS_GUEST_CR0) & CR0_PE) != 0) {
        info |= VMX_EVENT_ERROR;
        vmcs_write(VMCS_ENTRY_ERROR, event->error);
    }
    vmcs_write(VMCS_ENTRY_EVENT, info);
    vmx_of(vcpu)->event = true;
}

static bool vmx_interrupt(struct vcpu *vcpu, int vector) {
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

static bool vmx_can_nmi(struct vcpu *vcpu) {
    struct vmx_vcpu *own = vmx_of(vcpu);

    if (free_for_event(vcpu, SHADOW_STI | SHADOW_MOV_SS | SHADOW_NMI)) { return true; }
    write_primary(own, own->primary | PRIMARY_NMI_WINDOW);
    return false;
}

const struct virt_ops vmx_ops = {
    .name = "VMX",
    .machine_init = vmx_machine_init,
    .cpu_init = vmx_cpu_init,
    .nested_format = &vmx_format,
    .nested_leaves = vmx_leaves,
    .vm_init = vmx_vm_init,
    .reset = vmx_reset,
    .start = vmx_start,
    .load = vmx_load,
    .save = vmx_save,
#if TAKT_MOVES
    .leave_core = vmx_leave_core,
    .enter_core = vmx_enter_core,
#endif
    .run = vmx_enter,
    .get = vmx_get,
    .set = vmx_set,
    .end_shadow = vmx_end_shadow,
    .inject = vmx_inject,
    .interrupt = vmx_interrupt,
    .can_nmi = vmx_can_nmi,
    .trap_hlt = vmx_trap_hlt,
};
