// SPDX-License-Identifier: Apache-2.0
// The machine's interrupts that belong to guests; kernel/arch.h has the functions that give them away.
#ifndef ARM64_IRQ_ASSIGN_H
#define ARM64_IRQ_ASSIGN_H

#include "kernel/types.h"

// Interrupt `intid` was acknowledged and its priority dropped: it becomes its owner's, linked, so that it stays active
// until the guest ends it, and pays for the handler. False: nobody owns it. Handler context, the owner's core.
bool irq_forward(uint32_t intid);

#endif
