// SPDX-License-Identifier: Apache-2.0
#include "test_sched_support.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/stats.h"

enum { SAMPLES = 1000 };

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

// At least the true quantile, at most an eighth beyond it, never beyond the maximum.
static void a_quantile_errs_by_an_eighth_at_most(void **state) {
    struct random random = random_start("histogram", 2);
    static uint64_t values[SAMPLES];

    (void)state;
    for (int round = 0; round < ROUNDS(300); round++) {
        struct histogram h;
        uint64_t sum = 0;
        memset(&h, 0, sizeof(h));
        for (int i = 0; i < SAMPLES; i++) {
            values[i] = random_next(&random) >> (25 + random_in(&random, 0, 38));
            sum += values[i];
            histogram_add(&h, values[i]);
        }
        qsort(values, SAMPLES, sizeof(values[0]), by_value);
        assert_int_equal(h.count, SAMPLES);
        assert_int_equal(h.sum, sum);
        assert_int_equal(h.min, values[0]);
        assert_int_equal(h.max, values[SAMPLES - 1]);
        for (unsigned permille = 1; permille <= 1000; permille += 37) {
            uint64_t exact = values[(SAMPLES * permille + 999) / 1000 - 1];
            uint64_t got = histogram_quantile(&h, permille);
            assert_true(got >= exact);
            assert_true(got <= exact + exact / 8);
            assert_true(got <= h.max);
        }
        assert_int_equal(histogram_quantile(&h, 1000), h.max);
    }
}

static void an_empty_histogram_answers_zero(void **state) {
    static const struct histogram empty;

    (void)state;
    assert_int_equal(histogram_quantile(&empty, 990), 0);
}

static void huge_values_are_counted_in_the_last_bucket(void **state) {
    struct histogram h;

    (void)state;
    memset(&h, 0, sizeof(h));
    histogram_add(&h, UINT64_MAX);
    histogram_add(&h, 1);
    assert_int_equal(h.bucket[HISTOGRAM_BUCKETS - 1], 1);
    assert_int_equal(histogram_quantile(&h, 1000), UINT64_MAX);
    assert_int_equal(histogram_quantile(&h, 500), 1);
}

static void every_exit_reason_has_a_name(void **state) {
    (void)state;
    for (int i = 0; i < EXIT_REASONS; i++) {
        assert_non_null(exit_reason_names[i]);
        assert_null(strchr(exit_reason_names[i], ' ')); // a column of the monitor's table
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quantile_errs_by_an_eighth_at_most),
        cmocka_unit_test(an_empty_histogram_answers_zero),
        cmocka_unit_test(huge_values_are_counted_in_the_last_bucket),
        cmocka_unit_test(every_exit_reason_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
