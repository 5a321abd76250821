// SPDX-License-Identifier: Apache-2.0
// The end of the machine, by the registers that the FADT names (ACPI 6.5, 4.8.3.2.1, 4.8.3.6, 4.8.3.7), and where it names
// none, or they do nothing, by what every PC has.
#include "arch/x86/hardware.h"
#include "arch/x86/machine.h"
#include "kernel/arch.h"

enum { SLP_TYP_SHIFT = 10, SLP_EN = 1 << 13, SLEEP_TYPE_SHIFT = 2, SLEEP_ENABLE = 1 << 5 };
enum { KEYBOARD_COMMAND = 0x64, KEYBOARD_RESET = 0xfe, RESET_CONTROL = 0xcf9, RESET_SYSTEM = 0x02, RESET_CPU = 0x06 };

static void write_port8(uint16_t port, unsigned value) {
    if (port != 0) { arch_port_write8(port, (uint8_t)value); }
}

static void write_port16(uint16_t port, unsigned value) {
    if (port != 0) { arch_port_write16(port, (uint16_t)value); }
}

void arch_system_off(void) {
    const struct acpi_machine *acpi = &machine.acpi;

    arch_irq_save();
    if (acpi->has_s5) {
        write_port8(acpi->sleep_control, acpi->s5_a << SLEEP_TYPE_SHIFT | SLEEP_ENABLE);
        write_port16(acpi->pm1a_control, acpi->s5_a << SLP_TYP_SHIFT | SLP_EN);
        write_port16(acpi->pm1b_control, acpi->s5_b << SLP_TYP_SHIFT | SLP_EN);
    }
    arch_park();
}

void arch_system_reset(void) {
    arch_irq_save();
    write_port8(machine.acpi.reset, machine.acpi.reset_value);
    arch_port_write8(RESET_CONTROL, RESET_SYSTEM);
    arch_port_write8(RESET_CONTROL, RESET_CPU);
    arch_port_write8(KEYBOARD_COMMAND, KEYBOARD_RESET);
    arch_park();
}
