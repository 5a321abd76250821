// SPDX-License-Identifier: Apache-2.0
// What only the attacks of this architecture use.
#ifndef HOSTILE_X86_H
#define HOSTILE_X86_H

#include "hostile.h"

extern const struct attack memory_attacks[], control_attacks[], msr_attacks[], port_attacks[], apic_attacks[],
    decoder_attacks[], virtualization_attacks[];

// The registers with which an attack's code starts.
struct registers {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi;
};

// Puts instructions and a RET into a page of their own and calls them as a step. They may change what struct registers
// names, R8 to R11, flags, and vector registers.
bool step_code(const void *code, unsigned length, const struct registers *registers);

// A row of a table of instructions, which all start with the same registers.
struct instruction {
    uint8_t length;
    uint8_t code[16];
};

// An instruction by its bytes.
#define CODE(...)                                         \
    {                                                     \
        sizeof((uint8_t[]){__VA_ARGS__}), { __VA_ARGS__ } \
    }

void step_each(const struct instruction *table, unsigned count, const struct registers *registers);

// For a step that needs no code of its own.
bool step_msr_write(uint32_t msr, uint64_t value);

#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

#define MSR_TSC         0x10
#define MSR_TSC_ADJUST  0x3b
#define MSR_PAT         0x277
#define EFER_SVME       (1 << 12)
#define RFLAGS_TF       0x100
#define NON_CANONICAL   0x8000000000000000ull
#define IOAPIC_PAGE     0xfec00000

#endif
