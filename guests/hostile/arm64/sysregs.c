// SPDX-License-Identifier: Apache-2.0
// System registers and system instructions by their encodings, so that no name is forgotten: debug,
// PMU, LOR, RAS, implementation defined, other groups of the interrupt controller, EL2's and EL3's.
#include "arm64.h"

#define MSR_WORD                        0xd5000000
#define MRS_WORD                        0xd5200000

#define ENCODE(op0, op1, crn, crm, op2) ((op0) << 19 | (op1) << 16 | (crn) << 12 | (crm) << 8 | (op2) << 5)

static void each(uint32_t op0, void (*function)(uint32_t encoding)) {
    for (uint32_t rest = 0; rest < 1u << 14; rest++) function(op0 << 19 | rest << 5);
}

static void read_register(uint32_t encoding) { step_instruction(MRS_WORD | encoding, 0); }

static void read_registers(void) {
    each(2, read_register);
    each(3, read_register);
    restore_interrupts();
}

// Registers in which a guest that wants to live keeps its own state: op1 0 and 3, by CRn and CRm.
static bool vital(uint32_t encoding) {
    uint32_t op0 = encoding >> 19 & 3, op1 = encoding >> 16 & 7;
    uint32_t crn = encoding >> 12 & 15, crm = encoding >> 8 & 15;
    if (op0 == 2) return (encoding & ~0xfu) == ENCODE(2u, 0u, 0u, 2u, 2u); // MDSCR_EL1 starts single steps
    if (op1 != 0 && op1 != 3) return false;
    switch (crn) {
    case 1:  // SCTLR, CPACR
    case 2:  // TTBR, TCR, keys
    case 4:  // SPSR, ELR, SP, DAIF, FPCR
    case 13: // thread ids
        return true;
    case 10: return crm != 4; // MAIR; 4 is LOR
    case 12: return crm == 0; // VBAR
    default: return false;
    }
}

static void write_register(uint32_t encoding) {
    if (vital(encoding)) return;
    step_instruction(MSR_WORD | encoding, ~0ull);
    step_instruction(MSR_WORD | encoding, 0);
}

static void write_registers(void) {
    each(2, write_register);
    each(3, write_register);
    restore_interrupts();
}

static uint8_t scratch[4096] __attribute__((aligned(4096)));

static void system_instruction(uint32_t encoding) {
    step_instruction(MSR_WORD | encoding, (uintptr_t)scratch);
    step_instruction(MRS_WORD | encoding, 0);
}

// AT, DC, IC, TLBI of every exception level, and the encodings around them.
static void system_instructions(void) { each(1, system_instruction); }

const struct attack sysreg_attacks[] = {
    {"read-registers", read_registers, CONTINUES},
    {"write-registers", write_registers, CONTINUES},
    {"system-instructions", system_instructions, CONTINUES},
    {0},
};
