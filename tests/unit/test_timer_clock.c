// SPDX-License-Identifier: Apache-2.0
#include "test_sched_support.h"

#include "timer/clock.h"

__extension__ typedef unsigned __int128 wide;

static const uint64_t rates[] = {
    1,         1000,       32768,      8000000,    19200000,   24000000,   54000000,    62500000,
    999999937, 1000000000, 1000000007, 2400000000, 3333333333, 9999999967, 10000000000,
};

#define RATE_COUNT (sizeof(rates) / sizeof(rates[0]))

static uint64_t reference(uint64_t x, uint64_t num, uint64_t den, bool up) {
    wide result = ((wide)x * num + (up ? den - 1 : 0)) / den;

    return (result >> 64) != 0 ? UINT64_MAX : (uint64_t)result;
}

static void check(const struct clock_rate *rate, uint64_t x) {
    uint64_t hz = rate->hz;
    uint64_t s = CLOCK_NS_PER_S;

    assert_int_equal(clock_ns_to_ticks_up(rate, x), reference(x, hz, s, true));
    assert_int_equal(clock_ns_to_ticks_down(rate, x), reference(x, hz, s, false));
    assert_int_equal(clock_ticks_to_ns_up(rate, x), reference(x, s, hz, true));
    assert_int_equal(clock_ticks_to_ns_down(rate, x), reference(x, s, hz, false));
}

static void conversions_equal_wide_arithmetic(void **state) {
    struct random random = random_start("clock conversions", 0xc10c);

    (void)state;
    for (size_t i = 0; i < RATE_COUNT; i++) {
        struct clock_rate rate;

        assert_int_equal(clock_rate_init(&rate, rates[i]), CLOCK_OK);
        for (uint64_t x = 0; x < 2000; x++) {
            check(&rate, x);
            check(&rate, UINT64_MAX - x);
            check(&rate, x * CLOCK_NS_PER_S);
            check(&rate, x * rates[i] - 1);
            check(&rate, x * rates[i] + 1);
        }
        for (uint32_t bit = 0; bit < 64; bit++) {
            for (uint64_t x = 0; x < 5; x++) { check(&rate, (UINT64_C(1) << bit) + x - 2); }
        }
        for (uint32_t round = 0; round < ROUNDS(100000); round++) {
            check(&rate, random_next(&random) >> random_in(&random, 0, 63));
        }
    }
}

/* Never early: an expiry that is converted up and read back down is not before the asked time, and
 * at most one tick late. */
static void an_expiry_is_never_early_and_at_most_a_tick_late(void **state) {
    static const uint64_t board_rates[] = {8000000, 24000000, 62500000, 1000000000};
    struct random random = random_start("expiries", 0xea51e5);

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct clock_rate rate;
        uint64_t tick_ns = (CLOCK_NS_PER_S + board_rates[i] - 1) / board_rates[i];

        assert_int_equal(clock_rate_init(&rate, board_rates[i]), CLOCK_OK);
        for (uint32_t round = 0; round < ROUNDS(100000); round++) {
            uint64_t ns = random_next(&random) >> random_in(&random, 1, 60);
            uint64_t back = clock_ticks_to_ns_down(&rate, clock_ns_to_ticks_up(&rate, ns));

            assert_true(back >= ns && back - ns < tick_ns);
        }
    }
}

static void rates_out_of_range_are_rejected(void **state) {
    struct clock_rate rate = {.hz = 7};

    (void)state;
    assert_int_equal(clock_rate_init(&rate, 0), CLOCK_BAD_RATE);
    assert_int_equal(clock_rate_init(&rate, CLOCK_HZ_MAX + 1), CLOCK_BAD_RATE);
    assert_int_equal(rate.hz, 7);
}

static void addition_saturates(void **state) {
    (void)state;
    assert_int_equal(clock_add_saturating(1, 2), 3);
    assert_int_equal(clock_add_saturating(UINT64_MAX - 1, 1), UINT64_MAX);
    assert_int_equal(clock_add_saturating(UINT64_MAX - 1, 2), UINT64_MAX);
    assert_int_equal(clock_add_saturating(UINT64_MAX, UINT64_MAX), UINT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversions_equal_wide_arithmetic),
        cmocka_unit_test(an_expiry_is_never_early_and_at_most_a_tick_late),
        cmocka_unit_test(rates_out_of_range_are_rejected),
        cmocka_unit_test(addition_saturates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
