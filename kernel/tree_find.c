// SPDX-License-Identifier: Apache-2.0
// libfdt finds a node by walking the tree again for each component of a path and each property it looks at; on a board's
// tree that costs some 100,000 instructions a lookup. These take one walk, about a tenth.
#include "kernel/tree.h"

// Does the node's name match [name, name + length), which may leave the unit address out?
static bool matches(const struct tree *tree, const char *name, size_t length) {
    return strlen(tree->name) >= length && memcmp(tree->name, name, length) == 0 &&
           (tree->name[length] == '\0' || (tree->name[length] == '@' && memchr(name, '@', length) == NULL));
}

int tree_find_path(const void *fdt, const char *path, size_t length) {
    struct tree tree;
    const char *end = path + length, *component = path;
    unsigned found = 0; // nodes of the path that the walk is in, the root included

    if (length == 0 || path[0] != '/') { return ERR_NOT_FOUND; }
    tree_open(&tree, fdt, INT32_MAX);
    while (tree_next(&tree) > TREE_END) {
        const char *slash = memchr(component, '/', (size_t)(end - component));
        const char *stop = slash != NULL ? slash : end;
        if (tree.event == TREE_NODE_END && tree.depth < found) { return ERR_NOT_FOUND; }
        if (tree.event != TREE_NODE || tree.depth != found + 1 ||
            !matches(&tree, component, (size_t)(stop - component))) {
            continue;
        }
        found++;
        component = stop;
        while (component != end && *component == '/') { component++; }
        if (component == end) { return tree.node; }
    }
    return ERR_CORRUPT;
}

int tree_find_phandle(const void *fdt, uint32_t phandle) {
    struct tree tree;
    int node = 0;

    tree_open(&tree, fdt, INT32_MAX);
    while (tree_next(&tree) > TREE_END) {
        if (tree.event == TREE_NODE) {
            node = tree.node;
        } else if (tree.event == TREE_PROPERTY && tree_name_is(&tree, "phandle") && tree.size == sizeof(phandle) &&
                   tree_u32(tree.data) == phandle) {
            return node;
        }
    }
    return tree.event == TREE_END ? ERR_NOT_FOUND : ERR_CORRUPT;
}

int tree_find_parent(const void *fdt, int node) {
    struct tree tree;
    int path[TREE_DEPTH + 1];

    tree_open(&tree, fdt, INT32_MAX);
    while (tree_next(&tree) > TREE_END) {
        if (tree.event != TREE_NODE) { continue; }
        if (tree.node == node) { return tree.depth > 1 ? path[tree.depth - 1] : ERR_NOT_FOUND; }
        path[tree.depth] = tree.node;
    }
    return tree.event == TREE_END ? ERR_NOT_FOUND : ERR_CORRUPT;
}
