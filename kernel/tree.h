// SPDX-License-Identifier: Apache-2.0
// One pass over a flattened device tree whose content is not trusted: every step checks its own bounds, so a walk over
// any bytes is safe and ends. The description, the image (a FIT is such a tree) and the board's tree are each read in
// one pass at boot, where libfdt's lookups, which start from the root each time, would cost ten times as much. A tree
// that tree_check() accepts is also fit for libfdt. Format: Devicetree Specification 0.4, chapter 5.
// Pure; any context.
#ifndef KERNEL_TREE_H
#define KERNEL_TREE_H

#include "kernel/string.h"
#include "kernel/types.h"

enum { TREE_DEPTH = 16, TREE_NODE_NAME = 128 };

enum tree_event { TREE_MALFORMED, TREE_END, TREE_NODE, TREE_NODE_END, TREE_PROPERTY };

struct tree {
    // What the last event was about.
    enum tree_event event;
    const char *name;    // of the node or property
    const uint8_t *data; // property: its value, 4-byte aligned
    uint32_t size;
    int node;       // TREE_NODE: its offset, as libfdt counts
    unsigned depth; // nodes that are open; the root's properties come at depth 1
    // Private from here.
    const uint8_t *block;
    const char *strings;
    uint32_t block_size, strings_size, next;
};

// Starts a walk. It is over at once, as TREE_MALFORMED, when no tree of version 17 lies complete in [fdt, fdt + size), or fdt
// is not 8-byte aligned.
void tree_open(struct tree *tree, const void *fdt, uint64_t size);
// The next event. After TREE_END and TREE_MALFORMED it stays there.
enum tree_event tree_next(struct tree *tree);
// Right after TREE_NODE: passes over everything in the node, up to its TREE_NODE_END.
void tree_skip(struct tree *tree);
// OK when a walk reaches the end.
int tree_check(const void *fdt, uint64_t size);

// Lookups in one pass, in place of libfdt's functions of these purposes; offsets as libfdt counts. ERR_NOT_FOUND,
// ERR_CORRUPT. `path` is absolute; a component without a unit address finds the first node of that name.
int tree_find_path(const void *fdt, const char *path, size_t length);
int tree_find_phandle(const void *fdt, uint32_t phandle);
int tree_find_parent(const void *fdt, int node);

bool tree_name_is(const struct tree *tree, const char *name);
bool tree_name_starts(const struct tree *tree, const char *prefix);
// A property's value as a string: NULL unless it is terminated, with no terminator inside.
const char *tree_text(const struct tree *tree);
// Does a property that lists strings hold this one?
bool tree_lists(const void *data, uint32_t size, const char *text);

// Big-endian cells; `p` is 4-byte aligned.
static inline uint32_t tree_u32(const void *p) {
    const uint8_t *b = __builtin_assume_aligned(p, 4);
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline uint64_t tree_u64(const void *p) {
    return (uint64_t)tree_u32(p) << 32 | tree_u32((const uint8_t *)p + 4);
}

#endif
