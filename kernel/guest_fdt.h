// SPDX-License-Identifier: Apache-2.0
// The device tree that a guest sees: generated with libfdt from its description, or its own (dtb), then overlaid.
#ifndef KERNEL_GUEST_FDT_H
#define KERNEL_GUEST_FDT_H

#include "kernel/types.h"

struct vm;
enum { GUEST_FDT_MAX = 64 * 1024 };

// Writes the tree of `vm` to `buffer` (GUEST_FDT_MAX bytes, hypervisor memory), with fresh seeds. `initrd_gpa` is where the
// initrd was put. A job slice: bounded by the VM's description. Negative: libfdt's error, logged with the node.
int guest_fdt_build(struct vm *vm, void *buffer, gpa_t initrd_gpa, uint64_t initrd_size);

#endif
