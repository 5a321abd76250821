// SPDX-License-Identifier: Apache-2.0
// The registers of a PL011 UART, by the manual's names: Arm DDI 0183, chapter 3.
#ifndef DRIVERS_PL011_H
#define DRIVERS_PL011_H

enum pl011_offset {
    UARTDR = 0x000,
    UARTFR = 0x018,
    UARTILPR = 0x020,
    UARTIBRD = 0x024,
    UARTFBRD = 0x028,
    UARTLCR_H = 0x02c,
    UARTCR = 0x030,
    UARTIFLS = 0x034,
    UARTIMSC = 0x038,
    UARTRIS = 0x03c,
    UARTMIS = 0x040,
    UARTICR = 0x044,
    UARTDMACR = 0x048,
    UART_ID = 0xfe0, // UARTPeriphID0..3, UARTPCellID0..3
    UART_ID_END = 0x1000,
};

// RX: receive, TX: transmit; FE: FIFO empty, FF: FIFO full.
enum { FR_BUSY = 1 << 3, FR_RXFE = 1 << 4, FR_TXFF = 1 << 5, FR_RXFF = 1 << 6, FR_TXFE = 1 << 7 };
// RT: receive timeout, characters wait below the FIFO's trigger level.
enum { INT_RX = 1 << 4, INT_TX = 1 << 5, INT_RT = 1 << 6, INT_ALL = 0x7ff };
enum { LCR_H_FEN = 1 << 4, LCR_H_WLEN_8 = 3 << 5, CR_UARTEN = 1 << 0, CR_TXE = 1 << 8, CR_RXE = 1 << 9 };

#endif
