// SPDX-License-Identifier: Apache-2.0
#include "private.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_MAX_LEN 256

void console_write(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n') console_put('\r');
        console_put(text[i]);
    }
}

void say(const char *format, ...) {
    char line[LINE_MAX_LEN];
    va_list arguments;
    va_start(arguments, format);
    int length = vsniprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof(line)) length = sizeof(line) - 1;
    if (length > 0) console_write(line, (size_t)length);
}
