// SPDX-License-Identifier: Apache-2.0
// The trap controls besides HCR_EL2: the same for every guest, set once on each core. Registers and bits: DDI 0487, D19.
#include "arch/arm64/sysreg.h"
#include "arch/arm64/sysreg_trap.h"

// CPTR_EL2 without VHE. RES1 bits stay 1: where SVE (TZ) and SME (TSM) exist, 1 traps them.
#define CPTR_RES1        0x33ffull
#define CPTR_TTA         BIT(20) // trace registers
#define CPTR_TAM         BIT(30) // activity monitors

// MDCR_EL2
#define MDCR_HPMN        0x1full // event counters that EL1 has: all (PMCR_EL0.N)
#define MDCR_TPMCR       BIT(5)
#define MDCR_TPM         BIT(6) // PMU registers
#define MDCR_TDA         BIT(9) // debug registers
#define MDCR_TDOSA       BIT(10)
#define MDCR_TDRA        BIT(11)
#define MDCR_TPMS        BIT(14) // statistical profiling; E2PB 0: its buffer is EL2's
#define MDCR_TTRF        BIT(19) // trace filter; E2TB 0: the trace buffer is EL2's
#define PMCR_N_SHIFT     11

// CNTHCTL_EL2 without VHE
#define CNTHCTL_EL1PCTEN BIT(0) // the physical counter is read without a trap; EL1PCEN 0: its timer traps

// Fields of the host's ID registers
enum {
    PFR0_AMU = 44,
    DFR0_PMUVER = 8,
    DFR0_PMSVER = 32,
    DFR0_TRACEFILT = 40,
    MMFR0_FGT = 56,
    MMFR1_HCX = 40,
    FIELD_MASK = 0xf,
    PMUVER_NOT_ARMS = 0xf,
};

static unsigned field(uint64_t id, unsigned shift) { return id >> shift & FIELD_MASK; }

static uint64_t mdcr(void) {
    uint64_t dfr0 = read_sysreg(id_aa64dfr0_el1);
    unsigned pmu = field(dfr0, DFR0_PMUVER);
    uint64_t value = MDCR_TDA | MDCR_TDOSA | MDCR_TDRA;

    if (pmu != 0 && pmu != PMUVER_NOT_ARMS) {
        value |= MDCR_TPM | MDCR_TPMCR;
        value |= read_sysreg(pmcr_el0) >> PMCR_N_SHIFT & MDCR_HPMN;
    }
    if (field(dfr0, DFR0_PMSVER) != 0) { value |= MDCR_TPMS; }
    if (field(dfr0, DFR0_TRACEFILT) != 0) { value |= MDCR_TTRF; }
    return value;
}

// Controls of later extensions start with an unknown value; 0 leaves what they enable off. Firmware that starts us at EL2
// on such a core has opened them (Linux, Documentation/arch/arm64/booting.rst).
static void reset_extensions(void) {
    if (field(read_sysreg(id_aa64mmfr1_el1), MMFR1_HCX) != 0) {
        write_sysreg(s3_4_c1_c2_2, 0); // HCRX_EL2
    }
    if (field(read_sysreg(id_aa64mmfr0_el1), MMFR0_FGT) != 0) {
        write_sysreg(s3_4_c1_c1_4, 0); // HFGRTR_EL2
        write_sysreg(s3_4_c1_c1_5, 0); // HFGWTR_EL2
        write_sysreg(s3_4_c1_c1_6, 0); // HFGITR_EL2
        write_sysreg(s3_4_c3_c1_4, 0); // HDFGRTR_EL2
        write_sysreg(s3_4_c3_c1_5, 0); // HDFGWTR_EL2
    }
}

void sysreg_trap_init(void) {
    bool amu = field(read_sysreg(id_aa64pfr0_el1), PFR0_AMU) != 0;

    write_sysreg(cptr_el2, CPTR_RES1 | CPTR_TTA | (amu ? CPTR_TAM : 0));
    write_sysreg(mdcr_el2, mdcr());
    write_sysreg(hstr_el2, 0);
    write_sysreg(hacr_el2, 0);
    write_sysreg(actlr_el2, 0); // nothing implementation defined is EL1's to change
    write_sysreg(cnthctl_el2, CNTHCTL_EL1PCTEN);
    write_sysreg(vpidr_el2, read_sysreg(midr_el1));
    reset_extensions();
    isb();
}
