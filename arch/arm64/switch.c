// SPDX-License-Identifier: Apache-2.0
// What of a VCPU moves between memory and the core. The general registers are in its frame since the exception; the
// rest stays in the hardware until another VCPU takes the core (kernel/dispatch.c), so that a VCPU that waits on an
// otherwise idle core costs nothing to bring back.
#include "arch/arm64/entry_offsets.h"
#include "arch/arm64/gic.h"
#include "arch/arm64/maintenance.h"
#include "arch/arm64/psci.h"
#include "arch/arm64/ptimer.h"
#include "arch/arm64/sysreg_trap.h"
#include "arch/arm64/trap.h"
#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/string.h"

_Static_assert(offsetof(struct cpu, stack_top) == CPU_STACK_TOP, "entry.S");
_Static_assert(offsetof(struct cpu, panic_stack) == CPU_PANIC_STACK, "entry.S");
_Static_assert(sizeof(struct regs) == REGS_SIZE, "entry.S");
_Static_assert(offsetof(struct vcpu, arch.regs) == 0, "entry.S: a frame is its VCPU");

void fpsimd_save(struct fpsimd_state *state);
void fpsimd_restore(const struct fpsimd_state *state);

// PSTATE at reset of a VCPU (PSCI 1.1, 6.4.3): EL1h, D A I F masked.
#define SPSR_EL1H_MASKED 0x3c5
// The thread: EL2t, D A F masked, I open.
#define SPSR_EL2T_OPEN   0x348
#define SCTLR_EL1_RES1   0x30d00800ull // MMU and caches off
#define HCR_TWI          BIT(13)

// Every register of struct el1_state with its name, two by two as they lie there: a pair moves with one load or store.
// clang-format off
#define PAIR(first, first_name, second, second_name) \
    _Static_assert(offsetof(struct el1_state, second) == offsetof(struct el1_state, first) + 8, "a pair");
#define EL1_REGISTERS(X)                                         \
    X(sctlr, sctlr_el1, cpacr, cpacr_el1)                        \
    X(ttbr0, ttbr0_el1, ttbr1, ttbr1_el1)                        \
    X(tcr, tcr_el1, esr, esr_el1)                                \
    X(far, far_el1, afsr0, afsr0_el1)                            \
    X(afsr1, afsr1_el1, mair, mair_el1)                          \
    X(amair, amair_el1, vbar, vbar_el1)                          \
    X(contextidr, contextidr_el1, tpidr_el0, tpidr_el0)          \
    X(tpidrro_el0, tpidrro_el0, tpidr_el1, tpidr_el1)            \
    X(sp_el1, sp_el1, elr_el1, elr_el1)                          \
    X(spsr_el1, spsr_el1, par, par_el1)                          \
    X(cntkctl, cntkctl_el1, csselr, csselr_el1)
EL1_REGISTERS(PAIR)
// clang-format on

void arch_vcpu_save(struct vcpu *vcpu) {
    struct el1_state *s = &vcpu->arch.el1;

#define SAVE(first, first_name, second, second_name)                                                           \
    __asm__ volatile("mrs x9, " #first_name "\n\tmrs x10, " #second_name "\n\tstp x9, x10, [%0, %1]" ::"r"(s), \
                     "i"(offsetof(struct el1_state, first))                                                    \
                     : "x9", "x10", "memory");
    EL1_REGISTERS(SAVE)
#undef SAVE
    s->mdscr = read_sysreg(mdscr_el1);
    fpsimd_save(&vcpu->arch.fp);
    vgic_save(vcpu);
}

void arch_vcpu_load(struct vcpu *vcpu) {
    const struct el1_state *s = &vcpu->arch.el1;

#define LOAD(first, first_name, second, second_name)                                                           \
    __asm__ volatile("ldp x9, x10, [%0, %1]\n\tmsr " #first_name ", x9\n\tmsr " #second_name ", x10" ::"r"(s), \
                     "i"(offsetof(struct el1_state, first))                                                    \
                     : "x9", "x10", "memory");
    EL1_REGISTERS(LOAD)
#undef LOAD
    write_sysreg(mdscr_el1, s->mdscr);
    write_sysreg(vmpidr_el2, vcpu->arch.vmpidr);
    write_sysreg(vtcr_el2, vcpu->vm->arch.vtcr);
    write_sysreg(vttbr_el2, vcpu->vm->arch.vttbr);
    write_sysreg(cntvoff_el2, vcpu->vm->arch.cntvoff);
    uint8_t *resident = &vcpu->vm->arch.resident[vcpu->cpu->id];
    if (unlikely(*resident != vcpu->index + 1)) {
        *resident = (uint8_t)(vcpu->index + 1);
        tlb_flush_sibling();
    }
    fpsimd_restore(&vcpu->arch.fp);
    vgic_load(vcpu);
}

#if TAKT_MOVES
// HCR_EL2.FB and BSU have its maintenance and barriers reach all cores; what is under way must end here.
void arch_vcpu_leave_core(UNUSED struct vcpu *vcpu) { guest_complete(); }

// vgic_load and `resident` ask what this core had last: there is nothing else.
void arch_vcpu_enter_core(UNUSED struct vcpu *vcpu) {}
#endif

void arch_resume_set(struct cpu *cpu, struct vcpu *vcpu) {
    cpu->arch.resume = vcpu != NULL ? &vcpu->arch.regs : &cpu->arch.thread;
}

void arch_vcpu_pause(struct vcpu *vcpu) {
    struct guest_timer *timer = &vcpu->arch.vtimer;

    timer->ctl = (uint32_t)read_sysreg(cntv_ctl_el0);
    timer->cval = read_sysreg(cntv_cval_el0);
    write_sysreg(cntv_ctl_el0, 0);
    isb();
    if ((vcpu->arch.vgic.bank.linked & BIT(GIC_PPI_VTIMER)) != 0) {
        vgic_hw_line(vcpu, GIC_PPI_VTIMER, timer->ctl == (TIMER_ENABLE | TIMER_ISTATUS));
    }
    timer->ctl &= TIMER_ENABLE | TIMER_IMASK;
}

void arch_vcpu_resume(struct vcpu *vcpu) {
    const struct guest_timer *timer = &vcpu->arch.vtimer;

    stolen_time_update(vcpu, vcpu->stolen);
    write_sysreg(hcr_el2, vcpu->arch.hcr);
    write_sysreg(cntv_cval_el0, timer->cval);
    write_sysreg(cntv_ctl_el0, timer->ctl);
}

void arch_vcpu_trap_wfi(struct vcpu *vcpu, bool trap) {
    vcpu->arch.hcr = trap ? vcpu->arch.hcr | HCR_TWI : vcpu->arch.hcr & ~HCR_TWI;
    if (this_cpu()->current == vcpu) { write_sysreg(hcr_el2, vcpu->arch.hcr); }
}

uint64_t arch_vcpu_timer_deadline(const struct vcpu *vcpu) {
    const struct guest_timer *timer = &vcpu->arch.vtimer;

    if ((timer->ctl & (TIMER_ENABLE | TIMER_IMASK)) != TIMER_ENABLE) { return UINT64_MAX; }
    return clock_add_saturating(timer->cval, vcpu->vm->arch.cntvoff);
}

bool arch_vcpu_timer_expire(struct vcpu *vcpu) { return vgic_expire_hw(vcpu, GIC_PPI_VTIMER, gic_machine.vtimer); }

bool arch_vcpu_has_interrupt(struct vcpu *vcpu) { return vgic_has_pending(vcpu); }

void arch_vcpu_sync_interrupts(struct vcpu *vcpu) { vgic_flush(vcpu); }

void arch_vcpu_inject(struct vcpu *vcpu, unsigned id) { vgic_pulse(vcpu, id); }

void arch_vcpu_reset(struct vcpu *vcpu) {
    struct arch_vcpu *arch = &vcpu->arch;

    arch->regs = (struct regs){.spsr = SPSR_EL1H_MASKED};
    arch->el1 = (struct el1_state){.sctlr = SCTLR_EL1_RES1};
    memset(&arch->fp, 0, sizeof(arch->fp));
    arch->vtimer = (struct guest_timer){0};
    arch->hcr = HCR_GUEST | HCR_TWI;
    arch->vmpidr = BIT(31) | vcpu->index; // RES1; affinity 0 is the index: at most 8 VCPUs
    ptimer_reset(vcpu);
    stolen_time_reset(vcpu);
    vgic_vcpu_reset(vcpu);
}

void arch_vcpu_set_entry(struct vcpu *vcpu, gpa_t entry, uint64_t arg) {
    vcpu->arch.regs.elr = entry;
    vcpu->arch.regs.x[0] = arg;
}

void arch_timer_arm(uint64_t when) {
    if (when == UINT64_MAX) {
        write_sysreg(cnthp_ctl_el2, 0);
    } else {
        write_sysreg(cnthp_cval_el2, when);
        write_sysreg(cnthp_ctl_el2, TIMER_ENABLE);
    }
    isb();
}

void arch_ipi(struct cpu *target) { gic->send_kick(target); }

void arch_stop_others(void) { gic->send_stop(); }

uint64_t arch_clock_hz(void) { return read_sysreg(cntfrq_el0); }

COLD void arch_cpu_init(struct cpu *cpu) {
    cpu->arch.thread = (struct regs){
        .sp_el0 = (uint64_t)cpu->thread_stack,
        .elr = (uint64_t)job_loop,
        .spsr = SPSR_EL2T_OPEN,
    };
    cpu->arch.resume = &cpu->arch.thread;
    write_sysreg(hcr_el2, HCR_GUEST); // physical interrupts come to EL2, from the first one on
    sysreg_trap_init();
    if (gic->cpu_init(cpu) != OK) { panic("core %u: its interrupt controller interface cannot be used", cpu->id); }
}

COLD void arch_enter(struct cpu *cpu) {
    cpu->entered = arch_clock();
    cpu->todo |= TODO_DISPATCH;
    resume_frame(trap_leave(cpu));
}
