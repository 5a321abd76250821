// SPDX-License-Identifier: Apache-2.0
// Calls of a guest: PSCI, SMCCC, TRNG, stolen time and Takt's own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/call_world.h"

#define ID(base, n)                        ((base) + (n))
#define assert_call(expected, id, a, b, c) assert_true((uint64_t)(int64_t)(expected) == world_call(id, a, b, c))

enum {
    CPU_SUSPEND = 1,
    CPU_OFF = 2,
    CPU_ON = 3,
    AFFINITY_INFO = 4,
    MIGRATE = 5,
    MIGRATE_INFO_TYPE = 6,
    SYSTEM_RESET2 = 0x12,
};
#define UPPER_GARBAGE 0xdead000000000000ull

static int setup(void **state) {
    (void)state;
    world_init();
    return 0;
}

static void psci_tells_its_version(void **state) {
    (void)state;
    assert_call(0x10001, PSCI_VERSION, 0, 0, 0);
    assert_call(0x10001, UPPER_GARBAGE | PSCI_VERSION, 0, 0, 0);
    assert_call(2, ID(PSCI_BASE, MIGRATE_INFO_TYPE), 0, 0, 0);
}

static void psci_features_names_what_is_there(void **state) {
    static const uint32_t there[] = {
        0x84000000, 0x84000001, 0xc4000001, 0x84000002, 0x84000003, 0xc4000003, 0x84000004, 0xc4000004,
        0x84000006, 0x84000008, 0x84000009, 0x8400000a, 0x84000012, 0xc4000012, 0x80000000,
    };
    static const uint32_t not_there[] = {
        0xc4000000, 0xc4000002, 0x84000005, 0xc4000005, 0xc4000006, 0x84000007, 0xc4000008,
        0x8400000b, 0x8400000e, 0x84000013, 0x80000001, 0x84000050, 0,          0xffffffff,
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
        assert_call(PSCI_SUCCESS, PSCI_FEATURES, there[i], 0, 0);
    }
    for (unsigned i = 0; i < sizeof(not_there) / sizeof(not_there[0]); i++) {
        assert_call(PSCI_NOT_SUPPORTED, PSCI_FEATURES, not_there[i], 0, 0);
    }
}

static void an_unknown_call_is_not_supported(void **state) {
    static const uint32_t ids[] = {0,          1,          0x84000005, 0x84000013, 0xc4000000, 0x80000002,
                                   0x8600ff02, 0xc6000000, 0xc6000025, 0xc5000022, 0x84000054, 0xffffffff};
    (void)state;
    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        assert_call(SMCCC_NOT_SUPPORTED, ids[i], 1, 2, 3);
        assert_int_equal(world_result(1), 1);
        assert_int_equal(world_result(2), 2);
        assert_int_equal(world_result(3), 3);
    }
}

static void cpu_on_starts_a_vcpu_once(void **state) {
    (void)state;
    assert_call(PSCI_SUCCESS, PSCI_CPU_ON_64, 1, WORLD_RAM_GPA + 0x80, 0x123456789abcull);
    assert_ptr_equal(world.other.inbox.head, &world.vcpu[1]);
    assert_true(world.vcpu[1].start_entry == WORLD_RAM_GPA + 0x80);
    assert_true(world.vcpu[1].start_arg == 0x123456789abcull);
    assert_call(PSCI_ON_PENDING, PSCI_CPU_ON_64, 1, WORLD_RAM_GPA, 0);
    assert_call(2, ID(PSCI_BASE_64, AFFINITY_INFO), 1, 0, 0);
    world.vcpu[1].start_pending = false;
    assert_call(PSCI_ALREADY_ON, PSCI_CPU_ON_64, 1, WORLD_RAM_GPA, 0);
    assert_call(PSCI_ALREADY_ON, PSCI_CPU_ON_64, 0, WORLD_RAM_GPA, 0);
    assert_call(0, ID(PSCI_BASE, AFFINITY_INFO), 1, 0, 0);
    assert_call(1, ID(PSCI_BASE, AFFINITY_INFO), 2, 0, 0);
}

static void a_32_bit_cpu_on_has_32_bit_arguments(void **state) {
    (void)state;
    assert_call(PSCI_SUCCESS, ID(PSCI_BASE, CPU_ON), UPPER_GARBAGE | 2, UPPER_GARBAGE | WORLD_RAM_GPA,
                UPPER_GARBAGE | 7);
    assert_true(world.vcpu[2].on);
    assert_true(world.vcpu[2].start_entry == WORLD_RAM_GPA);
    assert_true(world.vcpu[2].start_arg == 7);
}

static void cpu_on_refuses_what_cannot_run(void **state) {
    (void)state;
    assert_call(PSCI_INVALID_PARAMETERS, PSCI_CPU_ON_64, WORLD_VCPUS, WORLD_RAM_GPA, 0);
    assert_call(PSCI_INVALID_PARAMETERS, PSCI_CPU_ON_64, 0x100, WORLD_RAM_GPA, 0);
    assert_call(PSCI_INVALID_PARAMETERS, PSCI_CPU_ON_64, UINT64_MAX, WORLD_RAM_GPA, 0);
    assert_call(PSCI_INVALID_ADDRESS, PSCI_CPU_ON_64, 1, WORLD_RAM_GPA + 2, 0);
    assert_call(PSCI_INVALID_ADDRESS, PSCI_CPU_ON_64, 1, WORLD_RAM_GPA + WORLD_RAM_SIZE, 0);
    assert_call(PSCI_INVALID_ADDRESS, PSCI_CPU_ON_64, 1, 0x09000000, 0);
    assert_call(PSCI_INVALID_ADDRESS, PSCI_CPU_ON_64, 1, UINT64_MAX - 3, 0);
    assert_false(world.vcpu[1].on);
}

static void affinity_info_knows_level_0_only(void **state) {
    (void)state;
    assert_call(0, ID(PSCI_BASE_64, AFFINITY_INFO), 0, 0, 0);
    assert_call(PSCI_INVALID_PARAMETERS, ID(PSCI_BASE_64, AFFINITY_INFO), 0, 1, 0);
    assert_call(PSCI_INVALID_PARAMETERS, ID(PSCI_BASE_64, AFFINITY_INFO), 3, 0, 0);
    assert_call(PSCI_NOT_SUPPORTED, ID(PSCI_BASE, MIGRATE), 0, 0, 0);
}

static void suspend_waits_whatever_the_type(void **state) {
    (void)state;
    assert_call(PSCI_SUCCESS, ID(PSCI_BASE, CPU_SUSPEND), 0x00010000, WORLD_RAM_GPA, 0);
    assert_int_equal(world.vcpu[0].state, VCPU_BLOCKED);
    world.vcpu[0].state = VCPU_READY;
    assert_call(PSCI_INVALID_PARAMETERS, ID(PSCI_BASE_64, CPU_SUSPEND), 0x80000000, 0, 0);
    assert_call(PSCI_INVALID_PARAMETERS, ID(PSCI_BASE_64, CPU_SUSPEND), 0x01000000, 0, 0);
    assert_int_equal(world.vcpu[0].state, VCPU_READY);
}

static void a_guest_ends_itself(void **state) {
    (void)state;
    assert_call(PSCI_INVALID_PARAMETERS, ID(PSCI_BASE_64, SYSTEM_RESET2), 0x80000000, 0, 0);
    assert_call(PSCI_INVALID_PARAMETERS, ID(PSCI_BASE_64, SYSTEM_RESET2), 1, 0, 0);
    assert_int_equal(world.vm.state, VM_RUNNING);
    world_call(PSCI_SYSTEM_OFF, 0, 0, 0);
    assert_int_equal(world.vm.state, VM_STOPPING);
    assert_int_equal(world.vm.end, VM_END_OFF);
    world_init();
    world_call(PSCI_SYSTEM_RESET, 0, 0, 0);
    assert_int_equal(world.vm.end, VM_END_RESET);
    world_init();
    world_call(ID(PSCI_BASE, SYSTEM_RESET2), 0, 0, 0);
    assert_int_equal(world.vm.end, VM_END_RESET);
    world_init();
    world_call(ID(PSCI_BASE, CPU_OFF), 0, 0, 0);
    assert_int_equal(world.vcpu[0].state, VCPU_OFF);
    assert_int_equal(world.vm.state, VM_STOPPING); // it was the last
}

static void smccc_describes_itself(void **state) {
    (void)state;
    assert_call(0x10002, SMCCC_VERSION, 0, 0, 0);
    assert_call(0, SMCCC_ARCH_FEATURES, SMCCC_VERSION, 0, 0);
    assert_call(0, SMCCC_ARCH_FEATURES, SMCCC_ARCH_FEATURES, 0, 0);
    assert_call(0, SMCCC_ARCH_FEATURES, PV_TIME_BASE, 0, 0);
    assert_call(-1, SMCCC_ARCH_FEATURES, 0x80000002, 0, 0); // SOC_ID
    assert_call(-1, SMCCC_ARCH_FEATURES, PSCI_VERSION, 0, 0);
}

static void workarounds_are_the_firmwares(void **state) {
    (void)state;
    world.workaround_feature = -1;
    assert_call(-1, SMCCC_ARCH_FEATURES, SMCCC_ARCH_WORKAROUND_1, 0, 0);
    assert_call(-1, SMCCC_ARCH_WORKAROUND_1, 0, 0, 0);
    assert_int_equal(world.workarounds, 0);
    world.workaround_feature = 1;
    assert_call(1, SMCCC_ARCH_FEATURES, SMCCC_ARCH_WORKAROUND_3, 0, 0);
    world_call(SMCCC_ARCH_WORKAROUND_1, 0, 0, 0);
    world_call(SMCCC_ARCH_WORKAROUND_3, 0, 0, 0);
    world_call(SMCCC_ARCH_WORKAROUND_2, 1, 0, 0);
    assert_int_equal(world.workarounds, 3);
    assert_int_equal(world.workaround_argument, 1);
}

static void trng_gives_what_the_firmware_gives(void **state) {
    (void)state;
    assert_call(0x10000, TRNG_VERSION, 0, 0, 0);
    assert_call(0, ID(TRNG_BASE, 1), TRNG_RND_64, 0, 0);
    assert_call(-1, ID(TRNG_BASE, 1), 0x84000054, 0, 0);
    assert_true((uint32_t)world_call(ID(TRNG_BASE, 2), 0, 0, 0) != UINT32_MAX);
    world.entropy = 3;
    assert_call(0, TRNG_RND_64, 72, 0, 0);
    assert_true(world_result(3) == 0x3333333333333333ull);
    assert_true(world_result(2) == 0x22);
    assert_true(world_result(1) == 0);
    world.entropy = 3;
    assert_call(0, ID(TRNG_BASE, 3), UPPER_GARBAGE | 96, 0, 0);
    assert_true(world_result(3) == 0x33333333);
    assert_true(world_result(1) == 0x11111111);
}

static void trng_invents_nothing(void **state) {
    (void)state;
    assert_call(-3, TRNG_RND_64, 64, 0, 0);
    world.entropy = 1;
    assert_call(-3, TRNG_RND_64, 192, 0, 0);
    assert_true(world_result(1) == 0 && world_result(2) == 0 && world_result(3) == 0);
    assert_call(-2, TRNG_RND_64, 0, 0, 0);
    assert_call(-2, TRNG_RND_64, 193, 0, 0);
    assert_call(-2, ID(TRNG_BASE, 3), 97, 0, 0);
}

static void stolen_time_is_kept_once_asked_for(void **state) {
    struct vcpu *vcpu = &world.vcpu[0];
    const uint64_t *record = vcpu->arch.stolen;
    (void)state;
    struct model_translation t = model_use_guest(world.vm.arch.vttbr, world.vm.arch.vtcr, STOLEN_TIME_GPA);
    assert_true(t.mapped && t.size == PAGE_SIZE);
    assert_call(0, PV_TIME_BASE, PV_TIME_BASE + 1, 0, 0);
    assert_call(-1, PV_TIME_BASE, PV_TIME_BASE + 2, 0, 0);
    stolen_time_update(vcpu, 5);
    assert_int_equal(record[1], 0);
    assert_call(STOLEN_TIME_GPA, PV_TIME_BASE + 1, 0, 0, 0);
    stolen_time_update(vcpu, 12345);
    assert_int_equal(record[0], 0);
    assert_int_equal(record[1], 12345); // at 1 GHz
    stolen_time_reset(vcpu);
    stolen_time_update(vcpu, 7);
    assert_int_equal(record[1], 0);
}

static void takt_says_who_it_is(void **state) {
    (void)state;
    assert_call(TAKT_HC_UID_0, SMCCC_VENDOR_HYP_UID, 0, 0, 0);
    assert_int_equal(world_result(1), TAKT_HC_UID_1);
    assert_int_equal(world_result(2), TAKT_HC_UID_2);
    assert_int_equal(world_result(3), TAKT_HC_UID_3);
    assert_call(TAKT_HC_VERSION_MAJOR, SMCCC_VENDOR_HYP_REVISION, 0, 0, 0);
    assert_int_equal(world_result(1), TAKT_HC_VERSION_MINOR);
    assert_call(12, SMCCC_VENDOR_HYP_COUNT, 0, 0, 0);
    assert_call(1 << 16 | 2, TAKT_HC_VERSION, 0, 0, 0);
}

static void a_hypercall_timer_fires_once_and_never_early(void **state) {
    struct timer_queue *timers = &host_cpu->timers;
    (void)state;
    // 1,000,000 is now; the virtual clock is 1,000 behind; the least distance is 50,000.
    assert_call(0, TAKT_HC_TIMER_SET, 0, 2000000, 0);
    assert_int_equal(world_result(1), 2000000);
    assert_int_equal(world.vcpu[0].call_timer.when, 2001000);
    assert_true((host_cpu->todo & TODO_DISPATCH) != 0);
    assert_null(timer_queue_pop(timers, 2000999, UINT64_MAX));
    struct timer_event *event = timer_queue_pop(timers, 2001000, UINT64_MAX);
    assert_non_null(event);
    event->fire(event, 2001000);
    assert_int_equal(host_record.injections, 1);
    assert_int_equal(host_record.injected_id, TAKT_HC_TIMER_INTID);
    assert_ptr_equal(host_record.injected, &world.vcpu[0]);
    assert_null(timer_queue_pop(timers, UINT64_MAX, UINT64_MAX));
}

static void a_hypercall_timer_keeps_its_distance(void **state) {
    (void)state;
    assert_call(0, TAKT_HC_TIMER_SET, 0, 0, 17);
    assert_int_equal(world_result(1), 1000000 - 1000 + 50000);
    assert_call(0, TAKT_HC_TIMER_SET, 0, UINT64_MAX, 17);
    assert_true(world.vcpu[0].call_timer.when == UINT64_MAX);
    assert_call(0, TAKT_HC_TIMER_CANCEL, 0, 0, 0);
    assert_int_equal(world_result(1), 1);
    assert_call(0, TAKT_HC_TIMER_CANCEL, 0, 0, 0);
    assert_int_equal(world_result(1), 0);
    for (unsigned i = 0; i < 3; i++) {
        static const uint32_t calls[] = {TAKT_HC_TIMER_SET, TAKT_HC_TIMER_CANCEL, TAKT_HC_TIMER_REPORT};
        assert_call(0, calls[i], TAKT_HC_TIMER_SLOTS - 1, 0, 0);
        assert_call(TAKT_HC_INVALID, calls[i], TAKT_HC_TIMER_SLOTS, 0, 0);
        assert_call(TAKT_HC_INVALID, calls[i], UINT64_MAX, 0, 0);
    }
    assert_call(TAKT_HC_INVALID, TAKT_HC_TIMER_SET, 0, 0, 15);
    assert_call(TAKT_HC_INVALID, TAKT_HC_TIMER_SET, 0, 0, 33);
    assert_call(TAKT_HC_INVALID, TAKT_HC_TIMER_SET, 0, 0, (1ull << 32) + 17);
}

static void figures_of_the_core_are_for_observers(void **state) {
    struct vcpu *vcpu = &world.vcpu[0];
    (void)state;
    host_cpu->stats.masked_max = 4711;
    host_cpu->stats.timer.expiries = 4;
    host_cpu->stats.timer.late_sum = 10;
    vcpu->stats.exits[EXIT_MMIO] = 3;
    vcpu->stats.exits[EXIT_HYPERCALL] = 4;
    vcpu->entity.stats.supplied = 100;
    vcpu->entity.stats.charged = 5;
    assert_call(0, TAKT_HC_STATS, TAKT_STAT_COUNT, 0, 0);
    assert_int_equal(world_result(1), TAKT_STATS);
    assert_call(0, TAKT_HC_STATS, TAKT_STAT_EXITS, 0, 0);
    assert_int_equal(world_result(1), 7);
    assert_call(0, TAKT_HC_STATS, TAKT_STAT_TIME_USED, 0, 0);
    assert_int_equal(world_result(1), 105);
    assert_call(TAKT_HC_DENIED, TAKT_HC_STATS, TAKT_STAT_MASKED_MAX, 0, 0);
    assert_int_equal(world_result(1), TAKT_STAT_MASKED_MAX);
    assert_call(TAKT_HC_INVALID, TAKT_HC_STATS, TAKT_STATS, 0, 0);
    world.desc.observer = true;
    assert_call(0, TAKT_HC_STATS, TAKT_STAT_MASKED_MAX, 0, 0);
    assert_int_equal(world_result(1), 4711);
    assert_call(0, TAKT_HC_STATS, TAKT_STAT_TIMER_LATE_MEAN, 0, 0);
    assert_int_equal(world_result(1), 2);
    host_cpu->stats.timer.expiries = 0; // as a core starts
    host_cpu->stats.timer.late_min = UINT64_MAX;
    assert_call(0, TAKT_HC_STATS, TAKT_STAT_TIMER_LATE_MIN, 0, 0);
    assert_int_equal(world_result(1), 0);
    for (unsigned i = 0; i < TAKT_STATS; i++) { assert_call(0, TAKT_HC_STATS, i, 0, 0); }
    assert_call(TAKT_HC_INVALID, TAKT_HC_STATS, UINT64_MAX, 0, 0);
}

static void only_a_controller_may_ask_for_changes(void **state) {
    (void)state;
    assert_call(TAKT_HC_DENIED, TAKT_HC_CONTROL, 0, 0, 0);
    assert_call(TAKT_HC_DENIED, TAKT_HC_CONTROL_RESULT, 1, 0, 0);
    assert_call(TAKT_HC_DENIED, TAKT_HC_CONTROL_LIST, 0, 0, 0);
}

static void mark_gives_both_clocks(void **state) {
    (void)state;
    assert_call(0, TAKT_HC_MARK, 99, 0, 0);
    assert_int_equal(world_result(1), 1000000);
    assert_int_equal(world_result(2), 999000);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(psci_tells_its_version),
        TEST(psci_features_names_what_is_there),
        TEST(an_unknown_call_is_not_supported),
        TEST(cpu_on_starts_a_vcpu_once),
        TEST(a_32_bit_cpu_on_has_32_bit_arguments),
        TEST(cpu_on_refuses_what_cannot_run),
        TEST(affinity_info_knows_level_0_only),
        TEST(suspend_waits_whatever_the_type),
        TEST(a_guest_ends_itself),
        TEST(smccc_describes_itself),
        TEST(workarounds_are_the_firmwares),
        TEST(trng_gives_what_the_firmware_gives),
        TEST(trng_invents_nothing),
        TEST(stolen_time_is_kept_once_asked_for),
        TEST(takt_says_who_it_is),
        TEST(a_hypercall_timer_fires_once_and_never_early),
        TEST(a_hypercall_timer_keeps_its_distance),
        TEST(figures_of_the_core_are_for_observers),
        TEST(only_a_controller_may_ask_for_changes),
        TEST(mark_gives_both_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
