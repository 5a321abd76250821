// SPDX-License-Identifier: Apache-2.0
// Entering a guest, and what its exit was: a table by exit reason (Intel SDM volume 3, appendix C).
#include "arch/x86/control_regs.h"
#include "arch/x86/hardware.h"
#include "arch/x86/vmx/vmx.h"
#include "kernel/cpu.h"

enum { TPR_SHIFT = 4, TPR_CLASSES = 16 };

// What of each reason there is to know. Own core, between the exit and its handler.

static void read_nothing(UNUSED struct vcpu *vcpu, UNUSED struct vm_exit *exit) {}

// An instruction, which its handler will skip.
static void read_length(UNUSED struct vcpu *vcpu, struct vm_exit *exit) {
    exit->length = (uint8_t)vmcs_read(VMCS_INSTRUCTION_LENGTH);
}

static void read_call(UNUSED struct vcpu *vcpu, struct vm_exit *exit) {
    exit->length = (uint8_t)vmcs_read(VMCS_INSTRUCTION_LENGTH);
    exit->cpl = vmx_rights(SEGMENT_SS) >> VMX_RIGHTS_DPL_SHIFT & VMX_RIGHTS_DPL_MASK;
}

static void read_interrupt(UNUSED struct vcpu *vcpu, struct vm_exit *exit) {
    exit->vector = (uint8_t)vmcs_read(VMCS_EXIT_EVENT);
}

// The processor leaves to us what it does when it delivers a #DB (27.1, 6.15 interrupt 1).
static COLD void note_debug(const struct vm_exit *exit) {
    write_dr6((read_dr6() & ~DR6_BREAKPOINTS) | exit->info1);
    vmcs_write(VMCS_GUEST_DR7, vmcs_read(VMCS_GUEST_DR7) & ~DR7_GD);
}

// The exit has taken an NMI and masks others until an IRET: the hypervisor's handler takes it from here.
static COLD void read_exception(struct vcpu *vcpu, struct vm_exit *exit) {
    uint32_t event = (uint32_t)vmcs_read(VMCS_EXIT_EVENT);
    unsigned type = event >> VMX_EVENT_TYPE_SHIFT & VMX_EVENT_TYPE_MASK;

    exit->info2 = event;
    exit->vector = (uint8_t)event;
    exit->error = (uint32_t)vmcs_read(VMCS_EXIT_ERROR);
    if (type == EVENT_NMI) {
        exit->kind = VM_EXIT_NMI;
        __asm__ volatile("int %0" ::"i"(VECTOR_NMI) : "memory");
    } else if (exit->vector == EXCEPTION_MC) {
        exit->kind = VM_EXIT_MACHINE_CHECK;
    } else if (exit->vector == EXCEPTION_DB) {
        note_debug(exit);
        if (type == VMX_EVENT_PRIVILEGED) { vcpu->arch.rip += vmcs_read(VMCS_INSTRUCTION_LENGTH); } // INT1: a trap
    }
}

static void read_io(struct vcpu *vcpu, struct vm_exit *exit) {
    uint64_t info = exit->info1;

    read_length(vcpu, exit);
    exit->io.port = (uint16_t)(info >> QUALIFICATION_IO_PORT);
    exit->io.size = (info & QUALIFICATION_IO_SIZE) + 1;
    exit->io.in = (info & QUALIFICATION_IO_IN) != 0;
    exit->io.string = (info & QUALIFICATION_IO_STRING) != 0;
}

static void read_nested(UNUSED struct vcpu *vcpu, struct vm_exit *exit) {
    exit->info2 = exit->nested.gpa = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS);
    exit->nested.write = (exit->info1 & QUALIFICATION_EPT_WRITE) != 0;
    exit->nested.fetch = (exit->info1 & QUALIFICATION_EPT_FETCH) != 0;
    exit->nested.table = (exit->info1 & QUALIFICATION_EPT_FINAL) == 0;
    if (unlikely((exit->info1 & QUALIFICATION_EPT_UNMASKED) != 0)) { // the IRET comes again
        vmcs_write(VMCS_INTERRUPTIBILITY, vmcs_read(VMCS_INTERRUPTIBILITY) | SHADOW_NMI);
    }
}

static COLD void access_cr8(struct vcpu *vcpu, struct vm_exit *exit, uint64_t *gpr) {
    struct vlapic *lapic = &vcpu->arch.vlapic;

    if ((exit->info1 & QUALIFICATION_CR_READ) != 0) {
        *gpr = vlapic_tpr(lapic) >> TPR_SHIFT;
    } else if (*gpr < TPR_CLASSES) {
        vlapic_set_tpr(lapic, (uint8_t)(*gpr << TPR_SHIFT));
    } else {
        exit->kind = VM_EXIT_REFUSED;
        return;
    }
    exit->kind = VM_EXIT_NOTHING;
    read_length(vcpu, exit);
}

// A write of CR0 or CR4 that changes what the guest sees of bits that are not its own. It sees them so from now on, and the
// processor does the write when the guest comes to it again: then it changes nothing but the guest's own bits. (Should it
// raise #GP then, those that we have changed stay so.)
static COLD void read_control(struct vcpu *vcpu, struct vm_exit *exit) {
    uint64_t *gpr = &vcpu->arch.gpr[exit->info1 >> QUALIFICATION_CR_GPR_SHIFT & (GUEST_GPRS - 1)];
    unsigned number = exit->info1 & QUALIFICATION_CR_MASK;
    uint32_t value = (uint32_t)*gpr;

    if (number == 8) {
        access_cr8(vcpu, exit, gpr);
    } else if (number == 0 ? (value & (CR0_NW | CR0_CD)) == CR0_NW : (value & VMX_CR4_REFUSED) != 0) {
        exit->kind = VM_EXIT_REFUSED;
    } else {
        vmcs_write(number == 0 ? VMCS_CR0_SHADOW : VMCS_CR4_SHADOW, value);
    }
}

static const struct {
    uint8_t kind;
    void (*read)(struct vcpu *vcpu, struct vm_exit *exit);
} rows[VMX_EXIT_REASONS] = {
#define ROW(reason) [VMX_EXIT_##reason]
    ROW(EXCEPTION) = {VM_EXIT_EXCEPTION, read_exception},
    ROW(INTERRUPT) = {VM_EXIT_INTERRUPT, read_interrupt},
    ROW(TRIPLE_FAULT) = {VM_EXIT_SHUTDOWN, read_nothing},
    ROW(INTERRUPT_WINDOW) = {VM_EXIT_WINDOW, read_nothing},
    ROW(NMI_WINDOW) = {VM_EXIT_WINDOW, read_nothing},
    ROW(TASK_SWITCH) = {VM_EXIT_UNKNOWN, read_nothing},
    ROW(CPUID) = {VM_EXIT_CPUID, read_length},
    ROW(GETSEC) = {VM_EXIT_UNDEFINED, read_nothing},
    ROW(HLT) = {VM_EXIT_HLT, read_length},
    ROW(INVD) = {VM_EXIT_NOTHING, read_length},
    ROW(RDPMC) = {VM_EXIT_REFUSED, read_nothing},
    ROW(VMCALL) = {VM_EXIT_HYPERCALL, read_call},
    [VMX_EXIT_VMCLEAR... VMX_EXIT_VMXON] = {VM_EXIT_UNDEFINED, read_nothing},
    ROW(CR) = {VM_EXIT_DONE, read_control},
    ROW(IO) = {VM_EXIT_IO, read_io},
    ROW(RDMSR) = {VM_EXIT_RDMSR, read_length},
    ROW(WRMSR) = {VM_EXIT_WRMSR, read_length},
    ROW(BAD_STATE) = {VM_EXIT_INVALID, read_nothing},
    ROW(BAD_MSR) = {VM_EXIT_INVALID, read_nothing},
    ROW(MWAIT) = {VM_EXIT_UNDEFINED, read_nothing},
    ROW(MONITOR) = {VM_EXIT_UNDEFINED, read_nothing},
    ROW(ENTRY_MACHINE_CHECK) = {VM_EXIT_MACHINE_CHECK, read_nothing},
    ROW(EPT_VIOLATION) = {VM_EXIT_NESTED, read_nested},
    ROW(EPT_MISCONFIGURATION) = {VM_EXIT_UNKNOWN, read_nothing},
    ROW(INVEPT) = {VM_EXIT_UNDEFINED, read_nothing},
    ROW(PREEMPTION_TIMER) = {VM_EXIT_TIMER, read_nothing},
    ROW(INVVPID) = {VM_EXIT_UNDEFINED, read_nothing},
    ROW(WBINVD) = {VM_EXIT_NOTHING, read_length},
    ROW(XSETBV) = {VM_EXIT_XSETBV, read_length},
    ROW(VMFUNC) = {VM_EXIT_UNDEFINED, read_nothing},
#undef ROW
};

static inline void read_exit(struct vcpu *vcpu, struct vm_exit *exit) {
    uint64_t reason = vmcs_read(VMCS_EXIT_REASON), row = reason & VMX_EXIT_REASON_MASK;

    *exit = (struct vm_exit){.reason = reason, .info1 = vmcs_read(VMCS_QUALIFICATION)};
    if (likely(row < ARRAY_SIZE(rows) && rows[row].read != NULL)) {
        exit->kind = rows[row].kind;
        rows[row].read(vcpu, exit);
    }
}

// What the exit interrupted is delivered again; but INT, INT1, INT3 and INTO are executed again. An NMI that is not
// delivered yet masks no other.
static COLD void redeliver(struct vmx_vcpu *own, uint64_t event) {
    unsigned type = event >> VMX_EVENT_TYPE_SHIFT & VMX_EVENT_TYPE_MASK;

    if (type == EVENT_SOFTWARE || type == VMX_EVENT_PRIVILEGED || type == VMX_EVENT_SOFTWARE_EXCEPTION) { return; }
    if (type == EVENT_NMI) {
        vmcs_write(VMCS_INTERRUPTIBILITY, vmcs_read(VMCS_INTERRUPTIBILITY) & ~(uint64_t)SHADOW_NMI);
    }
    vmcs_write(VMCS_ENTRY_EVENT, event & VMX_EVENT_MASK);
    vmcs_write(VMCS_ENTRY_ERROR, vmcs_read(VMCS_VECTORING_ERROR));
    own->event = true;
}

// The machine's own timer is to come first, where the machine lets it: it is exact, this one is up to a unit later.
static inline void arm_timer(uint64_t until) {
    uint64_t now = read_tsc(), units = until > now ? (until - now) >> vmx_machine.timer_shift : 0;

    vmcs_write(VMCS_PREEMPTION_TIMER, MIN(units, UINT32_MAX - 1ull) + 1);
}

// A guest that waits in HLT goes on after any exit, as on SVM: what it waits for may have come with that.
static inline void end_wait(const struct vcpu *vcpu, uint8_t kind) {
    if (unlikely(!vcpu->wfi_traps) && kind <= VM_EXIT_TIMER) { vmcs_write(VMCS_ACTIVITY, ACTIVITY_ACTIVE); }
}

static COLD void entry_refused(struct vm_exit *exit) {
    *exit = (struct vm_exit){.kind = VM_EXIT_INVALID, .reason = vmcs_read(VMCS_INSTRUCTION_ERROR)};
}

void vmx_enter(struct vcpu *vcpu, uint64_t until, struct vm_exit *exit) {
    struct vmx_vcpu *own = vmx_of(vcpu);
    struct arch_vcpu *arch = &vcpu->arch;

    vmcs_write(VMCS_GUEST_RSP, arch->gpr[GPR_RSP]);
    vmcs_write(VMCS_GUEST_RIP, arch->rip);
    vmcs_write(VMCS_GUEST_RFLAGS, arch->rflags);
    arm_timer(until);
    if (unlikely(vmx_run(arch->gpr, own->launched) != 0)) {
        entry_refused(exit);
        return;
    }
    own->launched = true;
    arch->shadowed = true; // vmx_end_shadow looks
    own->event = false;
    arch->gpr[GPR_RSP] = vmcs_read(VMCS_GUEST_RSP);
    arch->rip = vmcs_read(VMCS_GUEST_RIP);
    arch->rflags = vmcs_read(VMCS_GUEST_RFLAGS);
    uint64_t event = vmcs_read(VMCS_VECTORING_EVENT);
    if (unlikely((event & VMX_EVENT_VALID) != 0)) { redeliver(own, event); }
    read_exit(vcpu, exit);
    end_wait(vcpu, exit->kind);
}
