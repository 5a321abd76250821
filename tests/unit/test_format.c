// SPDX-License-Identifier: Apache-2.0
// The formatter against the C library's, for every conversion that log.h names.
#include "test_sched_support.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/log.h"

// Some of these formats are made here, some are wrong on purpose: the compiler is kept from checking them.
typedef int (*formatter)(char *out, size_t size, const char *format, ...);
static const volatile formatter ours = format_string, reference = snprintf;

#define SAME(format, ...)                                                        \
    do {                                                                         \
        char expected[512], got[512];                                            \
        int length = reference(expected, sizeof(expected), format, __VA_ARGS__); \
        assert_int_equal(ours(got, sizeof(got), format, __VA_ARGS__), length);   \
        assert_string_equal(got, expected);                                      \
    } while (0)

static uint64_t any_value(struct random *random) { return random_next(random) >> random_in(random, 0, 63); }

static void integers_look_as_in_c(void **state) {
    static const char *const letters[] = {"d", "u", "x", "ld", "lu", "lx", "lld", "llu", "llx"};
    struct random random = random_start("format", 1);

    (void)state;
    for (int i = 0; i < ROUNDS(200000); i++) {
        const char *letter = letters[random_in(&random, 0, 8)];
        uint64_t value = any_value(&random);
        char format[32];
        snprintf(format, sizeof(format), "<%%%s>", letter);
        if (random_in(&random, 0, 1) == 0) {
            snprintf(format, sizeof(format), "<%%%s%u%s>", (const char *[]){"", "-", "0"}[random_in(&random, 0, 2)],
                     (unsigned)random_in(&random, 0, 29) + 1, letter);
        }
        if (strlen(letter) == 1) {
            SAME(format, (unsigned)value);
        } else {
            SAME(format, (unsigned long)value);
        }
    }
}

static void texts_look_as_in_c(void **state) {
    (void)state;
    SAME("%s|%10s|%-10s|%2s|", "abc", "abc", "abc", "abc");
    SAME("%%%3d%%", -7);
    SAME("%d %u %ld %lld", -2147483647 - 1, 4294967295u, -9223372036854775807l - 1, -1ll);
}

static void what_it_does_not_know_stands_as_it_is(void **state) {
    char out[64];

    (void)state;
    ours(out, sizeof(out), "a %5q b %d", 7);
    assert_string_equal(out, "a %5q b 7");
    ours(out, sizeof(out), "100%");
    assert_string_equal(out, "100%");
    ours(out, sizeof(out), "%-08l");
    assert_string_equal(out, "%-08l");
    ours(out, sizeof(out), "%s", NULL);
    assert_string_equal(out, "(null)");
}

static void nothing_is_written_beyond_the_buffer(void **state) {
    (void)state;
    for (size_t size = 0; size < 24; size++) {
        char out[32];
        memset(out, '#', sizeof(out));
        int length = ours(out, size, "%s %08d %-6u", "text", 1234, 5u);
        assert_int_equal(length, size == 0 ? 0 : (int)(size < 21 ? size - 1 : 20));
        for (size_t i = size; i < sizeof(out); i++) { assert_int_equal(out[i], '#'); }
        if (size > 0) {
            assert_int_equal(strlen(out), length);
            assert_memory_equal(out, "text 00001234 5     ", (size_t)length);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_look_as_in_c),
        cmocka_unit_test(texts_look_as_in_c),
        cmocka_unit_test(what_it_does_not_know_stands_as_it_is),
        cmocka_unit_test(nothing_is_written_beyond_the_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
