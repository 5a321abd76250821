// SPDX-License-Identifier: Apache-2.0
// Field by field, an allow-list: a feature that this table does not know stays hidden. Fields: DDI 0487, D19.2.
#include <hardware.h>

#include "arch/arm64/gic.h"
#include "arch/arm64/sysreg_trap.h"

#define FIELD(n) (0xfull << (n))

// A field that is shown with at most `most`; NOT_THERE (0xf) stays where it means absence.
enum { NOT_THERE = 0xf, LIMITS = 3 };
struct limit {
    uint8_t shift, most;
};

struct id_row {
    uint64_t (*host)(void);
    uint64_t show;  // fields as on the host
    uint64_t fixed; // fields that are the same everywhere
    uint8_t crm_op2;
    uint8_t limited;
    struct limit limits[LIMITS];
};

#define CRM_OP2(crm, op2) ((crm) << 3 | (op2))
#define ALL               UINT64_MAX

// clang-format off
// plain(CRm, op2, show, fixed) and limited(CRm, op2, show, fixed, limits, {shift, most}...)
#define ID_REGISTERS(plain, limited) \
    /* AArch32, for programs at EL0: PFR0 without AMU and RAS; PFR1 without virtualisation and GIC registers; DFR0: */ \
    /* v8 debug, no PMU, no trace; MMFR0-3; ISAR0-5, MMFR4, ISAR6; MVFR0-2; PFR2: CSV3, SSBS; MMFR5 */ \
    plain(1, 0, 0x0f0fffff, 0) plain(1, 1, 0x000f0fff, 0) plain(1, 2, 0, 0x6) \
    plain(1, 4, ALL, 0) plain(1, 5, ALL, 0) plain(1, 6, ALL, 0) plain(1, 7, ALL, 0) \
    plain(2, 0, ALL, 0) plain(2, 1, ALL, 0) plain(2, 2, ALL, 0) plain(2, 3, ALL, 0) \
    plain(2, 4, ALL, 0) plain(2, 5, ALL, 0) plain(2, 6, ALL, 0) plain(2, 7, ALL, 0) \
    plain(3, 0, ALL, 0) plain(3, 1, ALL, 0) plain(3, 2, ALL, 0) plain(3, 6, ALL, 0) \
    plain(3, 4, FIELD(0) | FIELD(4), 0) \
    /* PFR0: EL0, FP, AdvSIMD, DIT, CSV3; EL1 is AArch64 only. No EL2, EL3, RAS, SVE, MPAM, AMU, RME; GIC by the */ \
    /* host's version. CSV2 2 would have SCXTNUM, which is not switched. */ \
    limited(4, 0, FIELD(0) | FIELD(16) | FIELD(20) | FIELD(48) | FIELD(60), 1 << 4, 1, {56, 1}) \
    plain(4, 1, FIELD(0) | FIELD(4), 0) /* PFR1: BT, SSBS. No MTE, SME, NMI */ \
    /* DFR0: v8 debug, two breakpoints and two watchpoints (the least there can be; they never match). No PMU, */ \
    /* trace, SPE, trace buffer, OS double lock. */ \
    plain(5, 0, 0, 0x6 | 1 << 12 | 1 << 20 | 0xfull << 36) \
    plain(6, 0, ~FIELD(24), 0) /* ISAR0: no TME */ \
    /* ISAR1: DPB, JSCVT, FCMA, LRCPC, FRINTTS, SB, BF16, DGH, I8MM. No pointer authentication, XS, LS64; of */ \
    /* SPECRES what its first version has. */ \
    limited(6, 1, FIELD(0) | FIELD(12) | FIELD(16) | FIELD(20) | FIELD(32) | FIELD(36) | FIELD(44) | FIELD(48) | \
            FIELD(52), 0, 1, {40, 1}) \
    /* ISAR2: RPRES, BC, CLRBHB. No WFxT (its time-out is not emulated), MOPS, pointer authentication. */ \
    plain(6, 2, FIELD(4) | FIELD(20) | FIELD(28), 0) \
    /* MMFR0: ASIDBits, SNSMem, TGran64, ExS; PARange up to 48 bits and no LPA2; little-endian. No FGT, ECV. */ \
    limited(7, 0, FIELD(4) | FIELD(12) | FIELD(24) | FIELD(44), 0, 3, {0, 5}, {20, 1}, {28, 0}) \
    /* MMFR1: HPDS, SpecSEI, ETS, nTLBPA; HAFDBS and PAN as far as they need no further register. No VMIDs, VHE, */ \
    /* LORs, XNX, TWED, HCX. */ \
    limited(7, 1, FIELD(12) | FIELD(24) | FIELD(36) | FIELD(48), 0, 2, {0, 2}, {20, 3}) \
    /* MMFR2: CnP, UAO, LSM, VARange, CCIDX, ST, AT, IDS, TTL, E0PD. No IESB, NV, FWB, BBM, EVT. */ \
    plain(7, 2, FIELD(0) | FIELD(4) | FIELD(8) | FIELD(16) | FIELD(20) | FIELD(28) | FIELD(32) | FIELD(36) | \
          FIELD(48) | FIELD(60), 0)

#define HOST(crm, op2, ...) \
    static uint64_t host_##crm##_##op2(void) { return hardware_read(s3_0_c0_c##crm##_##op2); }
#define PLAIN(crm, op2, shown, same) {host_##crm##_##op2, shown, same, CRM_OP2(crm, op2), 0, {{0, 0}}},
#define LIMITED(crm, op2, shown, same, count, ...) \
    {host_##crm##_##op2, shown, same, CRM_OP2(crm, op2), count, {__VA_ARGS__}},

ID_REGISTERS(HOST, HOST)
static const struct id_row id_rows[] = {ID_REGISTERS(PLAIN, LIMITED)};
// clang-format on

enum { PFR0_CRM = 4, PFR0_OP2 = 0, PFR0_GIC_SHIFT = 24 };

uint64_t id_register(unsigned crm, unsigned op2) {
    const struct id_row *row = id_rows;

    while (row->crm_op2 != CRM_OP2(crm, op2)) {
        if (++row == id_rows + ARRAY_SIZE(id_rows)) { return 0; }
    }
    uint64_t host = row->host();
    uint64_t value = (host & row->show) | row->fixed;
    for (unsigned i = 0; i < row->limited; i++) {
        const struct limit *limit = &row->limits[i];
        uint64_t field = host >> limit->shift & NOT_THERE;
        value |= (field == NOT_THERE ? field : MIN(field, limit->most)) << limit->shift;
    }
    if (crm == PFR0_CRM && op2 == PFR0_OP2 && gic->version == 3) { value |= 1ull << PFR0_GIC_SHIFT; }
    return value;
}
