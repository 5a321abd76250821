// SPDX-License-Identifier: Apache-2.0
// What of a VCPU and a VM only the architecture knows. Plain data, so that the host tests of the virtual machine's parts
// (vGIC, PSCI, translation tables) use the very same structures.
#ifndef ARM64_GUEST_STATE_H
#define ARM64_GUEST_STATE_H

#include "arch/arm64/vgic.h"
#include "kernel/pagetable.h"
#include "kernel/types.h"

// Saved by entry.S on every way into the hypervisor; order and offsets are known there.
struct regs {
    uint64_t x[31];
    uint64_t sp_el0;
    uint64_t elr;
    uint64_t spsr;
};

// EL1 state, switched only when another VCPU takes the core (switch.c). AArch32 guests are not offered.
struct el1_state {
    uint64_t sctlr, cpacr, ttbr0, ttbr1, tcr, esr, far, afsr0, afsr1, mair, amair, vbar, contextidr;
    uint64_t tpidr_el0, tpidrro_el0, tpidr_el1, sp_el1, elr_el1, spsr_el1, par, cntkctl, csselr, mdscr;
};

struct fpsimd_state {
    unsigned char q[32][16] __attribute__((aligned(16)));
    uint64_t fpcr, fpsr;
};

// A generic timer of a guest (DDI 0487, chapter D12): the compare value is kept bit for bit.
struct guest_timer {
    uint64_t cval;
    uint32_t ctl; // without ISTATUS, which is computed
};
enum { TIMER_ENABLE = 1, TIMER_IMASK = 2, TIMER_ISTATUS = 4 }; // CNT*_CTL_EL*

struct arch_vcpu {
    struct regs regs; // first
    uint64_t hcr;     // HCR_EL2 while it runs
    uint64_t vmpidr;
    struct el1_state el1;
    struct fpsimd_state fp;
    struct guest_timer vtimer; // valid while paused; while it runs the hardware has it
    struct guest_timer ptimer; // emulated
    struct vgic_cpu vgic;
    uint64_t stolen_gpa;                     // stolen time record (DEN0057A), 0: none
    void *stolen;                            // mapped while registered
    const struct mmio_region *mmio_found[8]; // emulated devices that it used (mmio_trap.c)
};

// What a VM's guests did that is told once.
struct trap_log {
    uint32_t sysregs[8]; // unknown system registers, as in ESR_EL2.ISS
    uint8_t sysreg_count;
    bool abort;
};

struct arch_vm {
    struct vgic vgic;
    struct pagetable stage2;
    uint64_t vttbr; // with VMID
    uint64_t vtcr;
    uint8_t resident[MAX_CORES]; // which VCPU, counted from 1, each core loaded last: siblings share TLB entries
    uint64_t cntvoff;            // virtual count = physical count - cntvoff; set when the VM starts
    struct trap_log trap_log;
};

#endif
