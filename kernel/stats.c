// SPDX-License-Identifier: Apache-2.0
#include "kernel/stats.h"

// Bucket layout: values 0..7 have a bucket each; above, every power of two is cut into eight equal parts. So bucket
// 8k + j holds [(8 + j) * 2^(k-1), (9 + j) * 2^(k-1)) for k >= 1, an eighth of its lower end wide at most.
enum { PARTS = 8, PARTS_SHIFT = 3 };

static unsigned bucket_of(uint64_t value) {
    if (value < PARTS) { return (unsigned)value; }
    unsigned power = 63u - (unsigned)__builtin_clzll(value);
    unsigned part = (unsigned)(value >> (power - PARTS_SHIFT)) & (PARTS - 1);
    unsigned bucket = (power - PARTS_SHIFT + 1) * PARTS + part;
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

// The largest value that falls into `bucket`.
static uint64_t bucket_top(unsigned bucket) {
    if (bucket < PARTS) { return bucket; }
    unsigned shift = bucket / PARTS - 1;
    return ((uint64_t)(PARTS + bucket % PARTS + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value) {
    if (h->count == 0 || value < h->min) { h->min = value; }
    if (value > h->max) { h->max = value; }
    h->count++;
    h->sum += value;
    h->bucket[bucket_of(value)]++;
}

// Rounds towards pessimism: the top of the bucket that holds the quantile, but never beyond what was really seen. A
// reader on another core may meet a count ahead of its bucket; then the maximum answers.
uint64_t histogram_quantile(const struct histogram *h, unsigned permille) {
    uint64_t wanted = (h->count * permille + 999) / 1000;
    uint64_t seen = 0;

    if (h->count == 0) { return 0; }
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        seen += h->bucket[i];
        if (seen >= wanted && seen > 0) { return MIN(bucket_top(i), h->max); }
    }
    return h->max;
}

const char *const exit_reason_names[EXIT_REASONS] = {
    [EXIT_OTHER] = "other",
    [EXIT_IPI] = "ipi",
    [EXIT_DEVICE_IRQ] = "device-irq",
    [EXIT_VTIMER] = "vtimer",
    [EXIT_MAINTENANCE] = "maintenance",
    [EXIT_HYPERCALL] = "hypercall",
    [EXIT_FIRMWARE] = "firmware",
    [EXIT_WAIT] = "wait",
    [EXIT_SYSREG] = "sysreg",
    [EXIT_MMIO] = "mmio",
    [EXIT_UNDEFINED] = "undefined",
    [EXIT_ABORT] = "abort",
};
