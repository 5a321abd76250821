// SPDX-License-Identifier: Apache-2.0
#include "kernel/space.h"

#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/memory.h"

enum { WINDOW_SHIFT = 21, TABLE_ENTRIES = 512 };

// How much is used of each part that grows, while booting.
static struct {
    uint64_t device, stack, system;
} used;

static void *address_of(uint64_t va) { return (void *)(va | hyp_space.extension); }

// Maps the pages around [pa, pa + size) at the first address after the *taken bytes of `part` that lies as far into a
// block as `pa`, so that blocks can be used, when that matters. Leaves a page free behind it.
static void *map_next(uint64_t *taken, const struct space_part *part, paddr_t pa, uint64_t size, uint64_t attributes) {
    uint64_t alignment = size >= WINDOW_SIZE ? WINDOW_SIZE : PAGE_SIZE;
    paddr_t base = ALIGN_DOWN(pa, PAGE_SIZE);
    uint64_t length = ALIGN_UP(pa + size, PAGE_SIZE) - base;
    uint64_t va = ALIGN_UP(part->start + *taken, alignment) + (base & (alignment - 1));

    if (size == 0 || pa + size < pa || length >= part->end - va ||
        pagetable_map(hyp_space.tables, va, base, length, attributes) != OK) {
        return NULL;
    }
    *taken = va + length + PAGE_SIZE - part->start;
    return address_of(va + (pa - base));
}

void *space_map_device(paddr_t pa, uint64_t size) {
    return map_next(&used.device, &hyp_space.devices, pa, size, hyp_space.device);
}

void *space_map_image(paddr_t pa, uint64_t size) {
    return map_next(&used.system, &hyp_space.system, pa, size, hyp_space.read_only);
}

void *space_map_pool(paddr_t pa, uint64_t size) {
    if (size > hyp_space.pool.end - hyp_space.pool.start ||
        pagetable_map(hyp_space.tables, hyp_space.pool.start, pa, size, hyp_space.data) != OK) {
        return NULL;
    }
    return address_of(hyp_space.pool.start);
}

void *space_alloc_stack(unsigned pages) {
    uint64_t size = pages * PAGE_SIZE;
    uint64_t bottom = hyp_space.stacks.start + used.stack + PAGE_SIZE; // above a guard page
    void *memory = memory_alloc_pages(pages);

    if (memory == NULL || bottom + size + PAGE_SIZE > hyp_space.stacks.end ||
        pagetable_map(hyp_space.tables, bottom, memory_pa(memory), size, hyp_space.data) != OK) {
        return NULL;
    }
    used.stack += PAGE_SIZE + size;
    return address_of(bottom + size);
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
