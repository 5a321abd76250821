// SPDX-License-Identifier: Apache-2.0
// Devicetree Specification 0.4, chapters 2.3, 3 and 5.3; Linux' arm64 booting.rst for what a boot loader leaves.
#include "kernel/board.h"

#include <libfdt.h>

#include "kernel/log.h"
#include "kernel/tree.h"

enum { CELL = sizeof(fdt32_t) };

// ---- reading reg ------------------------------------------------------------------------------------------

// What a node says about its children's addresses.
struct bus {
    uint32_t address_cells, size_cells;
    const uint8_t *ranges; // NULL: it has none
    uint32_t ranges_size;
};

static const struct bus default_bus = {.address_cells = 2, .size_cells = 1};

static void bus_property(struct bus *bus, const struct tree *tree) {
    if (tree_name_is(tree, "#address-cells") && tree->size == CELL) {
        bus->address_cells = tree_u32(tree->data);
    } else if (tree_name_is(tree, "#size-cells") && tree->size == CELL) {
        bus->size_cells = tree_u32(tree->data);
    } else if (tree_name_is(tree, "ranges")) {
        bus->ranges = tree->data;
        bus->ranges_size = tree->size;
    }
}

// `cells` cells as one number. A PCI-like third cell has no place in an address: such entries are not translated.
static uint64_t number(const uint8_t *p, uint32_t cells) {
    return cells == 0 ? 0 : cells == 1 ? tree_u32(p) : tree_u64(p);
}

static int reg_entry(const struct bus *bus, const uint8_t *reg, uint32_t size, unsigned index, struct range *out) {
    if (bus->address_cells == 0 || bus->address_cells > 2 || bus->size_cells > 2) { return ERR_UNSUPPORTED; }
    uint32_t entry = (bus->address_cells + bus->size_cells) * CELL;
    if (index >= size / entry) { return ERR_NOT_FOUND; }
    reg += index * entry;
    out->base = number(reg, bus->address_cells);
    out->size = number(reg + bus->address_cells * CELL, bus->size_cells);
    return OK;
}

// From addresses of `bus` to those of its parent (2.3.8): no ranges, no way up; empty ranges, the same addresses.
static int translate(const struct bus *bus, const struct bus *parent, struct range *range) {
    if (bus->ranges == NULL || parent->address_cells > 2) { return ERR_RANGE; }
    if (bus->ranges_size == 0) { return OK; }
    uint32_t entry = (bus->address_cells + parent->address_cells + bus->size_cells) * CELL;
    for (uint32_t at = 0; bus->ranges_size - at >= entry; at += entry) {
        const uint8_t *p = bus->ranges + at;
        uint64_t child = number(p, bus->address_cells);
        p += bus->address_cells * CELL;
        uint64_t base = number(p, parent->address_cells);
        uint64_t size = number(p + parent->address_cells * CELL, bus->size_cells);
        uint64_t offset = range->base - child;
        if (range->base >= child && offset < size && range->size <= size - offset) {
            range->base = base + offset;
            return OK;
        }
    }
    return ERR_RANGE;
}

// `tree` has just entered the node; path[d] is the bus at depth d, path[0] above the root. A bus with cells out of range
// fails in reg_entry(), or here on the way up.
static int read_reg(struct tree *tree, const struct bus *path, unsigned index, struct range *out) {
    unsigned depth = tree->depth - 1;

    while (tree_next(tree) == TREE_PROPERTY && !tree_name_is(tree, "reg")) {}
    if (tree->event != TREE_PROPERTY) { return ERR_NOT_FOUND; }
    int status = reg_entry(&path[depth], tree->data, tree->size, index, out);
    for (; depth > 1 && status == OK; depth--) {
        status = path[depth - 1].address_cells > 2 || path[depth].size_cells > 2
                     ? ERR_UNSUPPORTED
                     : translate(&path[depth], &path[depth - 1], out);
    }
    return status;
}

int board_reg(const void *fdt, int node, unsigned index, struct range *out) {
    struct bus path[TREE_DEPTH + 1];
    struct tree tree;

    tree_open(&tree, fdt, INT32_MAX);
    while (tree_next(&tree) > TREE_END) {
        if (tree.event == TREE_NODE) {
            if (tree.node == node) { return read_reg(&tree, path, index, out); }
            path[tree.depth] = default_bus;
        } else if (tree.event == TREE_PROPERTY) {
            bus_property(&path[tree.depth], &tree);
        }
    }
    return tree.event == TREE_END ? ERR_NOT_FOUND : ERR_CORRUPT;
}

// ---- finding ----------------------------------------------------------------------------------------------

static bool says_disabled(const struct tree *tree) {
    return tree_name_is(tree, "status") && !tree_lists(tree->data, tree->size, "okay") &&
           !tree_lists(tree->data, tree->size, "ok");
}

int board_find_compatible(const void *fdt, const char *const *list, int after) {
    struct tree tree;
    int node = -1;
    bool match = false;

    tree_open(&tree, fdt, INT32_MAX);
    // A node is judged when its properties are over: status may stand before or after compatible.
    while (tree_next(&tree) > TREE_END) {
        if (tree.event != TREE_PROPERTY) {
            if (match) { return node; }
            node = tree.node;
            match = false;
        } else if (node > after && tree_name_is(&tree, "compatible")) {
            const char *const *name = list;
            while (*name != NULL && !tree_lists(tree.data, tree.size, *name)) { name++; }
            match = *name != NULL;
        } else if (says_disabled(&tree)) {
            match = false;
            node = -1; // and its compatible, if it comes later, does not count
        }
    }
    return tree.event == TREE_END ? ERR_NOT_FOUND : ERR_CORRUPT;
}

// ---- the whole board --------------------------------------------------------------------------------------

// The node that is being read: what decides about it once its properties are over.
struct node {
    char kind; // 'c' core, 'm' perhaps memory, 'r' reserved memory, 0 nothing we ask about
    bool disabled;
    bool is_memory; // device_type
    const uint8_t *reg;
    uint32_t reg_size;
};

struct parse {
    struct board *board;
    struct bus bus[3]; // of the root's depth and below
    char section;      // which child of the root we are in: 'c' /cpus, 'r' /reserved-memory, 'h' /chosen
    struct node node;
    bool failed;
    uint64_t initrd_start, initrd_end;
    uint64_t unused; // of RAM, in ranges that found no room
};

// The first is told.
static void fail(struct parse *p, const char *at, const char *problem, const char *remedy) {
    if (!p->failed) { log_line("board device tree:%s: %s; %s", at, problem, remedy); }
    p->failed = true;
}

static void add_core(struct parse *p) {
    struct board *board = p->board;
    unsigned core = board->cpu_count, thread = 0;
    struct range id;

    // A core's reg is an id, or one for each of its threads (3.8.1); the size cells of /cpus are 0.
    for (; reg_entry(&p->bus[2], p->node.reg, p->node.reg_size, thread, &id) == OK; thread++) {
        unsigned at = thread == 0 ? board->cpu_total++ : core + 1 + board->thread_count++;
        if (at >= MAX_CORES) { continue; }
        if (thread == 0) { board->cpu_count++; }
        struct board_cpu *cpu = &board->cpus[at];
        memmove(cpu + 1, cpu, (MAX_CORES - 1 - at) * sizeof(*cpu));
        *cpu = (struct board_cpu){id.base, core};
    }
    if (thread == 0) { fail(p, "/cpus/cpu:reg", "a core has no id", "give each cpu node a reg of #address-cells"); }
}

// RAM is kept as few ranges: what it touches or overlaps, it is one with. Of those that are still too many the smallest
// are left out.
static void add_memory(struct parse *p, struct range range) {
    struct range *memory = p->board->memory, *smallest = memory;
    unsigned count = p->board->memory_count;

    for (unsigned i = count; i-- > 0;) {
        paddr_t from = MIN(range.base, memory[i].base);
        uint64_t beyond = MAX(range.base + (range.size - 1), memory[i].base + (memory[i].size - 1)) - from;
        if (beyond - (range.size - 1) <= memory[i].size) {
            range = (struct range){from, beyond + 1};
            memory[i] = memory[--count];
            i = count; // it may touch now what it did not before
        } else if (memory[i].size < smallest->size) {
            smallest = &memory[i];
        }
    }
    if (count == MAX_BOARD_MEMORY) {
        struct range kept = *smallest;
        if (range.size > kept.size) {
            *smallest = range;
            range = kept;
        }
        p->unused += range.size;
    } else {
        memory[count++] = range;
    }
    p->board->memory_count = count;
}

// RAM in a memory node, reserved elsewhere.
static void add_range(struct parse *p, const char *at, const struct range *range) {
    struct board *board = p->board;

    if (range->size == 0) { return; }
    if (range->base + (range->size - 1) < range->base) {
        fail(p, at, "a range ends beyond 2^64", "mend the firmware's device tree");
    } else if (p->node.kind == 'm') {
        add_memory(p, *range);
    } else if (board->reserved_count == MAX_BOARD_RESERVED) {
        fail(p, at, "more ranges than this hypervisor keeps", "raise MAX_BOARD_RESERVED in kernel/board.h");
    } else {
        board->reserved[board->reserved_count++] = *range;
    }
}

static void add_ranges(struct parse *p, const struct bus *bus, const char *at) {
    struct range range;

    for (unsigned i = 0; reg_entry(bus, p->node.reg, p->node.reg_size, i, &range) == OK; i++) {
        add_range(p, at, &range);
    }
}

static void end_properties(struct parse *p) {
    struct node *node = &p->node;

    if (!node->disabled && node->reg != NULL) {
        if (node->kind == 'c') {
            add_core(p);
        } else if (node->kind == 'm' && node->is_memory) {
            add_ranges(p, &p->bus[1], "/memory:reg");
        } else if (node->kind == 'r') {
            add_ranges(p, &p->bus[2], "/reserved-memory:reg");
        }
    }
    *node = (struct node){0};
}

static void begin_node(struct parse *p, const struct tree *tree) {
    end_properties(p);
    if (tree->depth < ARRAY_SIZE(p->bus)) { p->bus[tree->depth] = default_bus; }
    if (tree->depth == 2) {
        p->section = tree_name_is(tree, "cpus")              ? 'c'
                     : tree_name_is(tree, "reserved-memory") ? 'r'
                     : tree_name_is(tree, "chosen")          ? 'h'
                                                             : 0;
        p->node.kind = 'm';
    } else if (tree->depth == 3 && p->section == 'r') {
        p->node.kind = 'r';
    } else if (tree->depth == 3 && p->section == 'c' && tree_name_starts(tree, "cpu@")) {
        p->node.kind = 'c';
    }
}

// Up to 32 bytes of entropy. What a boot loader gave twice is mixed, not chosen.
static void take_seed(struct board *board, const struct tree *tree) {
    for (uint32_t i = 0; i < MIN(tree->size, (uint32_t)sizeof(board->seed)); i++) {
        board->seed[i / 8] ^= (uint64_t)tree->data[i] << (8 * (i % 8));
        board->has_seed = true;
    }
}

static void chosen_property(struct parse *p, const struct tree *tree) {
    uint64_t address = number(tree->data, tree->size <= 2 * CELL ? tree->size / CELL : 0);

    if (tree_name_is(tree, "linux,initrd-start")) {
        p->initrd_start = address;
    } else if (tree_name_is(tree, "linux,initrd-end")) {
        p->initrd_end = address;
    } else if (tree_name_is(tree, "rng-seed") || tree_name_is(tree, "kaslr-seed")) {
        take_seed(p->board, tree);
    }
}

static void property(struct parse *p, const struct tree *tree) {
    if (tree->depth < ARRAY_SIZE(p->bus)) { bus_property(&p->bus[tree->depth], tree); }
    if (tree->depth == 1 && tree_name_is(tree, "model") && tree_text(tree) != NULL) {
        p->board->model = tree_text(tree);
    } else if (tree->depth == 1 && tree_name_is(tree, "takt,overhead-ns") && tree->size == CELL) {
        p->board->overhead_ns = tree_u32(tree->data);
    } else if (tree->depth == 2 && p->section == 'h') {
        chosen_property(p, tree);
    } else if (p->node.kind != 0) {
        if (tree_name_is(tree, "reg")) {
            p->node.reg = tree->data;
            p->node.reg_size = tree->size;
        } else if (says_disabled(tree)) {
            p->node.disabled = true;
        } else if (tree_name_is(tree, "device_type")) {
            p->node.is_memory = tree_lists(tree->data, tree->size, "memory");
        }
    }
}

// The /memreserve/ entries: pairs of 64-bit numbers up to an empty one (5.3).
static void reserved_map(struct parse *p, const void *fdt) {
    const struct fdt_header *header = fdt;
    uint32_t total = tree_u32(&header->totalsize);
    uint32_t at = tree_u32(&header->off_mem_rsvmap);

    while ((at & 7) == 0 && at <= total && total - at >= 16) {
        const uint8_t *entry = (const uint8_t *)fdt + at;
        struct range range = {.base = tree_u64(entry), .size = tree_u64(entry + 8)};
        if (range.size == 0) { return; }
        add_range(p, "/memreserve/", &range);
        at += 16;
    }
    fail(p, "/memreserve/", "the list has no end", "mend the firmware's device tree");
}

static void conclude(struct parse *p) {
    static const char listed[] = "the firmware's device tree must list what there is";
    struct board *board = p->board;

    if (p->initrd_end > p->initrd_start) {
        board->initrd = (struct range){p->initrd_start, p->initrd_end - p->initrd_start};
    }
    if (board->cpu_count == 0) { fail(p, "/cpus", "no usable core", listed); }
    if (board->memory_count == 0) { fail(p, "/memory:reg", "no memory", listed); }
    if (p->unused != 0) {
        log_line("/memory:reg: too many ranges; the smallest, %lu KiB, stay unused", p->unused >> 10);
    }
}

int board_parse(const void *fdt, struct board *board) {
    struct parse p = {.board = board, .bus = {default_bus, default_bus, default_bus}};
    struct tree tree;

    *board = (struct board){.fdt = fdt, .model = ""};
    tree_open(&tree, fdt, INT32_MAX);
    if (tree.event != TREE_MALFORMED) { reserved_map(&p, fdt); }
    while (tree_next(&tree) > TREE_END) {
        if (tree.event == TREE_NODE) {
            begin_node(&p, &tree);
        } else if (tree.event == TREE_PROPERTY) {
            property(&p, &tree);
        } else {
            end_properties(&p);
        }
    }
    if (tree.event == TREE_END) {
        conclude(&p);
    } else {
        fail(&p, "/", "the tree is malformed", "pass the board's own device tree (.dtb)");
    }
    return p.failed ? ERR_CORRUPT : OK;
}

int board_console(const void *fdt) {
    int length, chosen = tree_find_path(fdt, "/chosen", strlen("/chosen"));
    const char *path = fdt_getprop(fdt, chosen, "stdout-path", &length);

    if (path == NULL || length <= 0) { return ERR_NOT_FOUND; }
    const char *options = memchr(path, ':', (size_t)length); // line settings may follow
    size_t size = options != NULL ? (size_t)(options - path) : strnlen(path, (size_t)length);
    if (path[0] != '/') {
        int aliases = tree_find_path(fdt, "/aliases", strlen("/aliases"));
        path = fdt_getprop_namelen(fdt, aliases, path, (int)size, &length);
        if (path == NULL || length <= 0) { return ERR_NOT_FOUND; }
        size = strnlen(path, (size_t)length);
    }
    return tree_find_path(fdt, path, size);
}
