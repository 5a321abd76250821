// SPDX-License-Identifier: Apache-2.0
// Entering a guest, and what its exit was: a table by exit reason (Intel SDM volume 3, appendix C).
#include "arch/x86/control_regs.h"
#include "arch/x86/hardware.h"
#include "arch/x86/vmx/vmx.h"
#include "kernel/cpu.h"
#include "kernel/log.h"

enum { TPR_CLASSES = 16 };

// An instruction, which its handler will skip.
static void read_length(UNUSED struct vcpu *vcpu, struct vm_exit *exit) {
    exit->length = (uint8_t)vmcs_read(VMCS_INSTRUCTION_LENGTH);
}

static void read_call(struct vcpu *vcpu, struct vm_exit *exit) {
    read_length(vcpu, exit);
    exit->cpl = vmx_get(vcpu, FIELD_CPL) & 3;
}

static void read_interrupt(UNUSED struct vcpu *vcpu, struct vm_exit *exit) {
    exit->vector = (uint8_t)vmcs_read(VMCS_EXIT_EVENT);
}

// The processor leaves to us what it does when it delivers a #DB (28.1, 6.15 interrupt 1).
static COLD void note_debug(void) {
    write_dr6((read_dr6() & ~DR6_BREAKPOINTS) | vmcs_read(VMCS_QUALIFICATION));
    vmcs_write(VMCS_GUEST_DR7, vmcs_read(VMCS_GUEST_DR7) & ~DR7_GD);
}

// The exit has taken an NMI and masks others until an IRET: the hypervisor's handler takes it from here.
static COLD void read_exception(struct vcpu *vcpu, struct vm_exit *exit) {
    uint32_t event = (uint32_t)vmcs_read(VMCS_EXIT_EVENT);
    unsigned type = event >> VMX_EVENT_TYPE_SHIFT & VMX_EVENT_TYPE_MASK;

    exit->vector = (uint8_t)event;
    exit->error = (uint32_t)vmcs_read(VMCS_EXIT_ERROR);
    if (type == EVENT_NMI) {
        exit->kind = VM_EXIT_NMI;
        __asm__ volatile("int %0" ::"i"(VECTOR_NMI) : "memory");
    } else if (exit->vector == EXCEPTION_MC) {
        exit->kind = VM_EXIT_MACHINE_CHECK;
    } else if (exit->vector == EXCEPTION_DB) {
        note_debug();
        if (type == VMX_EVENT_PRIVILEGED) { vcpu->arch.rip += vmcs_read(VMCS_INSTRUCTION_LENGTH); } // INT1: a trap
    }
}

static void read_io(struct vcpu *vcpu, struct vm_exit *exit) {
    uint64_t info = vmcs_read(VMCS_QUALIFICATION);

    read_length(vcpu, exit);
    exit->io.port = (uint16_t)(info >> QUALIFICATION_IO_PORT);
    exit->io.size = (info & QUALIFICATION_IO_SIZE) + 1;
    exit->io.in = (info & QUALIFICATION_IO_IN) != 0;
    exit->io.string = (info & QUALIFICATION_IO_STRING) != 0;
}

static void read_nested(UNUSED struct vcpu *vcpu, struct vm_exit *exit) {
    uint64_t info = vmcs_read(VMCS_QUALIFICATION);

    exit->nested.gpa = vmcs_read(VMCS_GUEST_PHYSICAL_ADDRESS);
    exit->nested.write = (info & QUALIFICATION_EPT_WRITE) != 0;
    exit->nested.fetch = (info & QUALIFICATION_EPT_FETCH) != 0;
    exit->nested.table = (info & QUALIFICATION_EPT_FINAL) == 0;
    if (unlikely((info & QUALIFICATION_EPT_UNMASKED) != 0)) { // the IRET comes again
        vmcs_write(VMCS_INTERRUPTIBILITY, vmcs_read(VMCS_INTERRUPTIBILITY) | SHADOW_NMI);
    }
}

static COLD void access_cr8(struct vcpu *vcpu, struct vm_exit *exit, uint64_t info, uint64_t *gpr) {
    struct vlapic *lapic = &vcpu->arch.vlapic;

    if ((info & QUALIFICATION_CR_READ) != 0) {
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
    uint64_t info = vmcs_read(VMCS_QUALIFICATION);
    uint64_t *gpr = &vcpu->arch.gpr[info >> QUALIFICATION_CR_GPR_SHIFT & (GUEST_GPRS - 1)];
    unsigned number = info & QUALIFICATION_CR_MASK;
    uint32_t value = (uint32_t)*gpr;

    if (number == 8) {
        access_cr8(vcpu, exit, info, gpr);
    } else if (number == 0 ? (value & (CR0_NW | CR0_CD)) == CR0_NW : (value & VMX_CR4_REFUSED) != 0) {
        exit->kind = VM_EXIT_REFUSED;
    } else {
        vmcs_write(number == 0 ? VMCS_CR0_SHADOW : VMCS_CR4_SHADOW, value);
    }
}

// What a reason means.
static const uint8_t kinds[VMX_EXIT_REASONS] = {
#define ROW(reason) [VMX_EXIT_##reason]
    ROW(EXCEPTION) = VM_EXIT_EXCEPTION,
    ROW(INTERRUPT) = VM_EXIT_INTERRUPT,
    ROW(TRIPLE_FAULT) = VM_EXIT_SHUTDOWN,
    ROW(INTERRUPT_WINDOW) = VM_EXIT_WINDOW,
    ROW(NMI_WINDOW) = VM_EXIT_WINDOW,
    ROW(TASK_SWITCH) = VM_EXIT_UNKNOWN,
    ROW(CPUID) = VM_EXIT_CPUID,
    ROW(GETSEC) = VM_EXIT_UNDEFINED,
    ROW(HLT) = VM_EXIT_HLT,
    ROW(INVD) = VM_EXIT_NOTHING,
    ROW(RDPMC) = VM_EXIT_REFUSED,
    ROW(VMCALL) = VM_EXIT_HYPERCALL,
    [VMX_EXIT_VMCLEAR... VMX_EXIT_VMXON] = VM_EXIT_UNDEFINED,
    ROW(CR) = VM_EXIT_DONE,
    ROW(IO) = VM_EXIT_IO,
    ROW(RDMSR) = VM_EXIT_RDMSR,
    ROW(WRMSR) = VM_EXIT_WRMSR,
    ROW(BAD_STATE) = VM_EXIT_INVALID,
    ROW(BAD_MSR) = VM_EXIT_INVALID,
    ROW(MWAIT) = VM_EXIT_UNDEFINED,
    ROW(MONITOR) = VM_EXIT_UNDEFINED,
    ROW(ENTRY_MACHINE_CHECK) = VM_EXIT_MACHINE_CHECK,
    ROW(EPT_VIOLATION) = VM_EXIT_NESTED,
    ROW(EPT_MISCONFIGURATION) = VM_EXIT_UNKNOWN,
    ROW(INVEPT) = VM_EXIT_UNDEFINED,
    ROW(PREEMPTION_TIMER) = VM_EXIT_TIMER,
    ROW(INVVPID) = VM_EXIT_UNDEFINED,
    ROW(WBINVD) = VM_EXIT_NOTHING,
    ROW(XSETBV) = VM_EXIT_XSETBV,
    ROW(VMFUNC) = VM_EXIT_UNDEFINED,
#undef ROW
};

// And what else there is to know of it.
static void (*const readers[VM_EXIT_KINDS])(struct vcpu *vcpu, struct vm_exit *exit) = {
    [VM_EXIT_INTERRUPT] = read_interrupt,
    [VM_EXIT_HYPERCALL] = read_call,
    [VM_EXIT_CPUID] = read_length,
    [VM_EXIT_HLT] = read_length,
    [VM_EXIT_IO] = read_io,
    [VM_EXIT_RDMSR] = read_length,
    [VM_EXIT_WRMSR] = read_length,
    [VM_EXIT_XSETBV] = read_length,
    [VM_EXIT_NESTED] = read_nested,
    [VM_EXIT_NOTHING] = read_length,
    [VM_EXIT_EXCEPTION] = read_exception,
    [VM_EXIT_DONE] = read_control,
};

static inline void read_exit(struct vcpu *vcpu, struct vm_exit *exit) {
    uint64_t row = vmcs_read(VMCS_EXIT_REASON) & VMX_EXIT_REASON_MASK;

    *exit = (struct vm_exit){.kind = row < ARRAY_SIZE(kinds) ? kinds[row] : VM_EXIT_UNKNOWN};
    if (readers[exit->kind] != NULL) { readers[exit->kind](vcpu, exit); }
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
    *exit = (struct vm_exit){.kind = VM_EXIT_INVALID};
    log_line("VMX: an entry was refused, error %lu", vmcs_read(VMCS_INSTRUCTION_ERROR));
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
