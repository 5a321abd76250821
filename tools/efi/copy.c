// SPDX-License-Identifier: Apache-2.0
// What every compiler calls, and what kernel/string.c leaves to the architecture. The compiler is told not to make calls
// of these out of their own loops (scripts/efi.mk).
#include "kernel/string.h"

void *memmove(void *to, const void *from, size_t n) {
    char *out = to;
    const char *in = from;

    // In the direction in which nothing is overwritten that is still to be read.
    if (out <= in) {
        for (size_t i = 0; i < n; i++) { out[i] = in[i]; }
    } else {
        while (n-- > 0) { out[n] = in[n]; }
    }
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n) { return memmove(to, from, n); }

void *memset(void *at, int value, size_t n) {
    for (size_t i = 0; i < n; i++) { ((char *)at)[i] = (char)value; }
    return at;
}
