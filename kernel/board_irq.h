// SPDX-License-Identifier: Apache-2.0
// Interrupts of a node of the board's device tree.
#ifndef KERNEL_BOARD_IRQ_H
#define KERNEL_BOARD_IRQ_H

#include "kernel/types.h"

struct board_irq {
    uint16_t intid; // as the interrupt controller counts
    bool edge;
};

// Reads entry `index` of the node's `interrupts`. ERR_NOT_FOUND: there is no such entry; ERR_RANGE: it is not a shared
// peripheral interrupt; ERR_UNSUPPORTED: the node's interrupts do not end at the machine's own controller. Pure.
int board_irq(const void *fdt, int node, unsigned index, struct board_irq *out);
// The same for an interrupt that each core has of its own. ERR_RANGE: it is a shared one.
int board_private_irq(const void *fdt, int node, unsigned index, struct board_irq *out);

#endif
