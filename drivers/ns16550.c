// SPDX-License-Identifier: Apache-2.0
// The machine's UART when it is a 16550A at I/O ports. Source: PC16550D datasheet (National Semiconductor), 8.
#include <libfdt.h>

#include "drivers/ns16550.h"
#include "kernel/arch.h"
#include "kernel/board.h"
#include "kernel/console.h"
#include "kernel/tree.h"

enum { LCR_8_BITS = 3, DIVISOR_115200 = 1, NOT_THERE = 0xff, FIFO_SIZE = 16 };
// Of an address on the ISA bus: space, port, count.
enum { ISA_SPACE, ISA_PORT, ISA_COUNT, ISA_IO = 1 };

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
    write(UART_THR, (uint8_t)c);
    return true;
}

static void ns16550_put_now(char c) {
    while (!ns16550_put(c)) {}
}

static int ns16550_get(void) { return (read(UART_LSR) & LSR_DATA_READY) != 0 ? read(UART_RBR) : -1; }

static void ns16550_rx_interrupt(bool on) { write(UART_IER, on ? IER_RECEIVED : 0); }

// Firmware leaves any rate, or none.
static void ns16550_enable(void) {
    write(UART_IER, 0);
    write(UART_LCR, LCR_DLAB | LCR_8_BITS);
    write(UART_DLL, DIVISOR_115200);
    write(UART_DLM, 0);
    write(UART_LCR, LCR_8_BITS);
    write(UART_FCR, FCR_ENABLE | FCR_CLEAR_RECEIVE | FCR_CLEAR_TRANSMIT);
    write(UART_MCR, MCR_DTR | MCR_RTS | MCR_OUT2); // OUT2 lets the interrupt out of a PC's card
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

    if (node < 0 || fdt_node_check_compatible(fdt, node, "ns16550a") != 0 ||
        cell(fdt, node, "reg", ISA_SPACE) != ISA_IO || cell(fdt, node, "reg", ISA_COUNT) == UINT32_MAX) {
        return;
    }
    base = (uint16_t)cell(fdt, node, "reg", ISA_PORT);
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
