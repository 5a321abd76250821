// SPDX-License-Identifier: Apache-2.0
// The hypervisor's address space after start.S: what is added to it, and the windows to guest memory that come and go.
#include "arch/arm64/mmu.h"

#include <libfdt.h>

#include "arch/arm64/layout.h"
#include "arch/arm64/maintenance.h"
#include "arch/arm64/pagetable.h"
#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/memory.h"

enum { BLOCK_SHIFT = 21, TABLE_ENTRIES = 512, ROOT_SHIFT = 39 };

#define BLOCK_SIZE     (1ull << BLOCK_SHIFT)
#define LEAF           (DESC_AF | DESC_SH_INNER | DESC_AP_RES1)
#define LEAF_NORMAL    (LEAF | DESC_ATTR_INDEX(MAIR_INDEX_NORMAL))
#define LEAF_DATA      (LEAF_NORMAL | DESC_XN)
#define LEAF_READ_ONLY (LEAF_NORMAL | DESC_XN | DESC_AP_READ_ONLY)
#define LEAF_CODE      (LEAF_NORMAL | DESC_AP_READ_ONLY)
#define LEAF_DEVICE    (LEAF | DESC_ATTR_INDEX(MAIR_INDEX_DEVICE) | DESC_XN)

// linker/arm64.ld; start.S filled the tables: levels 0, 1, 2 and 3 of what contains HYP_BASE.
extern const char image_start[], image_end[];
extern uint64_t boot_tables[BOOT_TABLES][TABLE_ENTRIES];

uint64_t image_offset; // address - physical address, inside the image; start.S knows it

// How much is used of each part that grows, while booting.
static struct {
    uint64_t device, stack, system;
    struct range fdt;
} layout;

static const struct pagetable hypervisor = {
    .root = boot_tables[0],
    .level = 0,
    .bits = HYP_VA_BITS,
    .flush = tlb_flush_hypervisor,
};

unsigned mmu_pa_range(void) {
    return (unsigned)MIN(read_sysreg(id_aa64mmfr0_el1) & MMFR0_PARANGE_MASK, (uint64_t)PARANGE_48);
}

paddr_t arch_image_pa(const void *address) { return (paddr_t)address - image_offset; }

void *arch_image_va(paddr_t pa) { return (void *)(pa + image_offset); }

void arch_boot_ranges(struct range *image, struct range *fdt) {
    image->base = arch_image_pa(image_start);
    // cppcheck-suppress subtractPointers ; the linker script's symbols bound one object
    image->size = (uint64_t)(image_end - image_start);
    *fdt = layout.fdt;
}

// Maps the pages around [pa, pa + size) at the first address after the *used bytes from `start` on that lies as far into
// a block as `pa`, so that blocks can be used, when that matters. Leaves a page free behind it.
static void *map_next(uint64_t *used, uint64_t start, uint64_t end, paddr_t pa, uint64_t size, uint64_t attributes) {
    uint64_t alignment = size >= BLOCK_SIZE ? BLOCK_SIZE : PAGE_SIZE;
    paddr_t base = ALIGN_DOWN(pa, PAGE_SIZE);
    uint64_t length = ALIGN_UP(pa + size, PAGE_SIZE) - base;
    uint64_t va = ALIGN_UP(start + *used, alignment) + (base & (alignment - 1));

    if (size == 0 || pa + size < pa || length >= end - va ||
        pagetable_map(&hypervisor, va, base, length, attributes) != OK) {
        return NULL;
    }
    *used = va + length + PAGE_SIZE - start;
    return (void *)(va + (pa - base));
}

void *arch_map_device(paddr_t pa, uint64_t size) {
    return map_next(&layout.device, HYP_DEVICES, HYP_DEVICES_END, pa, size, LEAF_DEVICE);
}

void *arch_map_image(paddr_t pa, uint64_t size) {
    return map_next(&layout.system, HYP_SYSTEM, HYP_SYSTEM_END, pa, size, LEAF_READ_ONLY);
}

void *arch_map_pool(paddr_t pa, uint64_t size) {
    if (size > HYP_POOL_END - HYP_POOL || pagetable_map(&hypervisor, HYP_POOL, pa, size, LEAF_DATA) != OK) {
        return NULL;
    }
    return (void *)HYP_POOL;
}

// How much of the tree's buffer is used: firmware may leave a large empty tail in `totalsize`.
static uint64_t fdt_used(const void *fdt) {
    uint64_t structure = (uint64_t)fdt_off_dt_struct(fdt) + fdt_size_dt_struct(fdt);
    uint64_t strings = (uint64_t)fdt_off_dt_strings(fdt) + fdt_size_dt_strings(fdt);
    uint64_t used = MAX(structure, strings);

    return MAX(used, (uint64_t)fdt_off_mem_rsvmap(fdt) + sizeof(struct fdt_reserve_entry));
}

const void *arch_map_fdt(paddr_t pa) {
    paddr_t base = ALIGN_DOWN(pa, PAGE_SIZE);
    uint64_t head = ALIGN_UP(pa + sizeof(struct fdt_header), PAGE_SIZE) - base;
    const void *fdt = (const void *)(HYP_FDT + (pa - base));
    uint64_t length;

    if (pa == 0 || pa % 8 != 0 || pagetable_map(&hypervisor, HYP_FDT, base, head, LEAF_READ_ONLY) != OK) {
        return NULL;
    }
    if (fdt_magic(fdt) != FDT_MAGIC || fdt_used(fdt) > fdt_totalsize(fdt)) { return NULL; }
    length = ALIGN_UP(pa + fdt_used(fdt), PAGE_SIZE) - base;
    if (length > HYP_FDT_MAX || (length > head && pagetable_map(&hypervisor, HYP_FDT + head, base + head, length - head,
                                                                LEAF_READ_ONLY) != OK)) {
        return NULL;
    }
    layout.fdt = (struct range){base, length};
    return fdt;
}

void *arch_alloc_stack(unsigned pages) {
    uint64_t size = pages * PAGE_SIZE;
    uint64_t bottom = HYP_STACKS + layout.stack + PAGE_SIZE; // above a guard page
    void *memory = memory_alloc_pages(pages);

    if (memory == NULL || bottom + size + PAGE_SIZE > HYP_STACKS_END ||
        pagetable_map(&hypervisor, bottom, memory_pa(memory), size, LEAF_DATA) != OK) {
        return NULL;
    }
    layout.stack += PAGE_SIZE + size;
    return (void *)(bottom + size);
}

// ---- windows ----------------------------------------------------------------------------------------------

static uint64_t window_address(unsigned slot) {
    return HYP_WINDOWS + ((uint64_t)this_cpu()->id * ARCH_WINDOW_SLOTS + slot) * ARCH_WINDOW_SIZE;
}

// The windows' level 2 table is the image's.
static uint64_t *window_entry(uint64_t address) { return &boot_tables[2][(address >> BLOCK_SHIFT) % TABLE_ENTRIES]; }

void *arch_window_map(unsigned slot, paddr_t pa) {
    uint64_t address = window_address(slot);

    ASSERT(slot < ARCH_WINDOW_SLOTS && (pa & (ARCH_WINDOW_SIZE - 1)) == 0);
    pagetable_open(window_entry(address), pa | LEAF_DATA | DESC_VALID);
    return (void *)address;
}

// Other cores never use this core's window, but may walk to it speculatively: the flush is for all of them.
void arch_window_unmap(unsigned slot) {
    uint64_t address = window_address(slot);

    pagetable_close(&hypervisor, window_entry(address), address);
}

// ---- other cores ------------------------------------------------------------------------------------------

static int identity_tables(paddr_t *identity) {
    struct pagetable map = {.root = memory_alloc_pages(1), .bits = HYP_VA_BITS};
    paddr_t code = arch_image_pa(image_start);

    if (map.root == NULL) { return ERR_NO_MEMORY; }
    table_write(&map.root[HYP_BASE >> ROOT_SHIFT], boot_tables[0][HYP_BASE >> ROOT_SHIFT]);
    *identity = memory_pa(map.root);
    return pagetable_map(&map, code, code, PAGE_SIZE, LEAF_CODE);
}

int mmu_secondary_tables(paddr_t *identity, paddr_t *tables) {
    static paddr_t made;
    int status = OK;

    if (made == 0) { status = identity_tables(&made); }
    *identity = made;
    *tables = arch_image_pa(boot_tables);
    return status;
}

bool mmu_readable(uint64_t address) {
    __asm__ volatile("at s1e2r, %0; isb" ::"r"(address) : "memory");
    return (read_sysreg(par_el1) & PAR_F) == 0;
}
