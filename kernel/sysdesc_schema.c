// SPDX-License-Identifier: Apache-2.0
// The generic half of the checker: walks a tree once beside the tables of the binding, stores what is right and reports
// what is not.
#include "kernel/sysdesc_schema.h"

#include "kernel/string.h"

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
                              : sysdesc_remedy(c,
                                               "remove it; docs/system-description.md "
                                               "lists the %s",
                                               what);
}

// ---- one property -----------------------------------------------------------------------------------------

static void wrong_size(struct sysdesc_check *c, const struct property *p, const char *should_be) {
    sysdesc_mistake(c, p->name, should_be, "has %u bytes", c->tree.size);
}

static bool in_range(struct sysdesc_check *c, const struct property *p, uint32_t value) {
    if (value >= p->min && value <= p->max) { return true; }
    sysdesc_mistake(c, p->name, sysdesc_remedy(c, "%u to %u", p->min, p->max), "%u is too %s", value,
                    value < p->min ? "small" : "large");
    return false;
}

// A string of reasonable length, or NULL after a report.
static const char *text(struct sysdesc_check *c, const struct property *p) {
    const char *value = tree_text(&c->tree);

    if (value == NULL) {
        sysdesc_mistake(c, p->name, "write one string in double quotes", "is not a string");
    } else if (p->max != 0 && c->tree.size - 1 > p->max) {
        sysdesc_mistake(c, p->name, sysdesc_remedy(c, "at most %u characters", p->max), "has %u characters",
                        c->tree.size - 1);
        value = NULL;
    }
    return value;
}

static void read_flag(struct sysdesc_check *c, const struct property *p, void *field) {
    if (c->tree.size != 0) {
        wrong_size(c, p, "write the name alone: its presence says yes");
        return;
    }
    *(bool *)field = p->max != 0;
}

static void read_cell(struct sysdesc_check *c, const struct property *p, void *field) {
    if (c->tree.size != 4) {
        wrong_size(c, p, "write one 32-bit number, as in <1>");
    } else if (in_range(c, p, tree_u32(c->tree.data))) {
        *(uint32_t *)field = tree_u32(c->tree.data);
    }
}

static void read_address(struct sysdesc_check *c, const struct property *p, void *field) {
    if (c->tree.size != 8) {
        wrong_size(c, p, "write one 64-bit number as two cells, as in <0x0 0x40080000>");
    } else {
        *(uint64_t *)field = tree_u64(c->tree.data);
    }
}

static void read_text(struct sysdesc_check *c, const struct property *p, void *field) {
    const char *value = text(c, p);

    if (value != NULL) { *(const char **)field = value; }
}

static void read_choice(struct sysdesc_check *c, const struct property *p, void *field) {
    const char *value = text(c, p);
    struct nearest best = {NULL, DISTANCE_LIMIT};

    if (value == NULL) { return; }
    for (uint32_t i = 0; p->choices[i] != NULL; i++) {
        if (strcmp(value, p->choices[i]) == 0) {
            memcpy(field, &i, sizeof(i));
            return;
        }
        consider(&best, value, p->choices[i]);
    }
    sysdesc_mistake(c, p->name, suggest(c, &best, "choices"), "unknown value \"%s\"", value);
}

static void read_compatible(struct sysdesc_check *c, const struct property *p, void *field) {
    (void)field;
    if (!tree_lists(c->tree.data, c->tree.size, p->choices[0])) {
        sysdesc_mistake(c, p->name, sysdesc_remedy(c, "this version reads \"%s\"", p->choices[0]),
                        "is of another binding");
    }
}

static void read_path(struct sysdesc_check *c, const struct property *p, void *field) {
    const char *path = text(c, p);

    if (path == NULL) { return; }
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
    const char *value = tree_text(&c->tree);

    if (value != NULL && strcmp(value, "auto") == 0) {
        *(uint8_t *)field = CORE_AUTO;
    } else if (c->tree.size != 4) {
        wrong_size(c, p, "write \"auto\" or the number of a core, as in <1>");
    } else if (tree_u32(c->tree.data) >= c->board->cpu_count) {
        sysdesc_mistake(c, p->name, sysdesc_remedy(c, "\"auto\" or 0 to %u", c->board->cpu_count - 1),
                        "there is no core %u: the board has %u", tree_u32(c->tree.data), c->board->cpu_count);
    } else {
        *(uint8_t *)field = (uint8_t)tree_u32(c->tree.data);
    }
}

static void read_memory(struct sysdesc_check *c, const struct property *p, void *field) {
    struct vm_memory_desc *blocks = field;

    if (c->tree.size == 0 || c->tree.size % 16 != 0) {
        wrong_size(c, p,
                   "write (address, size) pairs of 64 bits, as in <0x0 0x40000000 0x0 "
                   "0x8000000>");
    } else if (c->tree.size / 16 > MAX_VM_MEMORY) {
        sysdesc_mistake(c, p->name, sysdesc_remedy(c, "at most %u", (unsigned)MAX_VM_MEMORY), "%u blocks are too many",
                        c->tree.size / 16);
    } else {
        c->vm->memory_count = c->tree.size / 16;
        for (unsigned i = 0; i < c->vm->memory_count; i++) {
            blocks[i].base = tree_u64(c->tree.data + 16 * i);
            blocks[i].size = tree_u64(c->tree.data + 16 * i + 8);
        }
    }
}

static void read_addresses(struct sysdesc_check *c, const struct property *p, void *field) {
    gpa_t *addresses = field;

    if (c->tree.size == 0 || c->tree.size % 8 != 0 || c->tree.size / 8 > MAX_DEVICE_PAGES) {
        wrong_size(c, p, "write one 64-bit address for each MMIO range, at most 4");
        return;
    }
    c->device.guest_count = c->tree.size / 8;
    for (unsigned i = 0; i < c->device.guest_count; i++) { addresses[i] = tree_u64(c->tree.data + 8 * i); }
}

static void (*const readers[PROPERTY_KINDS])(struct sysdesc_check *c, const struct property *p, void *field) = {
    [FLAG] = read_flag,           [CELL] = read_cell,
    [ADDRESS] = read_address,     [TEXT] = read_text,
    [CHOICE] = read_choice,       [PATH] = read_path,
    [CORE] = read_core,           [MEMORY] = read_memory,
    [ADDRESSES] = read_addresses, [COMPATIBLE] = read_compatible,
};

static void check_property(struct sysdesc_check *c, const struct schema *schema, void *object, uint32_t *seen) {
    struct nearest best = {NULL, DISTANCE_LIMIT};

    for (unsigned i = 0; i < schema->property_count; i++) {
        const struct property *p = &schema->properties[i];
        if (!tree_name_is(&c->tree, p->name)) { continue; }
        if ((*seen & BIT(i)) != 0) {
            sysdesc_mistake(c, p->name, "keep one of them", "is given twice");
        } else {
            *seen |= (uint32_t)BIT(i);
            readers[p->kind](c, p, (char *)object + p->offset);
        }
        return;
    }
    for (unsigned i = 0; i < schema->property_count; i++) { consider(&best, c->tree.name, schema->properties[i].name); }
    sysdesc_mistake(c, c->tree.name, suggest(c, &best, "properties of this node"), "unknown property");
}

// ---- nodes ------------------------------------------------------------------------------------------------

// Of a child with a fixed name there is one.
static bool single(const struct child *child) {
    return child->name != NULL && child->name[strlen(child->name) - 1] != '@';
}

static bool child_is(const struct child *child, const struct tree *tree) {
    return child->name == NULL ||
           (single(child) ? tree_name_is(tree, child->name) : tree_name_starts(tree, child->name));
}

// A node that the walk is in. The tables nest five deep.
struct level {
    const struct schema *schema;
    void *object;
    uint32_t properties, children; // seen, by index
    size_t outside;                // length of the path around the node
};
enum { LEVELS = 6 };

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
        inner->schema = schema->children[i].schema;
        inner->object = schema->children[i].enter(c, at->object, c->tree.name);
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
        const struct child *child = &schema->children[i];
        if (child->required && (at->children & BIT(i)) == 0) {
            sysdesc_mistake(c, NULL, sysdesc_remedy(c, "add %s { ... };", child->name), "has no node %s", child->name);
        }
    }
}

static void end_node(struct sysdesc_check *c, const struct level *at) {
    report_missing(c, at);
    if (at->schema->leave != NULL) { at->schema->leave(c, at->object, at->properties); }
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

    // Both calls only repeat what tree_check() has found to hold.
    if (tree_open(&c->tree, tree->data, tree->size) == OK && tree_next(&c->tree) == TREE_NODE) { walk(c, levels); }
}
