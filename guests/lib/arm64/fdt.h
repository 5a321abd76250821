// SPDX-License-Identifier: Apache-2.0
// Reads the flattened device tree (Devicetree Specification 0.4, chapter 5) that started the guest.
// A node is the offset of its FDT_BEGIN_NODE token in the structure block; FDT_NONE is no node.
#ifndef GUEST_FDT_H
#define GUEST_FDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FDT_NONE (-1)

// Takes the tree at `blob`; false if there is none. The tree must stay where it is.
bool fdt_open(const void *blob);

// The node at an absolute path such as "/chosen"; a unit address may be left out.
int fdt_node(const char *path);

// The next node after `node` (FDT_NONE: the first), in the tree's order, whose string list property
// `name` holds `value`.
int fdt_next_with(int node, const char *name, const char *value);

// A property's value, or NULL; the length in bytes goes to *length unless that is NULL.
const void *fdt_property(int node, const char *name, int *length);

// Pair `index` of a top level node's `reg`, in the root's cells.
bool fdt_reg(int node, int index, uint64_t *address, uint64_t *size);

#endif
