// SPDX-License-Identifier: Apache-2.0
// An interrupt for VCPU 0 at a time that another VCPU chooses: the hypercall timer of VCPU 0, which arms it when the other
// one says so.
#ifndef RTPROBE_ALARM_H
#define RTPROBE_ALARM_H

#include "interrupts.h"

// On VCPU 0. False, and a line that says so, if the machine has none.
bool alarm_init(irq_handler *handler);

// The alarm comes in `us` microseconds, if VCPU 0 runs before.
void alarm_prepare(uint64_t us);

// It comes by itself, and once.
static inline void alarm_ring(void) {}
static inline void alarm_clear(void) {}

#endif
