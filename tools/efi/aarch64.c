// SPDX-License-Identifier: Apache-2.0
// AArch64: the hypervisor is an arm64 Image and is entered as one (Linux, Documentation/arch/arm64/booting.rst), with the
// firmware's device tree, to which the place of the system image and the memory that firmware keeps are added.
#include <libfdt.h>

#include "kernel/board.h"
#include "kernel/log.h"
#include "kernel/string.h"
#include "tools/efi/loader.h"

// It takes what it is given wherever that lies.
const EFI_PHYSICAL_ADDRESS arch_memory_limit = UINT64_MAX;

enum {
    IMAGE_ALIGN = 1 << 21,
    CURRENTEL_EL2 = 2 << 2,
    CTR_DMINLINE_SHIFT = 16,
    CTR_DMINLINE_MASK = 15,
    TREE_ROOM = 2048, // for properties of /chosen and reserved ranges
    TREE_RANGES_ROOM = MAX_BOARD_RESERVED * sizeof(struct fdt_reserve_entry),
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
    struct range image, system, tree;
    const void *firmware_tree;
    char command[COMMAND_MAX];
} state;

// ---- before boot services end ----------------------------------------------------------------------------------------

static EFI_STATUS check_machine(void) {
    static const EFI_GUID tree_id = EFI_DTB_TABLE_GUID;
    uint64_t level;

    __asm__("mrs %0, CurrentEL" : "=r"(level));
    if (level != CURRENTEL_EL2) {
        log_line("the firmware runs at EL%u, and a hypervisor needs EL2; enable virtualisation in the firmware (QEMU: "
                 "-M virt,virtualization=on)",
                 (unsigned)(level >> 2));
        return EFI_UNSUPPORTED;
    }
    state.firmware_tree = configuration_table(&tree_id);
    if (state.firmware_tree == NULL) {
        log_line("the firmware has no device tree; switch it from ACPI to device tree (QEMU: -M virt,acpi=off)");
        return EFI_NOT_FOUND;
    }
    int error = fdt_check_header(state.firmware_tree);
    if (error != 0) {
        log_line("the firmware's device tree cannot be read (%s); update the firmware", fdt_strerror(error));
        return EFI_UNSUPPORTED;
    }
    return EFI_SUCCESS;
}

static EFI_STATUS place_image(const struct range *file) {
    struct image_header header;
    EFI_STATUS status;

    if (file->size < sizeof(header)) {
        log_line("%s: it has only %llu bytes; copy it anew", HYPERVISOR_PATH, (unsigned long long)file->size);
        return EFI_LOAD_ERROR;
    }
    memcpy(&header, (const void *)file->base, sizeof(header));
    if (memcmp(header.magic, "ARM\x64", sizeof(header.magic)) != 0 || header.text_offset >= IMAGE_ALIGN) {
        log_line("%s: it is no arm64 Image; copy what 'make hypervisor' made for this machine", HYPERVISOR_PATH);
        return EFI_LOAD_ERROR;
    }
    if (header.image_size < file->size) {
        log_line("%s: it has %llu bytes, more than the %llu that its header speaks of; copy it anew", HYPERVISOR_PATH,
                 (unsigned long long)file->size, (unsigned long long)header.image_size);
        return EFI_LOAD_ERROR;
    }
    status = memory_take(header.text_offset + header.image_size, IMAGE_ALIGN, arch_memory_limit, EfiLoaderData,
                         &state.image.base);
    if (EFI_ERROR(status)) {
        log_line("%s: there is no memory for its %llu KiB (%s); give the machine more", HYPERVISOR_PATH,
                 (unsigned long long)(header.image_size >> 10), status_name(status));
        return status;
    }
    state.image.base += header.text_offset;
    state.image.size = header.image_size;
    memcpy((void *)state.image.base, (const void *)file->base, file->size);
    return EFI_SUCCESS;
}

EFI_STATUS arch_prepare(const struct boot *boot) {
    EFI_STATUS status = check_machine();

    if (!EFI_ERROR(status)) { status = place_image(&boot->hypervisor); }
    if (EFI_ERROR(status)) { return status; }
    state.system = boot->system;
    memcpy(state.command, boot->command, sizeof(state.command));
    state.tree.size = fdt_totalsize(state.firmware_tree) + TREE_ROOM + TREE_RANGES_ROOM;
    status = memory_take(state.tree.size, PAGE_SIZE, arch_memory_limit, EfiLoaderData, &state.tree.base);
    if (EFI_ERROR(status)) {
        log_line("there is no memory for the device tree (%s); give the machine more", status_name(status));
        return status;
    }
    log_line("%s goes to 0x%llx, %s is at 0x%llx", HYPERVISOR_PATH, (unsigned long long)state.image.base, SYSTEM_PATH,
             (unsigned long long)state.system.base);
    return EFI_SUCCESS;
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
    if (kept.count + (unsigned)fdt_num_mem_rsv(tree) > MAX_BOARD_RESERVED) {
        log_line("the firmware keeps %u pieces of memory and its tree reserves %d more; the hypervisor knows %u "
                 "(MAX_BOARD_RESERVED in kernel/board.h)",
                 kept.count, fdt_num_mem_rsv(tree), MAX_BOARD_RESERVED);
        return -FDT_ERR_NOSPACE;
    }
    for (unsigned i = 0; i < kept.count && error == 0; i++) {
        error = fdt_add_mem_rsv(tree, kept.at[i].range.base, kept.at[i].range.size);
    }
    return error;
}

static int add_chosen(void *tree) {
    int chosen = fdt_path_offset(tree, "/chosen");

    if (chosen == -FDT_ERR_NOTFOUND) { chosen = fdt_add_subnode(tree, 0, "chosen"); }
    if (chosen < 0) { return chosen; }
    int error = fdt_setprop_u64(tree, chosen, "linux,initrd-start", state.system.base);
    if (error == 0) {
        error = fdt_setprop_u64(tree, chosen, "linux,initrd-end", state.system.base + state.system.size);
    }
    if (error == 0 && state.command[0] != '\0') { error = fdt_setprop_string(tree, chosen, "bootargs", state.command); }
    return error;
}

// Written anew each time, from the firmware's.
EFI_STATUS arch_describe_memory(const struct memory_map *map) {
    void *tree = (void *)state.tree.base;
    int error = fdt_open_into(state.firmware_tree, tree, (int)state.tree.size);

    if (error == 0) { error = add_chosen(tree); }
    if (error == 0) { error = add_reserved(tree, map); }
    if (error != 0) {
        log_line("the device tree cannot be completed (%s); update the firmware", fdt_strerror(error));
        return EFI_UNSUPPORTED;
    }
    return EFI_SUCCESS;
}

// ---- after boot services ---------------------------------------------------------------------------------------------

// Whoever reads without caches finds what was written with them (DDI 0487, B2.4).
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
    clean(state.system.base, state.system.size);
    clean((paddr_t)enter_image, (paddr_t)enter_image_end - (paddr_t)enter_image);
    __asm__ volatile("dsb sy\n\tic ialluis\n\tdsb sy\n\tisb" ::: "memory");
    enter_image((const void *)state.tree.base, state.image.base);
}
