// SPDX-License-Identifier: Apache-2.0
// Handling one is the owner's time, not that of the VCPU that it interrupts. One with a least distance is masked when it comes and unmasked that much later, so that the core's demand
// test holds whatever the device does.
#include "arch/arm64/irq_assign.h"

#include "arch/arm64/gic.h"
#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/memory.h"

enum { PPI_FIRST = 16 };

struct irq_owner {
    struct vcpu *vcpu;
    uint64_t distance; // ticks, 0: no bound
    struct timer_event unmask;
    uint16_t irq;
    bool on; // under the owner core's interrupt mask
};

// By INTID; written while VMs are created only.
static struct irq_owner *irq_owners[GIC_MAX_IRQ];

static void unmask(struct timer_event *event, UNUSED uint64_t now) {
    const struct irq_owner *owner = container_of(event, struct irq_owner, unmask);

    gic_enable(owner->irq, true);
}

void arch_irq_claim(unsigned irq, struct cpu *cpu) {
    gic_configure(irq, false);
    gic->route(irq, cpu);
    gic_enable(irq, true);
}

int arch_irq_assign(unsigned irq, struct vcpu *vcpu, bool edge, uint64_t distance) {
    if (irq < GIC_SPI_FIRST || irq >= gic_machine.spi_limit || irq >= VGIC_PRIVATE + vcpu->vm->desc->spi_count) {
        return ERR_RANGE;
    }
    if (irq_owners[irq] != NULL) { return ERR_BUSY; }
    struct irq_owner *owner = memory_alloc(sizeof(*owner));
    if (owner == NULL) { return ERR_NO_MEMORY; }
    owner->vcpu = vcpu;
    owner->distance = distance;
    owner->irq = (uint16_t)irq;
    owner->unmask = (struct timer_event){.fire = unmask, .owner = &vcpu->entity};
    gic_enable(irq, false);
    gic_configure(irq, edge);
    gic->route(irq, vcpu->cpu);
    irq_owners[irq] = owner;
    return OK;
}

void arch_irq_switch(unsigned irq, bool on) {
    struct irq_owner *owner = irq_owners[irq];
    unsigned long flags = arch_irq_save();

    owner->on = on;
    timer_queue_remove(&owner->vcpu->cpu->timers, &owner->unmask);
    gic_enable(irq, false);
    gic_set_pending(irq, false);
    gic_set_active(irq, false);
    if (on) { gic_enable(irq, true); }
    arch_irq_restore(flags);
}

bool irq_forward(uint32_t intid) {
    struct irq_owner *owner = irq_owners[intid];

    if (owner == NULL || !owner->on) { return false; }
    struct cpu *cpu = owner->vcpu->cpu;
    uint64_t since = cpu->entered; // it moves while work goes on in steps
    if (owner->distance != 0) {
        gic_enable(intid, false);
        owner->unmask.slack = vcpu_timer_slack(owner->vcpu);
        timer_queue_add(&cpu->timers, &owner->unmask, clock_add_saturating(since, owner->distance));
    }
    vgic_inject_hw(owner->vcpu, intid, intid);
    cpu_account_event(cpu, &owner->vcpu->entity, since);
    cpu->todo |= TODO_DISPATCH; // for the timer, and for a budget that this may have used up
    return true;
}

// ---- other seams of kernel/arch.h ---------------------------------------------------------------------------

void arch_vm_set_line(struct vm *vm, unsigned id, bool level) { vgic_set_line(vm->vcpus[0], id, level); }

bool arch_vcpu_interrupt_free(UNUSED const struct vcpu *vcpu, unsigned id) {
    return id >= PPI_FIRST && id < VGIC_PRIVATE && id != GIC_PPI_VTIMER && id != GIC_PPI_PTIMER;
}

uint64_t arch_vcpu_clock_offset(const struct vcpu *vcpu) { return vcpu->vm->arch.cntvoff; }
