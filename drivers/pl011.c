// SPDX-License-Identifier: Apache-2.0
// The machine's UART when it is a PL011. Source: Arm PrimeCell UART (PL011) Technical Reference Manual, DDI 0183.
#include <libfdt.h>

#include "drivers/pl011.h"
#include "kernel/arch.h"
#include "kernel/board_irq.h"
#include "kernel/console.h"
#include "kernel/space.h"

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
