// SPDX-License-Identifier: Apache-2.0
#include "tools/efi/memory_map.h"
#include "kernel/string.h"

static bool joins(const struct memory_piece *low, const struct memory_piece *high) {
    return low->kind == high->kind && low->range.base + low->range.size == high->range.base;
}

static void remove_piece(struct memory_map *map, unsigned i) {
    memmove(&map->at[i], &map->at[i + 1], (map->count - i - 1) * sizeof(map->at[0]));
    map->count--;
}

int memory_map_add(struct memory_map *map, const struct range *range, uint32_t kind) {
    struct memory_piece piece = {*range, kind};
    unsigned i = 0;

    if (range->size == 0) { return OK; }
    while (i < map->count && map->at[i].range.base < range->base) { i++; }
    if (i > 0 && joins(&map->at[i - 1], &piece)) {
        map->at[--i].range.size += piece.range.size;
    } else if (i < map->count && joins(&piece, &map->at[i])) {
        map->at[i].range.base = piece.range.base;
        map->at[i].range.size += piece.range.size;
    } else if (map->count == MEMORY_PIECES) {
        return ERR_RANGE;
    } else {
        memmove(&map->at[i + 1], &map->at[i], (map->count - i) * sizeof(map->at[0]));
        map->at[i] = piece;
        map->count++;
    }
    if (i + 1 < map->count && joins(&map->at[i], &map->at[i + 1])) {
        map->at[i].range.size += map->at[i + 1].range.size;
        remove_piece(map, i + 1);
    }
    return OK;
}
