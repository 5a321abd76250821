// SPDX-License-Identifier: Apache-2.0
// The hypervisor's address space as start.S leaves it (kernel/space.c adds to it).
#include "arch/x86/mmu.h"

#include "arch/x86/layout.h"
#include "arch/x86/machine.h"
#include "arch/x86/maintenance.h"
#include "kernel/arch.h"
#include "kernel/memory.h"
#include "kernel/space.h"

enum { TABLE_ENTRIES = 512, LEVELS = 4, INDEX_BITS = 9, FIRMWARE_BLOCKS = 3, BIOS_END = 1 << 20 };

#define BLOCK_SIZE     WINDOW_SIZE
#define PTE_NX         BIT(63)
#define ADDRESS_MASK   (BIT(52) - PAGE_SIZE)
#define LEAF           (PTE_ACCESSED | PTE_DIRTY)
#define LEAF_DATA      (LEAF | PTE_WRITE | PTE_NX)
#define LEAF_READ_ONLY (LEAF | PTE_NX)
#define LEAF_DEVICE    (LEAF_DATA | PTE_PCD | PTE_PWT)

// linker/x86.ld; start.S filled the tables: root, level 1, 2 and 3 of what contains HYP_BASE.
extern const char image_start[], image_end[];
extern uint64_t boot_tables[BOOT_TABLES][TABLE_ENTRIES];

uint64_t image_offset; // address - physical address, inside the image; start.S knows it

static const struct pagetable hypervisor = {
    .format = &long_mode_format,
    .root = boot_tables[0],
    .level = 0,
    .bits = HYP_VA_BITS,
    .flush = tlb_flush_hypervisor,
};

// The windows' level 2 table is the image's.
const struct space hyp_space = {
    .tables = &hypervisor,
    .window_entries = boot_tables[2],
    .extension = HYP_SIGN,
    .windows = HYP_WINDOWS,
    .data = LEAF_DATA,
    .parts = {[SPACE_DEVICES] = {HYP_DEVICES, HYP_DEVICES_END, LEAF_DEVICE},
              [SPACE_SYSTEM] = {HYP_SYSTEM, HYP_SYSTEM_END, LEAF_READ_ONLY},
              [SPACE_POOL] = {HYP_POOL, HYP_POOL_END, LEAF_DATA},
              [SPACE_STACKS] = {HYP_STACKS, HYP_STACKS_END, LEAF_DATA}},
};

paddr_t arch_image_pa(const void *address) { return (paddr_t)address - image_offset; }

void *arch_image_va(paddr_t pa) { return (void *)(pa + image_offset); }

void arch_boot_ranges(struct range *image, struct range *fdt) {
    image->base = arch_image_pa(image_start);
    // cppcheck-suppress subtractPointers ; the linker script's symbols bound one object
    image->size = (uint64_t)(image_end - image_start);
    *fdt = (struct range){0}; // in the image
}

// ---- what firmware left -----------------------------------------------------------------------------------

static uint64_t *firmware_entry(unsigned block) {
    return &boot_tables[2][(HYP_FIRMWARE / BLOCK_SIZE + block) % TABLE_ENTRIES];
}

void mmu_firmware_done(void) {
    for (unsigned i = 0; i < FIRMWARE_BLOCKS; i++) {
        if (*firmware_entry(i) != 0) { pagetable_close(&hypervisor, firmware_entry(i), HYP_FIRMWARE + i * BLOCK_SIZE); }
    }
}

// What the memory map names, of any kind, and the BIOS area, which some maps leave out.
static bool may_read(const struct boot_info *info, paddr_t pa, size_t size) {
    if (pa + size <= BIOS_END) { return true; }
    for (unsigned i = 0; i < info->memory_count; i++) {
        const struct range *r = &info->memory[i].range;
        if (pa >= r->base && pa - r->base < r->size && size <= r->size - (pa - r->base)) { return true; }
    }
    return false;
}

static const void *map_firmware(void *context, paddr_t pa, size_t size) {
    paddr_t base = ALIGN_DOWN(pa, BLOCK_SIZE);

    if (pa + size - base > FIRMWARE_BLOCKS * BLOCK_SIZE || pa + size > ADDRESS_MASK ||
        (context != NULL && !may_read(context, pa, size))) {
        return NULL;
    }
    mmu_firmware_done();
    for (unsigned i = 0; base + i * BLOCK_SIZE < pa + size; i++) {
        pagetable_open(firmware_entry(i), (base + i * BLOCK_SIZE) | LEAF_READ_ONLY | long_mode_format.block);
    }
    return (const void *)((HYP_FIRMWARE | HYP_SIGN) + (pa - base));
}

const struct physical mmu_loader = {.map = map_firmware};
const struct physical mmu_firmware = {.map = map_firmware, .context = &machine.boot};

// ---- for panic --------------------------------------------------------------------------------------------

bool mmu_readable(uint64_t address) {
    const uint64_t *table = boot_tables[0];

    if ((int64_t)(address << 16) >> 16 != (int64_t)address) { return false; }
    for (unsigned level = 0; level < LEVELS; level++) {
        uint64_t entry = table[address >> (PAGE_SHIFT + INDEX_BITS * (LEVELS - 1 - level)) & (TABLE_ENTRIES - 1)];
        if ((entry & PTE_PRESENT) == 0) { return false; }
        if (level == LEVELS - 1 || (entry & PTE_BLOCK) != 0) { return true; }
        table = memory_va(entry & ADDRESS_MASK);
    }
    return false;
}
