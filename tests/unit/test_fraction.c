// SPDX-License-Identifier: Apache-2.0
/* Exact sums of fractions against 128-bit arithmetic. */
#include "test_sched_support.h"

#include "sched/fraction.h"

__extension__ typedef unsigned __int128 wide;

static void sums_are_compared_with_one_exactly(void **state) {
    struct random random = random_start("sums of three fractions", 0xf2ac);
    uint32_t sums_below = 0;

    (void)state;
    for (uint32_t round = 0; round < ROUNDS(300000); round++) {
        uint64_t numerator[3];
        uint64_t denominator[3];
        struct fraction sum;
        wide over = 0;
        wide common = 1;
        bool fits = true;

        fraction_zero(&sum);
        for (uint32_t i = 0; i < 3 && fits; i++) {
            denominator[i] = random_in(&random, 1, UINT64_C(1) << random_in(&random, 1, 42));
            numerator[i] = random_in(&random, 1, denominator[i] / 3 + 1);
            over = over * denominator[i] + common * numerator[i];
            common *= denominator[i];
            fits = fraction_add(&sum, numerator[i], denominator[i]);
            assert_int_equal(fits, over <= common);
        }
        sums_below += fits ? 1 : 0;
    }
    assert_in_range(sums_below, 1000, ROUNDS(300000) - 1000);
}

/* Where numerator or denominator outgrows a limb, by exactly one in the next. */
static void a_carry_makes_a_new_limb(void **state) {
    struct fraction sum;

    (void)state;
    fraction_zero(&sum);
    assert_true(fraction_add(&sum, UINT64_C(1) << 62, UINT64_C(1) << 62));
    assert_false(fraction_add(&sum, 3, 1)); /* 2^64 / 2^62 */
    fraction_zero(&sum);
    assert_true(fraction_add(&sum, 1, UINT64_C(1) << 32));
    assert_true(fraction_add(&sum, 1, UINT64_C(1) << 32)); /* 2^33 / 2^64 */
    assert_true(fraction_add(&sum, 1, 2));
    assert_false(fraction_add(&sum, 1, 2));
}

static void a_ratio_is_rounded_up_and_not_by_much(void **state) {
    struct random random = random_start("ratios", 0x4a71);

    (void)state;
    for (uint32_t round = 0; round < ROUNDS(300000); round++) {
        uint64_t whole = random_in(&random, 1, (UINT64_C(1) << random_in(&random, 1, 62)) - 1);
        uint64_t part = random_in(&random, 1, whole);
        uint64_t ratio = fraction_ratio_up(part, whole);
        wide exact = ((wide)part << 32) / whole;

        assert_true((wide)ratio * whole >= (wide)part << 32);
        assert_true(ratio <= exact + (exact >> 29) + 2);
    }
    assert_int_equal(fraction_ratio_up(1, 1), SCHED_UTILISATION_ONE);
    assert_int_equal(fraction_ratio_up(1, 3), SCHED_UTILISATION_ONE / 3 + 1);
    /* 2^33 + 1 of 2^34 is a half and a little. */
    assert_int_equal(fraction_ratio_up((UINT64_C(1) << 33) + 1, UINT64_C(1) << 34), SCHED_UTILISATION_ONE / 2 + 1);
    assert_in_range(fraction_ratio_up(UINT64_C(1) << 40, 1), SCHED_UTILISATION_ONE, UINT64_MAX / FRACTION_TERMS_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_compared_with_one_exactly),
        cmocka_unit_test(a_carry_makes_a_new_limb),
        cmocka_unit_test(a_ratio_is_rounded_up_and_not_by_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
