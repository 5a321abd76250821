// SPDX-License-Identifier: Apache-2.0
// The part of the C library that the hypervisor and libfdt use; the same names and meanings as in ISO C, any context.
// memcpy, memmove and memset are the architecture's. On the host the C library has them all.
#ifndef KERNEL_STRING_H
#define KERNEL_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
// Digits only, base 10 or 16 (with or without 0x), or 0: by prefix; no sign, no blanks. Saturates at the maximum.
unsigned long strtoul(const char *restrict s, char **restrict end, int base);

#endif
