// SPDX-License-Identifier: Apache-2.0
// System registers by name. Names and bits are those of the Arm Architecture Reference Manual (DDI 0487); GIC system
// registers those of IHI 0069. Assemblers of this baseline (armv8-a) know the ICC/ICH names.
#ifndef ARM64_SYSREG_H
#define ARM64_SYSREG_H

#include <stdint.h>

#define read_sysreg(name)                                            \
    ({                                                               \
        uint64_t value_;                                             \
        __asm__ volatile("mrs %0, " #name : "=r"(value_)::"memory"); \
        value_;                                                      \
    })
#define write_sysreg(name, v) __asm__ volatile("msr " #name ", %0" ::"r"((uint64_t)(v)) : "memory")

// Barriers and maintenance: the only places that issue them (docs/memory.md lists each with its reason).
static inline void isb(void)
{
    __asm__ volatile("isb" ::: "memory");
}

static inline void dsb_ish(void)
{
    __asm__ volatile("dsb ish" ::: "memory");
}

static inline void dsb_sy(void)
{
    __asm__ volatile("dsb sy" ::: "memory");
}

#endif
