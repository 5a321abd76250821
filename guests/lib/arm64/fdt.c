// SPDX-License-Identifier: Apache-2.0
#include "fdt.h"

#include <string.h>

enum {
    FDT_MAGIC = 0xd00dfeed,
    FDT_BEGIN_NODE = 1,
    FDT_END_NODE = 2,
    FDT_PROP = 3,
    FDT_NOP = 4,
};

static const uint8_t *structure;
static const char *strings;
static int structure_size;

static uint32_t be32(const void *at) {
    const uint8_t *b = at;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint32_t token_at(int offset) { return be32(structure + offset); }

static int after_name(int node) {
    const char *name = (const char *)structure + node + 4;
    return node + 4 + (((int)strlen(name) + 4) & ~3);
}

static int after_property(int offset) { return offset + 12 + (((int)token_at(offset + 4) + 3) & ~3); }

// The offset of the token that follows the one at `offset`; the structure's size at the end.
static int next_token(int offset) {
    switch (token_at(offset)) {
    case FDT_BEGIN_NODE: return after_name(offset);
    case FDT_PROP: return after_property(offset);
    case FDT_END_NODE:
    case FDT_NOP: return offset + 4;
    default: return structure_size;
    }
}

bool fdt_open(const void *blob) {
    const uint8_t *header = blob;
    if (be32(header) != FDT_MAGIC) return false;
    structure = header + be32(header + 8);
    strings = (const char *)header + be32(header + 12);
    structure_size = (int)be32(header + 36);
    return true;
}

static bool name_matches(int node, const char *name, size_t length) {
    const char *have = (const char *)structure + node + 4;
    return strncmp(have, name, length) == 0 && (have[length] == '\0' || have[length] == '@');
}

// The child of `parent` with that name.
static int child(int parent, const char *name, size_t length) {
    int depth = 0;
    for (int at = after_name(parent); at < structure_size && depth >= 0; at = next_token(at)) {
        uint32_t token = token_at(at);
        if (token == FDT_BEGIN_NODE) {
            if (depth == 0 && name_matches(at, name, length)) return at;
            depth++;
        } else if (token == FDT_END_NODE) {
            depth--;
        }
    }
    return FDT_NONE;
}

int fdt_node(const char *path) {
    int node = 0;
    while (node != FDT_NONE && *path == '/') {
        path++;
        size_t length = strcspn(path, "/");
        if (length > 0) node = child(node, path, length);
        path += length;
    }
    return node;
}

const void *fdt_property(int node, const char *name, int *length) {
    if (node == FDT_NONE) return NULL;
    for (int at = after_name(node); at < structure_size; at = next_token(at)) {
        uint32_t token = token_at(at);
        if (token == FDT_NOP) continue;
        if (token != FDT_PROP) return NULL;
        if (strcmp(strings + token_at(at + 8), name) == 0) {
            if (length) *length = (int)token_at(at + 4);
            return structure + at + 12;
        }
    }
    return NULL;
}

static bool list_holds(const char *list, int length, const char *value) {
    for (const char *at = list; at < list + length; at += strlen(at) + 1)
        if (strcmp(at, value) == 0) return true;
    return false;
}

int fdt_next_with(int node, const char *name, const char *value) {
    int at = node == FDT_NONE ? 0 : next_token(node);
    for (; at < structure_size; at = next_token(at)) {
        if (token_at(at) != FDT_BEGIN_NODE) continue;
        int length;
        const char *list = fdt_property(at, name, &length);
        if (list && list_holds(list, length, value)) return at;
    }
    return FDT_NONE;
}

static int root_cells(const char *name, int otherwise) {
    const void *value = fdt_property(0, name, NULL);
    return value ? (int)be32(value) : otherwise;
}

static uint64_t cells_at(const uint8_t *at, int cells) {
    uint64_t value = 0;
    for (int i = 0; i < cells; i++) value = value << 32 | be32(at + 4 * i);
    return value;
}

bool fdt_reg(int node, int index, uint64_t *address, uint64_t *size) {
    int address_cells = root_cells("#address-cells", 2);
    int size_cells = root_cells("#size-cells", 1);
    int pair = 4 * (address_cells + size_cells);
    int length;
    const uint8_t *reg = fdt_property(node, "reg", &length);
    if (!reg || (index + 1) * pair > length) return false;
    *address = cells_at(reg + index * pair, address_cells);
    *size = cells_at(reg + index * pair + 4 * address_cells, size_cells);
    return true;
}
