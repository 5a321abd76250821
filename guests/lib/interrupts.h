// SPDX-License-Identifier: Apache-2.0
// Interrupts of a VCPU and between VCPUs, the same on every architecture. An interrupt has a number: a GIC's INTID, or a
// vector; cpu.h names those that every machine has: TIMER_INTERRUPT and IPI_INTERRUPT(0..15). include/takt/hypercall.h
// names that of the hypercall timer.
#ifndef GUEST_INTERRUPTS_H
#define GUEST_INTERRUPTS_H

#include "guest.h"

// `stamp` is the virtual clock as the vector's first instructions read it. A handler is compiled
// without floating point and calls neither newlib nor say().
typedef void irq_handler(uint32_t interrupt, uint64_t stamp);

// Handlers of all VCPUs; set before the interrupt is enabled. NULL: acknowledged and dropped.
void irq_handle(uint32_t interrupt, irq_handler *handler);

// For the calling VCPU where the interrupt is its own. IPIs are enabled from the start.
void irq_enable(uint32_t interrupt);
void irq_disable(uint32_t interrupt);

// IPI 0..15 to another VCPU, or to the caller itself. No barrier: the caller has one where data must
// be seen first.
void ipi_send(unsigned vcpu, uint32_t ipi);
// The same, and the virtual clock right before the instruction that sends.
uint64_t ipi_send_stamped(unsigned vcpu, uint32_t ipi);
// To all VCPUs but the caller.
void ipi_send_others(uint32_t ipi);

#endif
