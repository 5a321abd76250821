// SPDX-License-Identifier: Apache-2.0
#include "arch/arm64/sysreg_trap.h"

#include <hardware.h>

#include "arch/arm64/gic.h"
#include "arch/arm64/ptimer.h"
#include "kernel/log.h"
#include "kernel/vm.h"

// ESR_EL2.ISS of a trapped MSR, MRS or SYS
#define ISS_OP0_SHIFT 20
#define ISS_OP2_SHIFT 17
#define ISS_OP1_SHIFT 14
#define ISS_CRN_SHIFT 10
#define ISS_RT_SHIFT  5
#define ISS_CRM_SHIFT 1
#define ISS_READ      1u
#define ISS_RT        0x1fu
#define SYSREG(op0, op1, crn, crm, op2)                                                                       \
    ((uint32_t)(op0) << ISS_OP0_SHIFT | (uint32_t)(op1) << ISS_OP1_SHIFT | (uint32_t)(crn) << ISS_CRN_SHIFT | \
     (uint32_t)(crm) << ISS_CRM_SHIFT | (uint32_t)(op2) << ISS_OP2_SHIFT)
#define ONE_REGISTER SYSREG(3, 7, 15, 15, 7)
#define ANY_POINT    SYSREG(3, 7, 15, 0, 4) // CRm, and the lower two bits of op2
#define ANY_CRM_OP2  SYSREG(3, 7, 15, 0, 0)
#define CRM(iss)     ((iss) >> ISS_CRM_SHIFT & 0xf)
#define OP2(iss)     ((iss) >> ISS_OP2_SHIFT & 0x7)

// MDSCR_EL1: what a guest needs to single-step its own programs
#define MDSCR_GUEST  (BIT(0) /* SS */ | BIT(12) /* TDCC */ | BIT(13) /* KDE */ | BIT(15) /* MDE */)

// Reads into or writes from *value, as ISS_READ says; false: undefined.
typedef bool (*access_t)(struct vcpu *vcpu, uint32_t iss, uint64_t *value);

enum { READ = 1, WRITE = 2, BOTH = 3 };

struct sysreg_row {
    uint32_t mask, key; // matches when (iss & mask) == key
    access_t access;    // NULL: reads as `constant`, ignores writes
    uint8_t ways;       // READ, WRITE; the other one is undefined
    uint8_t constant;
};

static bool is_read(uint32_t iss) { return (iss & ISS_READ) != 0; }

static bool read_id(UNUSED struct vcpu *vcpu, uint32_t iss, uint64_t *value) {
    *value = id_register(CRM(iss), OP2(iss));
    return CRM(iss) >= 1 && CRM(iss) <= 7;
}

static bool read_revidr(UNUSED struct vcpu *vcpu, UNUSED uint32_t iss, uint64_t *value) {
    *value = hardware_read(revidr_el1); // tells which errata the core has
    return true;
}

static bool access_timer(struct vcpu *vcpu, uint32_t iss, uint64_t *value) {
    if (is_read(iss)) {
        *value = ptimer_read(vcpu, (enum ptimer_register)OP2(iss));
    } else {
        ptimer_write(vcpu, (enum ptimer_register)OP2(iss), *value);
    }
    return true;
}

static bool write_sgi_group0(struct vcpu *vcpu, UNUSED uint32_t iss, uint64_t *value) {
    if (gic->version != 3) { return false; }
    vgic_send_sgi(vcpu, *value, false);
    return true;
}

// With the system register interface at EL2 on, the guest's is always on (IHI 0069, ICC_SRE_EL1): SRE, DFB, DIB.
static bool access_sre(UNUSED struct vcpu *vcpu, UNUSED uint32_t iss, uint64_t *value) {
    *value = 7;
    return gic->version == 3;
}

static bool access_mdscr(UNUSED struct vcpu *vcpu, uint32_t iss, uint64_t *value) {
    if (is_read(iss)) {
        *value = hardware_read(mdscr_el1) & MDSCR_GUEST;
    } else {
        hardware_write(mdscr_el1, *value & MDSCR_GUEST);
    }
    return true;
}

#define ROW(mask_, op0, op1, crn, crm, op2, ways_, access_, constant_) \
    {.mask = (mask_),                                                  \
     .key = SYSREG(op0, op1, crn, crm, op2),                           \
     .access = (access_),                                              \
     .ways = (ways_),                                                  \
     .constant = (constant_)}
#define REG(op0, op1, crn, crm, op2, ways, access)  ROW(ONE_REGISTER, op0, op1, crn, crm, op2, ways, access, 0)
#define CONST(op0, op1, crn, crm, op2, ways, value) ROW(ONE_REGISTER, op0, op1, crn, crm, op2, ways, NULL, value)

// What is in no row is undefined for the guest. The often used ones come first.
static const struct sysreg_row sysreg_rows[] = {
    REG(3, 3, 14, 2, 2, BOTH, access_timer),           // CNTP_CVAL_EL0
    REG(3, 3, 14, 2, 1, BOTH, access_timer),           // CNTP_CTL_EL0
    REG(3, 3, 14, 2, 0, BOTH, access_timer),           // CNTP_TVAL_EL0
    REG(3, 0, 0, 0, 6, READ, read_revidr),             // REVIDR_EL1
    ROW(ANY_CRM_OP2, 3, 0, 0, 0, 0, READ, read_id, 0), // ID_*
    REG(3, 0, 12, 11, 6, WRITE, write_sgi_group0),     // ICC_ASGI1R_EL1
    REG(3, 0, 12, 11, 7, WRITE, write_sgi_group0),     // ICC_SGI0R_EL1
    REG(3, 0, 12, 12, 5, BOTH, access_sre),            // ICC_SRE_EL1
    CONST(3, 0, 1, 0, 1, BOTH, 0),                     // ACTLR_EL1
    CONST(3, 1, 0, 0, 7, READ, 0),                     // AIDR_EL1
    REG(2, 0, 0, 2, 2, BOTH, access_mdscr),            // MDSCR_EL1
    CONST(2, 0, 0, 2, 0, BOTH, 0),                     // MDCCINT_EL1
    ROW(ANY_POINT, 2, 0, 0, 0, 4, BOTH, NULL, 0),      // DBG{B,W}{V,C}R<n>_EL1
    CONST(2, 0, 0, 0, 2, BOTH, 0),                     // OSDTRRX_EL1
    CONST(2, 0, 0, 3, 2, BOTH, 0),                     // OSDTRTX_EL1
    CONST(2, 0, 0, 6, 2, BOTH, 0),                     // OSECCR_EL1
    CONST(2, 0, 1, 0, 0, READ, 0),                     // MDRAR_EL1
    CONST(2, 0, 1, 0, 4, WRITE, 0),                    // OSLAR_EL1
    CONST(2, 0, 1, 1, 4, READ, 8),                     // OSLSR_EL1: the OS lock is there (OSLM = 2), never locked
    CONST(2, 0, 1, 3, 4, BOTH, 0),                     // OSDLR_EL1
    CONST(2, 0, 1, 4, 4, BOTH, 0),                     // DBGPRCR_EL1
    CONST(2, 0, 7, 8, 6, BOTH, 0xff),                  // DBGCLAIMSET_EL1: eight claim tags, RAO
    CONST(2, 0, 7, 9, 6, BOTH, 0),                     // DBGCLAIMCLR_EL1
    CONST(2, 0, 7, 14, 6, READ, 0),                    // DBGAUTHSTATUS_EL1
    CONST(2, 3, 0, 1, 0, READ, 0),                     // MDCCSR_EL0
    CONST(2, 3, 0, 4, 0, BOTH, 0),                     // DBGDTR_EL0
    CONST(2, 3, 0, 5, 0, BOTH, 0),                     // DBGDTRRX_EL0, DBGDTRTX_EL0
};

// Says it once for each register, for the first few of a VM.
static void note_unknown(struct vcpu *vcpu, uint32_t iss) {
    struct trap_log *log = &vcpu->vm->arch.trap_log;
    uint32_t key = iss & ONE_REGISTER;
    unsigned long flags = spin_lock(&vcpu->vm->lock);
    bool known = log->sysreg_count == ARRAY_SIZE(log->sysregs);

    for (unsigned i = 0; i < log->sysreg_count; i++) { known |= log->sysregs[i] == key; }
    if (!known) { log->sysregs[log->sysreg_count++] = key; }
    spin_unlock(&vcpu->vm->lock, flags);
    if (!known) {
        log_line("%s: VCPU %u %s S%u_%u_C%u_C%u_%u at PC 0x%llx: not there, undefined for it", vcpu->vm->name,
                 vcpu->index, is_read(iss) ? "reads" : "writes", key >> ISS_OP0_SHIFT & 3, key >> ISS_OP1_SHIFT & 7,
                 key >> ISS_CRN_SHIFT & 0xf, CRM(key), OP2(key), (unsigned long long)vcpu->arch.regs.elr);
    }
}

// False: it is undefined for the guest.
static bool do_access(struct vcpu *vcpu, uint32_t iss, uint64_t *value) {
    for (const struct sysreg_row *row = sysreg_rows; row < sysreg_rows + ARRAY_SIZE(sysreg_rows); row++) {
        if ((iss & row->mask) != row->key) { continue; }
        if ((row->ways & (is_read(iss) ? READ : WRITE)) == 0) { return false; }
        if (row->access != NULL) { return row->access(vcpu, iss, value); }
        *value = row->constant;
        return true;
    }
    return false;
}

bool sysreg_access(struct vcpu *vcpu, uint32_t iss) {
    uint64_t *x = vcpu->arch.regs.x;
    unsigned rt = iss >> ISS_RT_SHIFT & ISS_RT;
    uint64_t value = rt == ISS_RT || is_read(iss) ? 0 : x[rt];

    if (likely((iss & (ONE_REGISTER | ISS_READ)) == SYSREG(3, 0, 12, 11, 5)) &&
        likely(gic->version == 3)) { // ICC_SGI1R_EL1
        vgic_send_sgi(vcpu, value, true);
        return true;
    }
    if (unlikely(!do_access(vcpu, iss, &value))) {
        note_unknown(vcpu, iss);
        return false;
    }
    if (is_read(iss) && rt != ISS_RT) { x[rt] = value; }
    return true;
}
