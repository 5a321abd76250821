// SPDX-License-Identifier: Apache-2.0
// AArch64: the hypervisor is an arm64 Image and is entered as one (Linux, Documentation/arch/arm64/booting.rst), with the
// firmware's device tree, to which the place of the system image and the memory that firmware keeps are added.
#include <libfdt.h>

#include "kernel/board.h"
#include "kernel/string.h"
#include "tools/efi/loader.h"

// It takes what it is given wherever that lies.
const EFI_PHYSICAL_ADDRESS arch_memory_limit = UINT64_MAX;

enum {
    IMAGE_ALIGN = 1 << 21,
    CURRENTEL_EL2 = 2 << 2,
    CTR_DMINLINE_SHIFT = 16,
    CTR_DMINLINE_MASK = 15,
    TREE_ROOM = 4096, // for properties of /chosen and MAX_BOARD_RESERVED ranges
};

struct image_header {
    uint32_t code[2];
    uint64_t text_offset, image_size, flags, reserved[3];
    char magic[4];
    uint32_t pe_header;
};

// Turns translation and caches off and jumps; aarch64_enter.S.
void enter_image(const void *tree, paddr_t entry) __attribute__((noreturn));
extern const char enter_image_end[];

static struct {
    const struct boot *boot;
    const void *firmware_tree;
    struct range image, tree;
} state;

// ---- before boot services end ----------------------------------------------------------------------------------------

static EFI_STATUS check_machine(void) {
    static const EFI_GUID tree_id = EFI_DTB_TABLE_GUID;
    uint64_t level;

    __asm__("mrs %0, CurrentEL" : "=r"(level));
    if (level != CURRENTEL_EL2) {
        return fail(EFI_UNSUPPORTED, "firmware",
                    "it does not run at EL2; enable virtualisation (QEMU: -M virt,virtualization=on)");
    }
    state.firmware_tree = configuration_table(&tree_id);
    if (state.firmware_tree == NULL) {
        return fail(EFI_NOT_FOUND, "firmware",
                    "it has no device tree; switch it from ACPI to one (QEMU: -M virt,acpi=off)");
    }
    if (fdt_check_header(state.firmware_tree) != 0) {
        return fail(EFI_UNSUPPORTED, "firmware", "its device tree cannot be read; update it");
    }
    return EFI_SUCCESS;
}

static EFI_STATUS place_image(const struct range *file) {
    struct image_header header = {0};

    memcpy(&header, (const void *)file->base, MIN(file->size, sizeof(header)));
    if (memcmp(header.magic, "ARM\x64", sizeof(header.magic)) != 0 || header.text_offset >= IMAGE_ALIGN) {
        return fail(EFI_LOAD_ERROR, HYPERVISOR_PATH, "it is no arm64 Image; copy takt.Image of 'make hypervisor'");
    }
    if (header.image_size < file->size || header.image_size > UINT32_MAX) {
        return fail(EFI_LOAD_ERROR, HYPERVISOR_PATH, "its size and its header contradict each other; copy it anew");
    }
    EFI_STATUS status = memory_take(HYPERVISOR_PATH, header.text_offset + header.image_size, IMAGE_ALIGN, EfiLoaderData,
                                    &state.image.base);
    if (EFI_ERROR(status)) { return status; }
    state.image.base += header.text_offset;
    state.image.size = header.image_size;
    memcpy((void *)state.image.base, (const void *)file->base, file->size);
    return EFI_SUCCESS;
}

EFI_STATUS arch_prepare(const struct boot *boot) {
    EFI_STATUS status = check_machine();

    state.boot = boot;
    if (!EFI_ERROR(status)) { status = place_image(&boot->hypervisor); }
    if (EFI_ERROR(status)) { return status; }
    state.tree.size = fdt_totalsize(state.firmware_tree) + TREE_ROOM;
    return memory_take("device tree", state.tree.size, PAGE_SIZE, EfiLoaderData, &state.tree.base);
}

// ---- the tree --------------------------------------------------------------------------------------------------------

// What an operating system must leave alone, whatever kind it is, in as few pieces as possible.
static int add_reserved(void *tree, const struct memory_map *map) {
    static struct memory_map kept;
    int error = 0;

    kept.count = 0;
    for (unsigned i = 0; i < map->count; i++) {
        // No more pieces than there were: they fit.
        if (map->at[i].kind != MEMORY_RAM) { (void)memory_map_add(&kept, &map->at[i].range, MEMORY_RESERVED); }
    }
    if (kept.count + (unsigned)fdt_num_mem_rsv(tree) > MAX_BOARD_RESERVED) { return -FDT_ERR_NOSPACE; }
    for (unsigned i = 0; i < kept.count && error == 0; i++) {
        error = fdt_add_mem_rsv(tree, kept.at[i].range.base, kept.at[i].range.size);
    }
    return error;
}

static int add_chosen(void *tree) {
    const struct range *system = &state.boot->system;
    int chosen = fdt_path_offset(tree, "/chosen"), error;

    if (chosen == -FDT_ERR_NOTFOUND) { chosen = fdt_add_subnode(tree, 0, "chosen"); }
    if (chosen < 0) { return chosen; }
    error = fdt_setprop_u64(tree, chosen, "linux,initrd-start", system->base);
    return error == 0 ? fdt_setprop_u64(tree, chosen, "linux,initrd-end", system->base + system->size) : error;
}

// Written anew each time, from the firmware's.
EFI_STATUS arch_describe_memory(const struct memory_map *map) {
    void *tree = (void *)state.tree.base;

    if (fdt_open_into(state.firmware_tree, tree, (int)state.tree.size) != 0 || add_chosen(tree) != 0) {
        return fail(EFI_UNSUPPORTED, "firmware", "its device tree is malformed; update it");
    }
    if (add_reserved(tree, map) != 0) {
        return fail(
            EFI_UNSUPPORTED, "firmware",
            "it keeps too many ranges of memory; raise MAX_BOARD_RESERVED in kernel/board.h and build both anew");
    }
    return EFI_SUCCESS;
}

// ---- after boot services ---------------------------------------------------------------------------------------------

// Who reads without caches then finds what was written with them (DDI 0487, D7, "Cache maintenance").
static void clean(paddr_t base, uint64_t size) {
    uint64_t ctr;

    __asm__("mrs %0, ctr_el0" : "=r"(ctr));
    uint64_t line = 4ull << (ctr >> CTR_DMINLINE_SHIFT & CTR_DMINLINE_MASK);
    for (paddr_t at = ALIGN_DOWN(base, line); at < base + size; at += line) {
        __asm__ volatile("dc cvac, %0" ::"r"(at) : "memory");
    }
}

void arch_enter(void) {
    clean(state.image.base, state.image.size);
    clean(state.tree.base, state.tree.size);
    clean(state.boot->system.base, state.boot->system.size);
    clean((paddr_t)enter_image, (paddr_t)enter_image_end - (paddr_t)enter_image);
    __asm__ volatile("dsb sy\n\tic ialluis\n\tdsb sy\n\tisb" ::: "memory");
    enter_image((const void *)state.tree.base, state.image.base);
}
