// SPDX-License-Identifier: Apache-2.0
// Interrupts of a node of the board's device tree.
#ifndef KERNEL_BOARD_IRQ_H
#define KERNEL_BOARD_IRQ_H

#include "kernel/types.h"

struct board_irq {
    uint16_t intid; // as the interrupt controller counts
    bool edge;
};

// One that all cores share, or that each has of its own; as the first cell of an entry says it.
enum board_irq_kind { BOARD_IRQ_SHARED, BOARD_IRQ_PRIVATE };

// Reads entry `index` of the node's `interrupts`. ERR_NOT_FOUND: there is no such entry; ERR_RANGE: it is of another kind;
// ERR_UNSUPPORTED: the node's interrupts do not end at the machine's own controller. Pure.
int board_irq(const void *fdt, int node, unsigned index, enum board_irq_kind kind, struct board_irq *out);

#endif
