// SPDX-License-Identifier: Apache-2.0
// Ranges of physical addresses, and a set of them in whole units: what of the board's memory is free. Pure; any context.
#ifndef KERNEL_RANGES_H
#define KERNEL_RANGES_H

#include "kernel/types.h"

struct range {
    paddr_t base;
    uint64_t size; // its end, base + size, is at most 2^64
};

enum { MAX_RANGES = 64 };

struct ranges {
    uint64_t unit; // a power of two
    unsigned count;
    struct range at[MAX_RANGES]; // in no order, apart from each other
};

// Adds the whole units in `range`. What has no place in the table is lost: safe, as is the last unit of all addresses.
void ranges_add(struct ranges *set, const struct range *range);
// Takes away every unit that `range` touches.
void ranges_remove(struct ranges *set, const struct range *range);
// Takes `size` bytes, whole units, out of the lowest range that has them at a multiple of `align`. ERR_NO_MEMORY.
int ranges_take(struct ranges *set, uint64_t size, uint64_t align, paddr_t *base);
uint64_t ranges_total(const struct ranges *set);

static inline bool range_overlaps(const struct range *a, const struct range *b) {
    return a->size != 0 && b->size != 0 && a->base <= b->base + (b->size - 1) && b->base <= a->base + (a->size - 1);
}

#endif
