// SPDX-License-Identifier: Apache-2.0
// PL011 (Arm DDI 0183), polled. The place comes from the device tree; before it is read, that of
// QEMU's virt machine.
#include "fdt.h"
#include "private.h"

#include <stdarg.h>
#include <stdio.h>

#define UARTDR       0x00
#define UARTFR       0x18
#define UARTFR_RXFE  (1u << 4)
#define UARTFR_TXFF  (1u << 5)
#define UARTCR       0x30
#define UARTCR_ON    0x301 // UARTEN, TXE, RXE
#define VIRT_UART    0x09000000
#define LINE_MAX_LEN 256

static uintptr_t uart = VIRT_UART;

void console_init(void) {
    uint64_t address, size;
    if (fdt_reg(fdt_next_with(FDT_NONE, "compatible", "arm,pl011"), 0, &address, &size)) uart = address;
    mmio_write32(uart + UARTCR, UARTCR_ON);
}

static void put(char c) {
    while (mmio_read32(uart + UARTFR) & UARTFR_TXFF) spin_pause();
    mmio_write32(uart + UARTDR, (uint8_t)c);
}

void console_write(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n') put('\r');
        put(text[i]);
    }
}

int console_read(void) {
    if (mmio_read32(uart + UARTFR) & UARTFR_RXFE) return -1;
    return (int)(mmio_read32(uart + UARTDR) & 0xff);
}

void say(const char *format, ...) {
    char line[LINE_MAX_LEN];
    va_list arguments;
    va_start(arguments, format);
    int length = vsniprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof(line)) length = sizeof(line) - 1;
    if (length > 0) console_write(line, (size_t)length);
}
