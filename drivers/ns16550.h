// SPDX-License-Identifier: Apache-2.0
// The registers of a 16550A UART, by the manual's names: National Semiconductor PC16550D datasheet, chapter 8.
#ifndef DRIVERS_NS16550_H
#define DRIVERS_NS16550_H

// Offsets from its first port. Received and sent characters share one, as do IIR (read) and FCR (write); with LCR.DLAB set
// the first two are the divisor.
enum { UART_RBR = 0, UART_THR = 0, UART_IER = 1, UART_IIR = 2, UART_FCR = 2, UART_LCR = 3 };
enum { UART_MCR = 4, UART_LSR = 5, UART_MSR = 6, UART_SCR = 7, UART_REGISTERS = 8 };
enum { UART_DLL = 0, UART_DLM = 1, UART_DIVISORS = 2 };

enum { IER_RECEIVED = 1 << 0, IER_THR_EMPTY = 1 << 1, IER_LINE_STATUS = 1 << 2, IER_ALL = 0xf };
// From the highest priority to none; the last: FIFOs are on.
enum {
    IIR_LINE_STATUS = 0x6,
    IIR_RECEIVED = 0x4,
    IIR_TIMEOUT = 0xc,
    IIR_THR_EMPTY = 0x2,
    IIR_NONE = 0x1,
    IIR_FIFOS = 0xc0
};
enum { FCR_ENABLE = 1 << 0, FCR_CLEAR_RECEIVE = 1 << 1, FCR_CLEAR_TRANSMIT = 1 << 2, FCR_TRIGGER_SHIFT = 6 };
enum { LCR_DLAB = 1 << 7 };
enum { MCR_DTR = 1 << 0, MCR_RTS = 1 << 1, MCR_OUT1 = 1 << 2, MCR_OUT2 = 1 << 3, MCR_LOOP = 1 << 4, MCR_ALL = 0x1f };
enum { LSR_DATA_READY = 1 << 0, LSR_OVERRUN = 1 << 1, LSR_THR_EMPTY = 1 << 5, LSR_TRANSMITTER_EMPTY = 1 << 6 };
enum { MSR_CTS = 1 << 4, MSR_DSR = 1 << 5, MSR_RING = 1 << 6, MSR_CARRIER = 1 << 7 };

#endif
