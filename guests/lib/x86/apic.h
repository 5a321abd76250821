// SPDX-License-Identifier: Apache-2.0
// The local APIC (Intel SDM volume 3, chapter "Advanced Programmable Interrupt Controller"): interrupts.h on this
// architecture, and what else it has. x2APIC where the CPU has it, unless the boot argument `xapic` is there.
#ifndef GUEST_APIC_H
#define GUEST_APIC_H

#include "cpu.h"

#include <stdbool.h>

#define MSR_APIC_BASE         0x1b
#define APIC_BASE_EXTD        (1u << 10)
#define APIC_BASE_ENABLE      (1u << 11)
#define MSR_TSC_DEADLINE      0x6e0
#define MSR_X2APIC            0x800 // + register >> 4

// Registers by their offsets in the page.
#define APIC_PAGE             0xfee00000
#define APIC_ID               0x020
#define APIC_VERSION          0x030
#define APIC_TPR              0x080
#define APIC_EOI              0x0b0
#define APIC_SVR              0x0f0
#define APIC_SVR_ENABLE       (1u << 8)
#define APIC_ESR              0x280
#define APIC_ICR              0x300
#define APIC_ICR_HIGH         0x310
#define APIC_LVT_TIMER        0x320
#define APIC_LVT_LINT0        0x350
#define APIC_LVT_LINT1        0x360
#define APIC_LVT_ERROR        0x370
#define APIC_TIMER_INITIAL    0x380
#define APIC_TIMER_CURRENT    0x390
#define APIC_TIMER_DIVIDE     0x3e0
#define APIC_SELF_IPI         0x3f0 // x2APIC only

#define LVT_MASKED            (1u << 16)
#define LVT_PERIODIC          (1u << 17)
#define LVT_TSC_DEADLINE      (1u << 18)
#define TIMER_DIVIDE_BY_1     0xb

#define ICR_INIT              (5u << 8)
#define ICR_STARTUP           (6u << 8)
#define ICR_PENDING           (1u << 12)
#define ICR_ASSERT            (1u << 14)
#define ICR_TO_SELF           (1u << 18)
#define ICR_TO_OTHERS         (3u << 18)
#define ICR_DESTINATION_SHIFT 24 // xAPIC

struct apic {
    bool x2apic;
    bool deadline; // the timer compares with the TSC
};

extern struct apic apic;

static inline uint32_t apic_read(uint32_t offset) {
    if (apic.x2apic) return (uint32_t)msr_read(MSR_X2APIC + (offset >> 4));
    return mmio_read32(APIC_PAGE + offset);
}

static inline void apic_write(uint32_t offset, uint32_t value) {
    if (apic.x2apic)
        msr_write(MSR_X2APIC + (offset >> 4), value);
    else
        mmio_write32(APIC_PAGE + offset, value);
}

// Sends `command` to the APIC with that id.
void apic_command(uint32_t id, uint32_t command);

// Chooses the mode and masks the machine's 8259s; then, on each VCPU, sets its APIC up. Nothing is enabled but IPIs.
void apic_init(void);
void apic_init_vcpu(void);

#endif
