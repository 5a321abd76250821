// SPDX-License-Identifier: Apache-2.0
// The device tree of a PC: what ACPI and the boot loader said in the form that kernel/board.c reads. Devicetree
// Specification 0.4; the ISA binding of IEEE 1275 for the console's ports.
#include <libfdt.h>

#include "arch/x86/host_apic.h"
#include "arch/x86/machine.h"
#include "kernel/log.h"
#include "kernel/string.h"

enum { TREE_MAX = 16384, UART_PORT = 0x3f8, UART_PORTS = 8, UART_IRQ = 4, ISA_IO = 1, NAME_MAX_LENGTH = 32 };
enum { TOPOLOGY_TYPE_SHIFT = 8, TOPOLOGY_THREADS = 1, EXT_TOPOLOGY_THREADS_SHIFT = 8, THREADS_MAX = 4 };
enum { OVERHEAD_SWITCHES = 2 }; // in what `overhead-ns` of the board's data stands for

static char buffer[TREE_MAX] __attribute__((aligned(8)));

struct writer {
    int status; // libfdt's errors, which are negative, together
};

static void begin(struct writer *w, const char *name) { w->status |= fdt_begin_node(buffer, name); }

static void end(struct writer *w) { w->status |= fdt_end_node(buffer); }

static void add(struct writer *w, const char *name, const void *value, size_t size) {
    w->status |= fdt_property(buffer, name, value, (int)size);
}

static void add_text(struct writer *w, const char *name, const char *text) { add(w, name, text, strlen(text) + 1); }

static void add_cells(struct writer *w, const char *name, const uint32_t *cells, unsigned count) {
    fdt32_t big[4];

    for (unsigned i = 0; i < count; i++) { big[i] = cpu_to_fdt32(cells[i]); }
    add(w, name, big, count * sizeof(big[0]));
}

static void add_cell(struct writer *w, const char *name, uint32_t cell) { add_cells(w, name, &cell, 1); }

static void add_address(struct writer *w, const char *name, paddr_t address) {
    const uint32_t cells[] = {(uint32_t)(address >> 32), (uint32_t)address};

    add_cells(w, name, cells, ARRAY_SIZE(cells));
}

static void begin_bus(struct writer *w, const char *name, unsigned address_cells, unsigned size_cells) {
    begin(w, name);
    add_cell(w, "#address-cells", address_cells);
    add_cell(w, "#size-cells", size_cells);
}

static void begin_at(struct writer *w, const char *name, uint64_t address) {
    char unit[NAME_MAX_LENGTH];

    format_string(unit, sizeof(unit), "%s@%lx", name, address);
    begin(w, unit);
}

static void add_range(struct writer *w, const char *name, const struct range *range, bool memory) {
    const uint32_t cells[] = {
        (uint32_t)(range->base >> 32),
        (uint32_t)range->base,
        (uint32_t)(range->size >> 32),
        (uint32_t)range->size,
    };

    begin_at(w, name, range->base);
    if (memory) { add_text(w, "device_type", "memory"); }
    add_cells(w, "reg", cells, ARRAY_SIZE(cells));
    end(w);
}

static void add_console(struct writer *w, uint32_t interrupt) {
    const uint32_t ports[] = {ISA_IO, UART_PORT, UART_PORTS};

    begin_bus(w, "isa", 2, 1);
    begin(w, "serial@3f8");
    add_text(w, "compatible", "ns16550a");
    add_cells(w, "reg", ports, ARRAY_SIZE(ports));
    add_cell(w, "interrupts", interrupt);
    end(w);
    end(w);
}

static void add_chosen(struct writer *w, const struct range *image) {
    begin(w, "chosen");
    add_text(w, "stdout-path", "/isa/serial@3f8");
    if (image->size != 0) {
        add_address(w, "linux,initrd-start", image->base);
        add_address(w, "linux,initrd-end", image->base + image->size);
    }
    end(w);
}

// The bits of an APIC id that number the threads of one core. SDM volume 2, CPUID, leaf 0BH: the first level is that of
// threads where there are several. AMD's first processors with several have this instead: APM volume 3, E.4.16.
static uint32_t thread_mask(void) {
    struct cpuid level = read_cpuid(CPUID_TOPOLOGY, 0);

    if (read_cpuid(0, 0).eax >= CPUID_TOPOLOGY && (level.ecx >> TOPOLOGY_TYPE_SHIFT & 0xff) == TOPOLOGY_THREADS) {
        return (1u << (level.eax & 0x1f)) - 1;
    }
    if ((read_cpuid(CPUID_EXT_FEATURES, 0).ecx & CPUID_EXT_ECX_TOPOLOGY) == 0) { return 0; }
    return read_cpuid(CPUID_EXT_TOPOLOGY, 0).ebx >> EXT_TOPOLOGY_THREADS_SHIFT & 0xff;
}

// One node for a core, with all its threads that are `left`: the first is the one that is used without `smt`.
static void add_core(struct writer *w, const struct acpi_machine *acpi, uint32_t id, uint64_t *left) {
    uint32_t ids[THREADS_MAX] = {id}, mask = ~thread_mask();
    unsigned count = 1;

    for (unsigned i = 0; i < acpi->cpu_count; i++) {
        uint32_t other = acpi->cpus[i].apic_id;
        if (((other ^ id) & mask) != 0) { continue; }
        if ((*left & BIT(i)) != 0 && other != id && count < THREADS_MAX) { ids[count++] = other; }
        *left &= ~BIT(i);
    }
    begin_at(w, "cpu", id);
    add_cells(w, "reg", ids, count);
    end(w);
}

// The boot core first.
static void add_cores(struct writer *w, const struct acpi_machine *acpi) {
    uint64_t left = 0;

    for (unsigned i = 0; i < acpi->cpu_count; i++) { left |= (uint64_t)acpi->cpus[i].enabled << i; }
    begin_bus(w, "cpus", 1, 0);
    add_core(w, acpi, host_apic_id(), &left);
    for (unsigned i = 0; i < acpi->cpu_count; i++) {
        if ((left & BIT(i)) != 0) { add_core(w, acpi, acpi->cpus[i].apic_id, &left); }
    }
    end(w);
}

static bool is_ram(const struct boot_memory *m) { return m->type == BOOT_MEMORY_RAM; }

static bool overlaps_ram(const struct boot_info *boot, const struct range *range) {
    for (unsigned i = 0; i < boot->memory_count; i++) {
        if (is_ram(&boot->memory[i]) && range_overlaps(&boot->memory[i].range, range)) { return true; }
    }
    return false;
}

static void add_memory(struct writer *w, const struct machine *found) {
    const struct boot_info *boot = &found->boot;

    for (unsigned i = 0; i < boot->memory_count; i++) {
        const struct boot_memory *m = &boot->memory[i];
        if (is_ram(m) && m->range.size >= PAGE_SIZE) { add_range(w, "memory", &m->range, true); }
    }
    begin_bus(w, "reserved-memory", 2, 2);
    if (found->trampoline != 0) {
        struct range page = {found->trampoline, PAGE_SIZE};
        add_range(w, "trampoline", &page, false);
    }
    // Firmware's tables may say that a range is RAM and something else as well: the something else counts.
    for (unsigned i = 0; i < boot->memory_count; i++) {
        const struct boot_memory *m = &boot->memory[i];
        if (!is_ram(m) && overlaps_ram(boot, &m->range)) { add_range(w, "firmware", &m->range, false); }
    }
    end(w);
}

const void *board_tree(const struct machine *found) {
    struct writer w = {fdt_create(buffer, sizeof(buffer))};

    w.status |= fdt_finish_reservemap(buffer);
    begin_bus(&w, "", 2, 2);
    add_text(&w, "compatible", "takt,pc");
    add_text(&w, "model", "PC");
    add_cell(&w, "takt,overhead-ns", OVERHEAD_SWITCHES * found->switch_ns);
    add_console(&w, found->acpi.cpu_count == 0 ? UART_IRQ : found->acpi.isa[UART_IRQ].gsi);
    add_chosen(&w, &found->boot.system);
    if (found->acpi.cpu_count != 0) {
        add_memory(&w, found);
        add_cores(&w, &found->acpi);
    }
    end(&w);
    w.status |= fdt_finish(buffer);
    return w.status == 0 ? buffer : NULL;
}
