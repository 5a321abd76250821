// SPDX-License-Identifier: Apache-2.0
// Boot arguments, and the arithmetic of time.
#include "private.h"

#include <stdlib.h>
#include <string.h>

static const char *bootargs = "";

void arguments_init(const char *text) { bootargs = text; }

// The word `name`, alone or before a '='; returns what follows the name.
static const char *find_word(const char *name) {
    size_t length = strlen(name);
    const char *at = bootargs;
    while (*at) {
        at += strspn(at, " ");
        size_t word = strcspn(at, " ");
        if (word >= length && strncmp(at, name, length) == 0 && (word == length || at[length] == '='))
            return at + length;
        at += word;
    }
    return NULL;
}

bool arg_has(const char *name) { return find_word(name) != NULL; }

const char *arg_text(const char *name, const char *otherwise) {
    static char value[512];
    const char *at = find_word(name);
    if (!at || *at != '=') return otherwise;
    size_t length = strcspn(++at, " ");
    if (length >= sizeof(value)) length = sizeof(value) - 1;
    memcpy(value, at, length);
    value[length] = '\0';
    return value;
}

uint64_t arg_number(const char *name, uint64_t otherwise) {
    const char *text = arg_text(name, NULL);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

#define NS_PER_SECOND 1000000000ull

uint64_t ticks_to_ns(uint64_t ticks) {
    return ticks / clock_hz * NS_PER_SECOND + ticks % clock_hz * NS_PER_SECOND / clock_hz;
}

uint64_t us_to_ticks(uint64_t us) { return us / 1000000 * clock_hz + us % 1000000 * clock_hz / 1000000; }
