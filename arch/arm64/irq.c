// SPDX-License-Identifier: Apache-2.0
// Physical interrupts: acknowledged once, handled by row, accounted to their owner.
#include "arch/arm64/gic.h"
#include "arch/arm64/irq_assign.h"
#include "arch/arm64/trap.h"
#include "kernel/arch.h"
#include "kernel/console.h"
#include "kernel/panic.h"

enum { IAR_ID = 0xffffff, IAR_ID_V2 = 0x3ff };

// The virtual timer of the VCPU that runs: pending in a linked list register, so the physical interrupt stays
// active, and silent, until the guest ends it.
static void irq_vtimer(struct cpu *cpu, uint32_t iar) {
    struct vcpu *vcpu = cpu->current;

    gic->drop(iar);
    if (unlikely(vcpu == NULL)) { // raised while its VCPU was being paused: its level is gone
        gic->deactivate(iar);
        return;
    }
    vcpu->stats.exits[EXIT_VTIMER]++;
    vgic_inject_hw(vcpu, GIC_PPI_VTIMER, iar);
}

static void irq_hyp_timer(struct cpu *cpu, uint32_t iar) {
    cpu_timer_expired(cpu);
    gic->drop(iar);
    gic->deactivate(iar);
}

// The virtual interface belongs to the VCPU that is loaded, also while the thread runs.
static void irq_maintenance(struct cpu *cpu, uint32_t iar) {
    gic->drop(iar); // active until the end, so that the work yields to others and not to itself
    if (likely(cpu->loaded != NULL)) {
        cpu->loaded->stats.exits[EXIT_MAINTENANCE]++;
        vgic_maintenance(cpu->loaded);
    }
    gic->deactivate(iar);
}

// From another core, which has left a word for the way out.
static void irq_kick(struct cpu *cpu, uint32_t iar) {
    if (cpu->current != NULL) { cpu->current->stats.exits[EXIT_IPI]++; }
    gic->drop(iar);
    gic->deactivate(iar);
}

static void irq_stop(UNUSED struct cpu *cpu, UNUSED uint32_t iar) { panic_stop(); }

static void irq_shared(struct cpu *cpu, uint32_t iar, uint32_t id) {
    if (cpu->current != NULL) { cpu->current->stats.exits[EXIT_DEVICE_IRQ]++; }
    if (console_uart != NULL && id == console_uart->irq) {
        console_uart_interrupt();
        gic->drop(iar);
        gic->deactivate(iar);
        return;
    }
    gic->drop(iar);
    if (!irq_forward(id)) { // nobody's: it must not come again
        gic_enable(id, false);
        gic->deactivate(iar);
        log_line("interrupt %u has no owner and is off now", id);
    }
}

typedef void (*irq_handler_t)(struct cpu *cpu, uint32_t iar);
static irq_handler_t private_irqs[GIC_SPI_FIRST]; // constant after boot

void irq_init(void) {
    private_irqs[GIC_SGI_KICK] = irq_kick;
    private_irqs[GIC_SGI_STOP] = irq_stop;
    private_irqs[gic_machine.maintenance] = irq_maintenance;
    private_irqs[gic_machine.hyp_timer] = irq_hyp_timer;
    private_irqs[gic_machine.vtimer] = irq_vtimer;
}

static inline __attribute__((always_inline)) void take(struct cpu *cpu) {
    uint32_t iar = gic->acknowledge(), id = iar & (gic->version == 2 ? IAR_ID_V2 : IAR_ID);

    if (likely(id < GIC_SPI_FIRST)) {
        if (likely(private_irqs[id] != NULL)) {
            private_irqs[id](cpu, iar);
        } else {
            gic->drop(iar);
            gic->deactivate(iar);
        }
    } else if (id < GIC_MAX_IRQ) {
        irq_shared(cpu, iar, id);
    }
}

struct regs *trap_irq(UNUSED struct regs *regs, struct cpu *cpu) {
    cpu->entered = arch_clock();
    take(cpu);
    return trap_leave(cpu);
}

void arch_interrupt_take(struct cpu *cpu) {
    uint64_t now = arch_clock();

    cpu_note_masked(cpu, now);
    cpu->entered = now;
    take(cpu);
}
