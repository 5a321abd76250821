// SPDX-License-Identifier: Apache-2.0
// The machine's own local APIC: x2APIC where it is, else xAPIC; interrupts between cores and the one-shot timer. Intel SDM
// volume 3, chapter 11.
#ifndef X86_HOST_APIC_H
#define X86_HOST_APIC_H

#include "arch/x86/apic_regs.h"
#include "arch/x86/hardware.h"

struct host_apic {
    bool x2apic, deadline;   // which modes are used
    volatile uint32_t *page; // xAPIC
    uint64_t timer_hz;       // of the one-shot counter, without TSC deadline
};
extern struct host_apic host_apic; // constant after boot

static inline uint32_t host_apic_read(enum apic_register reg) {
    return host_apic.x2apic ? (uint32_t)read_msr(APIC_MSR_FIRST + reg)
                            : host_apic.page[reg * APIC_REGISTER_STRIDE / sizeof(uint32_t)];
}

static inline void host_apic_write(enum apic_register reg, uint32_t value) {
    if (host_apic.x2apic) {
        write_msr(APIC_MSR_FIRST + reg, value);
    } else {
        host_apic.page[reg * APIC_REGISTER_STRIDE / sizeof(uint32_t)] = value;
    }
}

// An interrupt of ours waits until this core unmasks them: all of our vectors are in one register.
static inline bool host_apic_pending(void) { return host_apic_read(APIC_IRR + VECTOR_OWN / 32) != 0; }

static inline void host_apic_eoi(void) { host_apic_write(APIC_EOI, 0); }

// Chooses the modes and maps the registers. Boot core, once. ERR_UNSUPPORTED, ERR_NO_MEMORY, with a line in the log.
int host_apic_init(paddr_t base);
// Switches the calling core's on. Each core, once, interrupts masked.
void host_apic_cpu_init(void);
// The calling core's id, also before host_apic_cpu_init.
uint32_t host_apic_id(void);
// To the core `apic_id`, or to whom the command's shorthand names; the command is a vector of ours, or the rest of ICR's
// lower half. Any context.
enum {
    HOST_APIC_INIT = APIC_MODE_INIT << APIC_ICR_MODE_SHIFT,
    HOST_APIC_STARTUP = APIC_MODE_STARTUP << APIC_ICR_MODE_SHIFT, // with the number of a page below 1 MiB
    HOST_APIC_NMI_OTHERS = APIC_MODE_NMI << APIC_ICR_MODE_SHIFT | APIC_SHORTHAND_OTHERS << APIC_ICR_SHORTHAND_SHIFT,
};
void host_apic_send(uint32_t apic_id, uint32_t command);

// The frequency of the TSC, Hz, measured where CPUID does not say it; and of the local APIC's timer. Boot core, once,
// after host_apic_cpu_init. 0: no clock to measure with.
uint64_t host_clock_calibrate(void);

#endif
