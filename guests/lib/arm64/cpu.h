// SPDX-License-Identifier: Apache-2.0
// AArch64 at EL1: what every architecture supplies as leaf functions (clock, masking, waiting, timer, MMIO), and its system
// registers.
#ifndef GUEST_CPU_H
#define GUEST_CPU_H

#include <stdint.h>
#include <takt/hypercall.h>

#define SYSREG_READ(name)                                            \
    ({                                                               \
        uint64_t value_;                                             \
        __asm__ volatile("mrs %0, " #name : "=r"(value_)::"memory"); \
        value_;                                                      \
    })

#define SYSREG_WRITE(name, value) __asm__ volatile("msr " #name ", %0\n\tisb" ::"r"((uint64_t)(value)) : "memory")

// The virtual clock. No ISB before the read: a program that measures instructions must not pay for
// one, and where the order matters the caller has a barrier.
static inline uint64_t clock_now(void) { return SYSREG_READ(cntvct_el0); }

static inline void irq_mask(void) { __asm__ volatile("msr daifset, #2" ::: "memory"); }

static inline void irq_unmask(void) { __asm__ volatile("msr daifclr, #2" ::: "memory"); }

static inline void wait_for_interrupt(void) { __asm__ volatile("wfi" ::: "memory"); }

// Called with interrupts masked, which WFI does not care about: nothing that comes before it can be slept through.
static inline void take_interrupt(void) {
    wait_for_interrupt();
    irq_unmask();
    __asm__ volatile("isb" ::: "memory");
    irq_mask();
}

// One turn of a spin loop. YIELD also tells an emulator with one host thread to run another core.
static inline void spin_pause(void) { __asm__ volatile("yield" ::: "memory"); }

static inline void barrier_full(void) { __asm__ volatile("dsb sy\n\tisb" ::: "memory"); }

static inline unsigned vcpu_self(void) { return (unsigned)SYSREG_READ(tpidr_el1); }

// Numbers for irq_handle() and irq_enable().
#define TIMER_INTERRUPT      27 // of timer_set()
#define TIMER_PHYSICAL_INTID 30
#define IPI_INTERRUPT(n)     (n)
// The hypercall timer's, and the argument that chooses it: 0 stands for it.
#define CALL_TIMER_INTERRUPT TAKT_HC_TIMER_INTID
#define CALL_TIMER_CHOICE    0

static inline void timer_set(uint64_t due) {
    __asm__ volatile("msr cntv_cval_el0, %0\n\tmsr cntv_ctl_el0, %1\n\tisb" ::"r"(due), "r"((uint64_t)1) : "memory");
}

static inline void timer_off(void) { SYSREG_WRITE(cntv_ctl_el0, 0); }

static inline uint32_t mmio_read32(uintptr_t address) {
    uint32_t value;
    // Exactly one plain load, so that a trap carries a valid syndrome.
    __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static inline void mmio_write32(uintptr_t address, uint32_t value) {
    __asm__ volatile("str %w0, [%1]" ::"rZ"(value), "r"(address) : "memory");
}

static inline void mmio_write8(uintptr_t address, uint8_t value) {
    __asm__ volatile("strb %w0, [%1]" ::"rZ"(value), "r"(address) : "memory");
}

#endif
