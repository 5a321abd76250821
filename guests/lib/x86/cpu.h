// SPDX-License-Identifier: Apache-2.0
// x86-64 in ring 0: what every architecture supplies as leaf functions (clock, masking, waiting, timer, MMIO), and its
// ports, MSRs and CPUID.
#ifndef GUEST_CPU_H
#define GUEST_CPU_H

#include "machine.h"

#include <stdbool.h>
#include <stdint.h>

// The time stamp counter. No fence before the read: a program that measures instructions must not pay for one, and where
// the order matters the caller has a barrier.
static inline uint64_t clock_now(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

static inline void irq_mask(void) { __asm__ volatile("cli" ::: "memory"); }

static inline void irq_unmask(void) { __asm__ volatile("sti" ::: "memory"); }

static inline void wait_for_interrupt(void) { __asm__ volatile("hlt" ::: "memory"); }

// Called with interrupts masked. STI lets nothing through before the instruction behind it has begun: what comes before
// the HLT cannot be slept through.
static inline void take_interrupt(void) { __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory"); }

static inline void spin_pause(void) { __asm__ volatile("pause" ::: "memory"); }

static inline void barrier_full(void) { __asm__ volatile("mfence" ::: "memory"); }

static inline unsigned vcpu_self(void) {
    uint32_t selector;
    __asm__ volatile("str %0" : "=r"(selector));
    return (selector - SELECTOR_TSS) >> TSS_SHIFT;
}

// Numbers for irq_handle() and irq_enable(): vectors.
#define TIMER_INTERRUPT      0xe0 // of timer_set()
#define CALL_TIMER_INTERRUPT 0xe1 // the hypercall timer's,
#define CALL_TIMER_CHOICE    CALL_TIMER_INTERRUPT
#define IPI_INTERRUPT(n)     (0xc0 + (n))
#define SPURIOUS_VECTOR      0xff

void timer_set(uint64_t due);
void timer_off(void);

static inline uint32_t mmio_read32(uintptr_t address) {
    uint32_t value;
    __asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static inline void mmio_write32(uintptr_t address, uint32_t value) {
    __asm__ volatile("movl %0, (%1)" ::"r"(value), "r"(address) : "memory");
}

static inline void mmio_write8(uintptr_t address, uint8_t value) {
    __asm__ volatile("movb %0, (%1)" ::"q"(value), "r"(address) : "memory");
}

static inline uint8_t port_read8(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline void port_write8(uint16_t port, uint8_t value) {
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline void port_write16(uint16_t port, uint16_t value) {
    __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline uint64_t msr_read(uint32_t msr) {
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void msr_write(uint32_t msr, uint64_t value) {
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf) {
    struct cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf) : "memory");
    return r;
}

// Whose hypervisor instructions the CPU has: AMD's (Hygon has them, too) or Intel's.
static inline bool cpu_is_amd(void) {
    uint32_t vendor = cpuid(0, 0).ebx;
    return vendor == 0x68747541 || vendor == 0x6f677948; // "Auth", "Hygo"
}

#define CPUID_1_ECX_X2APIC       (1u << 21)
#define CPUID_1_ECX_TSC_DEADLINE (1u << 24)
#define CPUID_1_ECX_XSAVE        (1u << 26)
#define CPUID_1_ECX_HYPERVISOR   (1u << 31)

#define CONTROL_READ(name)                                      \
    ({                                                          \
        uint64_t value_;                                        \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value_)); \
        value_;                                                 \
    })

#define CONTROL_WRITE(name, value) __asm__ volatile("mov %0, %%" #name ::"r"((uint64_t)(value)) : "memory")

#endif
