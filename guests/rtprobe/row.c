// SPDX-License-Identifier: Apache-2.0
// A row of the benchmark table: order statistics of its samples, exact.
#include "rtprobe.h"

#include <stdlib.h>

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void row_print(struct row *row, const char *name) {
    unsigned n = row->count;
    uint64_t sum = 0;
    if (n == 0) return;
    for (unsigned i = 0; i < n; i++) sum += row->samples[i];
    qsort(row->samples, n, sizeof(row->samples[0]), compare);
    // The p99 is the least sample that at least 99 of 100 do not exceed.
    unsigned rank = (99 * n + 99) / 100;
    say("BENCH %s%s ns %llu %llu %llu %llu %u\n", name, arg_text("suffix", ""),
        (unsigned long long)ticks_to_ns(row->samples[0]), (unsigned long long)ticks_to_ns((sum + n / 2) / n),
        (unsigned long long)ticks_to_ns(row->samples[rank - 1]), (unsigned long long)ticks_to_ns(row->samples[n - 1]),
        n);
    row->count = 0;
}

void value_print(const char *name, const char *unit, uint64_t value) {
    unsigned long long v = value;
    say("BENCH %s%s %s %llu %llu %llu %llu 1\n", name, arg_text("suffix", ""), unit, v, v, v, v);
}
