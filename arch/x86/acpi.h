// SPDX-License-Identifier: Apache-2.0
// What the machine has, read once at boot from the firmware's ACPI tables: cores, interrupt controllers, PCI
// configuration space, reset and power-off; and where the tables of DMA remapping lie.
//
// Sources: ACPI specification 6.5; PCI Firmware Specification 3.3, 4.1.2 (MCFG); Intel Virtualization Technology for
// Directed I/O (VT-d) 4.1, 8.1 (DMAR); AMD I/O Virtualization Technology (IOMMU) 3.08, 5.2 (IVRS). Section numbers without a
// name are of ACPI 6.5.
#ifndef ARCH_X86_ACPI_H
#define ARCH_X86_ACPI_H

#include "arch/x86/physical.h"

// Cores beyond ACPI_MAX_CPUS are left out. More than fits of anything else is an error of its table: half of the interrupt
// controllers would be worse than none.
enum {
    ACPI_MAX_CPUS = 64,
    ACPI_MAX_IO_APICS = 32,
    ACPI_ISA_IRQS = 16,
    ACPI_MAX_ECAMS = 32,
    ACPI_MAX_TABLES = 256, // that the XSDT or RSDT lists
};
#define ACPI_TABLE_MAX (4u << 20) // bytes of one table that is read whole: the most that is asked of struct physical

struct acpi_io_apic {
    paddr_t base;
    uint32_t gsi_base; // the global system interrupt of its input 0; how many it has, only its registers say
};

// Where an interrupt of the ISA bus arrives (5.2.12.5). Without an override: the GSI of the same number, edge-triggered,
// active high.
struct acpi_isa_irq {
    uint32_t gsi;
    bool level_triggered, active_low;
};

// The enhanced configuration access mechanism of a range of buses: function f of bus b has its 4 KiB at
// base + (b << 20 | f << 12). The base is that of bus 0, also when first_bus is not 0.
struct acpi_ecam {
    paddr_t base;
    uint16_t segment;
    uint8_t first_bus, last_bus; // both belong to it
};

// A table whose signature, length and checksum hold, for who reads its entries; length 0: there is none.
struct acpi_kept {
    paddr_t pa;
    uint32_t length;
};

struct acpi_machine {
    // MADT (5.2.12)
    unsigned cpu_count;               // at least 1
    uint32_t apic_ids[ACPI_MAX_CPUS]; // of the cores that can be started now, each once, in the firmware's order
    paddr_t local_apic;               // a page's address below 2^52; the one to believe is in IA32_APIC_BASE
    bool has_8259;                    // a pair of 8259s must be masked
    unsigned io_apic_count;
    struct acpi_io_apic io_apics[ACPI_MAX_IO_APICS];
    struct acpi_isa_irq isa[ACPI_ISA_IRQS]; // by ISA interrupt

    // FADT (5.2.9): ports, 0: there is none
    uint16_t reset;                      // writing reset_value resets the machine (4.8.3.6)
    uint16_t pm1a_control, pm1b_control; // SLP_TYP and SLP_EN (4.8.3.2.1)
    uint16_t sleep_control;              // the same, hardware-reduced (4.8.3.7)
    uint8_t reset_value;
    paddr_t dsdt; // 0: none

    // DSDT: \_S5 (7.4.2), the sleep type of power-off for PM1a and PM1b, 0 to 7 each. Found by its byte pattern, without
    // an interpreter: one that is computed, or lies in an SSDT, is not found.
    bool has_s5;
    uint8_t s5_a, s5_b;

    // MCFG
    unsigned ecam_count;
    struct acpi_ecam ecams[ACPI_MAX_ECAMS]; // no bus of a segment is in two

    struct acpi_kept dmar, ivrs; // DMA remapping: of VT-d, of AMD-Vi
};

// Reads the tables into `machine`, which then holds no pointer into the firmware's memory. `rsdp` is the physical address
// of the root pointer as UEFI or multiboot2 gave it, or 0: then it is searched where a PC BIOS has it (5.2.5.1).
// Required: RSDP, XSDT or (if that is bad or there is none) RSDT, MADT, FADT. If one of them is bad: one line in the log
// that names the table, the offset, what is wrong and what helps, and
//   ERR_NOT_FOUND    no RSDP, or a required table is not listed
//   ERR_RANGE        physical.map refused a table
//   ERR_CORRUPT      a checksum, length or field does not hold
//   ERR_UNSUPPORTED  more than fits
// and `machine` means nothing. Anything else that is bad (MCFG, DMAR, IVRS, DSDT, a register of the FADT, a table that
// cannot even be told) is left out as a whole, also with one line, which says what the machine then lacks. Of two tables
// with the same name the first counts.
// On the boot core, before others run; never blocks; each loop is bounded by ACPI_TABLE_MAX and the limits above.
int acpi_read(const struct physical *physical, paddr_t rsdp, struct acpi_machine *machine);

// The sum of all bytes, which is 0 where a checksum holds.
uint8_t acpi_sum(const uint8_t *bytes, size_t size);

#endif
