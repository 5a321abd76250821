// SPDX-License-Identifier: Apache-2.0
// kernel/string.c under other names, beside the C library of the host.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define memcmp  own_memcmp
#define memchr  own_memchr
#define strlen  own_strlen
#define strnlen own_strnlen
#define strcmp  own_strcmp
#define strncmp own_strncmp
#define strchr  own_strchr
#define strrchr own_strrchr
#define strtoul own_strtoul
#include "kernel/string.c" // NOLINT(bugprone-suspicious-include)

static int sign(int value) { return (value > 0) - (value < 0); }

static void compares(void **state) {
    (void)state;
    assert_int_equal(memcmp("abc", "abd", 2), 0);
    assert_int_equal(sign(memcmp("abc", "abd", 3)), -1);
    assert_int_equal(sign(memcmp("\xff", "\x01", 1)), 1); // as unsigned
    assert_int_equal(strcmp("", ""), 0);
    assert_int_equal(sign(strcmp("a", "ab")), -1);
    assert_int_equal(sign(strcmp("ab", "a")), 1);
    assert_int_equal(sign(strcmp("\xff", "a")), 1);
    assert_int_equal(strncmp("abc", "abd", 2), 0);
    assert_int_equal(strncmp("ab\0c", "ab\0d", 4), 0); // nothing behind the end
    assert_int_equal(strncmp("a", "b", 0), 0);
}

static void measures_and_searches(void **state) {
    static const char text[] = "a.b.c";

    (void)state;
    assert_int_equal(strlen(""), 0);
    assert_int_equal(strlen(text), 5);
    assert_int_equal(strnlen(text, 3), 3);
    assert_int_equal(strnlen(text, 9), 5);
    assert_ptr_equal(strchr(text, '.'), text + 1);
    assert_ptr_equal(strrchr(text, '.'), text + 3);
    assert_null(strchr(text, 'x'));
    assert_null(strrchr(text, 'x'));
    assert_ptr_equal(strchr(text, '\0'), text + 5);
    assert_ptr_equal(strrchr(text, '\0'), text + 5);
    assert_ptr_equal(memchr(text, 'b', 5), text + 2);
    assert_null(memchr(text, 'b', 2));
    assert_non_null(memchr("\xfe\xff", 0xff, 2));
}

static void reads_numbers(void **state) {
    static const struct {
        const char *text;
        int base;
        unsigned long value;
        size_t used;
    } cases[] = {
        {"0", 0, 0, 1},
        {"123abc", 10, 123, 3},
        {"0x1F ", 0, 31, 4},
        {"1f", 16, 31, 2},
        {"0x", 0, 0, 1}, // a zero, then something else
        {"0xg", 16, 0, 1},
        {"", 10, 0, 0},
        {"z", 0, 0, 0},
        {"18446744073709551615", 10, UINT64_MAX, 20},
        {"18446744073709551616", 10, UINT64_MAX, 20},
        {"99999999999999999999999", 10, UINT64_MAX, 23},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *end;
        assert_int_equal(strtoul(cases[i].text, &end, cases[i].base), cases[i].value);
        assert_int_equal(end - cases[i].text, cases[i].used);
    }
    assert_int_equal(strtoul("42", NULL, 10), 42);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares),
        cmocka_unit_test(measures_and_searches),
        cmocka_unit_test(reads_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
