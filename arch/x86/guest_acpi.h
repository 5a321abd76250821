// SPDX-License-Identifier: Apache-2.0
// The ACPI tables of one VM: RSDP, XSDT, FADT, MADT, DSDT, and MCFG if it has PCI. Hardware-reduced: no PM1 registers, no
// SCI, no PIT, no 8259; power-off through the sleep control register, reset through the reset register. What a VM has is in
// the name space: a processor device for each VCPU, COM1 at 0x3f8 with interrupt 4, virtio-mmio devices.
//
// Sources: ACPI 6.5, 5.2 (tables), 4.1 (hardware-reduced ACPI), 4.8.3.6 and .7 (reset and sleep registers), 8.4
// (processor devices); LNRO0005 is Linux' name for a virtio-mmio device (drivers/virtio/virtio_mmio.c). Linux 6.1 asks for
// both sleep registers before it offers power-off, and takes interrupts of hardware-reduced ACPI as GSIs only.
#ifndef X86_GUEST_ACPI_H
#define X86_GUEST_ACPI_H

#include "kernel/types.h"

enum {
    GUEST_ACPI_VIRTIO_MAX = 32,
    GUEST_ACPI_SIZE = 8192, // is enough for any
    GUEST_COM1_PORT = 0x3f8,
    GUEST_COM1_PORTS = 8,
    GUEST_COM1_GSI = 4,
};
#define GUEST_LOCAL_APIC 0xfee00000u
#define GUEST_IO_APIC    0xfec00000u // its GSIs begin at 0, its id is 0

struct guest_acpi_device {
    uint32_t base, size; // registers
    uint32_t gsi;
    bool level_triggered; // else edge; active high both
};

struct guest_acpi {
    unsigned vcpus; // 1 to MAX_VCPUS: APIC ids and _UIDs 0 to vcpus - 1
    // Ports, 1 byte each: SLEEP_CONTROL_REG, SLEEP_STATUS_REG, RESET_REG; what is written to the last; and the SLP_TYP of \_S5.
    uint16_t sleep_control, sleep_status, reset;
    uint8_t reset_value, sleep_type; // sleep_type: 0 to 7
    bool com1;
    unsigned virtio_count; // at most GUEST_ACPI_VIRTIO_MAX
    const struct guest_acpi_device *virtio;
    uint64_t ecam;    // PCI segment 0: where bus 0 has its configuration space; 0: no PCI, and no MSI
    uint8_t last_bus; // of the segment
};

// Writes the tables as they are to lie at guest address `gpa`, a multiple of 16, the RSDP first: a guest that is not told
// of it finds it when gpa is in [0xe0000, 0x100000). Returns how many bytes they have, or 0: `size` is less than that.
// Pure; any context; a few thousand bytes.
size_t guest_acpi_build(const struct guest_acpi *what, gpa_t gpa, void *buffer, size_t size);

#endif
