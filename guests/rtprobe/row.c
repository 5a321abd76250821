// SPDX-License-Identifier: Apache-2.0
// The rows of the benchmark table: order statistics of their samples, exact. They are all printed at the end: a line
// printed earlier would wake the hypervisor's console, and that takes the core from later samples.
#include "rtprobe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX   20
#define PER_LINE   8  // samples, when they are dumped
#define DIGITS_MAX 21 // of a number, and a blank

static struct row rows[ROWS_MAX];
static unsigned row_count;

struct row *row_begin(const char *name, const char *unit) {
    if (row_count == ROWS_MAX) {
        say("rtprobe: more than %u rows\n", ROWS_MAX);
        machine_off();
    }
    struct row *row = &rows[row_count++];
    row->name = name;
    row->unit = unit;
    return row;
}

void value_add(const char *name, const char *unit, uint64_t value) { row_add(row_begin(name, unit), value); }

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void print_line(const struct row *row, const char *which, const uint64_t figures[4], unsigned samples) {
    unsigned long long f[4];
    for (unsigned i = 0; i < 4; i++) f[i] = strcmp(row->unit, "ns") == 0 ? ticks_to_ns(figures[i]) : figures[i];
    say("BENCH %s%s%s %s %llu %llu %llu %llu %u\n", row->name, which, arg_text("suffix", ""), row->unit, f[0], f[1],
        f[2], f[3], samples);
}

// In the order in which they were taken.
static void dump(const struct row *row) {
    char line[PER_LINE * DIGITS_MAX + 1];
    for (unsigned i = 0; i < row->count; i += PER_LINE) {
        int length = 0;
        for (unsigned j = i; j < row->count && j < i + PER_LINE; j++) {
            uint64_t value = row->samples[j];
            if (strcmp(row->unit, "ns") == 0) value = ticks_to_ns(value);
            length += sniprintf(line + length, sizeof(line) - (size_t)length, " %llu", (unsigned long long)value);
        }
        say("SAMPLES %s%s%s\n", row->name, arg_text("suffix", ""), line);
    }
}

static void print(struct row *row) {
    uint64_t *samples = row->samples, sum = 0;
    unsigned n = row->count;
    if (row->first_apart && n > 1) {
        print_line(row, "_first", (uint64_t[4]){samples[0], samples[0], samples[0], samples[0]}, 1);
        samples++, n--;
    }
    if (n == 0) return;
    for (unsigned i = 0; i < n; i++) sum += samples[i];
    qsort(samples, n, sizeof(samples[0]), compare);
    // The p99 is the least sample that at least 99 of 100 do not exceed.
    unsigned rank = (99 * n + 99) / 100;
    print_line(row, "", (uint64_t[4]){samples[0], (sum + n / 2) / n, samples[rank - 1], samples[n - 1]}, n);
}

void rows_print(void) {
    for (unsigned i = 0; i < row_count; i++) {
        if (arg_has("dump")) dump(&rows[i]);
        print(&rows[i]);
    }
    say("BENCH-DONE\n");
}
