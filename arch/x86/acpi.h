// SPDX-License-Identifier: Apache-2.0
// What the machine has, read once at boot from the firmware's ACPI tables: cores, interrupt controllers, PCI
// configuration space, DMA remapping units, reset and power-off.
//
// Sources: ACPI specification 6.5; PCI Firmware Specification 3.3, 4.1.2 (MCFG); Intel Virtualization Technology for
// Directed I/O (VT-d) 4.1, chapter 8 (DMAR). Section numbers without a name are of ACPI 6.5.
#ifndef ARCH_X86_ACPI_H
#define ARCH_X86_ACPI_H

#include "arch/x86/physical.h"

// Cores beyond ACPI_MAX_CPUS are only counted. More than fits of anything else is an error of its table: half of the
// interrupt controllers or remapping units would be worse than none.
enum {
    ACPI_MAX_CPUS = 64,
    ACPI_MAX_IO_APICS = 32,
    ACPI_ISA_IRQS = 16,
    ACPI_MAX_ECAMS = 32,
    ACPI_MAX_DRHDS = 32,
    ACPI_MAX_RMRRS = 32,
    ACPI_MAX_SCOPES = 256, // device scopes of all DRHDs and RMRRs together
    ACPI_MAX_PATH = 8,     // bridges from the scope's bus to the device, the device among them
    ACPI_MAX_TABLES = 256, // that the XSDT or RSDT lists
};
#define ACPI_TABLE_MAX (4u << 20) // bytes of one table that is read whole: the most that is asked of struct physical

struct acpi_cpu {
    uint32_t apic_id; // as x2APIC mode has it; < 255 also the xAPIC's
    uint32_t uid;     // of the processor's object in the name space
    bool enabled;     // can be started now; else the firmware may enable it later (hot-plug)
};

struct acpi_io_apic {
    paddr_t base;
    uint32_t gsi_base; // the global system interrupt of its input 0; how many it has, only its registers say
    uint8_t id;
};

// Where an interrupt of the ISA bus arrives (5.2.12.5). Without an override: the GSI of the same number, edge-triggered,
// active high.
struct acpi_isa_irq {
    uint32_t gsi;
    bool level_triggered, active_low;
};

enum acpi_space { ACPI_SPACE_MEMORY = 0, ACPI_SPACE_IO = 1, ACPI_SPACE_PCI = 2 };

// A register of the machine (5.2.3.2); address 0: there is none.
struct acpi_register {
    uint64_t address; // physical, a port, or on PCI: device << 32 | function << 16 | offset, on bus 0
    uint8_t space;    // enum acpi_space
    uint8_t width;    // bits
};

// The enhanced configuration access mechanism of a range of buses: function f of bus b has its 4 KiB at
// base + (b << 20 | f << 12). The base is that of bus 0, also when first_bus is not 0.
struct acpi_ecam {
    paddr_t base;
    uint16_t segment;
    uint8_t first_bus, last_bus; // both belong to it
};

// One device that a remapping structure means (VT-d 8.3.1): start at `bus`, go down the path; its last step is the
// device (or the bridge, whose whole hierarchy is meant).
enum acpi_scope_type {
    ACPI_SCOPE_ENDPOINT = 1,
    ACPI_SCOPE_BRIDGE = 2,
    ACPI_SCOPE_IO_APIC = 3,
    ACPI_SCOPE_HPET = 4,
    ACPI_SCOPE_NAMESPACE = 5,
};
struct acpi_scope {
    uint8_t type; // enum acpi_scope_type; others are left out
    uint8_t id;   // of the I/O APIC, HPET or name space device
    uint8_t bus;
    uint8_t depth;               // steps of the path, 1 to ACPI_MAX_PATH
    uint8_t path[ACPI_MAX_PATH]; // device << 3 | function
};

// A remapping hardware unit (VT-d 8.3).
struct acpi_drhd {
    paddr_t base;
    uint64_t size; // of its registers, whole pages
    uint16_t segment;
    bool include_pci_all; // it has every device of the segment that no other unit names
    uint16_t first_scope, scope_count;
};

// Memory that the firmware uses with the devices in its scope; it must stay mapped for them (VT-d 8.4).
struct acpi_rmrr {
    paddr_t base, limit; // the first and the last byte: whole pages
    uint16_t segment;
    uint16_t first_scope, scope_count;
};

struct acpi_dmar {
    bool present; // and sound: else everything here is 0
    bool interrupt_remapping, x2apic_opt_out;
    uint8_t address_width; // bits of a DMA address, 1 to 64
    unsigned drhd_count, rmrr_count, scope_count;
    struct acpi_drhd drhds[ACPI_MAX_DRHDS];
    struct acpi_rmrr rmrrs[ACPI_MAX_RMRRS];
    struct acpi_scope scopes[ACPI_MAX_SCOPES];
};

struct acpi_machine {
    // MADT (5.2.12)
    unsigned cpu_count; // in cpus[], each APIC id once, in the firmware's order; at least one is enabled
    unsigned cpu_total; // cores the firmware lists as usable; beyond ACPI_MAX_CPUS each entry counts
    struct acpi_cpu cpus[ACPI_MAX_CPUS];
    paddr_t local_apic; // a page's address below 2^52; the one to believe is in IA32_APIC_BASE
    bool has_8259;      // a pair of 8259s must be masked
    unsigned io_apic_count;
    struct acpi_io_apic io_apics[ACPI_MAX_IO_APICS];
    struct acpi_isa_irq isa[ACPI_ISA_IRQS]; // by ISA interrupt

    // FADT (5.2.9)
    bool hardware_reduced;                  // neither PM1 registers nor an SCI
    uint16_t sci;                           // the system control interrupt: a GSI, or an index of isa[] with 8259s
    bool legacy_devices, has_8042, has_vga; // ISA devices that a user sees; keyboard controller; VGA (5.2.9.3)
    bool has_msi, has_cmos_rtc;             // MSI may be switched on; the clock at ports 0x70 and 0x71 is there
    struct acpi_register reset;             // writing reset_value resets the machine (4.8.3.6)
    uint8_t reset_value;
    struct acpi_register pm1a_control, pm1b_control; // SLP_TYP and SLP_EN (4.8.3.2.1)
    struct acpi_register sleep_control;              // the same, hardware-reduced (4.8.3.7)
    paddr_t dsdt;                                    // 0: none

    // DSDT: \_S5 (7.4.2), the sleep type of power-off for PM1a and PM1b, 0 to 7 each. Found by its byte pattern, without
    // an interpreter: one that is computed, or lies in an SSDT, is not found.
    bool has_s5;
    uint8_t s5_a, s5_b;

    // MCFG
    unsigned ecam_count;
    struct acpi_ecam ecams[ACPI_MAX_ECAMS]; // no bus of a segment is in two

    struct acpi_dmar dmar;
    bool has_ivrs; // there is a sound IVRS (AMD-Vi); its contents are not read
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

#endif
