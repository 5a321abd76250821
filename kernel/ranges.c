// SPDX-License-Identifier: Apache-2.0
#include "kernel/ranges.h"

static void add(struct ranges *set, paddr_t from, paddr_t end) {
    if (from < end && set->count < MAX_RANGES) { set->at[set->count++] = (struct range){from, end - from}; }
}

// The last address, so that the end of its unit does not wrap.
static paddr_t last_of(const struct ranges *set, const struct range *range) {
    return MIN(range->base + (range->size - 1), UINT64_MAX - set->unit);
}

void ranges_add(struct ranges *set, const struct range *range) {
    paddr_t last = last_of(set, range);

    if (range->size != 0) { add(set, ALIGN_UP(MIN(range->base, last), set->unit), ALIGN_DOWN(last + 1, set->unit)); }
}

void ranges_remove(struct ranges *set, const struct range *range) {
    paddr_t from = ALIGN_DOWN(range->base, set->unit);
    paddr_t to = ALIGN_UP(last_of(set, range) + 1, set->unit);

    for (unsigned i = range->size != 0 ? set->count : 0; i-- > 0;) {
        paddr_t base = set->at[i].base, end = base + set->at[i].size;
        if (from >= end || base >= to) { continue; }
        set->at[i] = set->at[--set->count];
        bool below_first = from > base && from - base > end - MIN(to, end);
        // The larger piece first: it is the one not to lose.
        if (below_first) { add(set, base, from); }
        add(set, to, end);
        if (!below_first) { add(set, base, from); }
    }
}

int ranges_take(struct ranges *set, uint64_t size, uint64_t align, paddr_t *base) {
    paddr_t best = UINT64_MAX;

    for (unsigned i = 0; i < set->count; i++) {
        const struct range *r = &set->at[i];
        paddr_t start = ALIGN_UP(r->base, align);
        if (start - r->base < r->size && r->size - (start - r->base) >= size) { best = MIN(best, start); }
    }
    if (best == UINT64_MAX) { return ERR_NO_MEMORY; }
    ranges_remove(set, &(struct range){best, size});
    *base = best;
    return OK;
}

uint64_t ranges_total(const struct ranges *set) {
    uint64_t total = 0;

    for (unsigned i = 0; i < set->count; i++) { total += set->at[i].size; }
    return total;
}
