// SPDX-License-Identifier: Apache-2.0
// The machine's UART when it is a PL011. Source: Arm PrimeCell UART (PL011) Technical Reference Manual, DDI 0183.
#include <libfdt.h>

#include "kernel/arch.h"
#include "kernel/board_irq.h"
#include "kernel/console.h"
#include "kernel/space.h"

// Register offsets and bits (DDI 0183, chapter 3)
enum {
    UARTDR = 0x00,
    UARTFR = 0x18,
    UARTLCR_H = 0x2c,
    UARTCR = 0x30,
    UARTIMSC = 0x38,
    UARTICR = 0x44,
    FR_RXFE = 1 << 4, // receive FIFO empty
    FR_TXFF = 1 << 5, // transmit FIFO full
    LCR_H_FEN = 1 << 4,
    LCR_H_WLEN_8 = 3 << 5,
    CR_UARTEN = 1 << 0,
    CR_TXE = 1 << 8,
    CR_RXE = 1 << 9,
    INT_RX = 1 << 4,
    INT_RT = 1 << 6, // receive timeout: characters wait below the FIFO's trigger level
    INT_ALL = 0x7ff,
};

static volatile uint32_t *registers;

static uint32_t read(unsigned offset) { return registers[offset / sizeof(*registers)]; }

static void write(unsigned offset, uint32_t value) { registers[offset / sizeof(*registers)] = value; }

static bool pl011_put(char c) {
    if ((read(UARTFR) & FR_TXFF) != 0) { return false; }
    write(UARTDR, (unsigned char)c);
    return true;
}

static void pl011_put_now(char c) {
    while (!pl011_put(c)) {}
}

static int pl011_get(void) { return (read(UARTFR) & FR_RXFE) != 0 ? -1 : (int)(read(UARTDR) & 0xff); }

static void pl011_rx_interrupt(bool on) { write(UARTIMSC, on ? INT_RX | INT_RT : 0); }

// Leaves the line settings that firmware made.
static void pl011_enable(void) {
    write(UARTIMSC, 0);
    write(UARTICR, INT_ALL);
    if ((read(UARTCR) & CR_UARTEN) == 0) {
        write(UARTLCR_H, LCR_H_WLEN_8 | LCR_H_FEN);
        write(UARTCR, CR_UARTEN | CR_TXE | CR_RXE);
    }
}

void console_uart_find(const void *fdt) {
    static struct uart_ops pl011_ops;
    struct range range;
    struct board_irq irq;
    int node = board_console(fdt);

    if (node < 0 || fdt_node_check_compatible(fdt, node, "arm,pl011") != 0 || board_reg(fdt, node, 0, &range) != OK ||
        board_irq(fdt, node, 0, BOARD_IRQ_SHARED, &irq) != OK) {
        return;
    }
    registers = space_map(SPACE_DEVICES, range.base, range.size);
    if (registers == NULL) { return; }
    pl011_enable();
    pl011_ops = (struct uart_ops){
        .put_now = pl011_put_now,
        .put = pl011_put,
        .get = pl011_get,
        .rx_interrupt = pl011_rx_interrupt,
        .irq = irq.intid,
    };
    console_uart = &pl011_ops;
}
