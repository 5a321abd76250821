// SPDX-License-Identifier: Apache-2.0
// The guest's 16550A. See v16550.h.
#include "drivers/v16550.h"

#include "drivers/ns16550.h"
#include "drivers/virtual.h"
#include "kernel/arch.h"
#include "kernel/console.h"
#include "kernel/memory.h"
#include "kernel/string.h"

static const uint8_t writable[UART_REGISTERS] = {[UART_LCR] = 0xff, [UART_MCR] = MCR_ALL, [UART_SCR] = 0xff};

static bool has(const struct v16550 *uart, unsigned reg, uint8_t bit) { return (uart->registers[reg] & bit) != 0; }

static bool has_fifos(const struct v16550 *uart) { return has(uart, UART_FCR, FCR_ENABLE); }

static unsigned depth(const struct v16550 *uart) { return has_fifos(uart) ? V16550_FIFO : 1; }

// ---- interrupt --------------------------------------------------------------------------------------------

static unsigned rx_trigger(const struct v16550 *uart) {
    static const uint8_t levels[] = {1, 4, 8, 14};

    return has_fifos(uart) ? levels[uart->registers[UART_FCR] >> FCR_TRIGGER_SHIFT] : 1;
}

// A character that stays in the FIFO times out at once: there is no character time here.
static uint8_t interrupt(const struct v16550 *uart) {
    if (has(uart, UART_IER, IER_LINE_STATUS) && uart->overrun) { return IIR_LINE_STATUS; }
    if (has(uart, UART_IER, IER_RECEIVED) && uart->rx_count > 0) {
        return uart->rx_count >= rx_trigger(uart) ? IIR_RECEIVED : IIR_TIMEOUT;
    }
    return has(uart, UART_IER, IER_THR_EMPTY) && uart->thr_empty ? IIR_THR_EMPTY : IIR_NONE;
}

static void update(struct v16550 *uart) {
    bool asserted = interrupt(uart) != IIR_NONE;

    if (asserted != uart->asserted) {
        uart->asserted = asserted;
        uart->line(uart->context, asserted);
    }
}

// ---- characters -------------------------------------------------------------------------------------------

static void receive(struct v16550 *uart, char c) { uart->rx[(uart->rx_head + uart->rx_count++) % V16550_FIFO] = c; }

static uint8_t take(struct v16550 *uart) {
    if (uart->rx_count == 0) { return 0; }
    uint8_t c = (uint8_t)uart->rx[uart->rx_head];
    uart->rx_head = (uart->rx_head + 1) % V16550_FIFO;
    uart->rx_count--;
    return c;
}

static int send(struct v16550 *uart, char c) {
    if (has(uart, UART_MCR, MCR_LOOP)) {
        uart->overrun |= uart->rx_count >= depth(uart);
        if (uart->rx_count < depth(uart)) { receive(uart, c); }
    } else if (uart->tx_count > 0 || console_vm_write(uart->vm, CONSOLE_UART, &c, 1) == 0) {
        if (uart->tx_count >= depth(uart)) { return ERR_BUSY; }
        uart->tx[uart->tx_count++] = c;
    }
    uart->thr_empty = false; // an edge for who has not looked at IIR since the last one
    update(uart);
    uart->thr_empty = uart->tx_count == 0;
    return OK;
}

// ---- registers --------------------------------------------------------------------------------------------

// Telling of THR takes that interrupt back.
static uint8_t read_iir(struct v16550 *uart) {
    uint8_t iir = interrupt(uart);

    if (iir == IIR_THR_EMPTY) { uart->thr_empty = false; }
    return has_fifos(uart) ? iir | IIR_FIFOS : iir;
}

static uint8_t read_lsr(struct v16550 *uart) {
    unsigned lsr = (uart->rx_count > 0 ? LSR_DATA_READY : 0) | (uart->overrun ? LSR_OVERRUN : 0) |
                   (uart->tx_count == 0 ? LSR_THR_EMPTY | LSR_TRANSMITTER_EMPTY : 0);

    uart->overrun = false;
    return (uint8_t)lsr;
}

// In loop-back its own outputs are the other side.
static uint8_t read_modem_status(const struct v16550 *uart) {
    if (!has(uart, UART_MCR, MCR_LOOP)) { return MSR_CTS | MSR_DSR | MSR_CARRIER; }
    return (has(uart, UART_MCR, MCR_RTS) ? MSR_CTS : 0) | (has(uart, UART_MCR, MCR_DTR) ? MSR_DSR : 0) |
           (has(uart, UART_MCR, MCR_OUT1) ? MSR_RING : 0) | (has(uart, UART_MCR, MCR_OUT2) ? MSR_CARRIER : 0);
}

// An interrupt that is allowed while THR is empty comes at once: Linux tests for that.
static void write_ier(struct v16550 *uart, uint8_t value) {
    uart->thr_empty |= (value & IER_THR_EMPTY) != 0 && !has(uart, UART_IER, IER_THR_EMPTY) && uart->tx_count == 0;
    uart->registers[UART_IER] = value & IER_ALL;
}

// The other bits count only with FCR_ENABLE; a change of that empties both FIFOs.
static void write_fcr(struct v16550 *uart, uint8_t value) {
    bool on = (value & FCR_ENABLE) != 0, changed = on != has_fifos(uart);

    if (changed || (on && (value & FCR_CLEAR_RECEIVE) != 0)) { uart->rx_count = 0; }
    if (uart->tx_count > 0 && (changed || (on && (value & FCR_CLEAR_TRANSMIT) != 0))) {
        uart->tx_count = 0;
        uart->thr_empty = true;
    }
    uart->registers[UART_FCR] = on ? value : 0;
}

static bool is_divisor(const struct v16550 *uart, unsigned offset) {
    return offset < UART_DIVISORS && has(uart, UART_LCR, LCR_DLAB);
}

static uint8_t read_register(struct v16550 *uart, unsigned offset) {
    if (is_divisor(uart, offset)) { return uart->divisor[offset]; }
    switch (offset) {
    case UART_RBR: return take(uart);
    case UART_IIR: return read_iir(uart);
    case UART_LSR: return read_lsr(uart);
    case UART_MSR: return read_modem_status(uart);
    default: return uart->registers[offset];
    }
}

static int write_register(struct v16550 *uart, unsigned offset, uint8_t value) {
    if (is_divisor(uart, offset)) {
        uart->divisor[offset] = value;
        return OK;
    }
    switch (offset) {
    case UART_THR: return send(uart, (char)value);
    case UART_IER: write_ier(uart, value); return OK;
    case UART_FCR: write_fcr(uart, value); return OK;
    default: uart->registers[offset] = value & writable[offset]; return OK;
    }
}

uint8_t v16550_read(void *device, unsigned offset) {
    struct v16550 *uart = device;
    unsigned long flags = spin_lock(&uart->lock);
    uint8_t value = read_register(uart, offset);

    update(uart);
    spin_unlock(&uart->lock, flags);
    return value;
}

int v16550_write(void *device, unsigned offset, uint8_t value) {
    struct v16550 *uart = device;
    unsigned long flags = spin_lock(&uart->lock);
    int status = write_register(uart, offset, value);

    update(uart);
    spin_unlock(&uart->lock, flags);
    return status;
}

// ---- console ----------------------------------------------------------------------------------------------

// Nothing comes in during a loop-back: it waits.
static size_t v16550_input(void *device, const char *data, size_t size) {
    struct v16550 *uart = device;
    unsigned long flags = spin_lock(&uart->lock);
    size_t taken = 0;

    while (taken < size && uart->rx_count < depth(uart) && !has(uart, UART_MCR, MCR_LOOP)) {
        receive(uart, data[taken++]);
    }
    update(uart);
    spin_unlock(&uart->lock, flags);
    return taken;
}

static bool v16550_drained(void *device) {
    struct v16550 *uart = device;
    unsigned long flags = spin_lock(&uart->lock);
    size_t sent = console_vm_write(uart->vm, CONSOLE_UART, uart->tx, uart->tx_count);

    if (sent > 0) {
        uart->tx_count -= (uint8_t)sent;
        memmove(uart->tx, uart->tx + sent, uart->tx_count);
        uart->thr_empty = uart->tx_count == 0;
        update(uart);
    }
    spin_unlock(&uart->lock, flags);
    return false;
}

// ---- life -------------------------------------------------------------------------------------------------

void v16550_reset(struct v16550 *uart) {
    unsigned long flags = spin_lock(&uart->lock);

    memset(uart->registers, 0, sizeof(*uart) - offsetof(struct v16550, registers));
    spin_unlock(&uart->lock, flags);
}

void v16550_init(struct v16550 *uart, struct vm *vm, void (*line)(void *context, bool asserted), void *context) {
    *uart = (struct v16550){.vm = vm, .line = line, .context = context};
    v16550_reset(uart);
    console_vm_attach(vm, CONSOLE_UART, &(struct console_device){v16550_input, v16550_drained, uart});
}

// ---- as COM1 of a VM --------------------------------------------------------------------------------------

static void set_line(void *context, bool asserted) { arch_vm_set_line(context, V16550_IRQ, asserted); }

static int create(struct vm *vm, void **state) {
    static const struct port_ops ops = {v16550_read, v16550_write};

    if (!vm->desc->vpl011) { return OK; }
    struct v16550 *uart = memory_alloc(sizeof(*uart));
    if (uart == NULL) { return ERR_NO_MEMORY; }
    v16550_init(uart, vm, set_line, vm);
    *state = uart;
    return arch_vm_add_ports(vm, V16550_PORT, UART_REGISTERS, &ops, uart);
}

static void reset(UNUSED struct vm *vm, void *state) { v16550_reset(state); }

const struct virtual_device v16550_device = {create, reset, V16550_IRQ};
