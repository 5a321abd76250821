// SPDX-License-Identifier: Apache-2.0
// The one formatter of the hypervisor. It writes nothing beyond the buffer, always terminates it, and copies a
// conversion that it does not know as it stands, so that a mistake in a message shows instead of shifting arguments.
#include "kernel/log.h"
#include "kernel/string.h"

struct output {
    char *at, *end; // end: the place of the terminator
    // The conversion at work: % [-0] [width] [l | ll] letter
    bool left, zero, wide;
    unsigned width;
};
_Static_assert(sizeof(long) == sizeof(uint64_t) && sizeof(long long) == sizeof(long), "l and ll are one");

static void put(struct output *out, char c) {
    if (out->at < out->end) { *out->at++ = c; }
}

// Most of a line is put here. What a VM ends with is formatted with interrupts masked.
static void put_text(struct output *out, const char *text, size_t length) {
    length = MIN(length, (size_t)(out->end - out->at));
    memcpy(out->at, text, length);
    out->at += length;
}

// What the field's content leaves of its width.
static void pad(struct output *out, char c, size_t length) {
    while (length++ < out->width) { put(out, c); }
}

static void put_field(struct output *out, bool negative, const char *text, size_t size) {
    size_t length = size + negative;

    if (!out->left && !out->zero) { pad(out, ' ', length); }
    if (negative) { put(out, '-'); }
    if (!out->left && out->zero) { pad(out, '0', length); }
    put_text(out, text, size);
    if (out->left) { pad(out, ' ', length); }
}

static void put_number(struct output *out, char letter, uint64_t value) {
    char digits[24], *end = digits + sizeof(digits), *first = end;
    unsigned base = letter == 'x' ? 16 : 10;
    bool negative = letter == 'd' && (int64_t)value < 0;

    if (negative) { value = 0 - value; }
    do {
        *--first = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    put_field(out, negative, first, (size_t)(end - first));
}

// Reads what stands between '%' and the letter; returns where the letter is.
static const char *read_spec(struct output *out, const char *format) {
    out->left = out->zero = out->wide = false;
    out->width = 0;
    for (; *format == '-' || *format == '0'; format++) {
        out->left |= *format == '-';
        out->zero |= *format == '0';
    }
    while (*format >= '0' && *format <= '9' && out->width < 1000) {
        out->width = out->width * 10 + (unsigned)(*format++ - '0');
    }
    for (; *format == 'l'; format++) { out->wide = true; }
    return format;
}

int format_string_v(char *out, size_t size, const char *format, va_list args) {
    struct output output = {.at = out, .end = out + size - 1};

    if (size == 0) { return 0; }
    for (;;) {
        const char *start = format, *text;
        uint64_t value;
        char letter;

        while (*format != '\0' && *format != '%') { format++; }
        put_text(&output, start, (size_t)(format - start));
        if (*format == '\0') { break; }
        start = format;
        format = read_spec(&output, format + 1);
        switch (letter = *format++) {
        case 'd':
        case 'u':
        case 'x':
            value = output.wide ? va_arg(args, unsigned long) : va_arg(args, unsigned);
            if (!output.wide && letter == 'd') { value = (uint64_t)(int)value; }
            put_number(&output, letter, value);
            break;
        case 's':
            text = va_arg(args, const char *);
            if (text == NULL) { text = "(null)"; }
            put_field(&output, false, text, strlen(text));
            break;
        case '%': put(&output, '%'); break;
        default: // not one of ours
            format--;
            while (start < format) { put(&output, *start++); }
        }
    }
    *output.at = '\0';
    return (int)(output.at - out);
}

int format_string(char *out, size_t size, const char *format, ...) {
    va_list args;

    va_start(args, format);
    int length = format_string_v(out, size, format, args);
    va_end(args);
    return length;
}

struct decimal format_thousandths(uint64_t value) {
    struct decimal d;

    format_string(d.text, sizeof(d.text), "%lu.%03lu", (value / 1000), (value % 1000));
    return d;
}

struct decimal format_percent(uint64_t permille) {
    struct decimal d;

    format_string(d.text, sizeof(d.text), "%lu.%lu%%", (permille / 10), (permille % 10));
    return d;
}
