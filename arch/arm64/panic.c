// SPDX-License-Identifier: Apache-2.0
// What a core says before it stops: registers and the chain of calls, by frame pointers (AAPCS64, 6.4.6).
#include "kernel/panic.h"

#include "arch/arm64/mmu.h"
#include "arch/arm64/trap.h"
#include "kernel/arch.h"

enum { MAX_FRAMES = 24, REGISTERS_A_LINE = 3 };

struct frame {
    const struct frame *caller;
    uint64_t return_address;
};

// The chain may be broken: every frame is probed before it is read, and the walk is bounded.
static void log_backtrace(const struct frame *frame) {
    for (unsigned i = 0; i < MAX_FRAMES; i++) {
        uint64_t address = (uint64_t)frame;
        if (address % 16 != 0 || address == 0 || !mmu_readable(address)) { return; }
        log_line("  from %lx", frame->return_address);
        frame = frame->caller;
    }
}

static void log_registers(const struct regs *regs) {
    const uint64_t *x = regs->x;

    for (unsigned i = 0; i + REGISTERS_A_LINE <= ARRAY_SIZE(regs->x); i += REGISTERS_A_LINE) {
        log_line("  x%-2u %016lx  x%-2u %016lx  x%-2u %016lx", i, x[i], i + 1, x[i + 1], i + 2, x[i + 2]);
    }
    log_line("  x30 %016lx  pc  %016lx  sp  %016lx", x[30], regs->elr, regs->sp_el0);
}

static void log_system_registers(void) {
    log_line("  PSTATE %08lx  ELR %016lx", read_sysreg(spsr_el2), read_sysreg(elr_el2));
    log_line("  ESR %08lx  FAR %016lx  HPFAR %010lx", read_sysreg(esr_el2), read_sysreg(far_el2),
             read_sysreg(hpfar_el2));
    log_line("  HCR %016lx  VTTBR %016lx  MPIDR %lx", read_sysreg(hcr_el2), read_sysreg(vttbr_el2),
             read_sysreg(mpidr_el1));
}

void arch_panic_dump(void) {
    log_system_registers();
    log_backtrace(__builtin_frame_address(0));
}

void arch_panic_exception(struct regs *regs, unsigned vector) {
    static const char *const kinds[] = {"synchronous exception", "interrupt", "fast interrupt", "system error"};

    panic_begin("%s in the hypervisor (vector %u)", kinds[vector % ARRAY_SIZE(kinds)], vector);
    log_registers(regs);
    log_system_registers();
    log_backtrace((const struct frame *)regs->x[29]);
    arch_park();
}
