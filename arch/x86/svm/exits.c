// SPDX-License-Identifier: Apache-2.0
// Entering a guest, and what its exit was: a table by exit code (AMD APM volume 2, appendix C).
#include "arch/x86/control_regs.h"
#include "arch/x86/hardware.h"
#include "arch/x86/svm/svm.h"
#include "kernel/cpu.h"

enum { EXIT_BASE = SVM_EXIT_EXCEPTION };

// What an exit code means, MORE if there is more to know (read_more), and the instruction that it was for, whose length the
// machine may not say.
enum { MORE = 0x80 };
static const struct {
    uint8_t kind, operation;
} rows[SVM_EXIT_TABLED - EXIT_BASE] = {
#define ROW(code) [SVM_EXIT_##code - EXIT_BASE]
    ROW(EXCEPTION) = {VM_EXIT_UNKNOWN, OP_NONE},
    [0x41 - EXIT_BASE] = {VM_EXIT_EXCEPTION | MORE, OP_NONE}, // #DB
    [0x51 - EXIT_BASE] = {VM_EXIT_EXCEPTION | MORE, OP_NONE}, // #AC
    [0x52 - EXIT_BASE] = {VM_EXIT_MACHINE_CHECK, OP_NONE},
    ROW(INTR) = {VM_EXIT_INTERRUPT, OP_NONE},
    ROW(NMI) = {VM_EXIT_NMI, OP_NONE},
    ROW(SMI) = {VM_EXIT_NMI, OP_NONE}, // taken by the firmware when the global interrupt flag is set again
    ROW(INIT) = {VM_EXIT_NMI, OP_NONE},
    ROW(VINTR) = {VM_EXIT_WINDOW, OP_NONE},
    ROW(CHANGE_CR0) = {VM_EXIT_CR0, OP_NONE},
    ROW(RDPMC) = {VM_EXIT_REFUSED, OP_NONE},
    ROW(CPUID) = {VM_EXIT_CPUID, OP_CPUID},
    ROW(IRET) = {VM_EXIT_WINDOW | MORE, OP_NONE},
    ROW(INVD) = {VM_EXIT_NOTHING, OP_INVD},
    ROW(HLT) = {VM_EXIT_HLT, OP_HLT},
    ROW(INVLPGA) = {VM_EXIT_UNDEFINED, OP_NONE},
    ROW(IOIO) = {VM_EXIT_IO | MORE, OP_NONE},
    ROW(MSR) = {VM_EXIT_RDMSR | MORE, OP_RDMSR},
    ROW(TASK) = {VM_EXIT_UNKNOWN, OP_NONE},
    ROW(FERR) = {VM_EXIT_UNKNOWN, OP_NONE},
    ROW(SHUTDOWN) = {VM_EXIT_SHUTDOWN, OP_NONE},
    ROW(VMRUN) = {VM_EXIT_UNDEFINED, OP_NONE},
    ROW(VMMCALL) = {VM_EXIT_HYPERCALL, OP_VMMCALL},
    ROW(VMLOAD) = {VM_EXIT_UNDEFINED, OP_NONE},
    ROW(VMSAVE) = {VM_EXIT_UNDEFINED, OP_NONE},
    ROW(STGI) = {VM_EXIT_UNDEFINED, OP_NONE},
    ROW(CLGI) = {VM_EXIT_UNDEFINED, OP_NONE},
    ROW(SKINIT) = {VM_EXIT_UNDEFINED, OP_NONE},
    ROW(ICEBP) = {VM_EXIT_UNDEFINED, OP_NONE},
    ROW(WBINVD) = {VM_EXIT_NOTHING, OP_WBINVD},
    ROW(MONITOR) = {VM_EXIT_UNDEFINED, OP_NONE},
    ROW(MWAIT) = {VM_EXIT_UNDEFINED, OP_NONE},
    ROW(MWAIT_IF) = {VM_EXIT_UNDEFINED, OP_NONE},
    ROW(XSETBV) = {VM_EXIT_XSETBV, OP_XSETBV},
    ROW(RDPRU) = {VM_EXIT_UNDEFINED, OP_NONE},
#undef ROW
};

static inline void read_io(const struct vmcb *vmcb, struct vm_exit *exit) {
    uint64_t info = vmcb->exit_info1;

    exit->io.port = (uint16_t)(info >> IOIO_PORT_SHIFT);
    exit->io.size = info >> IOIO_SIZE_SHIFT & IOIO_SIZE_MASK;
    exit->io.in = (info & IOIO_IN) != 0;
    exit->io.string = (info & IOIO_STRING) != 0;
    exit->length = (uint8_t)(vmcb->exit_info2 - vmcb->rip); // the next instruction, on any machine
}

static inline void read_nested(const struct vmcb *vmcb, struct vm_exit *exit) {
    exit->kind = VM_EXIT_NESTED;
    exit->nested.gpa = vmcb->exit_info2;
    exit->nested.write = (vmcb->exit_info1 & NESTED_WRITE) != 0;
    exit->nested.fetch = (vmcb->exit_info1 & NESTED_FETCH) != 0;
    exit->nested.table = (vmcb->exit_info1 & NESTED_TABLE) != 0;
}

static COLD void read_rare(const struct vmcb *vmcb, uint64_t code, struct vm_exit *exit) {
    exit->kind = VM_EXIT_UNKNOWN;
    exit->operation = OP_NONE;
    if (code == SVM_EXIT_NESTED) {
        read_nested(vmcb, exit);
    } else if ((int32_t)code == SVM_EXIT_INVALID) {
        exit->kind = VM_EXIT_INVALID;
    } else if (code == SVM_EXIT_READ_CR0 || code == SVM_EXIT_WRITE_CR0) {
        exit->kind = VM_EXIT_CR0;
    }
}

static inline void read_more(struct vmcb *vmcb, uint64_t code, struct vm_exit *exit) {
    if (code == SVM_EXIT_IOIO) {
        read_io(vmcb, exit);
    } else if (code == SVM_EXIT_MSR) {
        if (vmcb->exit_info1 == MSR_WRITE) {
            exit->kind = VM_EXIT_WRMSR;
            exit->operation = OP_WRMSR;
        }
    } else if (code == SVM_EXIT_IRET) {
        vmcb->intercepts[0] &= ~INTERCEPT(IRET);
    } else {
        exit->vector = (uint8_t)(code - EXIT_BASE);
        exit->error = (uint32_t)vmcb->exit_info1;
    }
}

// What depends on the exit is only there for the exits that have it.
static inline void read_exit(struct vmcb *vmcb, struct vm_exit *exit) {
    uint64_t code = vmcb->exit_code, row = code - EXIT_BASE;

    exit->length = 0;
    exit->vector = 0;
    exit->cpl = vmcb->cpl;
    exit->place = vmcb->cr3;
    if (unlikely(row >= ARRAY_SIZE(rows))) {
        read_rare(vmcb, code, exit);
        return;
    }
    uint8_t kind = rows[row].kind;
    exit->kind = kind & ~MORE;
    exit->operation = rows[row].operation;
    if (svm_machine.next_rip && exit->operation != OP_NONE) { exit->length = (uint8_t)(vmcb->next_rip - vmcb->rip); }
    if ((kind & MORE) != 0) { read_more(vmcb, code, exit); }
}

// svm_run of run.S, which leaves the guest's registers in ours: what of them is needed is saved once, here.
static inline __attribute__((always_inline)) void world_switch(uint64_t *gpr, paddr_t vmcb, paddr_t host) {
    __asm__ volatile("call svm_run"
                     : "+D"(gpr), "+S"(vmcb), "+d"(host)
                     :
                     : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
}

// The guest has taken the virtual interrupt that was requested, and the local APIC is told; but if the exit came while it
// did, it is requested again.
static inline void settle_interrupt(struct vcpu *vcpu, struct vmcb *vmcb) {
    uint64_t event = vmcb->exit_event;
    bool interrupted =
        (event & SVM_EVENT_VALID) != 0 && (event & SVM_EVENT_TYPE) == 0 && (uint8_t)event == vmcb->interrupt_vector;

    if (unlikely(interrupted)) {
        vmcb->interrupt_control |= SVM_INTERRUPT_VIRQ;
        vmcb->exit_event = 0;
    } else {
        vlapic_accept(&vcpu->arch.vlapic, vmcb->interrupt_vector);
    }
}

// Any other event that the exit interrupted is delivered again; but INT, INT3 and INTO are executed again (APM volume 2,
// 15.20).
static COLD void redeliver(struct vmcb *vmcb) {
    uint64_t event = vmcb->exit_event;
    unsigned type = event >> SVM_EVENT_TYPE_SHIFT & SVM_EVENT_TYPE_MASK, vector = event & 0xff;
    bool software =
        type == EVENT_SOFTWARE || (type == EVENT_EXCEPTION && (vector == EXCEPTION_BP || vector == EXCEPTION_OF));

    vmcb->event = software ? 0 : event;
}

static COLD __attribute__((noinline)) void take_tpr(struct vcpu *vcpu, const struct vmcb *vmcb) {
    vlapic_set_tpr(&vcpu->arch.vlapic, (uint8_t)((vmcb->interrupt_control & SVM_TPR_MASK) << TPR_SHIFT));
}

void svm_enter(struct vcpu *vcpu, UNUSED uint64_t until, struct vm_exit *exit) {
    struct vmcb *vmcb = vmcb_of(vcpu);
    struct arch_vcpu *arch = &vcpu->arch;
    uint8_t tpr = (uint8_t)(vlapic_tpr(&arch->vlapic) >> TPR_SHIFT);

    vmcb->rax = arch->gpr[GPR_RAX];
    vmcb->rsp = arch->gpr[GPR_RSP];
    vmcb->rip = arch->rip;
    vmcb->rflags = arch->rflags;
    uint32_t control = (vmcb->interrupt_control & ~SVM_TPR_MASK) | tpr;
    vmcb->interrupt_control = control;
    world_switch(arch->gpr, arch->control_pa, this_cpu()->arch.virt_state_pa);
    arch->gpr[GPR_RAX] = vmcb->rax;
    arch->gpr[GPR_RSP] = vmcb->rsp;
    arch->rip = vmcb->rip;
    arch->rflags = vmcb->rflags;
    vmcb->tlb_control = 0;
    uint32_t changed = control ^ vmcb->interrupt_control;
    if (unlikely((changed & SVM_TPR_MASK) != 0)) { take_tpr(vcpu, vmcb); }
    if ((changed & SVM_INTERRUPT_VIRQ) != 0) {
        settle_interrupt(vcpu, vmcb);
    } // the processor clears it, and never sets it
    vmcb->event = 0;
    if (unlikely((vmcb->exit_event & SVM_EVENT_VALID) != 0)) { redeliver(vmcb); }
    arch->shadowed = vmcb->shadow != 0;
    read_exit(vmcb, exit);
}
