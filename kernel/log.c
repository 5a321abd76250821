// SPDX-License-Identifier: Apache-2.0
// The hypervisor's messages: a ring of the last lines, which overwrites the oldest. Until the console job reads it, and
// again after a panic, each line goes straight to the UART as well; what was said before there was a UART goes with
// the first one after it.
#include "kernel/log.h"
#include "kernel/console.h"
#include "kernel/lock.h"
#include "kernel/string.h"

enum { LOG_SIZE = 4096 }; // a power of two

static struct {
    struct spinlock lock;
    bool to_console; // the console job prints
    bool panicking;  // no locks: who holds them has been stopped
    uint64_t head;   // bytes ever written
    uint64_t direct; // up to here they went straight to the UART
    char text[LOG_SIZE];
} ring;

// With the lock held. Bounded by the ring; a UART is slow, so only for boot and panic.
static void print_direct(void) {
    bool line_start = true;

    if (console_uart == NULL) { return; }
    if (ring.head - ring.direct > LOG_SIZE) { ring.direct = ring.head - LOG_SIZE; }
    for (; ring.direct != ring.head; ring.direct++) {
        char c = ring.text[ring.direct % LOG_SIZE];

        for (const char *p = "[takt] "; line_start && *p != '\0'; p++) { console_uart->put_now(*p); }
        line_start = c == '\n';
        if (line_start) { console_uart->put_now('\r'); }
        console_uart->put_now(c);
    }
}

static void append(const char *line, size_t length) {
    size_t at = ring.head % LOG_SIZE, first = MIN(length, LOG_SIZE - at);

    memcpy(ring.text + at, line, first);
    memcpy(ring.text, line + first, length - first);
    ring.head += length;
}

void log_line(const char *format, ...) {
    char line[LOG_LINE_MAX];
    unsigned long flags = 0;
    bool wake, locked = !__atomic_load_n(&ring.panicking, __ATOMIC_RELAXED);
    va_list args;

    va_start(args, format);
    int length = format_string_v(line, sizeof(line), format, args);
    va_end(args);
    line[length++] = '\n'; // in place of the terminator
    if (locked) { flags = spin_lock(&ring.lock); }
    append(line, (size_t)length);
    wake = ring.to_console;
    if (!wake) { print_direct(); }
    if (locked) { spin_unlock(&ring.lock, flags); }
    if (wake) { console_wake(); }
}

// Copies what stands at the cursor, whole lines or not. True: some of it is overwritten, and the copy begins later.
static bool copy_out(uint64_t *cursor, char *out, size_t *size) {
    unsigned long flags = spin_lock(&ring.lock);
    bool lost = ring.head - *cursor > LOG_SIZE;

    if (lost) { *cursor = ring.head - LOG_SIZE; }
    *size = MIN(*size, (size_t)(ring.head - *cursor));
    size_t at = *cursor % LOG_SIZE, first = MIN(*size, LOG_SIZE - at);
    memcpy(out, ring.text + at, first);
    memcpy(out + first, ring.text, *size - first);
    spin_unlock(&ring.lock, flags);
    return lost;
}

size_t log_read(uint64_t *cursor, char *out, size_t size) {
    size_t length = size, taken = 0;

    while (copy_out(cursor, out, &length)) { // it begins in a line whose beginning is gone
        const char *end = memchr(out, '\n', length);
        *cursor += end != NULL ? (size_t)(end - out) + 1 : length;
        length = size;
    }
    for (size_t i = 0; i < length; i++) {
        if (out[i] == '\n') { taken = i + 1; }
    }
    *cursor += taken;
    return taken;
}

uint64_t log_to_console(void) {
    unsigned long flags = spin_lock(&ring.lock);
    uint64_t cursor = ring.direct;

    ring.to_console = true;
    spin_unlock(&ring.lock, flags);
    return cursor;
}

void log_direct(uint64_t cursor) {
    __atomic_store_n(&ring.panicking, true, __ATOMIC_RELAXED);
    ring.to_console = false;
    ring.direct = MAX(ring.direct, cursor);
    print_direct();
}
