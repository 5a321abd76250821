// SPDX-License-Identifier: Apache-2.0
// The device tree of a PC: what ACPI and the boot loader said in the form that kernel/board.c reads. Devicetree
// Specification 0.4; the ISA binding of IEEE 1275 for the console's ports.
#include <libfdt.h>

#include "arch/x86/host_apic.h"
#include "arch/x86/machine.h"
#include "kernel/log.h"
#include "kernel/string.h"

enum { TREE_MAX = 16384, UART_PORT = 0x3f8, UART_PORTS = 8, UART_IRQ = 4, ISA_IO = 1, NAME_MAX_LENGTH = 32 };
enum { TOPOLOGY_TYPE_SHIFT = 8, TOPOLOGY_THREADS = 1 };

static char buffer[TREE_MAX] __attribute__((aligned(8)));

struct writer {
    void *tree;
    int status; // libfdt's first error
};

static int add_node(struct writer *w, int parent, const char *name) {
    int node = w->status == 0 ? fdt_add_subnode(w->tree, parent, name) : w->status;

    if (node < 0) { w->status = node; }
    return node;
}

static void add(struct writer *w, int node, const char *name, const void *value, int size) {
    if (w->status == 0) { w->status = fdt_setprop(w->tree, node, name, value, size); }
}

static void add_text(struct writer *w, int node, const char *name, const char *text) {
    add(w, node, name, text, (int)strlen(text) + 1);
}

static void add_cells(struct writer *w, int node, const char *name, const uint32_t *cells, unsigned count) {
    fdt32_t big[4];

    for (unsigned i = 0; i < count; i++) { big[i] = cpu_to_fdt32(cells[i]); }
    add(w, node, name, big, (int)(count * sizeof(big[0])));
}

static void add_cell(struct writer *w, int node, const char *name, uint32_t cell) {
    add_cells(w, node, name, &cell, 1);
}

static void add_range(struct writer *w, int parent, const char *name, const struct range *range, bool memory) {
    char unit[NAME_MAX_LENGTH];
    const uint32_t cells[] = {
        (uint32_t)(range->base >> 32),
        (uint32_t)range->base,
        (uint32_t)(range->size >> 32),
        (uint32_t)range->size,
    };

    format_string(unit, sizeof(unit), "%s@%lx", name, range->base);
    int node = add_node(w, parent, unit);
    if (memory) { add_text(w, node, "device_type", "memory"); }
    add_cells(w, node, "reg", cells, ARRAY_SIZE(cells));
}

// 64-bit addresses and sizes below it.
static void add_bus(struct writer *w, int node) {
    add_cell(w, node, "#size-cells", 2);
    add_cell(w, node, "#address-cells", 2);
}

void *board_tree_begin(void) {
    struct writer w = {.tree = buffer, .status = fdt_create_empty_tree(buffer, sizeof(buffer))};
    const uint32_t ports[] = {ISA_IO, UART_PORT, UART_PORTS};

    int isa = add_node(&w, 0, "isa");
    add_cell(&w, isa, "#size-cells", 1);
    add_cell(&w, isa, "#address-cells", 2);
    int uart = add_node(&w, isa, "serial@3f8");
    add_text(&w, uart, "compatible", "ns16550a");
    add_cells(&w, uart, "reg", ports, ARRAY_SIZE(ports));
    add_cell(&w, uart, "interrupts", UART_IRQ);
    int chosen = add_node(&w, 0, "chosen");
    add_text(&w, chosen, "stdout-path", "/isa/serial@3f8");
    add_bus(&w, 0);
    add_text(&w, 0, "model", "PC");
    add_text(&w, 0, "compatible", "takt,pc");
    return w.status == 0 ? buffer : NULL;
}

// The bits of an APIC id that number the threads of one core (SDM volume 2, CPUID, leaf 0BH: the first level is that of
// threads where there are several).
static uint32_t thread_mask(void) {
    if (read_cpuid(0, 0).eax < CPUID_TOPOLOGY) { return 0; }
    struct cpuid level = read_cpuid(CPUID_TOPOLOGY, 0);
    return (level.ecx >> TOPOLOGY_TYPE_SHIFT & 0xff) == TOPOLOGY_THREADS ? (1u << (level.eax & 0x1f)) - 1 : 0;
}

// Of threads that share a core one is used: what the others did would be in nobody's budget.
static void add_cores(struct writer *w, const struct acpi_machine *acpi) {
    char name[NAME_MAX_LENGTH];
    int cores = add_node(w, 0, "cpus");
    uint32_t own = host_apic_id(), threads = thread_mask();
    unsigned siblings = 0;

    add_cell(w, cores, "#size-cells", 0);
    add_cell(w, cores, "#address-cells", 1);
    // In reverse, and the boot core last: what libfdt adds comes first.
    for (unsigned i = acpi->cpu_count; i-- > 0;) {
        uint32_t id = acpi->cpus[i].apic_id;
        if (!acpi->cpus[i].enabled || id == own) { continue; }
        if (((id ^ own) & threads) != 0 || ((id ^ own) & ~threads) == 0) {
            siblings++;
            continue;
        }
        format_string(name, sizeof(name), "cpu@%x", id);
        add_cell(w, add_node(w, cores, name), "reg", id);
    }
    if (siblings != 0) { log_line("cores: %u threads share one with another and stay unused", siblings); }
    format_string(name, sizeof(name), "cpu@%x", own);
    add_cell(w, add_node(w, cores, name), "reg", own);
}

static void add_memory(struct writer *w, const struct machine *found) {
    for (unsigned i = found->boot.memory_count; i-- > 0;) {
        const struct boot_memory *m = &found->boot.memory[i];
        if (m->type == BOOT_MEMORY_RAM && m->range.size >= PAGE_SIZE) { add_range(w, 0, "memory", &m->range, true); }
    }
    int reserved = add_node(w, 0, "reserved-memory");
    add_bus(w, reserved);
    if (found->trampoline != 0) {
        struct range page = {found->trampoline, PAGE_SIZE};
        add_range(w, reserved, "trampoline", &page, false);
    }
    // Firmware's tables may say that a range is RAM and something else as well: the something else counts.
    for (unsigned i = 0; i < found->boot.memory_count; i++) {
        const struct boot_memory *m = &found->boot.memory[i];
        for (unsigned j = 0; m->type != BOOT_MEMORY_RAM && j < found->boot.memory_count; j++) {
            const struct boot_memory *ram = &found->boot.memory[j];
            if (ram->type == BOOT_MEMORY_RAM && range_overlaps(&ram->range, &m->range)) {
                add_range(w, reserved, "firmware", &m->range, false);
                break;
            }
        }
    }
}

int board_tree_complete(void *tree, const struct machine *found) {
    struct writer w = {.tree = tree};
    const struct range *image = &found->boot.system;
    uint64_t end = image->base + image->size;
    const uint32_t from[] = {(uint32_t)(image->base >> 32), (uint32_t)image->base};
    const uint32_t to[] = {(uint32_t)(end >> 32), (uint32_t)end};

    add_cell(&w, fdt_path_offset(tree, "/isa/serial@3f8"), "interrupts", found->acpi.isa[UART_IRQ].gsi);
    if (image->size != 0) {
        int chosen = fdt_path_offset(tree, "/chosen");
        add_cells(&w, chosen, "linux,initrd-end", to, ARRAY_SIZE(to));
        add_cells(&w, chosen, "linux,initrd-start", from, ARRAY_SIZE(from));
    }
    add_memory(&w, found);
    add_cores(&w, &found->acpi);
    return w.status == 0 ? OK : ERR_NO_MEMORY;
}
