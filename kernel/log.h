// SPDX-License-Identifier: Apache-2.0
// The hypervisor's own messages. A line goes to a ring and from there to the console by a best-effort job; before that
// job exists (boot) and after a panic, straight to the UART. Writing is bounded and never waits for the UART.
#ifndef KERNEL_LOG_H
#define KERNEL_LOG_H

#include <stdarg.h>

#include "kernel/types.h"

// printf-like, with: %s %d %u %x %lu %ld %lx %llu %lld %llx %%, width, '-', '0'.
// A line is cut at LOG_LINE_MAX - 1 characters. Any context.
enum { LOG_LINE_MAX = 384 };
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

// The last lines, for the console job and the monitor. Copies whole lines, each with its newline, from `*cursor` on, as
// many as `size` (>= LOG_LINE_MAX) holds, and moves the cursor behind them; a cursor whose place is overwritten moves
// on to the oldest line first. Returns the bytes copied.
size_t log_read(uint64_t *cursor, char *out, size_t size);
// The console job is there: it prints the lines that log_read gives it, starting at the returned cursor.
uint64_t log_to_console(void);
// Straight to the UART again, for panic: without locks, beginning with what neither went there yet nor lies before `cursor`.
void log_direct(uint64_t cursor);

// Both return how many characters they wrote, the terminator not counted: what did not fit is cut.
int format_string(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int format_string_v(char *out, size_t size, const char *format, va_list args);

// A number with its fraction as text: "12.345" of thousandths, "12.3%" of thousandths of the whole.
struct decimal {
    char text[24];
};
struct decimal format_thousandths(uint64_t value);
struct decimal format_percent(uint64_t permille);

// Stops the machine for good, every core of it: prints registers, backtrace, core and VM. For the hypervisor's own broken invariants only,
// never for anything that comes from outside. Any context.
void panic(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
#define ASSERT(c)                                                           \
    do {                                                                    \
        if (unlikely(!(c))) { panic("%s:%d: %s", __FILE__, __LINE__, #c); } \
    } while (0)

#endif
