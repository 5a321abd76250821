// SPDX-License-Identifier: Apache-2.0
// KVM's paravirtual interfaces: scaling, records and their versions, end of interrupt, hypercalls.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/pv_clock.h"

enum { RAM = 0x4000, LOG = 16 };

static struct {
    struct pv_config config;
    struct pv_vcpu pv;
    uint8_t ram[RAM];
    unsigned writes, reads;
    bool broken;
    struct {
        gpa_t gpa;
        size_t size;
        uint32_t first; // of what was written
    } log[LOG];
} world;

static int write_ram(void *context, gpa_t gpa, const void *data, size_t size) {
    assert_ptr_equal(context, &world);
    assert_in_range(size, 1, 64);
    assert_true(gpa / PAGE_SIZE == (gpa + size - 1) / PAGE_SIZE);
    if (world.broken || gpa > RAM - size) { return ERR_RANGE; }
    memcpy(world.ram + gpa, data, size);
    assert_true(world.writes < LOG);
    world.log[world.writes].gpa = gpa;
    world.log[world.writes].size = size;
    memcpy(&world.log[world.writes++].first, data, MIN(size, sizeof(uint32_t)));
    return OK;
}

static int read_ram(void *context, gpa_t gpa, void *data, size_t size) {
    assert_ptr_equal(context, &world);
    world.reads++;
    if (world.broken || gpa > RAM - size) { return ERR_RANGE; }
    memcpy(data, world.ram + gpa, size);
    return OK;
}

static const struct pv_ops ops = {write_ram, read_ram};

static int setup(void **state) {
    (void)state;
    memset(&world, 0, sizeof(world));
    memset(world.ram, 0xee, sizeof(world.ram));
    assert_int_equal(pv_config_init(&world.config, 3000000000), OK);
    pv_init(&world.pv, &world.config, &ops, &world);
    return 0;
}

static uint64_t word(gpa_t gpa, unsigned size) {
    uint64_t value = 0;

    memcpy(&value, world.ram + gpa, size);
    return value;
}

static void put(enum pv_page page, uint64_t value) {
    world.writes = 0;
    assert_int_equal(pv_register(&world.pv, page, value), OK);
}

static uint64_t get(enum pv_page page) { return world.pv.msr[page]; }

// ---- the scale --------------------------------------------------------------------------------------------

// As a guest does it (msr.rst).
static uint64_t guest_ns(const struct pv_config *config, uint64_t ticks) {
    ticks = config->shift >= 0 ? ticks << config->shift : ticks >> -config->shift;
    return (uint64_t)((unsigned __int128)ticks * config->mul >> 32);
}

static const uint64_t rates[] = {PV_TSC_HZ_MIN, 1000001,    24000000,   999999999,  1000000000,        1000000001,
                                 1193182000,    2000000000, 2000000001, 2399987654, PV_TSC_HZ_MAX - 1, 2893298000,
                                 3000000000,    3999999999, 4000000000, 4000000001, 4700000000,        PV_TSC_HZ_MAX};

static void test_scale(void **state) {
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
        struct pv_config config;
        uint64_t hz = rates[i];
        assert_int_equal(pv_config_init(&config, hz), OK);
        assert_true(config.mul >= 1u << 31);
        // The multiplier is the exact quotient, cut: mul <= 10^9 * 2^(32 - shift) / hz < mul + 1.
        unsigned __int128 exact = (unsigned __int128)1000000000 << (32 - config.shift);
        assert_true((unsigned __int128)config.mul * hz <= exact);
        assert_true((unsigned __int128)(config.mul + 1ull) * hz > exact);
        for (uint64_t ticks = 1; ticks < BIT(50); ticks = ticks * 3 + 1) {
            uint64_t ns = (uint64_t)((unsigned __int128)ticks * 1000000000 / hz), got = guest_ns(&config, ticks);
            assert_true(got <= ns && ns - got <= 2 + (ns >> 31));
        }
        // What Linux takes for the TSC's frequency.
        uint64_t khz = (1000000ull << 32) / config.mul;
        khz = config.shift < 0 ? khz << -config.shift : khz >> config.shift;
        assert_true(khz + 8 > hz / 1000 && khz <= hz / 1000 + 8);
    }
    struct pv_config config;
    assert_int_equal(pv_config_init(&config, PV_TSC_HZ_MIN - 1), ERR_RANGE);
    assert_int_equal(pv_config_init(&config, PV_TSC_HZ_MAX + 1), ERR_RANGE);
}

// ---- records ----------------------------------------------------------------------------------------------

// Written last: the version, odd while the rest went.
static void has_version_protocol(gpa_t version) {
    assert_true(world.writes >= 3);
    assert_int_equal(world.log[0].gpa, version);
    assert_int_equal(world.log[0].size, 4);
    assert_int_equal(world.log[0].first % 2, 1);
    assert_int_equal(world.log[world.writes - 1].gpa, version);
    assert_int_equal(world.log[world.writes - 1].size, 4);
    assert_int_equal(world.log[world.writes - 1].first, world.log[0].first + 1);
    for (unsigned i = 1; i + 1 < world.writes; i++) {
        assert_true(version < world.log[i].gpa || version >= world.log[i].gpa + world.log[i].size);
    }
}

static void test_clock(void **state) {
    (void)state;
    put(PV_CLOCK, 0x1041);
    has_version_protocol(0x1040);
    assert_int_equal(word(0x1040, 4), 2);
    assert_int_equal(word(0x1048, 8), 0);
    assert_int_equal(word(0x1050, 8), 0);
    assert_int_equal(word(0x1058, 4), 2863311530);
    assert_int_equal(word(0x105c, 1), 0xff); // -1
    assert_int_equal(word(0x105d, 1), 1);    // STABLE
    assert_int_equal(word(0x105e, 2), 0);
    assert_int_equal(word(0x1060, 1), 0xee);
    assert_int_equal(get(PV_CLOCK), 0x1041);
    world.writes = 0;
    pv_tsc_moved(&world.pv, 1000);
    has_version_protocol(0x1040);
    assert_int_equal(word(0x1040, 4), 4);
    assert_int_equal(word(0x1048, 8), 1000);
    put(PV_CLOCK, 0);
    pv_tsc_moved(&world.pv, 5);
    assert_int_equal(world.writes, 0);
    put(PV_CLOCK, 0x2001);
    assert_int_equal(word(0x2008, 8), 5);
    world.broken = true;
    pv_tsc_moved(&world.pv, 6);
    assert_int_equal(get(PV_CLOCK), 0);
}

static void test_wall_clock(void **state) {
    (void)state;
    world.pv.stolen_ns = 77; // is not its time
    put(PV_WALL, 0x1004);
    has_version_protocol(0x1004);
    assert_int_equal(word(0x1004, 4) % 2, 0);
    assert_int_equal(word(0x1008, 4), 0);
    assert_int_equal(word(0x100c, 4), 0);
    assert_int_equal(word(0x1010, 1), 0xee);
    assert_int_equal(get(PV_WALL), 0x1004);
}

static void test_steal(void **state) {
    (void)state;
    pv_steal(&world.pv, 50, false);
    pv_steal(&world.pv, 60, true);
    assert_int_equal(world.writes, 0);
    put(PV_STEAL, 0x1fc1);
    has_version_protocol(0x1fc8);
    assert_int_equal(word(0x1fc0, 8), 60);
    assert_int_equal(word(0x1fcc, 4), 0);
    assert_int_equal(word(0x1fd0, 8), 0);
    assert_int_equal(word(0x1fff, 1), 0);
    pv_steal(&world.pv, 61, true);
    assert_int_equal(word(0x1fd0, 1), 1);
    assert_int_equal(word(0x1fc0, 8), 60); // told when it runs
    world.writes = 0;
    pv_steal(&world.pv, 1ull << 40, false);
    has_version_protocol(0x1fc8);
    assert_int_equal(word(0x1fd0, 1), 0);
    assert_int_equal(word(0x1fc0, 8), 1ull << 40);
    assert_int_equal(word(0x1fc8, 4), 4);
    world.broken = true;
    pv_steal(&world.pv, 9, true);
    assert_int_equal(get(PV_STEAL), 0);
}

static void test_refused_addresses(void **state) {
    static const struct {
        enum pv_page page;
        uint64_t good, bad[5];
    } rows[] = {
        {PV_WALL, 0x1ff4, {0x1001, 0x1002, 0x1ff8, RAM, UINT64_MAX & ~3ull}},
        {PV_CLOCK, 0x1fe1, {0x1003, 0x1fe5, 0x1ffd, RAM | 1, UINT64_MAX & ~0x1eull}},
        {PV_STEAL, 0x1fc1, {0x1003, 0x1021, 0x1005, RAM | 1, UINT64_MAX & ~0x3eull}},
        {PV_EOI, 0x1ffd, {0x1003, 0x1fff, RAM | 1, UINT64_MAX, UINT64_MAX & ~2ull}},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        put(rows[i].page, rows[i].good);
        for (unsigned j = 0; j < ARRAY_SIZE(rows[i].bad); j++) {
            assert_int_equal(pv_register(&world.pv, rows[i].page, rows[i].bad[j]), ERR_DENIED);
            assert_int_equal(get(rows[i].page), rows[i].good);
        }
        world.writes = 0;
    }
    put(PV_STEAL, 0xfffe); // not enabled: whatever the rest says
    assert_int_equal(world.writes, 0);
    pv_reset(&world.pv);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) { assert_int_equal(get(rows[i].page), 0); }
}

// ---- end of interrupt -------------------------------------------------------------------------------------

static void test_eoi(void **state) {
    (void)state;
    pv_eoi_offer(&world.pv, true);
    assert_false(pv_eoi_ended(&world.pv));
    put(PV_EOI, 0x1005);
    assert_int_equal(word(0x1004, 4), 0);
    assert_false(pv_eoi_ended(&world.pv));
    assert_int_equal(world.reads, 0);

    pv_eoi_offer(&world.pv, true);
    assert_int_equal(word(0x1004, 4), 1);
    unsigned writes = world.writes;
    assert_false(pv_eoi_ended(&world.pv)); // not yet
    pv_eoi_offer(&world.pv, true);
    assert_int_equal(world.writes, writes);
    world.ram[0x1004] = 0; // the guest does
    assert_true(pv_eoi_ended(&world.pv));
    assert_false(pv_eoi_ended(&world.pv));

    pv_eoi_offer(&world.pv, true);
    pv_eoi_offer(&world.pv, false); // something else waits now
    assert_int_equal(word(0x1004, 4), 0);
    assert_false(pv_eoi_ended(&world.pv));

    pv_eoi_offer(&world.pv, true);
    put(PV_EOI, 0);
    world.ram[0x1004] = 0;
    assert_false(pv_eoi_ended(&world.pv));
    put(PV_EOI, 0x1005);
    pv_eoi_offer(&world.pv, true);
    put(PV_STEAL, 0); // of no concern
    assert_true(world.pv.eoi_offered);
    assert_int_equal(pv_register(&world.pv, PV_EOI, RAM | 1), ERR_DENIED);
    assert_true(world.pv.eoi_offered);
    world.broken = true;
    assert_false(pv_eoi_ended(&world.pv));
    assert_int_equal(get(PV_EOI), 0);
    world.broken = false;
    put(PV_EOI, 0x1005);
    world.broken = true;
    pv_eoi_offer(&world.pv, true);
    assert_false(world.pv.eoi_offered);
}

// ---- hypercalls -------------------------------------------------------------------------------------------

static struct pv_call call(bool long_mode, uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3) {
    const uint64_t arguments[4] = {a0, a1, a2, a3};
    struct pv_call result;

    memset(&result, 0xa5, sizeof(result));
    pv_hypercall(long_mode, number, arguments, 8, &result);
    return result;
}

static void test_send_ipi(void **state) {
    static const struct {
        bool wide;
        uint64_t low, high, least;
        uint32_t set;
    } rows[] = {
        {true, 0x05, 0, 0, 0x05},
        {true, 0x05, 0, 3, 0x28},
        {true, 0xffff, 0, 6, 0xc0},
        {true, UINT64_MAX, UINT64_MAX, 0, 0xff},
        {true, UINT64_MAX, UINT64_MAX, 8, 0},
        {true, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0}, // the guest's arithmetic does not wrap
        {true, UINT64_MAX, UINT64_MAX, 1ull << 32, 0},
        {true, 0, 1, 0, 0}, // APIC ID 64
        {false, 0x100000003, 0, 0, 0x03},
        {false, 0x02, 0, 0x100000001, 0x04},
        {false, 0, 1, 0, 0}, // APIC ID 32
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pv_call c = call(rows[i].wide, 10, rows[i].low, rows[i].high, rows[i].least, 0xfd);
        assert_int_equal(c.action, PV_SEND);
        assert_int_equal(c.set, rows[i].set);
        assert_int_equal(c.result, __builtin_popcount(rows[i].set));
        assert_int_equal(c.message.vector, 0xfd);
        assert_int_equal(c.message.mode, APIC_MODE_FIXED);
        assert_false(c.message.level);
    }
    assert_int_equal(call(true, 10, 1, 0, 0, 0x400).message.mode, APIC_MODE_NMI);
    assert_int_equal(call(true, 10, 1, 0, 0, 0x40fd).action, PV_SEND); // asserted, as Linux may
    static const uint64_t bad[] = {0x1fd, 0x2fd, 0x500, 0x608, 0x7fd, 0x8fd, 0x400fd, 0xc00fd};
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        struct pv_call c = call(true, 10, 1, 0, 0, bad[i]);
        assert_int_equal(c.action, PV_ANSWER);
        assert_int_equal(c.result, -22);
        assert_int_equal(c.set, 0);
    }
}

static void test_other_hypercalls(void **state) {
    (void)state;
    struct pv_call c = call(true, 5, 0, 7, 0, 0);
    assert_int_equal(c.action, PV_WAKE);
    assert_int_equal(c.set, 0x80);
    assert_int_equal(c.result, 0);
    c = call(true, 5, 0, 8, 0, 0);
    assert_int_equal(c.action, PV_ANSWER);
    assert_int_equal(c.set, 0);
    assert_int_equal(call(true, 5, 0, 1ull << 32, 0, 0).action, PV_ANSWER);
    assert_int_equal(call(false, 5, 0, 1ull << 32, 0, 0).set, 1);
    assert_int_equal(call(true, 1, 0, 0, 0, 0).result, 0);
    static const uint64_t none[] = {0, 2, 3, 4, 6, 7, 8, 9, 11, 12, 1ull << 32 | 10, UINT64_MAX};
    for (unsigned i = 0; i < ARRAY_SIZE(none); i++) {
        c = call(true, none[i], 1, 1, 0, 0);
        assert_int_equal(c.action, PV_ANSWER);
        assert_int_equal(c.result, -1000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scale),
        cmocka_unit_test_setup(test_clock, setup),
        cmocka_unit_test_setup(test_wall_clock, setup),
        cmocka_unit_test_setup(test_steal, setup),
        cmocka_unit_test_setup(test_refused_addresses, setup),
        cmocka_unit_test_setup(test_eoi, setup),
        cmocka_unit_test(test_send_ipi),
        cmocka_unit_test(test_other_hypercalls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
