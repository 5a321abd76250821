// SPDX-License-Identifier: Apache-2.0
// What guests see of two machines, bit by bit.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/cpuid_policy.h"
#include "arch/x86/msr_regs.h"
#include "cpuid_machines.h"
#include "takt/hypercall.h"

enum { EAX, EBX, ECX, EDX };

static struct cpuid_policy policy;
static struct cpuid_vcpu vcpu;

static struct cpuid_config config_of(const struct cpuid_machine *machine, unsigned vcpus) {
    return (struct cpuid_config){.machine = cpuid_of_machine,
                                 .context = (void *)(uintptr_t)machine,
                                 .tsc_hz = 2000000000,
                                 .apic_hz = 1000000000,
                                 .xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512 | XCR0_PKRU,
                                 .vcpus = vcpus};
}

static void use(const struct cpuid_machine *machine, unsigned vcpus, unsigned index) {
    struct cpuid_config config = config_of(machine, vcpus);

    assert_int_equal(cpuid_policy_init(&policy, &config), OK);
    vcpu = (struct cpuid_vcpu){.apic_id = index};
}

static struct cpuid_result get(uint32_t leaf, uint32_t subleaf) {
    struct cpuid_result result;

    memset(&result, 0xa5, sizeof(result));
    cpuid_read(&policy, &vcpu, leaf, subleaf, &result);
    return result;
}

static uint32_t reg(struct cpuid_result r, unsigned which) {
    return which == EAX ? r.eax : which == EBX ? r.ebx : which == ECX ? r.ecx : r.edx;
}

static void is(uint32_t leaf, uint32_t subleaf, uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx) {
    struct cpuid_result r = get(leaf, subleaf);

    if (r.eax != eax || r.ebx != ebx || r.ecx != ecx || r.edx != edx) {
        fail_msg("leaf %x.%x: %08x %08x %08x %08x, wanted %08x %08x %08x %08x", leaf, subleaf, r.eax, r.ebx, r.ecx,
                 r.edx, eax, ebx, ecx, edx);
    }
}

// ---- whole leaves -----------------------------------------------------------------------------------------

static void test_zen(void **state) {
    (void)state;
    use(&zen, 4, 2);
    assert_false(policy.intel);
    assert_int_equal(policy.physical_bits, 40);
    assert_int_equal(policy.xcr0, 7);
    assert_int_equal(policy.efer, EFER_SCE | EFER_LME | EFER_NXE | EFER_FFXSR);
    is(0, 0, 0xd, 0x68747541, 0x444d4163, 0x69746e65);
    is(1, 0, 0x00800f12, 0x02040800, 0xf7f83203, 0x178bfbff);
    is(2, 0, 0, 0, 0, 0);
    is(5, 0, 0, 0, 0, 0);
    is(6, 0, 4, 0, 0, 0);
    is(7, 0, 0, 0x209c01ab, 0, 0);
    is(7, 1, 0, 0, 0, 0);
    is(0x80000000, 0, 0x8000001f, 0x68747541, 0x444d4163, 0x69746e65);
    is(0x80000001, 0, 0x00800f12, 0x40000000, 0x004001e3, 0x2fd3fbff & ~(1u << 9));
    is(0x80000002, 0, 0x20444d41, 0x43595045, 0x30343720, 0x32205031);
    is(0x80000004, 7, 0x20202020, 0x20202020, 0x20202020, 0x00202020);
    is(0x80000005, 0, 0xff40ff40, 0xff40ff40, 0x20080140, 0x40040140);
    is(0x80000006, 0, 0x26006400, 0x66006400, 0x02006140, 0x02009140);
    is(0x80000007, 0, 0, 0, 0, 0x100);
    is(0x80000008, 0, 0x3028, 0x00000005, 0x2003, 0);
    is(0x80000019, 0, 0xf040f040, 0, 0, 0);
    is(0x8000001d, 0, 0x00000121, 0x01c0003f, 0x3f, 0);
    is(0x8000001d, 3, 0x0000c163, 0x03c0003f, 0x1fff, 1);
    is(0x8000001d, 4, 0, 0, 0, 0);
    is(0x8000001e, 0, 2, 2, 0, 0);
    is(0x15, 0, 0, 0, 0, 0); // Intel's only
    is(0x16, 0, 0, 0, 0, 0);
}

static void test_skylake(void **state) {
    (void)state;
    use(&skylake, 3, 1);
    assert_true(policy.intel);
    assert_int_equal(policy.xcr0, 0x2e7);
    assert_int_equal(policy.efer, EFER_SCE | EFER_LME | EFER_NXE);
    is(0, 0, 0x16, 0x756e6547, 0x6c65746e, 0x49656e69);
    is(1, 0, 0x00050654, 0x01040800, 0xf7fa3203, 0x1f8bfbff);
    is(2, 0, 0x76036301, 0x00f0b5ff, 0, 0x00c30000);
    is(4, 0, 0x0c000121, 0x01c0003f, 0x3f, 0);
    is(4, 2, 0x0c000143, 0x03c0003f, 0x3ff, 0);
    is(4, 3, 0x0c00c163, 0x0280003f, 0x4fff, 4);
    is(4, 4, 0, 0, 0, 0);
    is(4, 5, 0, 0, 0, 0);
    is(6, 0, 4, 0, 0, 0);
    is(7, 0, 0, 0xd19f27eb, 8, 0x400);
    is(0x15, 0, 1, 2, 1000000000, 0);
    is(0x16, 0, 2000, 2000, 1000, 0);
    is(0x80000000, 0, 0x80000008, 0, 0, 0);
    is(0x80000001, 0, 0, 0, 0x121, 0x2c100800);
    is(0x80000008, 0, 0x3028, 0, 0, 0);
    is(0x8000001e, 0, 0, 0, 0, 0); // beyond its maximum
}

static void test_hypervisor_leaves(void **state) {
    (void)state;
    use(&zen, 2, 0);
    is(0x40000000, 0, 0x40000010, 0x4b4d564b, 0x564b4d56, 0x4d);
    is(0x40000001, 0, 1u << 1 | 1u << 3 | 1u << 5 | 1u << 6 | 1u << 11 | 1u << 24, 0, 0, 0);
    is(0x40000010, 0, 2000000, 1000000, 0, 0);
    is(CPUID_TAKT, 0, CPUID_TAKT + 1, 0x746b6154, 0x746b6154, 0x746b6154);
    is(CPUID_TAKT + 1, 3, TAKT_HC_VERSION_MAJOR << 16 | TAKT_HC_VERSION_MINOR, CPUID_TAKT_CONVENTION, 0, 0);
}

// ---- what must never, and what must always be seen --------------------------------------------------------

static const struct {
    uint32_t leaf, subleaf;
    unsigned which;
    uint32_t bits;
} hidden[] = {
    {1, 0, ECX, 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 10 | 1u << 11},
    {1, 0, ECX, 1u << 14 | 1u << 15 | 1u << 18},
    {1, 0, EDX, 1u << 18 | 1u << 21 | 1u << 22 | 1u << 29 | 1u << 31},
    {7, 0, EBX, 1u << 2 | 1u << 4 | 1u << 11 | 1u << 12 | 1u << 14 | 1u << 15 | 1u << 25},
    {7, 0, ECX, 1u << 5 | 1u << 7 | 1u << 13 | 1u << 16 | 1u << 24 | 1u << 29 | 1u << 30 | 1u << 31},
    {7, 0, EDX, 1u << 5 | 1u << 11 | 1u << 15 | 1u << 18 | 1u << 20 | 1u << 22 | 0xffu << 24},
    {0xd, 1, EAX, 1u << 3 | 1u << 4},
    {0x80000001, 0, ECX, 1u << 2 | 1u << 3 | 1u << 9 | 1u << 10 | 1u << 12 | 1u << 13 | 1u << 15 | 1u << 17},
    {0x80000001, 0, ECX, 1u << 19 | 0x1fu << 23 | 1u << 28 | 1u << 29 | 1u << 30},
    {0x80000008, 0, EBX, 1u << 4 | 1u << 8 | 1u << 12 | 1u << 14 | 1u << 15 | 7u << 16 | 7u << 24},
    {0x40000001, 0, EAX, 1u << 0 | 1u << 4 | 1u << 7 | 1u << 9 | 1u << 12 | 1u << 14 | 1u << 15 | 1u << 17},
    {0x40000001, 0, EDX, 1}, // REALTIME
};

static void everything(void *context, uint32_t leaf, uint32_t subleaf, struct cpuid_result *result) {
    (void)subleaf;
    *result = (struct cpuid_result){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    if (leaf == 0) { result->ebx = *(const uint32_t *)context; }
}

static void nothing(void *context, uint32_t leaf, uint32_t subleaf, struct cpuid_result *result) {
    (void)context, (void)leaf, (void)subleaf;
    *result = (struct cpuid_result){0};
}

static void test_hides_from_a_machine_with_every_bit(void **state) {
    (void)state;
    for (unsigned intel = 0; intel < 2; intel++) {
        uint32_t vendor = intel != 0 ? 0x756e6547 : 0x68747541;
        struct cpuid_config config = config_of(&zen, 8);
        config.machine = everything;
        config.context = &vendor;
        assert_int_equal(cpuid_policy_init(&policy, &config), OK);
        vcpu = (struct cpuid_vcpu){.apic_id = 7};
        for (unsigned i = 0; i < ARRAY_SIZE(hidden); i++) {
            uint32_t seen = reg(get(hidden[i].leaf, hidden[i].subleaf), hidden[i].which) & hidden[i].bits;
            if (seen != 0) { fail_msg("row %u: %08x is seen", i, seen); }
        }
        static const uint32_t absent[] = {3,          5,          8,          9,          0xa,        0xc,
                                          0xf,        0x10,       0x12,       0x14,       0x18,       0x1f,
                                          0x20,       0x40000002, 0x40000200, 0x80000009, 0x8000000a, 0x8000001b,
                                          0x8000001c, 0x8000001f, 0x80000022, 0xc0000000, 0xffffffff};
        for (unsigned i = 0; i < ARRAY_SIZE(absent); i++) { is(absent[i], 0, 0, 0, 0, 0); }
        assert_int_equal(get(0x80000008, 0).eax, 48 << 8 | 40);
        assert_int_equal(get(0x80000000, 0).eax, 0x80000021);
        assert_int_equal(get(7, 0).eax, 1);
        assert_int_equal(policy.xcr0, 0x2e7);
    }
}

static void test_shows_always(void **state) {
    (void)state;
    struct cpuid_config config = config_of(&zen, 1);
    config.machine = nothing;
    assert_int_equal(cpuid_policy_init(&policy, &config), OK);
    vcpu = (struct cpuid_vcpu){0};
    is(0, 0, 0xd, 0, 0, 0);
    is(1, 0, 0, 1 << 16, 1u << 21 | 1u << 24 | 1u << 31, 1 << 9);
    is(6, 0, 4, 0, 0, 0);
    is(7, 0, 0, 2, 0, 0);
    is(0xd, 0, 0, 0, 576, 0);
    is(0x80000000, 0, 0x80000008, 0, 0, 0);
    is(0x80000007, 0, 0, 0, 0, 0x100);
    assert_int_equal(policy.xcr0, 0);
    assert_int_equal(cpuid_set_xcr0(&policy, &vcpu, 1), ERR_DENIED);
}

static void test_no_xsave_without_components(void **state) {
    (void)state;
    struct cpuid_config config = config_of(&skylake, 1);
    config.xcr0 = 0;
    assert_int_equal(cpuid_policy_init(&policy, &config), OK);
    assert_int_equal(get(1, 0).ecx & 1u << 26, 0);
    assert_int_equal(get(7, 0).ecx & 8, 0);                         // PKU
    config.xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX | BIT(5) | BIT(6); // a third of AVX-512 is missing
    assert_int_equal(cpuid_policy_init(&policy, &config), OK);
    assert_int_equal(policy.xcr0, 7);
}

// ---- what depends on VCPU and VM --------------------------------------------------------------------------

static void test_topology(void **state) {
    static const uint8_t bits[MAX_VCPUS + 1] = {0, 0, 1, 2, 2, 3, 3, 3, 3};

    (void)state;
    for (unsigned n = 1; n <= MAX_VCPUS; n++) {
        for (unsigned i = 0; i < n; i++) {
            use(&zen, n, i);
            is(0xb, 0, 0, 1, 0x100, i);
            is(0xb, 1, bits[n], n, 0x201, i);
            is(0xb, 2, 0, 0, 2, i);
            is(0xb, 0x1234, 0, 0, 0x34, i);
            assert_int_equal(get(1, 0).ebx, i << 24 | 1u << bits[n] << 16 | 0x800);
            assert_int_equal(get(1, 0).edx >> 28 & 1, n > 1);
            assert_int_equal(get(0x80000001, 0).ecx >> 1 & 1, n > 1);
            assert_int_equal(get(0x80000008, 0).ecx, bits[n] << 12 | (n - 1));
            assert_int_equal(get(0x8000001d, 3).eax >> 14, (1u << bits[n]) - 1);
        }
    }
}

static void test_dynamic_bits(void **state) {
    (void)state;
    use(&skylake, 1, 0);
    assert_int_equal(get(1, 0).ecx & 1u << 27, 0);
    vcpu.osxsave = vcpu.ospke = true;
    assert_int_equal(get(1, 0).ecx & 1u << 27, 1u << 27);
    assert_int_equal(get(7, 0).ecx, 0x18);
    assert_int_equal(get(7, 1).ecx, 0);
    assert_int_equal(get(1, 0).edx & 1u << 9, 1u << 9);
    vcpu.apic_disabled = true;
    assert_int_equal(get(1, 0).edx & 1u << 9, 0);
}

static void test_xsave_sizes(void **state) {
    static const struct {
        uint64_t xcr0;
        uint32_t size, compact;
    } sets[] = {
        {0x1, 576, 576}, {0x3, 576, 576}, {0x7, 832, 832}, {0xe7, 2688, 2432}, {0x2e7, 2696, 2440}, {0x207, 2696, 840},
    };

    (void)state;
    use(&skylake, 1, 0);
    is(0xd, 2, 0x100, 0x240, 0, 0);
    is(0xd, 3, 0, 0, 0, 0); // MPX
    is(0xd, 9, 8, 0xa80, 0, 0);
    is(0xd, 10, 0, 0, 0, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(sets); i++) {
        assert_int_equal(cpuid_set_xcr0(&policy, &vcpu, sets[i].xcr0), OK);
        is(0xd, 0, 0x2e7, sets[i].size, 2696, 0);
        is(0xd, 1, 7, sets[i].compact, 0, 0);
    }
    static const uint64_t bad[] = {0, 2, 5, 0x21, 0x27, 0xe3, 0x67, 0x1f, 0x4e7, 0x2e6, 1ull << 63 | 7};
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(cpuid_set_xcr0(&policy, &vcpu, bad[i]), ERR_DENIED);
        is(0xd, 0, 0x2e7, 2696, 2696, 0);
    }
}

// The compact form rounds a component up to 64 bytes where the machine says so.
static void aligned(void *context, uint32_t leaf, uint32_t subleaf, struct cpuid_result *result) {
    cpuid_of_machine(context, leaf, subleaf, result);
    if (leaf == 0xd && subleaf == 2) { result->eax = 0x101; }
    if (leaf == 0xd && subleaf == 9) { result->ecx = 2; }
}

static void test_xsave_alignment(void **state) {
    (void)state;
    struct cpuid_config config = config_of(&skylake, 1);
    config.machine = aligned;
    assert_int_equal(cpuid_policy_init(&policy, &config), OK);
    assert_int_equal(cpuid_set_xcr0(&policy, &vcpu, 0x207), OK);
    assert_int_equal(get(0xd, 1).ebx, 576 + 256 + 64 + 8);
}

static void test_crystal_needs_a_whole_ratio(void **state) {
    (void)state;
    struct cpuid_config config = config_of(&skylake, 1);
    config.tsc_hz = 2000000001;
    assert_int_equal(cpuid_policy_init(&policy, &config), OK);
    is(0x15, 0, 0, 0, 0, 0);
    assert_int_equal(get(0x16, 0).eax, 2000);
}

static void test_bounds(void **state) {
    (void)state;
    struct cpuid_config good = config_of(&zen, MAX_VCPUS), bad = good;
    assert_int_equal(cpuid_policy_init(&policy, &good), OK);
    bad.vcpus = 0;
    assert_int_equal(cpuid_policy_init(&policy, &bad), ERR_RANGE);
    bad.vcpus = MAX_VCPUS + 1;
    assert_int_equal(cpuid_policy_init(&policy, &bad), ERR_RANGE);
    bad = good;
    bad.apic_hz = 0;
    assert_int_equal(cpuid_policy_init(&policy, &bad), ERR_RANGE);
    bad.apic_hz = 1ull << 32;
    assert_int_equal(cpuid_policy_init(&policy, &bad), ERR_RANGE);
    bad = good;
    bad.tsc_hz = UINT64_MAX;
    assert_int_equal(cpuid_policy_init(&policy, &bad), ERR_RANGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zen),
        cmocka_unit_test(test_skylake),
        cmocka_unit_test(test_hypervisor_leaves),
        cmocka_unit_test(test_hides_from_a_machine_with_every_bit),
        cmocka_unit_test(test_shows_always),
        cmocka_unit_test(test_no_xsave_without_components),
        cmocka_unit_test(test_topology),
        cmocka_unit_test(test_dynamic_bits),
        cmocka_unit_test(test_xsave_sizes),
        cmocka_unit_test(test_xsave_alignment),
        cmocka_unit_test(test_crystal_needs_a_whole_ratio),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
