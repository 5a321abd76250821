// SPDX-License-Identifier: Apache-2.0
// PL011 (Arm DDI 0183), polled; or its subset by the Server Base System Architecture (Arm DEN0029), which Xen's guests have:
// on from the start, and without a control register. The place comes from the device tree; before it is read, that of QEMU's
// virt machine.
#include "fdt.h"
#include "private.h"

#define UARTDR      0x00
#define UARTFR      0x18
#define UARTFR_RXFE (1u << 4)
#define UARTFR_TXFF (1u << 5)
#define UARTCR      0x30
#define UARTCR_ON   0x301 // UARTEN, TXE, RXE
#define VIRT_UART   0x09000000

static uintptr_t uart = VIRT_UART;

void console_init(void) {
    uint64_t address, size;
    if (fdt_reg(fdt_next_with(FDT_NONE, "compatible", "arm,sbsa-uart"), 0, &address, &size)) {
        uart = address;
        return;
    }
    if (fdt_reg(fdt_next_with(FDT_NONE, "compatible", "arm,pl011"), 0, &address, &size)) uart = address;
    mmio_write32(uart + UARTCR, UARTCR_ON);
}

void console_put(char c) {
    while (mmio_read32(uart + UARTFR) & UARTFR_TXFF) spin_pause();
    mmio_write32(uart + UARTDR, (uint8_t)c);
}

int console_read(void) {
    if (mmio_read32(uart + UARTFR) & UARTFR_RXFE) return -1;
    return (int)(mmio_read32(uart + UARTDR) & 0xff);
}
