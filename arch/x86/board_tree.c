// SPDX-License-Identifier: Apache-2.0
// The device tree of a PC: what ACPI and the boot loader said in the form that kernel/board.c reads. Devicetree
// Specification 0.4; the ISA binding of IEEE 1275 for the console's ports.
#include <libfdt.h>
#include <stdarg.h>

#include "arch/x86/host_apic.h"
#include "arch/x86/machine.h"
#include "kernel/log.h"
#include "kernel/string.h"

enum { TREE_MAX = 16384, UART_PORT = 0x3f8, UART_PORTS = 8, UART_IRQ = 4, ISA_IO = 1, NODE_NAME_MAX = 32 };
enum { VERSION = 17, COMPATIBLE_VERSION = 16 }; // of the format (5.2)
enum { TOPOLOGY_TYPE_SHIFT = 8, TOPOLOGY_THREADS = 1, EXT_TOPOLOGY_THREADS_SHIFT = 8, THREADS_MAX = 4 };
enum { OVERHEAD_SWITCHES = 2 }; // in what `overhead-ns` of the board's data stands for

// The tree's block of strings: a property's name is at its number times NAME_SIZE.
enum { NAME_SIZE = 20 };
enum name {
    ADDRESS_CELLS,
    SIZE_CELLS,
    COMPATIBLE,
    MODEL,
    REG,
    INTERRUPTS,
    STDOUT,
    INITRD,
    INITRD_END,
    DEVICE_TYPE,
    OVERHEAD
};
static const char names[][NAME_SIZE] = {
    "#address-cells",     "#size-cells",      "compatible",  "model",           "reg", "interrupts", "stdout-path",
    "linux,initrd-start", "linux,initrd-end", "device_type", "takt,overhead-ns"};

static const char memory[] = "memory";
static fdt32_t buffer[TREE_MAX / sizeof(fdt32_t)] __attribute__((aligned(8)));

struct writer {
    unsigned at; // in the buffer; beyond its end: it does not fit
};

static void put(struct writer *w, uint32_t cell) {
    if (w->at < ARRAY_SIZE(buffer)) { buffer[w->at] = cpu_to_fdt32(cell); }
    w->at++;
}

static void put_bytes(struct writer *w, const char *bytes, size_t size) {
    unsigned cells = (unsigned)(ALIGN_UP(size, sizeof(fdt32_t)) / sizeof(fdt32_t)), begin = w->at;

    for (unsigned i = 0; i < cells; i++) { put(w, 0); }
    if (w->at <= ARRAY_SIZE(buffer)) { memcpy(&buffer[begin], bytes, size); }
}

static void begin(struct writer *w, const char *name) {
    put(w, FDT_BEGIN_NODE);
    put_bytes(w, name, strlen(name) + 1);
}

static void end(struct writer *w) { put(w, FDT_END_NODE); }

static void begin_property(struct writer *w, enum name name, size_t size) {
    put(w, FDT_PROP);
    put(w, (uint32_t)size);
    put(w, name * NAME_SIZE);
}

static void add_text(struct writer *w, enum name name, const char *text) {
    begin_property(w, name, strlen(text) + 1);
    put_bytes(w, text, strlen(text) + 1);
}

static void add_cells(struct writer *w, enum name name, unsigned count, ...) {
    va_list cells;

    begin_property(w, name, count * sizeof(fdt32_t));
    va_start(cells, count);
    while (count-- > 0) { put(w, va_arg(cells, uint32_t)); }
    va_end(cells);
}

static void begin_bus(struct writer *w, const char *name, unsigned address_cells, unsigned size_cells) {
    begin(w, name);
    add_cells(w, ADDRESS_CELLS, 1, address_cells);
    add_cells(w, SIZE_CELLS, 1, size_cells);
}

static void begin_at(struct writer *w, const char *name, uint64_t address) {
    char unit[NODE_NAME_MAX];

    format_string(unit, sizeof(unit), "%s@%lx", name, address);
    begin(w, unit);
}

static void add_range(struct writer *w, const char *name, const struct range *range) {
    begin_at(w, name, range->base);
    add_cells(w, REG, 4, (uint32_t)(range->base >> 32), (uint32_t)range->base, (uint32_t)(range->size >> 32),
              (uint32_t)range->size);
    if (name == memory) { add_text(w, DEVICE_TYPE, memory); }
    end(w);
}

static void add_console(struct writer *w, uint32_t interrupt) {
    begin_bus(w, "isa", 2, 1);
    begin(w, "serial@3f8");
    add_text(w, COMPATIBLE, "ns16550a");
    add_cells(w, REG, 3, ISA_IO, UART_PORT, UART_PORTS);
    add_cells(w, INTERRUPTS, 1, interrupt);
    end(w);
    end(w);
}

static void add_chosen(struct writer *w, const struct range *image) {
    begin(w, "chosen");
    add_text(w, STDOUT, "/isa/serial@3f8");
    if (image->size != 0) {
        add_cells(w, INITRD, 1, (uint32_t)image->base); // loaders give addresses of 32 bits
        add_cells(w, INITRD_END, 1, (uint32_t)(image->base + image->size));
    }
    end(w);
}

// The bits of an APIC id that number the threads of one core. SDM volume 2, CPUID, leaf 0BH: the first level is that of
// threads, and may have a bit for them where there is one only; but where cores differ, others than this one may have several.
// AMD's first processors with several have this instead: APM volume 3, E.4.16.
static uint32_t thread_mask(void) {
    struct cpuid level = read_cpuid(CPUID_TOPOLOGY, 0);

    if (read_cpuid(0, 0).eax >= CPUID_TOPOLOGY && (level.ecx >> TOPOLOGY_TYPE_SHIFT & 0xff) == TOPOLOGY_THREADS) {
        bool one = (level.ebx & 0xffff) == 1 && (read_cpuid(CPUID_EXTENDED, 0).edx & CPUID_7_EDX_HYBRID) == 0;
        return one ? 0 : (1u << (level.eax & 0x1f)) - 1;
    }
    if ((read_cpuid(CPUID_EXT_FEATURES, 0).ecx & CPUID_EXT_ECX_TOPOLOGY) == 0) { return 0; }
    return read_cpuid(CPUID_EXT_TOPOLOGY, 0).ebx >> EXT_TOPOLOGY_THREADS_SHIFT & 0xff;
}

// One node for a core, with all its threads that are `left`: the first is the one that is used without `smt`.
static void add_core(struct writer *w, const struct acpi_machine *acpi, uint32_t id, uint64_t *left) {
    uint32_t ids[THREADS_MAX] = {id}, mask = ~thread_mask();
    unsigned count = 1;

    for (unsigned i = 0; i < acpi->cpu_count; i++) {
        uint32_t other = acpi->apic_ids[i];
        if (((other ^ id) & mask) != 0) { continue; }
        if ((*left & BIT(i)) != 0 && other != id && count < THREADS_MAX) { ids[count++] = other; }
        *left &= ~BIT(i);
    }
    begin_at(w, "cpu", id);
    begin_property(w, REG, count * sizeof(ids[0]));
    for (unsigned i = 0; i < count; i++) { put(w, ids[i]); }
    end(w);
}

// The boot core first.
static void add_cores(struct writer *w, const struct acpi_machine *acpi) {
    uint64_t left = UINT64_MAX;

    _Static_assert(ACPI_MAX_CPUS <= 64, "a bit for each");
    begin_bus(w, "cpus", 1, 0);
    add_core(w, acpi, host_apic_id(), &left);
    for (unsigned i = 0; i < acpi->cpu_count; i++) {
        if ((left & BIT(i)) != 0) { add_core(w, acpi, acpi->apic_ids[i], &left); }
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
        if (is_ram(m) && m->range.size >= PAGE_SIZE) { add_range(w, memory, &m->range); }
    }
    begin_bus(w, "reserved-memory", 2, 2);
    if (found->trampoline != 0) {
        struct range page = {found->trampoline, PAGE_SIZE};
        add_range(w, "trampoline", &page);
    }
    // Firmware's tables may say that a range is RAM and something else as well: the something else counts.
    for (unsigned i = 0; i < boot->memory_count; i++) {
        const struct boot_memory *m = &boot->memory[i];
        if (!is_ram(m) && overlaps_ram(boot, &m->range)) { add_range(w, "firmware", &m->range); }
    }
    end(w);
}

const void *board_tree(const struct machine *found) {
    const uint32_t reserved = sizeof(struct fdt_header), structure = reserved + sizeof(struct fdt_reserve_entry);
    struct writer w = {structure / sizeof(fdt32_t)};

    begin_bus(&w, "", 2, 2);
    add_text(&w, COMPATIBLE, "takt,pc");
    add_text(&w, MODEL, "PC");
    add_cells(&w, OVERHEAD, 1, OVERHEAD_SWITCHES * found->switch_ns);
    add_console(&w, found->acpi.cpu_count == 0 ? UART_IRQ : found->acpi.isa[UART_IRQ].gsi);
    add_chosen(&w, &found->boot.system);
    if (found->acpi.cpu_count != 0) {
        add_memory(&w, found);
        add_cores(&w, &found->acpi);
    }
    end(&w);
    put(&w, FDT_END);
    uint32_t strings = (uint32_t)(w.at * sizeof(fdt32_t)), all = strings + (uint32_t)sizeof(names);
    put_bytes(&w, names[0], sizeof(names));
    if (all > sizeof(buffer)) { return NULL; }
    const uint32_t header[] = {
        FDT_MAGIC, all,           structure,          strings, reserved, VERSION, COMPATIBLE_VERSION,
        0,         sizeof(names), strings - structure};
    _Static_assert(sizeof(header) == sizeof(struct fdt_header), "Devicetree Specification 0.4, 5.2");
    w.at = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(header); i++) { put(&w, header[i]); }
    return buffer;
}
