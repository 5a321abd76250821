// SPDX-License-Identifier: Apache-2.0
// The hypervisor's address space as start.S leaves it (kernel/space.c adds to it), the firmware's device tree, and what
// other cores start with.
#include "arch/arm64/mmu.h"

#include <libfdt.h>

#include "arch/arm64/layout.h"
#include "arch/arm64/maintenance.h"
#include "kernel/arch.h"
#include "kernel/memory.h"
#include "kernel/space.h"

enum { TABLE_ENTRIES = 512, ROOT_SHIFT = 39 };

#define LEAF           (DESC_AF | DESC_SH_INNER | DESC_AP_RES1)
#define LEAF_NORMAL    (LEAF | DESC_ATTR_INDEX(MAIR_INDEX_NORMAL))
#define LEAF_DATA      (LEAF_NORMAL | DESC_XN)
#define LEAF_READ_ONLY (LEAF_NORMAL | DESC_XN | DESC_AP_READ_ONLY)
#define LEAF_CODE      (LEAF_NORMAL | DESC_AP_READ_ONLY)
#define LEAF_DEVICE    (LEAF | DESC_ATTR_INDEX(MAIR_INDEX_DEVICE) | DESC_XN)

// linker/arm64.ld; start.S filled the tables: levels 0, 1, 2 and 3 of what contains HYP_BASE.
extern const char image_start[], image_end[];
extern uint64_t boot_tables[BOOT_TABLES][TABLE_ENTRIES];

static struct range fdt_range;
uint64_t image_offset; // address - physical address, inside the image; start.S knows it

static const struct pagetable hypervisor = {
    .format = &vmsa_format,
    .root = boot_tables[0],
    .level = 0,
    .bits = HYP_VA_BITS,
    .flush = tlb_flush_hypervisor,
};

// The windows' level 2 table is the image's.
const struct space hyp_space = {
    .tables = &hypervisor,
    .window_entries = boot_tables[2],
    .windows = HYP_WINDOWS,
    .data = LEAF_DATA,
    .parts = {[SPACE_DEVICES] = {HYP_DEVICES, HYP_DEVICES_END, LEAF_DEVICE},
              [SPACE_SYSTEM] = {HYP_SYSTEM, HYP_SYSTEM_END, LEAF_READ_ONLY},
              [SPACE_POOL] = {HYP_POOL, HYP_POOL_END, LEAF_DATA},
              [SPACE_STACKS] = {HYP_STACKS, HYP_STACKS_END, LEAF_DATA}},
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
    *fdt = fdt_range;
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

    if (pa == 0 || pa % 8 != 0 || pagetable_map(&hypervisor, HYP_FDT, base, head, LEAF_READ_ONLY) != OK) {
        return NULL;
    }
    if (fdt_magic(fdt) != FDT_MAGIC || fdt_used(fdt) > fdt_totalsize(fdt)) { return NULL; }
    uint64_t length = ALIGN_UP(pa + fdt_used(fdt), PAGE_SIZE) - base;
    if (length > HYP_FDT_MAX || (length > head && pagetable_map(&hypervisor, HYP_FDT + head, base + head, length - head,
                                                                LEAF_READ_ONLY) != OK)) {
        return NULL;
    }
    fdt_range = (struct range){base, length};
    return fdt;
}

// ---- other cores ------------------------------------------------------------------------------------------

static int identity_tables(paddr_t *identity) {
    struct pagetable map = {.format = &vmsa_format, .root = memory_alloc_pages(1), .bits = HYP_VA_BITS};
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
