// SPDX-License-Identifier: Apache-2.0
// The generic half of the checker: walks a tree once beside the tables of the binding, stores what is right and reports
// what is not.
#include "kernel/sysdesc_schema.h"

// ---- the nearest known name -------------------------------------------------------------------------------

enum { NAME_LIMIT = 24, DISTANCE_LIMIT = 4 };

// Levenshtein's edit distance, one row at a time; long names are too far from any of ours.
static unsigned edit_distance(const char *a, const char *b) {
    uint8_t row[NAME_LIMIT + 1];
    size_t rows = strlen(a), columns = strlen(b);

    if (rows > NAME_LIMIT || columns > NAME_LIMIT) { return DISTANCE_LIMIT; }
    for (size_t j = 0; j <= columns; j++) { row[j] = (uint8_t)j; }
    for (size_t i = 1; i <= rows; i++) {
        uint8_t diagonal = row[0];
        row[0] = (uint8_t)i;
        for (size_t j = 1; j <= columns; j++) {
            uint8_t replace = (uint8_t)(diagonal + (a[i - 1] != b[j - 1]));
            diagonal = row[j];
            row[j] = (uint8_t)MIN(MIN(row[j] + 1, row[j - 1] + 1), replace);
        }
    }
    return row[columns];
}

struct nearest {
    const char *name;
    unsigned distance;
};

static void consider(struct nearest *best, const char *unknown, const char *known) {
    size_t a = strlen(unknown), b = strlen(known);

    // The distance is at least the difference of the lengths.
    if (MAX(a, b) - MIN(a, b) >= best->distance) { return; }
    unsigned distance = edit_distance(unknown, known);
    if (distance < best->distance && 2 * distance <= b) { *best = (struct nearest){known, distance}; }
}

// "did you mean ...", or the first names of the table.
static const char *suggest(struct sysdesc_check *c, const struct nearest *best, const char *what) {
    return best->name != NULL ? sysdesc_remedy(c, "did you mean %s?", best->name)
                              : sysdesc_remedy(c, "remove it; docs/system-description.md lists the %s", what);
}

// ---- one property -----------------------------------------------------------------------------------------

// What a value looks like: bytes from..to, a multiple of unit. Strings and lists say more than their size.
static const struct {
    uint8_t unit, from, to;
    const char *should_be;
} sizes[PROPERTY_KINDS] = {
    [FLAG] = {1, 0, 0, "write the name alone: its presence says yes"},
    [CELL] = {4, 4, 4, "write one 32-bit number, as in <1>"},
    [ADDRESS] = {8, 8, 8, "write one 64-bit number as two cells, as in <0x0 0x40080000>"},
    [CORE] = {1, 4, 5, "write \"auto\" or the number of a core, as in <1>"},
    [MEMORY] = {16, 16, 16 * MAX_VM_MEMORY,
                "write at most 4 (address, size) pairs of 64 bits, as in <0x0 0x40000000 0x0 0x8000000>"},
    [ADDRESSES] = {8, 8, 8 * MAX_DEVICE_PAGES, "write one 64-bit address for each MMIO range, at most 4"},
};

static bool good_size(struct sysdesc_check *c, const struct property *p) {
    uint32_t size = c->tree.size;

    if (sizes[p->kind].should_be == NULL ||
        (size % sizes[p->kind].unit == 0 && size >= sizes[p->kind].from && size <= sizes[p->kind].to)) {
        return true;
    }
    sysdesc_mistake(c, p->name, sizes[p->kind].should_be, "has %u bytes", size);
    return false;
}

static void read_cell(struct sysdesc_check *c, const struct property *p, void *field) {
    uint32_t value = tree_u32(c->tree.data);

    if (value >= p->min && value <= p->max) {
        *(uint32_t *)field = value;
    } else {
        sysdesc_mistake(c, p->name, sysdesc_remedy(c, "%u to %u", p->min, p->max), "%u is too %s", value,
                        value < p->min ? "small" : "large");
    }
}

static void read_text(struct sysdesc_check *c, const struct property *p, void *field) {
    if (c->tree.size - 1 <= p->max) {
        *(const char **)field = tree_text(&c->tree);
    } else {
        sysdesc_mistake(c, p->name, sysdesc_remedy(c, "at most %u characters", p->max), "has %u characters",
                        c->tree.size - 1);
    }
}

static void read_choice(struct sysdesc_check *c, const struct property *p, void *field) {
    const char *value = tree_text(&c->tree);
    struct nearest best = {NULL, DISTANCE_LIMIT};
    uint32_t index = 0;

    for (const char *choice = p->list; *choice != '\0'; choice += strlen(choice) + 1, index++) {
        if (strcmp(value, choice) == 0) {
            memcpy(field, &index, sizeof(index));
            return;
        }
        consider(&best, value, choice);
    }
    sysdesc_mistake(c, p->name, suggest(c, &best, "choices"), "unknown value \"%s\"", value);
}

static void read_compatible(struct sysdesc_check *c, const struct property *p) {
    if (!tree_lists(c->tree.data, c->tree.size, p->list)) {
        sysdesc_mistake(c, p->name, sysdesc_remedy(c, "this version reads \"%s\"", p->list), "is of another binding");
    }
}

static void read_path(struct sysdesc_check *c, const struct property *p, void *field) {
    const char *path = tree_text(&c->tree);
    const struct sysdesc_part *part = sysdesc_file(c, path);

    if (part == NULL) {
        sysdesc_mistake(c, p->name, "pack the image again, with this file in its place",
                        "the image holds no file \"%s\"", path);
    } else if (part->data.size == 0) {
        sysdesc_mistake(c, p->name, "name a file with something in it", "\"%s\" is empty", path);
    } else {
        *(struct blob *)field = part->data;
    }
}

static void read_core(struct sysdesc_check *c, const struct property *p, void *field) {
    uint32_t core = tree_u32(c->tree.data), cores = sysdesc_cores(c->board, c->sys);

    if (tree_lists(c->tree.data, c->tree.size, "auto")) {
        *(uint8_t *)field = CORE_AUTO;
    } else if (c->tree.size != 4) {
        sysdesc_mistake(c, p->name, sizes[CORE].should_be, "has %u bytes", c->tree.size);
    } else if (core >= cores) {
        sysdesc_mistake(c, p->name, sysdesc_remedy(c, "\"auto\" or 0 to %u", cores - 1),
                        "there is no core %u: the board has %u", core, cores);
    } else {
        *(uint8_t *)field = (uint8_t)core;
    }
}

// One 64-bit number or several; the size is good.
static void read_numbers(struct sysdesc_check *c, const struct property *p, void *field) {
    uint64_t *numbers = field;
    unsigned count = c->tree.size / 8;

    for (unsigned i = 0; i < count; i++) { numbers[i] = tree_u64(c->tree.data + 8 * i); }
    if (p->kind == MEMORY) { c->vm->memory_count = count / 2; }
    if (p->kind == ADDRESSES) { c->device.guest_count = count; }
}

static void read_property(struct sysdesc_check *c, const struct property *p, void *field) {
    bool is_text = p->kind == TEXT || p->kind == CHOICE || p->kind == PATH;

    if (is_text && tree_text(&c->tree) == NULL) {
        sysdesc_mistake(c, p->name, "write one string in double quotes", "is not a string");
        return;
    }
    if (!good_size(c, p)) { return; }
    switch (p->kind) {
    case FLAG: *(bool *)field = p->max != 0; break;
    case CELL: read_cell(c, p, field); break;
    case TEXT: read_text(c, p, field); break;
    case CHOICE: read_choice(c, p, field); break;
    case PATH: read_path(c, p, field); break;
    case CORE: read_core(c, p, field); break;
    case COMPATIBLE: read_compatible(c, p); break;
    default: read_numbers(c, p, field); break;
    }
}

static void check_property(struct sysdesc_check *c, const struct schema *schema, void *object, uint32_t *seen) {
    struct nearest best = {NULL, DISTANCE_LIMIT};

    for (unsigned i = 0; i < schema->property_count; i++) {
        const struct property *p = &schema->properties[i];
        if (!tree_name_is(&c->tree, p->name)) { continue; }
        if ((*seen & BIT(i)) != 0) {
            sysdesc_mistake(c, p->name, "keep one of them", "is given twice");
        } else {
            *seen |= (uint32_t)BIT(i);
            read_property(c, p, (char *)object + p->offset);
        }
        return;
    }
    for (unsigned i = 0; i < schema->property_count; i++) { consider(&best, c->tree.name, schema->properties[i].name); }
    sysdesc_mistake(c, c->tree.name, suggest(c, &best, "properties of this node"), "unknown property");
}

// ---- nodes ------------------------------------------------------------------------------------------------

// Of a child with a fixed name there is one.
static bool single(const struct schema *child) {
    return child->name != NULL && child->name[strlen(child->name) - 1] != '@';
}

static bool child_is(const struct schema *child, const struct tree *tree) {
    return child->name == NULL ||
           (single(child) ? tree_name_is(tree, child->name) : tree_name_starts(tree, child->name));
}

// A node that the walk is in. The tables nest five deep, with tasks seven.
struct level {
    const struct schema *schema;
    void *object;
    uint32_t properties, children; // seen, by index
    size_t outside;                // length of the path around the node
};
enum { LEVELS = 6 + 2 * TAKT_ANALYSIS };

static void unknown_node(struct sysdesc_check *c, const struct schema *schema) {
    struct nearest best = {NULL, DISTANCE_LIMIT};

    for (unsigned i = 0; i < schema->child_count; i++) { consider(&best, c->tree.name, schema->children[i].name); }
    sysdesc_mistake(c, NULL, suggest(c, &best, "nodes"), "unknown node");
}

// The tree is at a child of `at`. Fills `inner` when it is one to walk into.
static bool enter_child(struct sysdesc_check *c, struct level *at, struct level *inner) {
    const struct schema *schema = at->schema;
    unsigned i = 0;

    *inner = (struct level){.outside = c->path_length};
    sysdesc_enter(c, c->tree.name);
    while (i < schema->child_count && !child_is(&schema->children[i], &c->tree)) { i++; }
    if (i == schema->child_count) {
        unknown_node(c, schema);
    } else if ((at->children & BIT(i)) != 0 && single(&schema->children[i])) {
        sysdesc_mistake(c, NULL, "keep one of them", "is given twice");
    } else {
        at->children |= (uint32_t)BIT(i);
        inner->schema = &schema->children[i];
        inner->object = inner->schema->enter != NULL ? inner->schema->enter(c) : at->object;
    }
    return inner->object != NULL;
}

static void report_missing(struct sysdesc_check *c, const struct level *at) {
    const struct schema *schema = at->schema;

    for (unsigned i = 0; i < schema->property_count; i++) {
        if (schema->properties[i].required && (at->properties & BIT(i)) == 0) {
            sysdesc_mistake(c, schema->properties[i].name, "add it", "is missing");
        }
    }
    for (unsigned i = 0; i < schema->child_count; i++) {
        const struct schema *child = &schema->children[i];
        if (child->required && (at->children & BIT(i)) == 0) {
            sysdesc_mistake(c, NULL, sysdesc_remedy(c, "add %s { ... };", child->name), "has no node %s", child->name);
        }
    }
}

static void end_node(struct sysdesc_check *c, const struct level *at) {
    report_missing(c, at);
    c->seen = at->properties;
    if (at->schema->leave != NULL) { at->schema->leave(c); }
    sysdesc_leave(c, at->outside);
}

static void walk(struct sysdesc_check *c, struct level *levels) {
    unsigned depth = 0;

    while (tree_next(&c->tree) > TREE_END) {
        struct level *at = &levels[depth];
        if (c->tree.event == TREE_PROPERTY) {
            check_property(c, at->schema, at->object, &at->properties);
        } else if (c->tree.event == TREE_NODE_END) {
            end_node(c, at);
            if (depth-- == 0) { return; }
        } else if (enter_child(c, at, at + 1)) {
            depth++; // never to the last level, which the tables do not reach
        } else {
            sysdesc_leave(c, at[1].outside);
            tree_skip(&c->tree);
        }
    }
}

void sysdesc_schema(struct sysdesc_check *c, const struct blob *tree, const struct schema *schema, void *object) {
    struct level levels[LEVELS] = {{.schema = schema, .object = object}};

    tree_open(&c->tree, tree->data, tree->size);
    // It only repeats what tree_check() has found to hold.
    if (tree_next(&c->tree) == TREE_NODE) { walk(c, levels); }
}
