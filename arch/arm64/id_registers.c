// SPDX-License-Identifier: Apache-2.0
// Field by field, an allow-list: a feature that this table does not know stays hidden. Fields: DDI 0487, D19.2.
#include "arch/arm64/id_registers.h"

#include <hardware.h>

#include "arch/arm64/gic.h"

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
    unsigned limited;
    struct limit limits[LIMITS];
};

#define HOST(crm, op2)                                \
    static uint64_t host_##crm##_##op2(void)          \
    {                                                 \
        return hardware_read(s3_0_c0_c##crm##_##op2); \
    }

// AArch32, for programs at EL0: PFR0, PFR1, DFR0, MMFR0-3; ISAR0-5, MMFR4, ISAR6; MVFR0-2, PFR2, MMFR5
HOST(1, 0)
HOST(1, 1)
HOST(1, 2)
HOST(1, 4)
HOST(1, 5) HOST(1, 6) HOST(1, 7) HOST(2, 0) HOST(2, 1) HOST(2, 2) HOST(2, 3) HOST(2, 4) HOST(2, 5)
    HOST(2, 6) HOST(2, 7) HOST(3, 0) HOST(3, 1) HOST(3, 2) HOST(3, 4) HOST(3, 6)
    // AArch64: PFR0, PFR1; DFR0; ISAR0-2; MMFR0-2
    HOST(4, 0) HOST(4, 1) HOST(5, 0) HOST(6, 0) HOST(6, 1) HOST(6, 2) HOST(7, 0) HOST(7, 1)
        HOST(7, 2)

#define SHOW(crm, op2, fields)  [op2] = {.host = host_##crm##_##op2, .show = (fields)}
#define SHOW_ALL(crm, op2)      SHOW(crm, op2, UINT64_MAX)
#define FIXED(crm, op2, fields) [op2] = {.host = host_##crm##_##op2, .fixed = (fields)}

            static const struct id_row
    id_rows[8]
           [8] =
               {
                   [1] = {SHOW(1, 0, 0x0f0fffff), // PFR0 without AMU and RAS
                          SHOW(1, 1, 0x000f0fff), // PFR1 without virtualisation and GIC registers
                          FIXED(1, 2, 0x6),       // DFR0: v8 debug, no PMU, no trace
                          SHOW_ALL(1, 4), SHOW_ALL(1, 5), SHOW_ALL(1, 6), SHOW_ALL(1, 7)},
                   [2] = {SHOW_ALL(2, 0), SHOW_ALL(2, 1), SHOW_ALL(2, 2), SHOW_ALL(2, 3),
                          SHOW_ALL(2, 4), SHOW_ALL(2, 5), SHOW_ALL(2, 6), SHOW_ALL(2, 7)},
                   [3] = {SHOW_ALL(3, 0), SHOW_ALL(3, 1), SHOW_ALL(3, 2), SHOW_ALL(3, 6),
                          SHOW(3, 4, FIELD(0) | FIELD(4))}, // PFR2: CSV3, SSBS
                   [4] =
                       {
                           // EL0, FP, AdvSIMD, DIT, CSV3; EL1 is AArch64 only. No EL2, EL3, RAS, SVE, MPAM, AMU, RME; GIC by the
                           // host's version. CSV2 2 would have SCXTNUM, which is not switched.
                           [0] =
                               {
                                   .host = host_4_0,
                                   .show = FIELD(0) | FIELD(16) | FIELD(20) | FIELD(48) | FIELD(60),
                                   .fixed = 1 << 4,
                                   .limited = 1,
                                   .limits = {{56, 1}}},
                           SHOW(4, 1, FIELD(0) | FIELD(4)), // BT, SSBS. No MTE, SME, NMI
                       },
                   // v8 debug, two breakpoints and two watchpoints (the least there can be; they never match). No PMU, trace, SPE, trace
                   // buffer, OS double lock.
                   [5] = {FIXED(5, 0, 0x6 | 1 << 12 | 1 << 20 | 0xfull << 36)},
                   [6] =
                       {
                           SHOW(6, 0, ~FIELD(24)), // no TME
                           // DPB, JSCVT, FCMA, LRCPC, FRINTTS, SB, BF16, DGH, I8MM. No pointer authentication, XS, LS64; of SPECRES
                           // what its first version has.
                           [1] = {.host = host_6_1,
                                  .show = FIELD(0) | FIELD(12) | FIELD(16) | FIELD(20) | FIELD(32) |
                                          FIELD(36) | FIELD(44) | FIELD(48) | FIELD(52),
                                  .limited = 1,
                                  .limits = {{40, 1}}},
                           // RPRES, BC, CLRBHB. No WFxT (its time-out is not emulated), MOPS, pointer authentication.
                           SHOW(6, 2, FIELD(4) | FIELD(20) | FIELD(28)),
                       },
                   [7] =
                       {
                           // ASIDBits, SNSMem, TGran64, ExS; PARange up to 48 bits and no LPA2; little-endian. No FGT, ECV.
                           [0] = {.host = host_7_0,
                                  .show = FIELD(4) | FIELD(12) | FIELD(24) | FIELD(44),
                                  .limited = 3,
                                  .limits = {{0, 5}, {20, 1}, {28, 0}}},
                           // HPDS, SpecSEI, ETS, nTLBPA; HAFDBS and PAN as far as they need no further register. No VMIDs, VHE, LORs,
                           // XNX, TWED, HCX.
                           [1] = {.host = host_7_1,
                                  .show = FIELD(12) | FIELD(24) | FIELD(36) | FIELD(48),
                                  .limited = 2,
                                  .limits = {{0, 2}, {20, 3}}},
                           // CnP, UAO, LSM, VARange, CCIDX, ST, AT, IDS, TTL, E0PD. No IESB, NV, FWB, BBM, EVT.
                           SHOW(7,
                                2, FIELD(0) | FIELD(4) | FIELD(8) | FIELD(16) | FIELD(20) | FIELD(28) | FIELD(32) | FIELD(36) | FIELD(48) | FIELD(60)),
                       },
};

enum { PFR0_CRM = 4, PFR0_OP2 = 0, PFR0_GIC_SHIFT = 24 };

uint64_t id_register(unsigned crm, unsigned op2)
{
    const struct id_row *row = &id_rows[crm & 7][op2 & 7];

    if (row->host == NULL) {
        return 0;
    }
    uint64_t host = row->host();
    uint64_t value = (host & row->show) | row->fixed;
    for (unsigned i = 0; i < row->limited; i++) {
        const struct limit *limit = &row->limits[i];
        uint64_t field = host >> limit->shift & NOT_THERE;
        value |= (field == NOT_THERE ? field : MIN(field, limit->most)) << limit->shift;
    }
    if (crm == PFR0_CRM && op2 == PFR0_OP2 && gic->version == 3) {
        value |= 1ull << PFR0_GIC_SHIFT;
    }
    return value;
}
