// SPDX-License-Identifier: Apache-2.0
// Device accesses that no syndrome describes: pairs, exclusives, vectors, write-back, unaligned ones,
// fetches, cache maintenance. A hypervisor may refuse them or end the VM, but not guess.
#include "arm64.h"

#include "gic.h"

#define UART     0x09000000

// The instructions take the address in x0 and harm nothing but x0..x3, v0 and v1.
#define LDP_W    0x29400001 // ldp w1, w0, [x0]
#define STP_X    0xa9000801 // stp x1, x2, [x0]
#define LDXR_W   0x885f7c01 // ldxr w1, [x0]
#define STXR_W   0x88027c01 // stxr w2, w1, [x0]
#define LDAXP_X  0xc87f8801 // ldaxp x1, x2, [x0]
#define LDR_Q    0x3dc00000 // ldr q0, [x0]
#define STR_Q    0x3d800000 // str q0, [x0]
#define LD2_16B  0x4c408000 // ld2 {v0.16b, v1.16b}, [x0]
#define LDR_POST 0xb8404401 // ldr w1, [x0], #4
#define STR_PRE  0xb8004c01 // str w1, [x0, #4]!
#define STLR_W   0x889ffc01 // stlr w1, [x0]
#define LDAR_W   0x88dffc01 // ldar w1, [x0]
#define LDTR_W   0xb8400801 // ldtr w1, [x0]
#define PRFM     0xf9800000 // prfm pldl1keep, [x0]
#define DC_ZVA   0xd50b7420
#define DC_CIVAC 0xd50b7e20
#define DC_IVAC  0xd5087620
#define IC_IVAU  0xd50b7520
#define AT_S1E1R 0xd5087800

static void on_devices(const uint32_t *instructions, unsigned count) {
    const uint64_t devices[] = {gic.gicd, UART};
    for (unsigned d = 0; d < 2; d++)
        for (unsigned i = 0; i < count; i++) step_instruction(instructions[i], devices[d]);
    restore_interrupts();
}

#define GROUP(name, ...)                                                          \
    static void name(void) {                                                      \
        static const uint32_t instructions[] = {__VA_ARGS__};                     \
        on_devices(instructions, sizeof(instructions) / sizeof(instructions[0])); \
    }

GROUP(pairs, LDP_W, STP_X)
GROUP(exclusives, LDXR_W, STXR_W, LDAXP_X)
GROUP(vectors, LDR_Q, STR_Q, LD2_16B)
GROUP(write_back, LDR_POST, STR_PRE)
GROUP(ordered, STLR_W, LDAR_W, LDTR_W, PRFM, AT_S1E1R)
GROUP(maintenance, DC_CIVAC, DC_IVAC, IC_IVAU, DC_ZVA)

// Device memory makes the guest's own MMU refuse these; as normal memory they get through to the
// hypervisor.
static void unaligned(void) {
    static const uint32_t loads[] = {0xb9400001, 0xf9400001, 0x79400001}; // ldr w1, ldr x1, ldrh w1
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned offset = 1; offset < 16; offset += 2) {
            step_instruction(loads[i], UART + offset);
            step_instruction(loads[i], (uintptr_t)window(gic.gicd, true, false) + offset);
        }
    }
}

// From the last register of one device into what lies behind it.
static void across(void) { step_instruction(0xf9400001, (uintptr_t)window(UART + 0xffc, true, false)); }

static void execute(void) {
    void (*code)(void) = (void (*)(void))(uintptr_t)window(UART, true, true);
    step_instruction(0xd61f0000, (uintptr_t)code); // br x0
}

const struct attack mmio_attacks[] = {
    {"mmio-pairs", pairs, EITHER},         {"mmio-exclusives", exclusives, EITHER},
    {"mmio-vectors", vectors, EITHER},     {"mmio-write-back", write_back, EITHER},
    {"mmio-ordered", ordered, EITHER},     {"mmio-maintenance", maintenance, EITHER},
    {"mmio-unaligned", unaligned, EITHER}, {"mmio-across", across, EITHER},
    {"mmio-execute", execute, EITHER},     {0},
};
