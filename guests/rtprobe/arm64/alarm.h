// SPDX-License-Identifier: Apache-2.0
// An interrupt for VCPU 0 that another VCPU causes: the alarm of a real-time clock (PL031, Arm DDI 0224).
#ifndef RTPROBE_ALARM_H
#define RTPROBE_ALARM_H

#include "interrupts.h"

#define RTCDR  0x00
#define RTCMR  0x04
#define RTCICR 0x1c

extern uintptr_t rtc;

// On VCPU 0. False, and a line that says so, if the machine has none.
bool alarm_init(irq_handler *handler);

// Nothing to prepare.
static inline void alarm_prepare(uint64_t us) { (void)us; }

// The alarm is set to the second that it is: the interrupt comes with the store.
static inline void alarm_ring(void) { mmio_write32(rtc + RTCMR, mmio_read32(rtc + RTCDR)); }

static inline void alarm_clear(void) { mmio_write32(rtc + RTCICR, 1); }

#endif
