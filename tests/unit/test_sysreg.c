// SPDX-License-Identifier: Apache-2.0
// Trapped system registers, and what an undefined one does to the guest.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/arm64/inject.h"
#include "arch/arm64/ptimer.h"
#include "arch/arm64/sysreg_trap.h"
#include "arch/host/hardware.h"
#include "tests/unit/queue_check.h"
#include "tests/unit/vgic_world.h"

#define ISS(op0, op1, crn, crm, op2) ((op0) << 20 | (op2) << 17 | (op1) << 14 | (crn) << 10 | (crm) << 1)
#define ISS_READ                     1u
#define ISS_RT(n)                    ((uint32_t)(n) << 5)
#define CNTP_TVAL                    ISS(3, 3, 14, 2, 0)
#define CNTP_CTL                     ISS(3, 3, 14, 2, 1)
#define CNTP_CVAL                    ISS(3, 3, 14, 2, 2)
#define ICC_SGI1R                    ISS(3, 0, 12, 11, 5)
#define ICC_SGI0R                    ISS(3, 0, 12, 11, 7)
#define ICC_SRE                      ISS(3, 0, 12, 12, 5)
#define ID_AA64PFR0                  ISS(3, 0, 0, 4, 0)
#define ID_AA64DFR0                  ISS(3, 0, 0, 5, 0)
#define ID_AA64ISAR1                 ISS(3, 0, 0, 6, 1)
#define ID_AA64MMFR0                 ISS(3, 0, 0, 7, 0)
#define ID_AA64ZFR0                  ISS(3, 0, 0, 4, 4)
#define PMCR                         ISS(3, 3, 9, 12, 0)
#define MDSCR                        ISS(2, 0, 0, 2, 2)
#define OSLAR                        ISS(2, 0, 1, 0, 4)
#define OSLSR                        ISS(2, 0, 1, 1, 4)
#define DBGBVR(n)                    ISS(2, 0, 0, n, 4)
#define DBGWCR(n)                    ISS(2, 0, 0, n, 7)
#define ACTLR                        ISS(3, 0, 1, 0, 1)
#define REVIDR                       ISS(3, 0, 0, 0, 6)
#define IMPDEF                       ISS(3, 1, 15, 2, 0)

static int setup(void **state) {
    (void)state;
    world_init(3, 4, 2, 64);
    host_registers = (struct host_registers){0};
    return 0;
}

static uint64_t *x(void) { return world.vcpu[0].arch.regs.x; }

static uint64_t reads(uint32_t reg) {
    x()[3] = 0x5a5a5a5a5a5a5a5aull;
    assert_true(sysreg_access(&world.vcpu[0], reg | ISS_RT(3) | ISS_READ));
    return x()[3];
}

static void writes(uint32_t reg, uint64_t value) {
    x()[3] = value;
    assert_true(sysreg_access(&world.vcpu[0], reg | ISS_RT(3)));
}

static bool undefined(uint32_t reg, bool read) {
    return !sysreg_access(&world.vcpu[0], reg | ISS_RT(3) | (read ? ISS_READ : 0));
}

static void what_is_not_switched_is_hidden(void **state) {
    (void)state;
    host_registers.s3_0_c0_c4_0 = UINT64_MAX; // every feature there is, and more
    host_registers.s3_0_c0_c5_0 = UINT64_MAX;
    host_registers.s3_0_c0_c6_1 = UINT64_MAX;
    uint64_t pfr0 = reads(ID_AA64PFR0);
    assert_int_equal(pfr0 >> 4 & 0xf, 1);   // EL1: AArch64 only
    assert_int_equal(pfr0 >> 8 & 0xff, 0);  // EL2, EL3
    assert_int_equal(pfr0 >> 24 & 0xf, 1);  // GIC: the host's is v3
    assert_int_equal(pfr0 >> 28 & 0xff, 0); // RAS, SVE
    assert_int_equal(pfr0 >> 40 & 0xff, 0); // MPAM, AMU
    uint64_t dfr0 = reads(ID_AA64DFR0);
    assert_int_equal(dfr0 & 0xf, 6);
    assert_int_equal(dfr0 >> 4 & 0xff, 0);                 // trace, PMU
    assert_int_equal(dfr0 >> 32 & 0xf, 0);                 // SPE
    assert_int_equal(reads(ID_AA64ISAR1) >> 4 & 0xff, 0);  // APA, API
    assert_int_equal(reads(ID_AA64ISAR1) >> 24 & 0xff, 0); // GPA, GPI
    assert_int_equal(reads(ID_AA64ZFR0), 0);
}

static void fields_are_limited_not_raised(void **state) {
    (void)state;
    // PARange 52 bits, TGran16 and TGran4 with LPA2, ECV, FGT
    host_registers.s3_0_c0_c7_0 = 6 | 2ull << 20 | 1ull << 28 | 2ull << 60 | 1ull << 56;
    assert_true(reads(ID_AA64MMFR0) == (5 | 1ull << 20));
    // 40 bits, no 16 KiB, no 64 KiB, no 4 KiB granule
    host_registers.s3_0_c0_c7_0 = 2 | 0ull << 20 | 0xfull << 24 | 0xfull << 28;
    assert_true(reads(ID_AA64MMFR0) == (2 | 0xfull << 24 | 0xfull << 28));
    host_registers.s3_0_c0_c4_0 = 2ull << 56; // CSV2 with SCXTNUM
    assert_int_equal(id_register(4, 0) >> 56 & 0xf, 1);
    host_registers.s3_0_c0_c4_0 = 0;
    assert_int_equal(id_register(4, 0) >> 56 & 0xf, 0);
}

static void a_v2_host_shows_no_gic_registers(void **state) {
    (void)state;
    world_init(2, 4, 1, 64);
    assert_int_equal(reads(ID_AA64PFR0) >> 24 & 0xf, 0);
    assert_true(undefined(ICC_SRE, true));
    assert_true(undefined(ICC_SRE, false));
    assert_true(undefined(ICC_SGI1R, false));
    assert_true(undefined(ICC_SGI0R, false));
}

static void every_id_register_can_be_read_and_none_written(void **state) {
    (void)state;
    for (uint32_t crm = 1; crm <= 7; crm++) {
        for (uint32_t op2 = 0; op2 <= 7; op2++) {
            reads(ISS(3, 0, 0, crm, op2));
            assert_true(undefined(ISS(3, 0, 0, crm, op2), false));
        }
    }
    assert_true(undefined(ISS(3, 0, 0, 8, 0), true));
    host_registers.revidr_el1 = 0x42;
    assert_int_equal(reads(REVIDR), 0x42);
}

static void debug_registers_are_there_and_idle(void **state) {
    (void)state;
    writes(DBGBVR(0), 0x1234);
    assert_int_equal(reads(DBGBVR(0)), 0);
    writes(DBGWCR(15), 1);
    assert_int_equal(reads(DBGWCR(15)), 0);
    writes(OSLAR, 1);
    assert_int_equal(reads(OSLSR), 8);
    writes(MDSCR, UINT64_MAX);
    assert_int_equal(reads(MDSCR), 0xb001);
    writes(ACTLR, 1);
    assert_int_equal(reads(ACTLR), 0);
    assert_true(undefined(OSLAR, true));
    assert_true(undefined(OSLSR, false));
}

static void the_zero_register_is_neither_read_nor_written(void **state) {
    (void)state;
    world.vcpu[0].arch.regs.sp_el0 = 99; // lies behind x30
    host_registers.revidr_el1 = 5;
    assert_true(sysreg_access(&world.vcpu[0], REVIDR | ISS_RT(31) | ISS_READ));
    assert_int_equal(world.vcpu[0].arch.regs.sp_el0, 99);
    writes(MDSCR, 1);
    assert_true(sysreg_access(&world.vcpu[0], MDSCR | ISS_RT(31)));
    assert_int_equal(reads(MDSCR), 0);
}

static void an_unknown_register_is_told_once(void **state) {
    const struct trap_log *log = &world.vm.arch.trap_log;
    (void)state;
    assert_true(undefined(PMCR, true));
    assert_int_equal(log->sysreg_count, 1);
    assert_true(undefined(PMCR, false));
    assert_int_equal(log->sysreg_count, 1);
    assert_true(undefined(IMPDEF, true));
    assert_int_equal(log->sysreg_count, 2);
    for (uint32_t crm = 0; crm < 16; crm++) { assert_true(undefined(ISS(3, 1, 15, crm, 1), true)); }
    assert_int_equal(log->sysreg_count, ARRAY_SIZE(log->sysregs));
}

static void an_sgi_reaches_the_other_vcpu(void **state) {
    (void)state;
    world_write(0, VGIC_GICD_BASE, 2); // GICD_CTLR: group 1
    for (unsigned i = 0; i < 2; i++) {
        world_write(i, VGIC_GICR_BASE + i * VGIC_GICR_STRIDE + 0x10080, ~0u); // GICR_IGROUPR0
        world_write(i, VGIC_GICR_BASE + i * VGIC_GICR_STRIDE + 0x10100, ~0u); // GICR_ISENABLER0
    }
    world_on(0);
    writes(ICC_SGI1R, 5ull << 24 | 1 << 1); // INTID 5 to affinity 0.0.0.1
    world_settle();
    assert_int_equal(world_take(1), 5);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    world_on(0);
    writes(ICC_SGI0R, 5ull << 24 | 1);
    assert_int_equal(reads(ICC_SRE), 7);
    writes(ICC_SRE, 0);
}

// ---- the physical timer -----------------------------------------------------------------------------------

static void the_physical_timer_counts(void **state) {
    struct timer_queue *timers = &world.core[0].timers;
    struct timer_event *event;
    (void)state;
    ptimer_reset(&world.vcpu[0]);
    host_clock = 1000;
    writes(CNTP_TVAL, 500);
    assert_int_equal(reads(CNTP_CVAL), 1500);
    assert_true(timer_queue_empty(timers)); // not enabled
    writes(CNTP_CTL, 1);
    assert_int_equal(timer_queue_next(timers, UINT64_MAX), 1500);
    assert_int_equal(reads(CNTP_CTL), 1);
    host_clock = 1500;
    event = timer_queue_pop(timers, host_clock, UINT64_MAX);
    assert_ptr_equal(event, &world.vcpu[0].device_timer);
    event->fire(event, host_clock);
    assert_int_equal(reads(CNTP_CTL), 5); // ISTATUS
    assert_true((world.vcpu[0].arch.vgic.bank.line >> 30 & 1) != 0);
    writes(CNTP_CTL, 3); // masked: the line falls
    assert_true((world.vcpu[0].arch.vgic.bank.line >> 30 & 1) == 0);
    assert_int_equal(reads(CNTP_CTL), 7);
    host_clock = 1510;
    assert_true(reads(CNTP_TVAL) == (uint32_t)-10);
    writes(CNTP_TVAL, (uint32_t)-20);
    assert_int_equal(reads(CNTP_CVAL), 1490);
}

static void moving_the_timer_moves_its_event(void **state) {
    struct timer_queue *timers = &world.core[0].timers;
    (void)state;
    ptimer_reset(&world.vcpu[0]);
    host_clock = 1000;
    writes(CNTP_CTL, 1); // compare value 0: it is due
    assert_true((world.vcpu[0].arch.vgic.bank.line >> 30 & 1) != 0);
    writes(CNTP_CVAL, 2000);
    assert_true((world.vcpu[0].arch.vgic.bank.line >> 30 & 1) == 0);
    writes(CNTP_CVAL, 3000);
    assert_int_equal(queue_count(timers), 1);
    assert_int_equal(timer_queue_next(timers, UINT64_MAX), 3000);
    writes(CNTP_CTL, 0);
    assert_true(timer_queue_empty(timers));
}

// ---- undefined --------------------------------------------------------------------------------------------

enum { EL0T = 0, EL1T = 4, EL1H = 5, EL0_32 = 0x10 };

static void an_undefined_instruction_is_taken_to_el1(void **state) {
    static const struct {
        uint64_t spsr, offset;
    } cases[] = {{EL0T, 0x400}, {EL1T, 0x000}, {EL1H, 0x200}, {EL0_32, 0x600}};
    struct regs *regs = &world.vcpu[0].arch.regs;
    (void)state;
    host_registers.vbar_el1 = 0xffff800010080000ull;
    host_registers.sctlr_el1 = BIT(23);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        regs->elr = 0x1234;
        regs->spsr = cases[i].spsr | 0xa0000000 | BIT(21); // N, C, SS
        inject_undefined(&world.vcpu[0]);
        assert_true(regs->elr == 0xffff800010080000ull + cases[i].offset);
        assert_true(regs->spsr == (0xa0000000 | 0x3c5));
        assert_true(host_registers.elr_el1 == 0x1234);
        assert_true(host_registers.spsr_el1 == (cases[i].spsr | 0xa0000000 | BIT(21)));
        assert_true(host_registers.esr_el1 == BIT(25));
    }
}

static void pstate_follows_sctlr(void **state) {
    struct regs *regs = &world.vcpu[0].arch.regs;
    (void)state;
    host_registers.sctlr_el1 = BIT(44); // DSSBS; SPAN is 0
    regs->spsr = EL1H | BIT(24);        // DIT
    inject_undefined(&world.vcpu[0]);
    assert_true(regs->spsr == (0x3c5 | BIT(12) | BIT(22) | BIT(24)));
    regs->spsr = EL0_32 | BIT(24); // J: means nothing in AArch64
    inject_undefined(&world.vcpu[0]);
    assert_true(regs->spsr == (0x3c5 | BIT(12) | BIT(22)));
}

#define TEST(f) cmocka_unit_test_setup(f, setup)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_switched_is_hidden),
        TEST(fields_are_limited_not_raised),
        TEST(a_v2_host_shows_no_gic_registers),
        TEST(every_id_register_can_be_read_and_none_written),
        TEST(debug_registers_are_there_and_idle),
        TEST(the_zero_register_is_neither_read_nor_written),
        TEST(an_unknown_register_is_told_once),
        TEST(an_sgi_reaches_the_other_vcpu),
        TEST(the_physical_timer_counts),
        TEST(moving_the_timer_moves_its_event),
        TEST(an_undefined_instruction_is_taken_to_el1),
        TEST(pstate_follows_sctlr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
