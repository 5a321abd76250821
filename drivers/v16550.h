// SPDX-License-Identifier: Apache-2.0
// The 16550A UART that a PC guest sees as COM1, without a line: what it sends goes to the console of its VM, what somebody
// types arrives. FIFOs of 16 characters, divisor latch (kept, without effect), loop-back, interrupts by priority; not
// there: line errors but the overrun that a loop-back can make, break, parity, changes of the modem's lines and their
// interrupt. Outside of loop-back the other side is always ready (CTS, DSR, carrier). OUT2 does not gate the interrupt, as it does on PC boards: guests that forget it work.
//
// Nothing is lost: characters that the console has no room for wait in the transmit FIFO, THRE stays clear until it is
// empty, and one that is written although the FIFO is full is not taken at all: the guest makes the access again. So
// Linux's console, which waits for THRE for 10 ms only, is slowed down and not cut.
//
// Context: one lock for all of it; registers in handler context of any VCPU of the VM, console side in thread context.
#ifndef DRIVERS_V16550_H
#define DRIVERS_V16550_H

#include "kernel/mmio.h"
#include "kernel/types.h"

enum { V16550_FIFO = 16 };

#define V16550_PORT 0x3f8u
#define V16550_IRQ  4u

struct v16550 {
    struct spinlock lock; // everything below
    struct vm *vm;
    void (*line)(void *context, bool asserted);
    void *context;
    uint8_t registers[8]; // as written: IER, FCR, LCR, MCR, SCR at their offsets. From here on: what a reset clears
    uint8_t divisor[2];
    bool thr_empty; // the interrupt for it waits: until IIR has told of it, or THR is written
    bool overrun;
    bool asserted; // the interrupt
    uint8_t tx_count;
    uint8_t rx_head, rx_count;
    char tx[V16550_FIFO]; // has no room in the console yet
    char rx[V16550_FIFO];
};

// Power-on state, attached to the console channel CONSOLE_UART of `vm`. `line` is told each change of the interrupt, on any
// core, with the lock held: it takes what stands to the right in kernel/lock.h only. VM creation, after console_init.
void v16550_init(struct v16550 *uart, struct vm *vm, void (*line)(void *context, bool asserted), void *context);
// Power-on state; `line` is not told: what is at its other end is reset too.
void v16550_reset(struct v16550 *uart);

// Registers, by their offset; struct port_ops. ERR_BUSY: THR, and there is no room.
uint8_t v16550_read(void *device, unsigned offset);
int v16550_write(void *device, unsigned offset, uint8_t value);

#endif
