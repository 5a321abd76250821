// SPDX-License-Identifier: Apache-2.0
#include "kernel/string.h"

#include <limits.h>
#include <stdint.h>

// Called from everywhere and nowhere in haste: one copy of each loop.
#define ONE_COPY __attribute__((noinline))

ONE_COPY int memcmp(const void *a, const void *b, size_t n) {
    const unsigned char *x = a, *y = b;

    for (size_t i = 0; i < n; i++) {
        if (x[i] != y[i]) { return x[i] - y[i]; }
    }
    return 0;
}

// A search gives back as writable what it was given as constant: the way of ISO C.
static char *unconst(const char *s) { return (char *)(uintptr_t)s; }

ONE_COPY void *memchr(const void *s, int c, size_t n) {
    const char *p = s;

    for (size_t i = 0; i < n; i++) {
        if (p[i] == (char)c) { return unconst(p + i); }
    }
    return NULL;
}

ONE_COPY size_t strnlen(const char *s, size_t max) {
    size_t n = 0;

    while (n < max && s[n] != '\0') { n++; }
    return n;
}

ONE_COPY size_t strlen(const char *s) { return strnlen(s, SIZE_MAX); }

int strncmp(const char *a, const char *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (a[i] != b[i] || a[i] == '\0') { return (unsigned char)a[i] - (unsigned char)b[i]; }
    }
    return 0;
}

ONE_COPY int strcmp(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX); }

char *strchr(const char *s, int c) {
    while (*s != (char)c) {
        if (*s++ == '\0') { return NULL; }
    }
    return unconst(s);
}

char *strrchr(const char *s, int c) {
    const char *last = NULL;

    for (;; s++) {
        if (*s == (char)c) { last = s; }
        if (*s == '\0') { return unconst(last); }
    }
}

static unsigned digit_value(char c) {
    if (c >= '0' && c <= '9') { return (unsigned)(c - '0'); }
    c |= 0x20; // lower case
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : UINT_MAX;
}

unsigned long strtoul(const char *restrict s, char **restrict end, int base) {
    unsigned long value = 0;
    const char *p = s;

    if ((base == 0 || base == 16) && s[0] == '0' && (s[1] | 0x20) == 'x' && digit_value(s[2]) < 16) {
        base = 16;
        p = s + 2;
    } else if (base == 0) {
        base = 10;
    }
    for (unsigned digit; (digit = digit_value(*p)) < (unsigned)base; p++) {
        unsigned long next;
        if (__builtin_mul_overflow(value, (unsigned long)base, &next) ||
            __builtin_add_overflow(next, (unsigned long)digit, &next)) {
            next = ULONG_MAX;
        }
        value = next;
    }
    if (end != NULL) { *end = unconst(p); }
    return value;
}
