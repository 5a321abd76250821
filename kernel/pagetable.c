// SPDX-License-Identifier: Apache-2.0
#include "kernel/pagetable.h"

#include <maintenance.h>

#include "kernel/log.h"
#include "kernel/memory.h"

enum { LAST_LEVEL = 3, INDEX_BITS = 9, INDEX_MASK = 511 };

#define ADDRESS_MASK (BIT(48) - PAGE_SIZE)

// An entry of some level and what it can map.
struct slot {
    uint64_t *entry;
    unsigned level;
    uint64_t size;
};

static unsigned level_shift(unsigned level) { return PAGE_SHIFT + INDEX_BITS * (LAST_LEVEL - level); }

static struct slot slot_of(uint64_t *table, unsigned level, uint64_t address, uint64_t mask) {
    return (struct slot){&table[(address >> level_shift(level)) & mask], level, BIT(level_shift(level))};
}

static struct slot slot_below(struct slot slot, uint64_t address) {
    return slot_of(memory_va(*slot.entry & ADDRESS_MASK), slot.level + 1, address, INDEX_MASK);
}

static bool is_table(const struct pagetable *table, uint64_t entry) {
    return ((entry ^ table->format->table) & table->format->distinction) == 0;
}

// Whether one leaf there can map the beginning of [address, address + size): a page always can.
static bool leaf_fits(const struct pagetable *table, struct slot slot, uint64_t address, paddr_t pa, uint64_t size) {
    return slot.level == LAST_LEVEL ||
           (slot.level >= table->format->block_level && size >= slot.size && ((address | pa) & (slot.size - 1)) == 0);
}

// Hangs an empty table below an empty entry.
static int grow(const struct pagetable *table, struct slot slot) {
    void *below = memory_alloc_pages(1);

    if (below == NULL) { return ERR_NO_MEMORY; }
    table_publish(); // its zeroes, before a walker can reach them
    table_write(slot.entry, memory_pa(below) | table->format->table);
    return OK;
}

// The empty entry whose leaf maps the beginning of the range; makes the tables on the way.
static int prepare_leaf(const struct pagetable *table, uint64_t address, paddr_t pa, uint64_t size, struct slot *out) {
    struct slot slot = slot_of(table->root, table->level, address, UINT64_MAX);

    for (;;) {
        if (*slot.entry == 0) {
            if (leaf_fits(table, slot, address, pa, size)) {
                *out = slot;
                return OK;
            }
            int status = grow(table, slot);
            if (status != OK) { return status; }
        } else if (slot.level == LAST_LEVEL || !is_table(table, *slot.entry)) { // a leaf
            return ERR_BUSY;
        }
        slot = slot_below(slot, address);
    }
}

// With `leaf` 0 all that can fail; then the leaves, which cannot.
static int map(const struct pagetable *table, uint64_t address, paddr_t pa, uint64_t size, uint64_t leaf) {
    while (size > 0) {
        struct slot slot;
        int status = prepare_leaf(table, address, pa, size, &slot);
        if (status != OK) { return status; }
        if (leaf != 0) {
            table_write(slot.entry,
                        pa | leaf | (slot.level == LAST_LEVEL ? table->format->page : table->format->block));
        }
        address += slot.size;
        pa += slot.size;
        size -= slot.size;
    }
    return OK;
}

int pagetable_map(const struct pagetable *table, uint64_t address, paddr_t pa, uint64_t size, uint64_t attributes) {
    uint64_t limit = BIT(table->bits);

    if (((address | pa | size) & PAGE_MASK) != 0) { return ERR_INVALID; }
    if (size > limit || address > limit - size || pa > BIT(48) || size > BIT(48) - pa) { return ERR_RANGE; }
    int status = map(table, address, pa, size, 0);
    if (status == OK) {
        int mapped = map(table, address, pa, size, attributes);
        ASSERT(mapped == OK);
    }
    table_publish(); // also of the empty tables that a failure leaves
    return status;
}

void pagetable_open(uint64_t *entry, uint64_t leaf) {
    ASSERT(*entry == 0);
    table_write(entry, leaf);
    table_publish();
}

void pagetable_close(const struct pagetable *table, uint64_t *entry, uint64_t address) {
    table_write(entry, 0);
    table->flush(address);
}
