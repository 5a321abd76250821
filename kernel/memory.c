// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory.h"

#include "kernel/arch.h"
#include "kernel/board.h"
#include "kernel/log.h"
#include "kernel/string.h"

// The hypervisor's own memory beside its image: structures of VMs and VCPUs, their translation tables, stacks, rings.
// 16 VMs of 8 VCPUs need about 3 MiB. A multiple of 2 MiB, so that a few blocks map it.
#define POOL_SIZE      (8ull << 20)
#define POOL_ALIGNMENT (2ull << 20)

enum { CACHE_LINE = 64, MAX_FREE = 64 };

// Free physical memory, whole pages; ranges[0..count) in no order.
static struct {
    unsigned count;
    struct range ranges[MAX_FREE];
} free_memory;

static struct {
    char *address;
    paddr_t pa;
    uint64_t size, used;
} pool;

static struct memory_report report;

// Adds a range, or loses it when the table is full: safe.
static void free_add(paddr_t base, paddr_t end) {
    if (base < end && free_memory.count < MAX_FREE) {
        free_memory.ranges[free_memory.count++] = (struct range){base, end - base};
    }
}

// Takes the pages around [base, base + size) away from what is free.
static void free_remove(paddr_t base, uint64_t size) {
    paddr_t from = ALIGN_DOWN(base, PAGE_SIZE);
    paddr_t to =
        size > UINT64_MAX - PAGE_SIZE - base ? ALIGN_DOWN(UINT64_MAX, PAGE_SIZE) : ALIGN_UP(base + size, PAGE_SIZE);

    if (size == 0) { return; }
    for (unsigned i = free_memory.count; i-- > 0;) {
        struct range r = free_memory.ranges[i];
        paddr_t end = r.base + r.size;
        if (from < end && r.base < to) {
            bool below_first = from > r.base && from - r.base > end - MIN(to, end);
            free_memory.ranges[i] = free_memory.ranges[--free_memory.count];
            if (below_first) { // the larger piece first: it is the one not to lose
                free_add(r.base, from);
            }
            free_add(to, end);
            if (!below_first) { free_add(r.base, from); }
        }
    }
}

static uint64_t free_total(void) {
    uint64_t total = 0;

    for (unsigned i = 0; i < free_memory.count; i++) { total += free_memory.ranges[i].size; }
    return total;
}

// The highest place for the pool, so that the low addresses stay whole for guests.
static int find_pool(paddr_t *pa) {
    *pa = 0;
    for (unsigned i = 0; i < free_memory.count; i++) {
        const struct range *r = &free_memory.ranges[i];
        paddr_t start = ALIGN_DOWN(r->base + r->size, POOL_ALIGNMENT);
        if (start >= POOL_SIZE && start - POOL_SIZE >= r->base && start - POOL_SIZE > *pa) { *pa = start - POOL_SIZE; }
    }
    return *pa != 0 ? OK : ERR_NO_MEMORY;
}

int memory_init(const struct board *board) {
    struct range image, fdt;
    paddr_t pa;

    free_memory.count = 0;
    for (unsigned i = 0; i < board->memory_count; i++) {
        const struct range *r = &board->memory[i];
        free_add(ALIGN_UP(r->base, PAGE_SIZE), ALIGN_DOWN(r->base + r->size, PAGE_SIZE));
    }
    report = (struct memory_report){.total = free_total()};
    for (unsigned i = 0; i < board->reserved_count; i++) {
        free_remove(board->reserved[i].base, board->reserved[i].size);
    }
    arch_boot_ranges(&image, &fdt);
    free_remove(image.base, image.size);
    free_remove(fdt.base, fdt.size);
    free_remove(board->initrd.base, board->initrd.size);
    if (find_pool(&pa) != OK) { return ERR_NO_MEMORY; }
    free_remove(pa, POOL_SIZE);
    pool.address = arch_map_pool(pa, POOL_SIZE);
    pool.pa = pa;
    pool.size = POOL_SIZE;
    pool.used = 0;
    report.hypervisor = image.size + POOL_SIZE;
    return pool.address != NULL ? OK : ERR_NO_MEMORY;
}

int memory_alloc_guest(uint64_t size, uint64_t align, paddr_t *pa) {
    paddr_t best = UINT64_MAX;

    if (size == 0 || size % PAGE_SIZE != 0 || align < PAGE_SIZE || (align & (align - 1)) != 0) { return ERR_INVALID; }
    for (unsigned i = 0; i < free_memory.count; i++) { // the lowest that fits: few ranges are cut
        const struct range *r = &free_memory.ranges[i];
        paddr_t base = ALIGN_UP(r->base, align);
        if (base >= r->base && base - r->base < r->size && r->size - (base - r->base) >= size && base < best) {
            best = base;
        }
    }
    if (best == UINT64_MAX) { return ERR_NO_MEMORY; }
    free_remove(best, size);
    report.guests += size;
    *pa = best;
    return OK;
}

static void *pool_take(uint64_t size, uint64_t align) {
    uint64_t start = ALIGN_UP(pool.used, align);

    if (start > pool.size || size > pool.size - start) { return NULL; }
    pool.used = start + size;
    return memset(pool.address + start, 0, size);
}

void *memory_alloc(size_t size) { return size > POOL_SIZE ? NULL : pool_take(ALIGN_UP(size, CACHE_LINE), CACHE_LINE); }

void *memory_alloc_pages(unsigned pages) {
    uint64_t size = pages * PAGE_SIZE;
    bool power_of_two = pages != 0 && (pages & (pages - 1)) == 0;

    return pool_take(size, power_of_two ? size : PAGE_SIZE); // for concatenated tables
}

paddr_t memory_pa(const void *address) {
    uintptr_t offset = (uintptr_t)address - (uintptr_t)pool.address;

    return offset < pool.size ? pool.pa + offset : arch_image_pa(address);
}

void *memory_va(paddr_t pa) { return pa - pool.pa < pool.size ? pool.address + (pa - pool.pa) : arch_image_va(pa); }

void memory_report(struct memory_report *out) {
    *out = report;
    out->free = free_total();
}
