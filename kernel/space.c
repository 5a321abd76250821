// SPDX-License-Identifier: Apache-2.0
#include "kernel/space.h"

#include "kernel/arch.h"
#include "kernel/log.h"

enum { WINDOW_SHIFT = 21, TABLE_ENTRIES = 512 };

static void *address_of(uint64_t va) { return (void *)(va | hyp_space.extension); }

// The first free address that lies as far into a block as `pa`, so that blocks can be used, when that matters.
void *space_map(enum space_kind kind, paddr_t pa, uint64_t size) {
    static uint64_t taken[SPACE_KINDS]; // up to here
    uint64_t alignment = size >= WINDOW_SIZE ? WINDOW_SIZE : PAGE_SIZE;
    paddr_t base = ALIGN_DOWN(pa, PAGE_SIZE);
    uint64_t length = ALIGN_UP(pa + size, PAGE_SIZE) - base;
    const struct space_part *part = &hyp_space.parts[kind];
    uint64_t va = ALIGN_UP(MAX(taken[kind], part->start), alignment) + (base & (alignment - 1));

    if (size == 0 || pa + size < pa || va > part->end || length >= part->end - va ||
        pagetable_map(hyp_space.tables, va, base, length, part->attributes) != OK) {
        return NULL;
    }
    taken[kind] = va + length + PAGE_SIZE;
    return address_of(va + (pa - base));
}

// ---- windows ----------------------------------------------------------------------------------------------

static uint64_t window_address(unsigned slot) {
    return hyp_space.windows + ((uint64_t)this_cpu()->id * SPACE_WINDOWS + slot) * WINDOW_SIZE;
}

static uint64_t *window_entry(uint64_t address) {
    return &hyp_space.window_entries[(address >> WINDOW_SHIFT) % TABLE_ENTRIES];
}

void *window_map(unsigned slot, paddr_t pa) {
    uint64_t address = window_address(slot);

    ASSERT(slot < SPACE_WINDOWS && (pa & (WINDOW_SIZE - 1)) == 0);
    pagetable_open(window_entry(address), pa | hyp_space.data | hyp_space.tables->format->block);
    return address_of(address);
}

// Other cores never use this core's window, but may walk to it speculatively: the flush is for all of them.
void window_unmap(unsigned slot) {
    uint64_t address = window_address(slot);

    pagetable_close(hyp_space.tables, window_entry(address), address);
}
