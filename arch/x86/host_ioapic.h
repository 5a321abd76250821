// SPDX-License-Identifier: Apache-2.0
// The machine's I/O APICs: each interrupt that the hypervisor drives itself gets a vector of VECTOR_DEVICE on. 82093AA
// datasheet, 3.2.
#ifndef X86_HOST_IOAPIC_H
#define X86_HOST_IOAPIC_H

#include "kernel/types.h"

// Masks all their inputs, and the 8259s. Boot core, once, after memory_init. ERR_NO_MEMORY.
int host_ioapic_init(void);
// The vector of a claimed global system interrupt (arch_irq_claim); 0: it is not.
unsigned host_ioapic_vector(unsigned gsi);

#endif
