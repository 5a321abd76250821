// SPDX-License-Identifier: Apache-2.0
// The policy of assignment. Device tree properties: Devicetree Specification 0.4, chapter 2.3.
#include <libfdt.h>

#include "kernel/assign.h"
#include "kernel/board_irq.h"
#include "kernel/devices.h"
#include "kernel/tree.h"

enum refusal {
    ASSIGNABLE,
    NO_NODE,
    DISABLED,
    HYPERVISORS_OWN,
    CONSOLE,
    NO_PAGES,
    BAD_PAGES,
    TOO_MANY_PAGES,
    SHARED_PAGE,
    FOREIGN_IRQ,
    NOT_AN_SPI,
    TOO_MANY_IRQS,
    SHARED_IRQ,
    VIRTUAL_IRQ,
    DMA_PROPERTY,
    DMA_KNOWN,
    DMA_UNKNOWN,
};

#define DISABLE_OTHER "disable the other node in the board's device tree, or remove the device"
#define ACCEPT_DMA    "remove it, or accept that it can reach all memory: unprotected-dma"

static const struct refusal_text refusals[] = {
    [NO_NODE] = {"the board's device tree has no such node", "give the full path of a node, as in /pl031@9010000"},
    [DISABLED] = {"the node is disabled in the board's device tree", "assign a device whose status is okay"},
    [HYPERVISORS_OWN] = {"the hypervisor drives this device itself",
                         "remove it, as all interrupt controllers, timers, IOMMUs, firmware, CPUs and memory"},
    [CONSOLE] = {"this is the hypervisor's console UART", "assign another UART; the guest's own console is virtual"},
    [NO_PAGES] = {"the node has no reg property", "assign a device that has MMIO"},
    [BAD_PAGES] = {"the node's reg has no place in the machine's address space",
                   "assign a device whose parents' ranges translate its reg"},
    [TOO_MANY_PAGES] = {"the node has more MMIO ranges than a VM can be given",
                        "assign a device with at most 4 ranges in reg"},
    [SHARED_PAGE] = {"another enabled node has registers in the same 4 KiB page", DISABLE_OTHER},
    [FOREIGN_IRQ] = {"its interrupt does not end at the machine's GIC",
                     "assign a device whose interrupts property refers to the GIC"},
    [NOT_AN_SPI] = {"its interrupt is not a shared peripheral interrupt",
                    "assign a device with an SPI: first cell of interrupts 0, second below 988"},
    [TOO_MANY_IRQS] = {"the node has more interrupts than a VM can be given",
                       "assign a device with at most 4 interrupts"},
    [SHARED_IRQ] = {"another enabled node has the same interrupt", DISABLE_OTHER},
    [VIRTUAL_IRQ] = {"its interrupt is that of a virtual device of the VM", "assign a device without SPI 1 and 16"},
    [DMA_PROPERTY] = {"the device does DMA (dmas, iommus or dma-coherent) and no IOMMU confines it", ACCEPT_DMA},
    [DMA_KNOWN] = {"devices of this kind do DMA and no IOMMU confines it", ACCEPT_DMA},
    [DMA_UNKNOWN] = {"the device is not known to be free of DMA and no IOMMU confines it", ACCEPT_DMA},
};

// Lists of strings as a device tree has them, each string with its terminator.
// What a hypervisor cannot give away, DMA or not.
static const char own_compatibles[] =
    "arm,gic-v3\0arm,cortex-a15-gic\0arm,gic-400\0arm,cortex-a7-gic\0arm,gic-v3-its\0arm,gic-v2m-frame\0"
    "arm,psci\0arm,psci-0.2\0arm,psci-1.0\0arm,armv8-timer\0arm,armv7-timer\0arm,armv7-timer-mem\0"
    "arm,smmu-v3\0arm,smmu-v2\0arm,mmu-500\0linaro,optee-tz";

// What is on neither of these two is refused as unknown.
static const char dma_compatibles[] =
    "qemu,fw-cfg-mmio\0virtio,mmio\0pci-host-ecam-generic\0pci-host-cam-generic\0arm,pl080\0arm,pl330\0"
    "arm,pl111\0generic-ahci\0generic-xhci\0snps,dwc3\0fsl,imx8mp-fec\0fsl,imx8mp-usdhc\0fsl,imx8mq-sdma";
// Registers and an interrupt, no bus master; "arm,primecell" only says how to read the peripheral's id.
static const char dma_free_compatibles[] =
    "arm,primecell\0arm,pl010\0arm,pl011\0arm,pl022\0arm,pl031\0arm,pl050\0arm,pl061\0arm,sp804\0arm,sp805\0"
    "arm,sbsa-uart\0arm,sbsa-gwdt\0fsl,imx8mp-gpio\0fsl,imx35-gpio\0fsl,imx8mp-wdt\0snps,dw-apb-uart\0"
    "ns16550a\0ns16550";

static const char dma_properties[] = "dmas\0iommus\0dma-coherent\0dma-ranges\0iommu-map\0memory-region";

#define LIST(strings) strings, sizeof(strings)

// Are the names in the node's compatible on the list: every one of them, or any?
static bool compatible(const void *fdt, int node, const char *list, size_t size, bool every) {
    int length;
    const char *name = fdt_getprop(fdt, node, "compatible", &length);
    bool listed = false;
    while (length > 0) {
        const char *end = memchr(name, '\0', (size_t)length);
        if (end == NULL) { return false; }
        listed = tree_lists(list, (uint32_t)size, name);
        if (listed != every) { return listed; }
        length -= (int)(end + 1 - name);
        name = end + 1;
    }
    return listed;
}

static enum refusal check_dma(const void *fdt, int node) {
    for (size_t at = 0; at < sizeof(dma_properties); at += strlen(dma_properties + at) + 1) {
        if (fdt_getprop(fdt, node, dma_properties + at, NULL) != NULL) { return DMA_PROPERTY; }
    }
    if (compatible(fdt, node, LIST(dma_compatibles), false)) { return DMA_KNOWN; }
    // The most specific name counts, so each of them must be known.
    return compatible(fdt, node, LIST(dma_free_compatibles), true) ? ASSIGNABLE : DMA_UNKNOWN;
}

static bool says(const void *fdt, int node, const char *property, const char *value) {
    int length;
    const void *data = fdt_getprop(fdt, node, property, &length);
    return data != NULL && tree_lists(data, (uint32_t)length, value);
}

static bool enabled(const void *fdt, int node) {
    return fdt_getprop(fdt, node, "status", NULL) == NULL || says(fdt, node, "status", "okay") ||
           says(fdt, node, "status", "ok");
}

// The node itself and everything above it.
static bool enabled_to_the_root(const void *fdt, int node) {
    while (node > 0 && enabled(fdt, node)) { node = tree_find_parent(fdt, node); }
    return node == 0 && enabled(fdt, 0);
}

enum { MAX_NODE_RANGES = 64, MAX_NODE_IRQS = 1024 };

static enum refusal check_owner(const void *fdt, int node) {
    if (compatible(fdt, node, LIST(own_compatibles), false) || fdt_getprop(fdt, node, "#iommu-cells", NULL) != NULL ||
        says(fdt, node, "device_type", "memory") || says(fdt, node, "device_type", "cpu")) {
        return HYPERVISORS_OWN;
    }
    return node == board_console(fdt) ? CONSOLE : ASSIGNABLE;
}

// Adds whole pages; ranges that meet in one page become one.
static enum refusal add_pages(struct device_desc *out, const struct range *reg) {
    uint64_t last = reg->base + (reg->size - 1);
    if (reg->size == 0 || last < reg->base || last > UINT64_MAX - PAGE_SIZE) { return BAD_PAGES; }
    struct range pages = {.base = ALIGN_DOWN(reg->base, PAGE_SIZE)};
    pages.size = ALIGN_UP(last + 1, PAGE_SIZE) - pages.base;
    for (unsigned i = out->page_count; i-- > 0;) {
        if (!range_overlaps(&out->pages[i], &pages)) { continue; }
        uint64_t end = MAX(out->pages[i].base + out->pages[i].size, pages.base + pages.size);
        pages.base = MIN(out->pages[i].base, pages.base);
        pages.size = end - pages.base;
        out->pages[i] = out->pages[--out->page_count];
    }
    if (out->page_count == MAX_DEVICE_PAGES) { return TOO_MANY_PAGES; }
    out->pages[out->page_count++] = pages;
    return ASSIGNABLE;
}

static enum refusal read_pages(const void *fdt, int node, struct device_desc *out) {
    enum refusal refusal = ASSIGNABLE;
    struct range reg;
    int status = OK;
    unsigned i;
    for (i = 0; refusal == ASSIGNABLE && (status = board_reg(fdt, node, i, &reg)) == OK; i++) {
        refusal = add_pages(out, &reg);
    }
    if (status != OK) { refusal = status != ERR_NOT_FOUND ? BAD_PAGES : i == 0 ? NO_PAGES : ASSIGNABLE; }
    for (i = 0; i < out->page_count; i++) { out->guest_base[i] = out->pages[i].base; }
    return refusal;
}

// A guest sees an assigned interrupt under the board's number, beside those of its virtual devices.
static bool is_virtual(uint32_t intid) {
    unsigned i = 0;

    while (virtual_devices[i] != NULL && virtual_devices[i]->irq != intid) { i++; }
    return virtual_devices[i] != NULL;
}

static enum refusal read_interrupts(const void *fdt, int node, struct device_desc *out) {
    struct board_irq irq;
    if (fdt_getprop(fdt, node, "interrupts-extended", NULL) != NULL) { return FOREIGN_IRQ; }
    if (fdt_getprop(fdt, node, "interrupts", NULL) == NULL) { return ASSIGNABLE; }
    int status = OK;
    for (unsigned i = 0; (status = board_irq(fdt, node, i, BOARD_IRQ_SHARED, &irq)) == OK; i++) {
        if (out->irq_count == MAX_DEVICE_IRQS) { return TOO_MANY_IRQS; }
        if (is_virtual(irq.intid)) { return VIRTUAL_IRQ; }
        out->irq[out->irq_count] = irq.intid;
        out->irq_edge[out->irq_count++] = irq.edge;
    }
    return status == ERR_NOT_FOUND ? ASSIGNABLE : status == ERR_RANGE ? NOT_AN_SPI : FOREIGN_IRQ;
}

static bool claims_page(const struct device_desc *device, const struct range *range) {
    for (unsigned i = 0; i < device->page_count; i++) {
        if (range_overlaps(&device->pages[i], range)) { return true; }
    }
    return false;
}

static bool claims_irq(const struct device_desc *device, uint32_t intid) {
    for (unsigned i = 0; i < device->irq_count; i++) {
        if (device->irq[i] == intid) { return true; }
    }
    return false;
}

// What one other enabled node would share with the device.
static enum refusal shared_with(const void *fdt, int other, const struct device_desc *device) {
    struct range reg;
    for (unsigned i = 0; i < MAX_NODE_RANGES && board_reg(fdt, other, i, &reg) == OK; i++) {
        if (claims_page(device, &reg)) { return SHARED_PAGE; }
    }
    struct board_irq irq;
    for (unsigned i = 0; i < MAX_NODE_IRQS; i++) {
        int status = board_irq(fdt, other, i, BOARD_IRQ_SHARED, &irq);
        if (status == OK && claims_irq(device, irq.intid)) { return SHARED_IRQ; }
        if (status != OK && status != ERR_RANGE) { break; }
    }
    return ASSIGNABLE;
}

// Looks at every enabled node but the device's own subtree.
static enum refusal check_sharing(const void *fdt, int node, const struct device_desc *device) {
    int depth = 0, skip = -1;
    for (int other = fdt_next_node(fdt, -1, &depth); other >= 0; other = fdt_next_node(fdt, other, &depth)) {
        if (skip >= 0 && depth > skip) { continue; }
        skip = other == node || !enabled(fdt, other) ? depth : -1;
        if (skip >= 0) { continue; }
        enum refusal refusal = shared_with(fdt, other, device);
        if (refusal != ASSIGNABLE) { return refusal; }
    }
    return ASSIGNABLE;
}

static enum refusal check(const void *fdt, int node, struct device_desc *out) {
    if (node <= 0) { return NO_NODE; }
    if (!enabled_to_the_root(fdt, node)) { return DISABLED; }
    enum refusal refusal = check_owner(fdt, node);
    if (refusal == ASSIGNABLE) { refusal = read_pages(fdt, node, out); }
    if (refusal == ASSIGNABLE) { refusal = read_interrupts(fdt, node, out); }
    if (refusal == ASSIGNABLE && !out->unprotected_dma && iommu_confine(fdt, node) != OK) {
        refusal = check_dma(fdt, node);
    }
    return refusal == ASSIGNABLE ? check_sharing(fdt, node, out) : refusal;
}

const struct refusal_text *assign_check(const struct board *board, const char *path, struct device_desc *out) {
    out->path = path;
    out->page_count = 0;
    out->irq_count = 0;
    enum refusal refusal = check(board->fdt, tree_find_path(board->fdt, path, strlen(path)), out);
    return refusal != ASSIGNABLE ? &refusals[refusal] : NULL;
}

bool assign_conflict(const struct device_desc *a, const struct device_desc *b) {
    for (unsigned i = 0; i < b->page_count; i++) {
        if (claims_page(a, &b->pages[i])) { return true; }
    }
    for (unsigned i = 0; i < b->irq_count; i++) {
        if (claims_irq(a, b->irq[i])) { return true; }
    }
    return false;
}
