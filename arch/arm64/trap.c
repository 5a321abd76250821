// SPDX-License-Identifier: Apache-2.0
// Synchronous exceptions: the exception class (DDI 0487, ESR_EL2.EC) has a reason, which is counted and has a handler.
#include "arch/arm64/trap.h"

#include "arch/arm64/inject.h"
#include "arch/arm64/mmio_trap.h"
#include "arch/arm64/psci.h"
#include "arch/arm64/sysreg_trap.h"
#include "kernel/arch.h"

#define ESR_EC_SHIFT 26
#define ESR_IL       BIT(25)
#define ESR_WFX_TI   1u // WFE rather than WFI
#define ESR_ISS(esr) ((uint32_t)((esr) & 0x1ffffff))

// The trapped instruction was done on the guest's behalf; AArch32 code at EL0 has 16-bit instructions too.
static void skip_instruction(struct vcpu *vcpu, uint64_t esr) { vcpu->arch.regs.elr += (esr & ESR_IL) != 0 ? 4 : 2; }

static void trap_wait(struct vcpu *vcpu, uint64_t esr) {
    skip_instruction(vcpu, esr);
    if ((esr & ESR_WFX_TI) == 0) { vcpu_block(vcpu); }
}

static void trap_hvc(struct vcpu *vcpu, uint64_t esr) {
    if (unlikely((esr & 0xffff) != 0)) { // SMCCC 1.2: only immediate 0 is a call
        inject_undefined(vcpu);
        return;
    }
    smccc_call(vcpu);
}

static void trap_smc(struct vcpu *vcpu, uint64_t esr) {
    if ((esr & 0xffff) == 0) {
        skip_instruction(vcpu, esr); // an SMC that traps returns to itself (unlike HVC)
    }
    trap_hvc(vcpu, esr);
}

static void trap_sysreg(struct vcpu *vcpu, uint64_t esr) {
    if (likely(sysreg_access(vcpu, ESR_ISS(esr)))) {
        skip_instruction(vcpu, esr);
    } else {
        inject_undefined(vcpu);
    }
}

static COLD void trap_undefined(struct vcpu *vcpu, UNUSED uint64_t esr) { inject_undefined(vcpu); }

static COLD void trap_unknown(struct vcpu *vcpu, uint64_t esr) {
    vm_end(vcpu->vm, VM_END_FAULT,
           "VCPU %u: exception class 0x%x is not one that a guest can take (ESR 0x%llx, PC 0x%llx)", vcpu->index,
           (unsigned)(esr >> ESR_EC_SHIFT), (unsigned long long)esr, (unsigned long long)vcpu->arch.regs.elr);
}

// What is trapped but not virtualised is undefined for the guest.
static const uint8_t reasons[64] = {
    [0x00] = EXIT_UNDEFINED, // unknown reason
    [0x01] = EXIT_WAIT,      // WFI, WFE
    [0x03] = EXIT_UNDEFINED, // MCR/MRC cp15 at EL0 AArch32
    [0x04] = EXIT_UNDEFINED, // MCRR/MRRC cp15
    [0x05] = EXIT_UNDEFINED, // MCR/MRC cp14
    [0x06] = EXIT_UNDEFINED, // LDC/STC
    [0x07] = EXIT_UNDEFINED, // SVE, SME, FP trapped by CPTR_EL2: what is not switched is hidden
    [0x08] = EXIT_UNDEFINED, // VMRS of an ID register
    [0x09] = EXIT_UNDEFINED, // pointer authentication
    [0x0a] = EXIT_UNDEFINED, // LD64B and friends
    [0x0c] = EXIT_UNDEFINED, // MRRC cp14
    [0x12] = EXIT_UNDEFINED, // HVC of AArch32: EL1 is never AArch32
    [0x13] = EXIT_UNDEFINED, // SMC of AArch32
    [0x16] = EXIT_HYPERCALL, // HVC
    [0x17] = EXIT_FIRMWARE,  // SMC
    [0x18] = EXIT_SYSREG,    // MSR, MRS, SYS
    [0x19] = EXIT_UNDEFINED, // SVE
    [0x1d] = EXIT_UNDEFINED, // SME
    [0x20] = EXIT_ABORT,     // instruction abort
    [0x24] = EXIT_MMIO,      // data abort
};

static void (*const handlers[EXIT_REASONS])(struct vcpu *vcpu, uint64_t esr) = {
    [EXIT_OTHER] = trap_unknown, [EXIT_HYPERCALL] = trap_hvc,    [EXIT_FIRMWARE] = trap_smc,
    [EXIT_WAIT] = trap_wait,     [EXIT_SYSREG] = trap_sysreg,    [EXIT_UNDEFINED] = trap_undefined,
    [EXIT_MMIO] = mmio_trap,     [EXIT_ABORT] = mmio_fetch_trap,
};

struct regs *trap_sync(struct regs *regs, struct cpu *cpu) {
    struct vcpu *vcpu = container_of(regs, struct vcpu, arch.regs);
    uint64_t esr = read_sysreg(esr_el2);
    unsigned reason = reasons[esr >> ESR_EC_SHIFT & 0x3f];

    cpu->entered = arch_clock();
    vcpu->stats.exits[reason]++;
    handlers[reason](vcpu, esr);
    return trap_leave(cpu);
}

// An asynchronous external abort while a guest ran: an assigned device answered with an error.
COLD struct regs *trap_serror(struct regs *regs, struct cpu *cpu) {
    cpu->entered = arch_clock();
    if (cpu->current != NULL) {
        struct vcpu *vcpu = cpu->current;
        vcpu->stats.exits[EXIT_ABORT]++;
        vm_end(vcpu->vm, VM_END_FAULT, "VCPU %u: asynchronous external abort (ESR 0x%llx) at PC 0x%llx", vcpu->index,
               (unsigned long long)read_sysreg(esr_el2), (unsigned long long)regs->elr);
    }
    return trap_leave(cpu);
}

// The thread gives the core away (arch_thread_yield). Anything else from it is a bug of ours.
struct regs *trap_thread(struct regs *regs, struct cpu *cpu) {
    uint64_t esr = read_sysreg(esr_el2);

    cpu->entered = arch_clock();
    if (esr >> ESR_EC_SHIFT != 0x16) { arch_panic_exception(regs, 0); }
    cpu->todo |= TODO_DISPATCH;
    return trap_leave(cpu);
}

void arch_thread_yield(void) { __asm__ volatile("hvc #0" ::: "memory"); }
