// SPDX-License-Identifier: Apache-2.0
// The ACPI tables of one VM: RSDP, XSDT, FADT, MADT, DSDT, and MCFG if it has PCI. Hardware-reduced: no PM1 registers, no
// SCI, no PIT, no 8259; power-off through the sleep control register, reset through the reset register (pc_ports.h). What a
// VM has is in the name space: a processor device for each VCPU, COM1 at 0x3f8 with interrupt 4, virtio-mmio devices.
//
// Sources: ACPI 6.5, 5.2 (tables), 4.1 (hardware-reduced ACPI), 4.8.3.6 and .7 (reset and sleep registers), 8.4
// (processor devices), 20.2 (AML), 6.4 (resources); LNRO0005 is Linux' name for a virtio-mmio device
// (drivers/virtio/virtio_mmio.c). Linux 6.1 asks for both sleep registers before it offers power-off, and takes interrupts of
// hardware-reduced ACPI as GSIs only.
#ifndef X86_GUEST_ACPI_H
#define X86_GUEST_ACPI_H

#include "kernel/types.h"

enum {
    GUEST_ACPI_VIRTIO_MAX = 8,
    GUEST_ACPI_SIZE = 8192, // is enough for any
    GUEST_VIRTIO_GSI = 16,  // of the first; level-triggered, as all
};
#define GUEST_LOCAL_APIC  0xfee00000u
#define GUEST_IO_APIC     0xfec00000u // its GSIs begin at 0, its id is 0
#define GUEST_VIRTIO_BASE 0xfeb00000u // virtio devices have a page each from here on

struct guest_acpi {
    unsigned vcpus; // 1 to MAX_VCPUS: APIC ids and _UIDs 0 to vcpus - 1
    bool com1;
    unsigned virtio_count; // at most GUEST_ACPI_VIRTIO_MAX
    uint64_t ecam;         // PCI segment 0: where bus 0 has its configuration space; 0: no PCI, and no MSI
    uint8_t last_bus;      // of the segment
};

// Writes the tables as they are to lie at guest address `gpa`, a multiple of 16, the RSDP first: a guest that is not told
// of it finds it when gpa is in [0xe0000, 0x100000). `area` has GUEST_ACPI_SIZE bytes, all 0, at any alignment. Returns how
// many of them the tables have. Pure; any context; a few thousand bytes.
size_t guest_acpi_build(const struct guest_acpi *what, gpa_t gpa, uint8_t *area);

#endif
