// SPDX-License-Identifier: Apache-2.0
#include <libfdt.h>

#include "kernel/arch.h"
#include "kernel/guest_fdt.h"
#include "kernel/log.h"
#include "kernel/tree.h"

enum { STEM_MAX = 31, NODE_NAME_MAX = STEM_MAX + 17 }; // 31: Devicetree Specification, 2.2.1

// Written anew, or pointing at nodes that the guest does not have.
static const char left_out[] =
    "reg\0interrupts\0interrupts-extended\0interrupt-parent\0clocks\0assigned-clocks\0assigned-clock-parents\0"
    "assigned-clock-rates\0phandle\0linux,phandle\0status\0secure-status\0dmas\0dma-names\0dma-ranges\0ranges\0"
    "iommus\0iommu-map\0msi-parent\0resets\0reset-names\0power-domains\0memory-region\0pinctrl-names";
static const char left_out_suffixes[] = "-supply\0-gpio\0-gpios";
static const char pinctrl_prefix[] = "pinctrl-";

static bool is_copied(const char *name) {
    const char *suffix = strrchr(name, '-');

    return !tree_lists(left_out, sizeof(left_out), name) &&
           (suffix == NULL || !tree_lists(left_out_suffixes, sizeof(left_out_suffixes), suffix)) &&
           strncmp(name, pinctrl_prefix, sizeof(pinctrl_prefix) - 1) != 0;
}

static int copy_properties(void *fdt, int node, const void *board_fdt, int from) {
    int property, length, error = 0;

    fdt_for_each_property_offset(property, board_fdt, from) {
        const char *name;
        const void *value = fdt_getprop_by_offset(board_fdt, property, &name, &length);
        if (value != NULL && is_copied(name)) { error |= fdt_setprop(fdt, node, name, value, length); }
    }
    return error;
}

// Where the guest has what the board has at `address`; 0: it has not.
static gpa_t guest_address(const struct device_desc *device, paddr_t address) {
    for (unsigned i = 0; i < device->page_count; i++) {
        if (address - device->pages[i].base < device->pages[i].size) {
            return device->guest_base[i] + (address - device->pages[i].base);
        }
    }
    return 0;
}

static int add_clocks(void *fdt, int node, const void *board_fdt, int from) {
    int names = fdt_stringlist_count(board_fdt, from, "clock-names");
    int error = 0;

    if (fdt_getprop(board_fdt, from, "clocks", NULL) == NULL) { return 0; }
    for (int i = 0; i < MAX(names, 1); i++) { error |= fdt_appendprop_u32(fdt, node, "clocks", GUEST_PHANDLE_CLOCK); }
    return error;
}

// The node's own name with the address that the guest has it at.
static void guest_name(char name[NODE_NAME_MAX + 1], const char *own, gpa_t address) {
    size_t stem = 0;

    while (own[stem] != '\0' && own[stem] != '@' && stem < STEM_MAX) {
        name[stem] = own[stem];
        stem++;
    }
    format_string(name + stem, NODE_NAME_MAX + 1 - stem, "@%lx", address);
}

int guest_fdt_device(void *fdt, const void *board_fdt, const struct device_desc *device) {
    int from = fdt_path_offset(board_fdt, device->path);
    char name[NODE_NAME_MAX + 1];
    struct range reg;

    if (from < 0 || board_reg(board_fdt, from, 0, &reg) != OK) { return -FDT_ERR_NOTFOUND; }
    guest_name(name, fdt_get_name(board_fdt, from, NULL), guest_address(device, reg.base));
    int node = fdt_add_subnode(fdt, 0, name);
    if (node < 0) { return node; }
    int error = copy_properties(fdt, node, board_fdt, from);
    for (unsigned i = 0; board_reg(board_fdt, from, i, &reg) == OK && error == 0; i++) {
        error = fdt_appendprop_addrrange(fdt, 0, node, "reg", guest_address(device, reg.base), reg.size);
    }
    for (unsigned i = 0; i < device->irq_count; i++) {
        error |= arch_guest_fdt_interrupt(fdt, node, device->irq[i], device->irq_edge[i]);
    }
    return error | add_clocks(fdt, node, board_fdt, from);
}
