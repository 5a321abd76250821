// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory.h"

#include "kernel/arch.h"
#include "kernel/space.h"
#include "kernel/string.h"

// The hypervisor's own memory beside its image: structures of VMs and VCPUs, their translation tables, stacks, rings.
// 16 VMs of 8 VCPUs need about 3 MiB. A multiple of 2 MiB, so that a few blocks map it.
#define POOL_SIZE      (8ull << 20)
#define POOL_ALIGNMENT (2ull << 20)

enum { CACHE_LINE = 64 };

static struct ranges free_memory;

static struct {
    char *address;
    paddr_t pa;
    uint64_t size, used;
} pool;

static struct memory_report report;

// The highest place for the pool, so that the low addresses stay whole for guests.
static paddr_t find_pool(void) {
    paddr_t pa = 0;

    for (unsigned i = 0; i < free_memory.count; i++) {
        const struct range *r = &free_memory.at[i];
        paddr_t start = ALIGN_DOWN(r->base + r->size, POOL_ALIGNMENT);
        if (start >= POOL_SIZE && start - POOL_SIZE >= r->base && start - POOL_SIZE > pa) { pa = start - POOL_SIZE; }
    }
    return pa; // 0: there is none
}

int memory_init(const struct board *board) {
    struct range image, fdt;

    free_memory = (struct ranges){.unit = PAGE_SIZE};
    for (unsigned i = 0; i < board->memory_count; i++) { ranges_add(&free_memory, &board->memory[i]); }
    report = (struct memory_report){.total = ranges_total(&free_memory)};
    for (unsigned i = 0; i < board->reserved_count; i++) { ranges_remove(&free_memory, &board->reserved[i]); }
    arch_boot_ranges(&image, &fdt);
    ranges_remove(&free_memory, &image);
    ranges_remove(&free_memory, &fdt);
    ranges_remove(&free_memory, &board->initrd);
    pool.pa = find_pool();
    if (pool.pa == 0) { return ERR_NO_MEMORY; }
    ranges_remove(&free_memory, &(struct range){pool.pa, POOL_SIZE});
    pool.address = space_map(SPACE_POOL, pool.pa, POOL_SIZE);
    pool.size = POOL_SIZE;
    pool.used = 0;
    report.hypervisor = image.size + POOL_SIZE;
    return pool.address != NULL ? OK : ERR_NO_MEMORY;
}

int memory_alloc_guest(uint64_t size, uint64_t align, paddr_t *pa) {
    if (size == 0 || size % PAGE_SIZE != 0 || align < PAGE_SIZE || (align & (align - 1)) != 0) { return ERR_INVALID; }
    int status = ranges_take(&free_memory, size, align, pa);
    if (status == OK) { report.guests += size; }
    return status;
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
    out->free = ranges_total(&free_memory);
}
