// SPDX-License-Identifier: Apache-2.0
#include "kernel/tree.h"

#include <libfdt.h>

static bool inside(uint32_t offset, uint32_t size, uint32_t total) { return offset <= total && size <= total - offset; }

void tree_open(struct tree *tree, const void *fdt, uint64_t size) {
    const struct fdt_header *header = fdt;

    *tree = (struct tree){.event = TREE_MALFORMED};
    if (((uintptr_t)fdt & 7) != 0 || size < sizeof(*header) || tree_u32(&header->magic) != FDT_MAGIC ||
        tree_u32(&header->version) < 17 || tree_u32(&header->last_comp_version) > 17) {
        return;
    }
    uint32_t total = tree_u32(&header->totalsize);
    uint32_t block = tree_u32(&header->off_dt_struct);
    uint32_t strings = tree_u32(&header->off_dt_strings);
    uint32_t block_size = tree_u32(&header->size_dt_struct);
    uint32_t strings_size = tree_u32(&header->size_dt_strings);
    if (total > size || total > INT32_MAX || (block & 3) != 0 || block < sizeof(*header) || strings < sizeof(*header) ||
        !inside(block, block_size, total) || !inside(strings, strings_size, total)) {
        return;
    }
    // With the last byte a terminator every name that begins inside also ends inside.
    if (strings_size != 0 && ((const char *)fdt)[strings + strings_size - 1] != '\0') { return; }
    *tree = (struct tree){.event = TREE_NODE_END, .block_size = block_size, .strings_size = strings_size};
    tree->block = (const uint8_t *)fdt + block;
    tree->strings = (const char *)fdt + strings;
}

static enum tree_event begin_node(struct tree *tree) {
    const char *name = (const char *)tree->block + tree->next;
    uint32_t limit = MIN(tree->block_size - tree->next, (uint32_t)TREE_NODE_NAME);
    uint32_t length = 0;

    while (length < limit && name[length] != '\0') { length++; }
    // The root's name is empty and nobody else's; there is one root.
    if (length == limit || tree->depth == TREE_DEPTH || (tree->depth == 0) != (length == 0) ||
        (tree->depth == 0 && tree->next != sizeof(fdt32_t))) {
        return TREE_MALFORMED;
    }
    tree->node = (int)(tree->next - sizeof(fdt32_t));
    tree->name = name;
    tree->depth++;
    tree->next += ALIGN_UP(length + 1, 4u);
    return TREE_NODE;
}

static enum tree_event property(struct tree *tree) {
    // A node's properties come before its children: libfdt finds no others.
    if (tree->event == TREE_NODE_END || tree->block_size - tree->next < 2 * sizeof(fdt32_t)) { return TREE_MALFORMED; }
    const uint8_t *head = tree->block + tree->next;
    uint32_t name = tree_u32(head + sizeof(fdt32_t));
    tree->size = tree_u32(head);
    tree->next += 2 * sizeof(fdt32_t);
    if (name >= tree->strings_size || tree->size > tree->block_size - tree->next) { return TREE_MALFORMED; }
    tree->name = tree->strings + name;
    tree->data = tree->block + tree->next;
    tree->next += ALIGN_UP(tree->size, 4u);
    return TREE_PROPERTY;
}

enum tree_event tree_next(struct tree *tree) {
    if (tree->event <= TREE_END) { return tree->event; }
    uint32_t tag;
    do {
        if (tree->next > tree->block_size || tree->block_size - tree->next < sizeof(fdt32_t)) {
            return tree->event = TREE_MALFORMED;
        }
        tag = tree_u32(tree->block + tree->next);
        tree->next += sizeof(fdt32_t);
    } while (tag == FDT_NOP);
    switch (tag) {
    case FDT_PROP: return tree->event = property(tree);
    case FDT_BEGIN_NODE: return tree->event = begin_node(tree);
    case FDT_END_NODE:
        if (tree->depth == 0) { return tree->event = TREE_MALFORMED; }
        tree->depth--;
        return tree->event = TREE_NODE_END;
    case FDT_END: return tree->event = tree->depth == 0 && tree->next > sizeof(fdt32_t) ? TREE_END : TREE_MALFORMED;
    default: return tree->event = TREE_MALFORMED;
    }
}

void tree_skip(struct tree *tree) {
    unsigned outside = tree->depth - 1;

    while (tree->event > TREE_END && tree->depth > outside) { tree_next(tree); }
}

int tree_check(const void *fdt, uint64_t size) {
    struct tree tree;

    tree_open(&tree, fdt, size);
    while (tree_next(&tree) > TREE_END) {}
    return tree.event == TREE_END ? OK : ERR_CORRUPT;
}

bool tree_name_is(const struct tree *tree, const char *name) { return strcmp(tree->name, name) == 0; }

bool tree_name_starts(const struct tree *tree, const char *prefix) {
    return strncmp(tree->name, prefix, strlen(prefix)) == 0;
}

const char *tree_text(const struct tree *tree) {
    const char *text = (const char *)tree->data;

    return tree->size != 0 && memchr(text, '\0', tree->size) == text + tree->size - 1 ? text : NULL;
}

bool tree_lists(const void *data, uint32_t size, const char *text) {
    const char *string = data, *end = string + size;
    size_t length = strlen(text) + 1;

    while (string != NULL && (size_t)(end - string) >= length && memcmp(string, text, length) != 0) {
        string = memchr(string, '\0', (size_t)(end - string));
        if (string != NULL) { string++; }
    }
    return string != NULL && (size_t)(end - string) >= length;
}
