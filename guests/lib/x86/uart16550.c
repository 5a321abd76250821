// SPDX-License-Identifier: Apache-2.0
// The 16550 (National Semiconductor PC16550D) of COM1, polled.
#include "private.h"

#define COM1        0x3f8
#define UART_THR    (COM1 + 0)
#define UART_RBR    (COM1 + 0)
#define UART_DLL    (COM1 + 0)
#define UART_IER    (COM1 + 1)
#define UART_DLM    (COM1 + 1)
#define UART_FCR    (COM1 + 2)
#define UART_LCR    (COM1 + 3)
#define UART_MCR    (COM1 + 4)
#define UART_LSR    (COM1 + 5)
#define FCR_ENABLE  0x07 // with both FIFOs cleared
#define LCR_8N1     0x03
#define LCR_DLAB    0x80
#define MCR_DTR_RTS 0x03
#define LSR_DR      0x01
#define LSR_THRE    0x20
#define DIVISOR     1 // 115200 baud
#define FIFO_SIZE   16

// Bytes that the FIFO surely takes: it was empty when THRE was last seen.
static unsigned room;

void console_init(void) {
    port_write8(UART_IER, 0);
    port_write8(UART_LCR, LCR_DLAB | LCR_8N1);
    port_write8(UART_DLL, DIVISOR);
    port_write8(UART_DLM, 0);
    port_write8(UART_LCR, LCR_8N1);
    port_write8(UART_FCR, FCR_ENABLE);
    port_write8(UART_MCR, MCR_DTR_RTS);
}

void console_put(char c) {
    if (room == 0) {
        while (!(port_read8(UART_LSR) & LSR_THRE)) spin_pause();
        room = FIFO_SIZE;
    }
    room--;
    port_write8(UART_THR, (uint8_t)c);
}

int console_read(void) {
    if (!(port_read8(UART_LSR) & LSR_DR)) return -1;
    return port_read8(UART_RBR);
}
