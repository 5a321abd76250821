// SPDX-License-Identifier: Apache-2.0
// A machine's memory as whoever boots may use it, in as few pieces as it can be said. Pure; any context.
#ifndef TOOLS_EFI_MEMORY_MAP_H
#define TOOLS_EFI_MEMORY_MAP_H

#include "kernel/ranges.h"

// Numbers of ACPI 6.5, table 15.7, which Multiboot2 uses too (3.6.8).
enum memory_kind { MEMORY_RAM = 1, MEMORY_RESERVED = 2, MEMORY_ACPI = 3, MEMORY_NVS = 4 };

// As many as arch/x86 reads.
enum { MEMORY_PIECES = 128 };

struct memory_piece {
    struct range range;
    uint32_t kind; // enum memory_kind
};

struct memory_map {
    unsigned count;
    struct memory_piece at[MEMORY_PIECES]; // by rising address; neighbours of one kind are one piece
};

// Adds a range that overlaps none that is there; an empty one is nothing. ERR_RANGE: the map is full, and as it was.
int memory_map_add(struct memory_map *map, const struct range *range, uint32_t kind);

#endif
