// SPDX-License-Identifier: Apache-2.0
// The machine's UART when it is a 16550A at I/O ports. Source: PC16550D datasheet (National Semiconductor), 8.
#include <libfdt.h>

#include "kernel/arch.h"
#include "kernel/board.h"
#include "kernel/console.h"
#include "kernel/tree.h"

enum {
    UART_RBR_THR = 0, // with DLAB: divisor, low byte
    UART_IER = 1,     // with DLAB: divisor, high byte
    UART_FCR = 2,
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    IER_RECEIVED = 1 << 0,
    FCR_ENABLE = 1 << 0,
    FCR_CLEAR = 3 << 1, // both FIFOs
    LCR_8_BITS = 3,
    LCR_DLAB = 1 << 7,
    MCR_DTR_RTS = 3,
    MCR_OUT2 = 1 << 3, // lets the interrupt out of a PC's card
    LSR_DATA = 1 << 0,
    LSR_THR_EMPTY = 1 << 5,
    NOT_THERE = 0xff,
    DIVISOR_115200 = 1,
    FIFO_SIZE = 16,
    CELLS = 3, // of an address on the ISA bus: space, port, count
    ISA_IO = 1,
};

static uint16_t base;
static unsigned room; // in the transmit FIFO, at least

static uint8_t read(unsigned reg) { return arch_port_read8((uint16_t)(base + reg)); }

static void write(unsigned reg, uint8_t value) { arch_port_write8((uint16_t)(base + reg), value); }

// The FIFO is empty when its holding register is: then it takes 16 characters without being asked again.
static bool ns16550_put(char c) {
    if (room == 0) {
        if ((read(UART_LSR) & LSR_THR_EMPTY) == 0) { return false; }
        room = FIFO_SIZE;
    }
    room--;
    write(UART_RBR_THR, (uint8_t)c);
    return true;
}

static void ns16550_put_now(char c) {
    while (!ns16550_put(c)) {}
}

static int ns16550_get(void) { return (read(UART_LSR) & LSR_DATA) != 0 ? read(UART_RBR_THR) : -1; }

static void ns16550_rx_interrupt(bool on) { write(UART_IER, on ? IER_RECEIVED : 0); }

// Firmware leaves any rate, or none.
static void ns16550_enable(void) {
    write(UART_IER, 0);
    write(UART_LCR, LCR_DLAB | LCR_8_BITS);
    write(UART_RBR_THR, DIVISOR_115200);
    write(UART_IER, 0);
    write(UART_LCR, LCR_8_BITS);
    write(UART_FCR, FCR_ENABLE | FCR_CLEAR);
    write(UART_MCR, MCR_DTR_RTS | MCR_OUT2);
}

static uint32_t cell(const void *fdt, int node, const char *name, unsigned index) {
    int length;
    const uint8_t *cells = fdt_getprop(fdt, node, name, &length);

    return cells != NULL && (unsigned)length >= (index + 1) * sizeof(uint32_t) ? tree_u32(cells + 4 * (size_t)index)
                                                                               : UINT32_MAX;
}

void console_uart_find(const void *fdt) {
    static struct uart_ops ns16550_ops;
    int node = board_console(fdt);

    if (node < 0 || fdt_node_check_compatible(fdt, node, "ns16550a") != 0 || cell(fdt, node, "reg", 0) != ISA_IO ||
        cell(fdt, node, "reg", CELLS - 1) == UINT32_MAX) {
        return;
    }
    base = (uint16_t)cell(fdt, node, "reg", 1);
    if (read(UART_LSR) == NOT_THERE) { return; }
    if (console_uart == NULL) { ns16550_enable(); }
    ns16550_ops = (struct uart_ops){
        .put_now = ns16550_put_now,
        .put = ns16550_put,
        .get = ns16550_get,
        .rx_interrupt = ns16550_rx_interrupt,
        .irq = cell(fdt, node, "interrupts", 0),
    };
    console_uart = &ns16550_ops;
}
