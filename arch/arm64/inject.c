// SPDX-License-Identifier: Apache-2.0
// Exception entry to EL1 (DDI 0487, D1.3 "Exception entry", AArch64.TakeException).
#include "arch/arm64/inject.h"

#include <hardware.h>

#include "kernel/vm.h"

// SPSR_ELx
#define SPSR_M_MASK      0xfull
#define SPSR_M_EL0T      0x0ull
#define SPSR_M_EL1H      0x5ull
#define SPSR_M_SP_ELX    BIT(0)
#define SPSR_AARCH32     BIT(4)
#define SPSR_DAIF        (BIT(9) | BIT(8) | BIT(7) | BIT(6))
#define SPSR_SSBS        BIT(12)
#define SPSR_PAN         BIT(22)
#define SPSR_DIT         BIT(24) // in AArch32 this place is J, and DIT is elsewhere
#define SPSR_NZCV        (BIT(31) | BIT(30) | BIT(29) | BIT(28))

// SCTLR_EL1
#define SCTLR_EL1_SPAN   BIT(23) // PAN stays as it is
#define SCTLR_EL1_DSSBS  BIT(44) // PSTATE.SSBS at exception entry

// VBAR_EL1: offset of the synchronous vector by what was interrupted
#define VECTOR_EL1T      0x000
#define VECTOR_EL1H      0x200
#define VECTOR_EL0       0x400
#define VECTOR_EL0_32BIT 0x600

// ESR_EL1
#define ESR_EC(ec)       ((uint64_t)(ec) << 26)
#define ESR_IL           BIT(25)
enum { EC_UNKNOWN = 0x00, EC_FETCH_LOWER = 0x20, EC_DATA_LOWER = 0x24, EC_FROM_SAME = 1 };
enum { FSC_EXTERNAL = 0x10 }; // synchronous external abort, not on a translation table walk

static bool from_el0(uint64_t spsr) { return (spsr & SPSR_AARCH32) != 0 || (spsr & SPSR_M_MASK) == SPSR_M_EL0T; }

static unsigned vector_offset(uint64_t spsr) {
    if ((spsr & SPSR_AARCH32) != 0) { return VECTOR_EL0_32BIT; }
    if (from_el0(spsr)) { return VECTOR_EL0; }
    return (spsr & SPSR_M_SP_ELX) != 0 ? VECTOR_EL1H : VECTOR_EL1T;
}

// Condition flags and what SCTLR_EL1 says stay; UAO, SS, IL, BTYPE and TCO start at 0.
static uint64_t handler_pstate(uint64_t spsr) {
    uint64_t sctlr = hardware_read(sctlr_el1);
    uint64_t pstate = (spsr & (SPSR_NZCV | SPSR_PAN)) | SPSR_DAIF | SPSR_M_EL1H;

    if ((spsr & SPSR_AARCH32) == 0) { pstate |= spsr & SPSR_DIT; }
    if ((sctlr & SCTLR_EL1_SPAN) == 0) { // RES1 where there is no PAN
        pstate |= SPSR_PAN;
    }
    if ((sctlr & SCTLR_EL1_DSSBS) != 0) { // RES0 where there is no SSBS
        pstate |= SPSR_SSBS;
    }
    return pstate;
}

static void take_exception(struct vcpu *vcpu, uint64_t esr) {
    struct regs *regs = &vcpu->arch.regs;

    hardware_write(esr_el1, esr | ESR_IL);
    hardware_write(elr_el1, regs->elr);
    hardware_write(spsr_el1, regs->spsr);
    regs->elr = hardware_read(vbar_el1) + vector_offset(regs->spsr);
    regs->spsr = handler_pstate(regs->spsr);
}

void inject_undefined(struct vcpu *vcpu) { take_exception(vcpu, ESR_EC(EC_UNKNOWN)); }

void inject_abort(struct vcpu *vcpu, uint64_t far, bool instruction) {
    unsigned class = instruction ? EC_FETCH_LOWER : EC_DATA_LOWER;

    if (!from_el0(vcpu->arch.regs.spsr)) { class += EC_FROM_SAME; }
    hardware_write(far_el1, far);
    take_exception(vcpu, ESR_EC(class) | FSC_EXTERNAL);
}
