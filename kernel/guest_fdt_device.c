// SPDX-License-Identifier: Apache-2.0
#include <libfdt.h>

#include "kernel/arch.h"
#include "kernel/board.h"
#include "kernel/guest_fdt.h"
#include "kernel/log.h"
#include "kernel/string.h"
#include "kernel/sysdesc.h"

enum { STEM_MAX = 31, NODE_NAME_MAX = STEM_MAX + 17 }; // 31: Devicetree Specification, 2.2.1

// Written anew, or pointing at nodes that the guest does not have.
static const char *const left_out[] = {
    "reg",
    "interrupts",
    "interrupt-parent",
    "clocks",
    "phandle",
    "linux,phandle",
    "status",
    "secure-status",
    "dmas",
    "dma-names",
    "iommus",
    "iommu-map",
    "resets",
    "reset-names",
    "power-domains",
    "memory-region",
    "assigned-clocks",
    "assigned-clock-parents",
    "assigned-clock-rates",
    "pinctrl-names",
    "interrupts-extended",
    "ranges",
    "dma-ranges",
    "msi-parent",
};
static const char *const left_out_suffix[] = {"-supply", "-gpio", "-gpios"};
static const char pinctrl_prefix[] = "pinctrl-";

static bool ends_with(const char *name, const char *suffix) {
    size_t length = strlen(name), tail = strlen(suffix);

    return length >= tail && strcmp(name + length - tail, suffix) == 0;
}

static bool is_copied(const char *name) {
    for (unsigned i = 0; i < ARRAY_SIZE(left_out); i++) {
        if (strcmp(name, left_out[i]) == 0) { return false; }
    }
    for (unsigned i = 0; i < ARRAY_SIZE(left_out_suffix); i++) {
        if (ends_with(name, left_out_suffix[i])) { return false; }
    }
    return strncmp(name, pinctrl_prefix, sizeof(pinctrl_prefix) - 1) != 0;
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
    format_string(name + stem, NODE_NAME_MAX + 1 - stem, "@%llx", (unsigned long long)address);
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
