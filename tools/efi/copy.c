// SPDX-License-Identifier: Apache-2.0
// What compilers call, and kernel/string.c leaves to the architecture. The compiler is told not to make calls of these
// out of their own loops (scripts/efi.mk).
#include "kernel/string.h"

void *memmove(void *to, const void *from, size_t n) {
    // In the direction in which nothing is overwritten that is still to be read.
    if ((const char *)to > (const char *)from) {
        while (n-- > 0) { ((char *)to)[n] = ((const char *)from)[n]; }
        return to;
    }
    for (size_t i = 0; i < n; i++) { ((char *)to)[i] = ((const char *)from)[i]; }
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n) { return memmove(to, from, n); }

void *memset(void *to, int value, size_t n) {
    for (size_t i = 0; i < n; i++) { ((char *)to)[i] = (char)value; }
    return to;
}
