// SPDX-License-Identifier: Apache-2.0
// The PL011 with garbage in its registers.
#include "arm64.h"

#define WRITES    5000
#define UART      0x09000000
#define UART_SIZE 0x1000

static void write_word(void *address) { mmio_write32((uintptr_t)address, (uint32_t)random64()); }

static void registers(void) {
    for (unsigned i = 0; i < WRITES; i++) {
        uintptr_t offset = random64() % UART_SIZE & ~3ul;
        step(write_word, (void *)(UART + offset));
    }
    for (uintptr_t offset = 4; offset < UART_SIZE; offset += 4) mmio_write32(UART + offset, 0);
    mmio_write32(UART + 0x30, 0x301); // UARTCR as the library sets it
    say("\n");
    restore_interrupts();
}

const struct attack uart_attacks[] = {
    {"console-registers", registers, CONTINUES},
    {0},
};
