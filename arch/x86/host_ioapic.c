// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/host_ioapic.h"

#include "arch/x86/hardware.h"
#include "arch/x86/ioapic_regs.h"
#include "arch/x86/machine.h"
#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/space.h"

enum { PIC1_DATA = 0x21, PIC2_DATA = 0xa1, PIC_ALL = 0xff, CLAIMS_MAX = 16 };

static struct {
    volatile uint32_t *page;
    unsigned first, count; // global system interrupts
} units[ACPI_MAX_IO_APICS];
static unsigned unit_count;
static unsigned claims[CLAIMS_MAX], claim_count; // by vector: which interrupt

static uint32_t read(unsigned unit, unsigned reg) {
    units[unit].page[IOREGSEL / sizeof(uint32_t)] = reg;
    return units[unit].page[IOWIN / sizeof(uint32_t)];
}

static void write(unsigned unit, unsigned reg, uint32_t value) {
    units[unit].page[IOREGSEL / sizeof(uint32_t)] = reg;
    units[unit].page[IOWIN / sizeof(uint32_t)] = value;
}

static void set_entry(unsigned unit, unsigned input, uint64_t entry) {
    write(unit, IOREDTBL + 2 * input, IOREDTBL_MASKED);
    write(unit, IOREDTBL + 2 * input + 1, (uint32_t)(entry >> 32));
    write(unit, IOREDTBL + 2 * input, (uint32_t)entry);
}

COLD int host_ioapic_init(void) {
    const struct acpi_machine *acpi = &machine.acpi;

    if (acpi->has_8259) {
        arch_port_write8(PIC1_DATA, PIC_ALL);
        arch_port_write8(PIC2_DATA, PIC_ALL);
    }
    for (unsigned i = 0; i < acpi->io_apic_count; i++) {
        units[i].page = space_map(SPACE_DEVICES, acpi->io_apics[i].base, PAGE_SIZE);
        if (units[i].page == NULL) { return ERR_NO_MEMORY; }
        unit_count = i + 1;
        units[i].first = acpi->io_apics[i].gsi_base;
        units[i].count = (read(i, IOAPICVER) >> IOAPIC_MAX_ENTRY_SHIFT & 0xff) + 1;
        for (unsigned input = 0; input < units[i].count; input++) { set_entry(i, input, IOREDTBL_MASKED); }
    }
    return OK;
}

unsigned host_ioapic_vector(unsigned gsi) {
    for (unsigned i = 0; i < claim_count; i++) {
        if (claims[i] == gsi) { return VECTOR_DEVICE + i; }
    }
    return 0;
}

// An interrupt of the ISA bus may have been given another polarity; all others are as PCI has them: low, by level.
static uint64_t mode_of(unsigned gsi) {
    for (unsigned i = 0; i < ACPI_ISA_IRQS; i++) {
        const struct acpi_isa_irq *isa = &machine.acpi.isa[i];
        if (isa->gsi == gsi) {
            return (isa->level_triggered ? IOREDTBL_LEVEL : 0) | (isa->active_low ? IOREDTBL_POLARITY : 0);
        }
    }
    return IOREDTBL_LEVEL | IOREDTBL_POLARITY;
}

COLD void arch_irq_claim(unsigned irq, struct cpu *cpu) {
    for (unsigned i = 0; i < unit_count; i++) {
        if (irq - units[i].first >= units[i].count || claim_count == CLAIMS_MAX) { continue; }
        claims[claim_count++] = irq;
        set_entry(i, irq - units[i].first,
                  mode_of(irq) | host_ioapic_vector(irq) | (uint64_t)(uint8_t)cpu->hwid << IOREDTBL_DESTINATION_SHIFT);
        return;
    }
    log_line("interrupt %u: no I/O APIC has it; what it is for will not be heard", irq);
}
