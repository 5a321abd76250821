// SPDX-License-Identifier: Apache-2.0
// Devicetree Specification 0.4, chapter 2.4; the three cells of an entry: Linux binding
// interrupt-controller/arm,gic-v3.yaml (type, number, flags).
#include "kernel/board_irq.h"

#include <libfdt.h>

#include "kernel/tree.h"

static const char controllers[] = "arm,gic-v3\0arm,cortex-a15-gic\0arm,gic-400\0arm,cortex-a7-gic";

enum { CELL = 4, MIN_CELLS = 3, MAX_CELLS = 8, FLAGS_EDGE_RISING = 1, FLAGS_EDGE_FALLING = 2 };

static const struct {
    uint16_t first, count;
} kinds[] = {[BOARD_IRQ_SHARED] = {32, 988}, [BOARD_IRQ_PRIVATE] = {16, 16}};

// The node that the interrupts of `node` go to: its own interrupt-parent or an inherited one.
static int interrupt_parent(const void *fdt, int node) {
    for (; node >= 0; node = tree_find_parent(fdt, node)) {
        int length;
        const void *phandle = fdt_getprop(fdt, node, "interrupt-parent", &length);
        if (phandle != NULL) { return length == CELL ? tree_find_phandle(fdt, tree_u32(phandle)) : -1; }
    }
    return -1;
}

// Cells of an interrupt specifier of the machine's controller, 0: `node` is something else.
static unsigned controller_cells(const void *fdt, int node) {
    for (size_t at = 0; node >= 0 && at < sizeof(controllers); at += strlen(controllers + at) + 1) {
        if (fdt_node_check_compatible(fdt, node, controllers + at) == 0) {
            int length;
            const void *count = fdt_getprop(fdt, node, "#interrupt-cells", &length);
            return count != NULL && length == CELL ? tree_u32(count) : 0;
        }
    }
    return 0;
}

int board_irq(const void *fdt, int node, unsigned index, enum board_irq_kind kind, struct board_irq *out) {
    int length;
    const uint8_t *interrupts = fdt_getprop(fdt, node, "interrupts", &length);
    if (interrupts == NULL) { return ERR_NOT_FOUND; }
    unsigned cells = controller_cells(fdt, interrupt_parent(fdt, node));
    if (cells < MIN_CELLS || cells > MAX_CELLS) { return ERR_UNSUPPORTED; }
    if (index >= (unsigned)length / (cells * CELL)) { return ERR_NOT_FOUND; }
    const uint8_t *entry = interrupts + (size_t)index * cells * CELL;
    uint32_t number = tree_u32(entry + CELL);
    if (tree_u32(entry) != (uint32_t)kind || number >= kinds[kind].count) { return ERR_RANGE; }
    out->intid = (uint16_t)(kinds[kind].first + number);
    out->edge = (tree_u32(entry + 2 * CELL) & (FLAGS_EDGE_RISING | FLAGS_EDGE_FALLING)) != 0;
    return OK;
}
