// SPDX-License-Identifier: Apache-2.0
// The guest's PL011 UART (Arm DDI 0183, r1p5): registers, FIFOs and interrupt, without a line. Sent characters go to the
// VM's console ring; those that find it full wait in the transmit FIFO until there is room.
#include <libfdt.h>

#include "drivers/pl011.h"
#include "drivers/virtual.h"
#include "kernel/arch.h"
#include "kernel/console.h"
#include "kernel/guest_fdt.h"
#include "kernel/memory.h"
#include "kernel/string.h"

enum { PLAIN_END = UARTDMACR + 4, CR_RESET = 0x300, IFLS_RESET = 0x12, FIFO = 32, ID_REGISTERS = 8 };

// r1p5: 32 characters deep.
static const uint8_t id_values[ID_REGISTERS] = {0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

// The bits of registers that only keep what was written.
static const uint16_t plain_bits[PLAIN_END / 4] = {
    [UARTILPR / 4] = 0xff, [UARTIBRD / 4] = 0xffff, [UARTFBRD / 4] = 0x3f,    [UARTLCR_H / 4] = 0xff,
    [UARTCR / 4] = 0xff87, [UARTIFLS / 4] = 0x3f,   [UARTIMSC / 4] = INT_ALL, [UARTDMACR / 4] = 0x7,
};

struct vpl011 {
    struct spinlock lock; // everything below
    struct vm *vm;
    uint16_t plain[PLAIN_END / 4]; // from here on: what a reset clears
    bool tx_event;                 // room came: UARTRIS.TXRIS, until cleared
    bool level;                    // of the interrupt
    uint8_t tx_count, rx_head, rx_count;
    char tx[FIFO], rx[FIFO];
};

// ---- interrupt --------------------------------------------------------------------------------------------

static unsigned tx_depth(const struct vpl011 *uart) { return (uart->plain[UARTLCR_H / 4] & LCR_H_FEN) != 0 ? FIFO : 1; }

// How many characters raise the receive interrupt: 1/8, 1/4, 1/2, 3/4, 7/8 of the FIFO.
static unsigned rx_trigger(const struct vpl011 *uart) {
    static const uint8_t levels[8] = {4, 8, 16, 24, 28, 28, 28, 28};

    return (uart->plain[UARTLCR_H / 4] & LCR_H_FEN) != 0 ? levels[uart->plain[UARTIFLS / 4] >> 3 & 7] : 1;
}

// A character that stays in the FIFO times out at once: there is no bit time here. The transmit interrupt promises that half
// of its FIFO is free, whatever UARTIFLS says: Linux then sends so much without a look at UARTFR.
static uint32_t raw_interrupts(const struct vpl011 *uart) {
    return (uart->tx_event && uart->tx_count <= tx_depth(uart) / 2 ? INT_TX : 0) | (uart->rx_count > 0 ? INT_RT : 0) |
           (uart->rx_count >= rx_trigger(uart) ? INT_RX : 0);
}

static void update(struct vpl011 *uart) {
    bool level = (raw_interrupts(uart) & uart->plain[UARTIMSC / 4]) != 0;

    if (level != uart->level) {
        uart->level = level;
        arch_vm_set_line(uart->vm, VPL011_IRQ, level);
    }
}

// ---- registers --------------------------------------------------------------------------------------------

static uint32_t read_data(struct vpl011 *uart) {
    uint32_t c = 0;

    if (uart->rx_count > 0) {
        c = (uint8_t)uart->rx[uart->rx_head];
        uart->rx_head = (uart->rx_head + 1) % FIFO;
        uart->rx_count--;
        update(uart);
    }
    return c;
}

// A guest that writes to a full FIFO loses the character, as with the device.
static void write_data(struct vpl011 *uart, char c) {
    if (uart->tx_count > 0 || console_vm_write(uart->vm, CONSOLE_UART, &c, 1) == 0) {
        if (uart->tx_count >= tx_depth(uart)) { return; }
        uart->tx[uart->tx_count++] = c;
    }
    uart->tx_event = true;
    update(uart);
}

static uint32_t read_flags(const struct vpl011 *uart) {
    return (uart->tx_count > 0 ? FR_BUSY : FR_TXFE) | (uart->tx_count >= tx_depth(uart) ? FR_TXFF : 0) |
           (uart->rx_count == 0 ? FR_RXFE : 0) | (uart->rx_count == FIFO ? FR_RXFF : 0);
}

static uint32_t read_register(struct vpl011 *uart, uint64_t offset) {
    switch (offset) {
    case UARTDR: return read_data(uart);
    case UARTFR: return read_flags(uart);
    case UARTRIS: return raw_interrupts(uart);
    case UARTMIS: return raw_interrupts(uart) & uart->plain[UARTIMSC / 4];
    default: break;
    }
    if (offset < PLAIN_END) { return uart->plain[offset / 4]; }
    return offset >= UART_ID && offset < UART_ID_END ? id_values[(offset - UART_ID) / 4] : 0;
}

static void write_register(struct vpl011 *uart, uint64_t offset, uint32_t value) {
    if (offset == UARTDR) {
        write_data(uart, (char)value);
    } else if (offset == UARTICR) {
        uart->tx_event = uart->tx_event && (value & INT_TX) == 0;
        update(uart);
    } else if (offset < PLAIN_END) {
        uart->plain[offset / 4] = (uint16_t)(value & plain_bits[offset / 4]);
        update(uart);
    }
}

static int vpl011_access(UNUSED struct vcpu *vcpu, void *device, struct mmio_access *access) {
    struct vpl011 *uart = device;

    if ((access->offset & 3) != 0 || access->size > sizeof(uint32_t)) {
        return OK; // no register starts there: reads as zero, writes are ignored
    }
    unsigned long flags = spin_lock(&uart->lock);
    if (access->write) {
        write_register(uart, access->offset, (uint32_t)access->value);
    } else {
        access->value = read_register(uart, access->offset);
    }
    spin_unlock(&uart->lock, flags);
    return OK;
}

// ---- console ----------------------------------------------------------------------------------------------

static size_t vpl011_input(void *device, const char *data, size_t size) {
    struct vpl011 *uart = device;
    unsigned long flags = spin_lock(&uart->lock);
    size_t taken = 0;

    while (taken < size && uart->rx_count < FIFO) {
        uart->rx[(uart->rx_head + uart->rx_count++) % FIFO] = data[taken++];
    }
    update(uart);
    spin_unlock(&uart->lock, flags);
    return taken;
}

static bool vpl011_drained(void *device) {
    struct vpl011 *uart = device;
    unsigned long flags = spin_lock(&uart->lock);
    size_t sent = console_vm_write(uart->vm, CONSOLE_UART, uart->tx, uart->tx_count);

    if (sent > 0) {
        uart->tx_count -= (uint8_t)sent;
        memmove(uart->tx, uart->tx + sent, uart->tx_count);
        uart->tx_event = true;
        update(uart);
    }
    spin_unlock(&uart->lock, flags);
    return false;
}

// ---- life -------------------------------------------------------------------------------------------------

static void vpl011_reset(struct vm *vm, void *state) {
    struct vpl011 *uart = state;
    unsigned long flags = spin_lock(&uart->lock);

    uart->vm = vm;
    memset(uart->plain, 0, sizeof(*uart) - offsetof(struct vpl011, plain));
    uart->plain[UARTCR / 4] = CR_RESET;
    uart->plain[UARTIFLS / 4] = IFLS_RESET;
    spin_unlock(&uart->lock, flags);
}

static int vpl011_create(struct vm *vm, void **state) {
    if (!vm->desc->vpl011) { return OK; }
    struct vpl011 *uart = memory_alloc(sizeof(*uart));
    if (uart == NULL) { return ERR_NO_MEMORY; }
    vpl011_reset(vm, uart);
    *state = uart;
    console_vm_attach(vm, CONSOLE_UART, &(struct console_device){vpl011_input, vpl011_drained, uart});
    return mmio_add(&vm->mmio, &(struct mmio_region){VPL011_BASE, VPL011_SIZE, vpl011_access, uart});
}

int vpl011_fdt(void *fdt) {
    static const char path[] = "/pl011@9000000";
    static const char compatible[] = "arm,pl011\0arm,primecell";
    static const char clock_names[] = "uartclk\0apb_pclk";
    int node = fdt_add_subnode(fdt, 0, path + 1);
    int error = fdt_setprop(fdt, node, "compatible", compatible, sizeof(compatible));

    error |= fdt_appendprop_addrrange(fdt, 0, node, "reg", VPL011_BASE, VPL011_SIZE);
    error |= arch_guest_fdt_interrupt(fdt, node, VPL011_IRQ, false);
    error |= fdt_appendprop_u32(fdt, node, "clocks", GUEST_PHANDLE_CLOCK);
    error |= fdt_appendprop_u32(fdt, node, "clocks", GUEST_PHANDLE_CLOCK);
    error |= fdt_setprop(fdt, node, "clock-names", clock_names, sizeof(clock_names));
    error |= fdt_setprop_string(fdt, fdt_path_offset(fdt, "/aliases"), "serial0", path);
    return error | fdt_setprop_string(fdt, fdt_path_offset(fdt, "/chosen"), "stdout-path", path);
}

const struct virtual_device vpl011_device = {vpl011_create, vpl011_reset, VPL011_IRQ};
