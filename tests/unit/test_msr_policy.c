// SPDX-License-Identifier: Apache-2.0
// RDMSR and WRMSR of guests, row by row.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/apic_regs.h"
#include "arch/x86/msr_policy.h"
#include "cpuid_machines.h"

static struct {
    struct cpuid_policy cpuid;
    struct pv_config pv_config;
    struct pv_vcpu pv;
    struct msr_state msr;
    uint64_t efer, tsc, moved, stored, apic;
    uint32_t stored_msr, apic_msr, unknown_msr;
    unsigned stores, unknowns, apic_calls, pv_writes;
    bool paging, unknown_write;
    int apic_status;
    uint64_t first_pv_word;
} world;

static uint64_t load(void *context, uint32_t msr) {
    assert_ptr_equal(context, &world);
    return msr == MSR_EFER ? world.efer : msr + 0x100000000ull;
}

static void store(void *context, uint32_t msr, uint64_t value) {
    assert_ptr_equal(context, &world);
    world.stores++;
    world.stored_msr = msr;
    world.stored = value;
}

static bool paging(void *context) { return context == &world && world.paging; }

static uint64_t tsc(void *context) {
    assert_ptr_equal(context, &world);
    return world.tsc;
}

static void tsc_move(void *context, uint64_t by) {
    assert_ptr_equal(context, &world);
    world.moved += by;
}

static int apic_read(void *context, uint32_t msr, uint64_t *value) {
    assert_ptr_equal(context, &world);
    world.apic_calls++;
    world.apic_msr = msr;
    *value = world.apic;
    return world.apic_status;
}

static int apic_write(void *context, uint32_t msr, uint64_t value) {
    assert_ptr_equal(context, &world);
    world.apic_calls++;
    world.apic_msr = msr;
    world.apic = value;
    return world.apic_status;
}

static void unknown(void *context, uint32_t msr, bool write) {
    assert_ptr_equal(context, &world);
    world.unknowns++;
    world.unknown_msr = msr;
    world.unknown_write = write;
}

static const struct msr_ops ops = {load, store, paging, tsc, tsc_move, apic_read, apic_write, unknown};

static int pv_write(void *context, gpa_t gpa, const void *data, size_t size) {
    (void)context, (void)gpa;
    if (size == 28 && gpa % 64 == 4) { memcpy(&world.first_pv_word, (const char *)data + 4, 8); } // tsc_timestamp
    world.pv_writes++;
    return OK;
}

static int pv_read(void *context, gpa_t gpa, void *data, size_t size) {
    (void)context, (void)gpa;
    memset(data, 0, size);
    return OK;
}

static const struct pv_ops pv_ops = {pv_write, pv_read};

static void start(const struct cpuid_machine *machine) {
    struct cpuid_config config = {cpuid_of_machine, (void *)(uintptr_t)machine, 2000000000,
                                  1000000000,       XCR0_X87 | XCR0_SSE,        2};

    memset(&world, 0, sizeof(world));
    world.efer = EFER_LME | EFER_LMA | EFER_NXE;
    assert_int_equal(cpuid_policy_init(&world.cpuid, &config), OK);
    assert_int_equal(pv_config_init(&world.pv_config, config.tsc_hz), OK);
    pv_init(&world.pv, &world.pv_config, &pv_ops, &world);
    msr_init(&world.msr, &world.cpuid, &world.pv, &ops, &world);
}

static int setup(void **state) {
    (void)state;
    start(&zen);
    return 0;
}

static uint64_t get(uint32_t msr) {
    uint64_t value = 0x5a5a5a5a5a5a5a5a;

    assert_int_equal(msr_read(&world.msr, msr, &value), OK);
    return value;
}

static void put(uint32_t msr, uint64_t value) { assert_int_equal(msr_write(&world.msr, msr, value), OK); }

static void refused(uint32_t msr, uint64_t value) { assert_int_equal(msr_write(&world.msr, msr, value), ERR_DENIED); }

// ---- constants --------------------------------------------------------------------------------------------

static void test_constants(void **state) {
    static const struct {
        uint32_t first, last;
        uint64_t value;
        enum { IGNORES, REFUSES, ZERO } write;
    } rows[] = {
        {0x17, 0x17, 0, REFUSES},
        {0x3a, 0x3a, 1, REFUSES},
        {0x8b, 0x8b, 0, IGNORES},
        {0xce, 0xce, 0, REFUSES},
        {0xfe, 0xfe, 0x508, REFUSES},
        {0x140, 0x140, 0, ZERO},
        {0x179, 0x179, 0, REFUSES},
        {0x17a, 0x17a, 0, ZERO},
        {0x1a0, 0x1a0, 0x1801, IGNORES},
        {0x1d9, 0x1d9, 0, IGNORES},
        {0xc0010000, 0xc0010007, 0, IGNORES},
        {0xc0010010, 0xc0010010, 0, IGNORES},
        {0xc0010015, 0xc0010015, 1 << 24, IGNORES},
        {0xc001001a, 0xc001001a, 0, IGNORES},
        {0xc001001d, 0xc001001d, 0, IGNORES},
        {0xc001001f, 0xc001001f, 0, IGNORES},
        {0xc0010055, 0xc0010055, 0, IGNORES},
        {0xc0010058, 0xc0010058, 0, IGNORES},
        {0xc0010061, 0xc001006b, 0, IGNORES},
        {0xc0011020, 0xc0011023, 0, IGNORES},
        {0xc0011029, 0xc0011029, 2, IGNORES},
        {0xc001102a, 0xc001102a, 0, IGNORES},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        for (uint32_t msr = rows[i].first; msr <= rows[i].last; msr++) {
            assert_int_equal(get(msr), rows[i].value);
            assert_int_equal(msr_write(&world.msr, msr, 0x40), rows[i].write == IGNORES ? OK : ERR_DENIED);
            assert_int_equal(msr_write(&world.msr, msr, 0), rows[i].write == REFUSES ? ERR_DENIED : OK);
            assert_int_equal(get(msr), rows[i].value);
        }
    }
    assert_int_equal(world.unknowns, 0);
}

static void test_unknown_ones(void **state) {
    static const uint32_t none[] = {0,     1,     0x48,  0x49,       0x10a,      0x122,      0x1d8,      0x210,
                                    0x24f, 0x251, 0x25a, 0x267,      0x270,      0x480,      0x6e1,      0x7ff,
                                    0x900, 0xda0, 0x11,  0x4b564d02, 0x4b564d05, 0xc000007f, 0xc0000085, 0xc00000ff,
                                    0x12,  0x178, 0x2fe, 0x300,      0xc0000104, 0xc0010114, 0xffffffff};
    uint64_t value = 7;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(none); i++) {
        for (unsigned again = 0; again < 2; again++) {
            assert_int_equal(msr_read(&world.msr, none[i], &value), ERR_DENIED);
            refused(none[i], 0);
            assert_int_equal(world.unknowns, MIN(i + 1, (unsigned)MSR_LOG));
        }
        if (i < MSR_LOG) {
            assert_int_equal(world.unknown_msr, none[i]);
            assert_int_equal(world.msr.log.msrs[i], none[i]);
            assert_false(world.unknown_write);
        }
    }
    assert_int_equal(value, 7);
    assert_int_equal(world.msr.log.count, MSR_LOG);
    msr_reset(&world.msr);
    assert_int_equal(world.msr.log.count, 0);
    refused(0x49, 1);
    assert_int_equal(world.unknowns, MSR_LOG + 1);
    assert_true(world.unknown_write);
}

// ---- switched with the guest ------------------------------------------------------------------------------

static void test_direct(void **state) {
    (void)state;
    for (unsigned i = 0; i < MSR_DIRECT; i++) {
        uint32_t msr = msr_direct[i];
        bool address = msr != MSR_SYSENTER_CS && msr != MSR_STAR && msr != MSR_SFMASK;
        assert_int_equal(get(msr), msr + 0x100000000ull);
        put(msr, 0xffff800000000123);
        assert_int_equal(world.stored_msr, msr);
        assert_int_equal(world.stored, 0xffff800000000123);
        put(msr, 0x00007fffffffffff);
        unsigned before = world.stores;
        assert_int_equal(msr_write(&world.msr, msr, 0x0000800000000000), address ? ERR_DENIED : OK);
        assert_int_equal(msr_write(&world.msr, msr, 0xffff7fffffffffff), address ? ERR_DENIED : OK);
        assert_int_equal(world.stores, address ? before : before + 2);
    }
}

static void test_efer(void **state) {
    (void)state;
    assert_int_equal(get(MSR_EFER), EFER_LME | EFER_LMA | EFER_NXE);
    world.paging = true;
    put(MSR_EFER, EFER_LME | EFER_SCE | EFER_FFXSR);
    assert_int_equal(world.stored_msr, MSR_EFER);
    assert_int_equal(world.stored, EFER_LME | EFER_SCE | EFER_FFXSR);
    put(MSR_EFER, EFER_LME | EFER_LMA);
    assert_int_equal(world.stored, EFER_LME);
    unsigned before = world.stores;
    refused(MSR_EFER, EFER_SCE);
    for (unsigned bit = 0; bit < 64; bit++) {
        bool there = bit == 0 || bit == 8 || bit == 10 || bit == 11 || bit == 14;
        if (!there) { refused(MSR_EFER, EFER_LME | BIT(bit)); } // SVME is one of them
    }
    assert_int_equal(world.stores, before);
    world.paging = false;
    world.efer = 0;
    put(MSR_EFER, 0);
    put(MSR_EFER, EFER_LME);
    assert_int_equal(world.stored, EFER_LME);
    start(&skylake);
    refused(MSR_EFER, EFER_LME | EFER_FFXSR);
    put(MSR_EFER, EFER_LME | EFER_NXE | EFER_SCE);
}

static void test_tsc(void **state) {
    (void)state;
    world.tsc = 5000;
    assert_int_equal(get(MSR_TSC), 5000);
    assert_int_equal(get(MSR_TSC_ADJUST), 0);
    put(MSR_KVM_SYSTEM_TIME_NEW, 0x1001 | 0x40);
    assert_int_equal(world.first_pv_word, 0);
    put(MSR_TSC, 5300);
    assert_int_equal(world.moved, 300);
    assert_int_equal(get(MSR_TSC_ADJUST), 300);
    assert_int_equal(world.first_pv_word, 300);
    put(MSR_TSC_ADJUST, (uint64_t)-20);
    assert_int_equal(world.moved, (uint64_t)-20);
    assert_int_equal(world.first_pv_word, -20);
    unsigned writes = world.pv_writes;
    put(MSR_TSC_ADJUST, (uint64_t)-20);
    assert_int_equal(world.pv_writes, writes);
    msr_reset(&world.msr);
    assert_int_equal(get(MSR_TSC_ADJUST), 0);
    assert_int_equal(get(MSR_KVM_SYSTEM_TIME_NEW), 0);
    assert_int_equal(world.pv.tsc_adjust, 0);
}

static void test_tsc_aux(void **state) {
    (void)state;
    assert_int_equal(get(MSR_TSC_AUX), 0);
    put(MSR_TSC_AUX, 0xfffff003);
    assert_int_equal(get(MSR_TSC_AUX), 0xfffff003);
    assert_int_equal(world.stored_msr, MSR_TSC_AUX);
    assert_int_equal(world.stored, 0xfffff003);
    refused(MSR_TSC_AUX, 1ull << 32);
    assert_int_equal(get(MSR_TSC_AUX), 0xfffff003);
}

// ---- passed on --------------------------------------------------------------------------------------------

static void test_local_apic(void **state) {
    static const uint32_t msrs[] = {MSR_APIC_BASE, MSR_TSC_DEADLINE, 0x800, 0x80b, 0x830, 0x83f, 0x840, 0x8ff};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++) {
        world.apic_status = OK;
        put(msrs[i], 77 + i);
        assert_int_equal(world.apic_msr, msrs[i]);
        assert_int_equal(get(msrs[i]), 77 + i);
        world.apic_status = ERR_DENIED;
        refused(msrs[i], 1);
        uint64_t value;
        assert_int_equal(msr_read(&world.msr, msrs[i], &value), ERR_DENIED);
    }
    assert_int_equal(world.apic_calls, 4 * ARRAY_SIZE(msrs));
    assert_int_equal(world.unknowns, 0);
}

static void test_pv(void **state) {
    static const uint32_t msrs[] = {0x4b564d00, 0x4b564d01, 0x4b564d03, 0x4b564d04};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(msrs); i++) {
        put(msrs[i], i == 0 ? 0x2000 : 0x2001);
        assert_int_equal(get(msrs[i]), i == 0 ? 0x2000 : 0x2001);
        refused(msrs[i], 0x2003);
        assert_int_equal(get(msrs[i]), i == 0 ? 0x2000 : 0x2001);
    }
}

// ---- memory types -----------------------------------------------------------------------------------------

static void test_pat(void **state) {
    (void)state;
    assert_int_equal(get(MSR_PAT), 0x0007040600070406);
    put(MSR_PAT, 0x0407050600070106); // Linux'
    assert_int_equal(world.stored_msr, MSR_PAT);
    assert_int_equal(world.stored, 0x0407050600070106);
    unsigned before = world.stores;
    for (unsigned type = 0; type < 256; type++) {
        bool good = type == 0 || type == 1 || (type >= 4 && type <= 7);
        for (unsigned entry = 0; entry < 8; entry++) {
            assert_int_equal(msr_write(&world.msr, MSR_PAT, (uint64_t)type << entry * 8), good ? OK : ERR_DENIED);
        }
    }
    assert_int_equal(world.stores, before + 6 * 8);
    assert_int_equal(get(MSR_PAT), 7ull << 56);
    msr_reset(&world.msr);
    assert_int_equal(get(MSR_PAT), 0x0007040600070406);
}

static void test_mtrr(void **state) {
    static const uint32_t fixed[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

    (void)state;
    assert_int_equal(get(0x2ff), 0x806);
    for (unsigned i = 0; i < ARRAY_SIZE(fixed); i++) { put(fixed[i], 0x0606060606060600 | (i < 6 ? 1 : 4)); }
    for (unsigned i = 0; i < 16; i++) { put(0x200 + i, 0x1000 * (i + 1) + (i % 2 == 0 ? 6 : 0x800)); }
    put(0x2ff, 0xc00);
    for (unsigned i = 0; i < ARRAY_SIZE(fixed); i++) {
        assert_int_equal(get(fixed[i]), 0x0606060606060600 | (i < 6 ? 1 : 4));
        refused(fixed[i], 7); // UC- is PAT's
        refused(fixed[i], 0x0600000000000002);
    }
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(get(0x200 + i), 0x1000 * (i + 1) + (i % 2 == 0 ? 6 : 0x800));
        refused(0x200 + i, 1ull << 40);
        refused(0x200 + i, 1 << 8);
        put(0x200 + i, (1ull << 40) - 0x1000);
    }
    refused(0x200, 2);
    refused(0x201, 6);
    refused(0x200, 0x806);
    for (unsigned bit = 3; bit < 64; bit++) {
        if (bit != 10 && bit != 11) { refused(0x2ff, 1ull << bit | 6); }
    }
    refused(0x2ff, 7);
    assert_int_equal(get(0x2ff), 0xc00);
    msr_reset(&world.msr);
    assert_int_equal(get(0x2ff), 0x806);
    assert_int_equal(get(0x26f), 0);
    assert_int_equal(get(0x20f), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_constants, setup),  cmocka_unit_test_setup(test_unknown_ones, setup),
        cmocka_unit_test_setup(test_direct, setup),     cmocka_unit_test_setup(test_efer, setup),
        cmocka_unit_test_setup(test_tsc, setup),        cmocka_unit_test_setup(test_tsc_aux, setup),
        cmocka_unit_test_setup(test_local_apic, setup), cmocka_unit_test_setup(test_pv, setup),
        cmocka_unit_test_setup(test_pat, setup),        cmocka_unit_test_setup(test_mtrr, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
