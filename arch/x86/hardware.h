// SPDX-License-Identifier: Apache-2.0
// Single instructions of the machine, for the files that only the hypervisor is built from.
#ifndef X86_HARDWARE_H
#define X86_HARDWARE_H

#include "arch/x86/entry_offsets.h"
#include "arch/x86/msr_regs.h"
#include "kernel/types.h"

static inline uint64_t read_tsc(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline uint64_t read_msr(uint32_t msr) {
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void write_msr(uint32_t msr, uint64_t value) {
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

#define DEFINE_CONTROL_REGISTER(name)                                    \
    static inline uint64_t read_##name(void) {                           \
        uint64_t value;                                                  \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value)::"memory"); \
        return value;                                                    \
    }                                                                    \
    static inline void write_##name(uint64_t value) { __asm__ volatile("mov %0, %%" #name ::"r"(value) : "memory"); }
DEFINE_CONTROL_REGISTER(cr0)
DEFINE_CONTROL_REGISTER(cr2)
DEFINE_CONTROL_REGISTER(cr3)
DEFINE_CONTROL_REGISTER(cr4)
DEFINE_CONTROL_REGISTER(dr0)
DEFINE_CONTROL_REGISTER(dr1)
DEFINE_CONTROL_REGISTER(dr2)
DEFINE_CONTROL_REGISTER(dr3)
DEFINE_CONTROL_REGISTER(dr6)

static inline void write_xcr0(uint64_t value) {
    __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

// DR0 to DR3.
static inline uint64_t read_debug(unsigned n) {
    return n == 0 ? read_dr0() : n == 1 ? read_dr1() : n == 2 ? read_dr2() : read_dr3();
}

static inline void write_debug(unsigned n, uint64_t value) {
    n == 0 ? write_dr0(value) : n == 1 ? write_dr1(value) : n == 2 ? write_dr2(value) : write_dr3(value);
}

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid read_cpuid(uint32_t leaf, uint32_t subleaf) {
    struct cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

#define DEFINE_PORT(bits, suffix)                                                   \
    static inline uint##bits##_t arch_port_read##bits(uint16_t port) {              \
        uint##bits##_t value;                                                       \
        __asm__ volatile("in" suffix " %1, %0" : "=a"(value) : "Nd"(port));         \
        return value;                                                               \
    }                                                                               \
    static inline void arch_port_write##bits(uint16_t port, uint##bits##_t value) { \
        __asm__ volatile("out" suffix " %0, %1" ::"a"(value), "Nd"(port));          \
    }
DEFINE_PORT(8, "b")
DEFINE_PORT(16, "w")
DEFINE_PORT(32, "l")

#endif
