// SPDX-License-Identifier: Apache-2.0
// The one formatter of the hypervisor. It writes nothing beyond the buffer, always terminates it, and copies a
// conversion that it does not know as it stands, so that a mistake in a message shows instead of shifting arguments.
#include "kernel/log.h"

struct output {
    char *at, *end; // end: the place of the terminator
};

// One conversion: % [-0] [width] [.precision] [l | ll | z] letter
struct spec {
    bool left, zero;
    unsigned width;
    int precision; // -1: none
    unsigned longs;
};

static void put(struct output *out, char c) {
    if (out->at < out->end) { *out->at++ = c; }
}

static __attribute__((noinline)) void pad(struct output *out, char c, unsigned from, unsigned to) {
    while (from++ < to) { put(out, c); }
}

static void put_text(struct output *out, const struct spec *spec, const char *text) {
    unsigned length = 0;

    if (text == NULL) { text = "(null)"; }
    while ((spec->precision < 0 || length < (unsigned)spec->precision) && text[length] != '\0') { length++; }
    if (!spec->left) { pad(out, ' ', length, spec->width); }
    for (unsigned i = 0; i < length; i++) { put(out, text[i]); }
    if (spec->left) { pad(out, ' ', length, spec->width); }
}

static void put_number(struct output *out, const struct spec *spec, uint64_t value, unsigned base, const char *sign) {
    char digits[24];
    unsigned count = 0, length;

    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    length = count;
    for (const char *s = sign; *s != '\0'; s++) { length++; }
    if (!spec->left && !spec->zero) { pad(out, ' ', length, spec->width); }
    while (*sign != '\0') { put(out, *sign++); }
    if (!spec->left && spec->zero) { pad(out, '0', length, spec->width); }
    while (count > 0) { put(out, digits[--count]); }
    if (spec->left) { pad(out, ' ', length, spec->width); }
}

static unsigned read_number(const char **format) {
    unsigned value = 0;

    while (**format >= '0' && **format <= '9' && value < 1000) { value = value * 10 + (unsigned)(*(*format)++ - '0'); }
    return value;
}

// Reads what stands between '%' and the letter; `*format` then points at the letter.
static struct spec read_spec(const char **format) {
    struct spec spec = {.precision = -1};

    for (; **format == '-' || **format == '0'; (*format)++) {
        spec.left |= **format == '-';
        spec.zero |= **format == '0';
    }
    spec.width = read_number(format);
    if (**format == '.') {
        (*format)++;
        spec.precision = (int)read_number(format);
    }
    if (**format == 'z') { // size_t is as wide as long on every machine that the hypervisor runs on
        spec.longs = 1;
        (*format)++;
    }
    for (; **format == 'l' && spec.longs < 2; (*format)++) { spec.longs++; }
    return spec;
}

// The va_list travels by pointer: it must advance in the caller.
struct arguments {
    va_list list;
};

static uint64_t next_unsigned(struct arguments *args, unsigned longs) {
    if (longs == 2) { return va_arg(args->list, unsigned long long); }
    return longs == 1 ? va_arg(args->list, unsigned long) : va_arg(args->list, unsigned);
}

static int64_t next_signed(struct arguments *args, unsigned longs) {
    if (longs == 2) { return va_arg(args->list, long long); }
    return longs == 1 ? va_arg(args->list, long) : va_arg(args->list, int);
}

// Writes one conversion; false: the letter is not one of ours.
static bool convert(struct output *out, const struct spec *spec, char letter, struct arguments *args) {
    int64_t number;

    switch (letter) {
    case 'd':
        number = next_signed(args, spec->longs);
        put_number(out, spec, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 10, number < 0 ? "-" : "");
        return true;
    case 'u': put_number(out, spec, next_unsigned(args, spec->longs), 10, ""); return true;
    case 'x': put_number(out, spec, next_unsigned(args, spec->longs), 16, ""); return true;
    case 'p': put_number(out, spec, (uint64_t)(uintptr_t)va_arg(args->list, void *), 16, "0x"); return true;
    case 's': put_text(out, spec, va_arg(args->list, const char *)); return true;
    case 'c': put_text(out, spec, (const char[]){(char)va_arg(args->list, int), '\0'}); return true;
    case '%': put(out, '%'); return true;
    default: return false;
    }
}

int format_string_v(char *out, size_t size, const char *format, va_list args) {
    struct output output = {.at = out, .end = out + size - 1};
    struct arguments arguments;

    if (size == 0) { return 0; }
    va_copy(arguments.list, args);
    while (*format != '\0') {
        const char *start = format;

        if (*format++ != '%') {
            put(&output, *start);
            continue;
        }
        struct spec spec = read_spec(&format);
        if (*format != '\0' && convert(&output, &spec, *format, &arguments)) {
            format++;
            continue;
        }
        while (start < format) { put(&output, *start++); }
    }
    *output.at = '\0';
    va_end(arguments.list);
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
