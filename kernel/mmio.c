// SPDX-License-Identifier: Apache-2.0
#include "kernel/mmio.h"

int mmio_add(struct mmio_map *map, const struct mmio_region *region) {
    unsigned place = 0;

    // Whole doublewords: a naturally aligned access that begins in a region ends in it.
    if (region->size == 0 || ((region->base | region->size) & 7) != 0 ||
        region->base + (region->size - 1) < region->base) {
        return ERR_INVALID;
    }
    if (map->count == MAX_MMIO_REGIONS) { return ERR_NO_MEMORY; }
    while (place < map->count && map->regions[place].base < region->base) { place++; }
    if (place > 0) {
        const struct mmio_region *below = &map->regions[place - 1];
        if (region->base - below->base < below->size) { return ERR_BUSY; }
    }
    if (place < map->count && map->regions[place].base - region->base < region->size) { return ERR_BUSY; }
    for (unsigned i = map->count; i > place; i--) { map->regions[i] = map->regions[i - 1]; }
    map->regions[place] = *region;
    map->count++;
    return OK;
}

const struct mmio_region *mmio_find(const struct mmio_map *map, gpa_t gpa, unsigned size) {
    const struct mmio_region *first = map->regions;
    unsigned count = map->count;

    // The last region that starts at or below gpa, if any, is in [first, first + count).
    while (count > 1) {
        unsigned half = count / 2;
        first += first[half].base <= gpa ? half : 0;
        count -= half;
    }
    if (likely(count != 0 && gpa - first->base < first->size && size <= first->size - (gpa - first->base))) {
        return first;
    }
    return NULL;
}
