// SPDX-License-Identifier: Apache-2.0
// The device tree that a guest sees: generated with libfdt from its description, or its own (dtb), then overlaid.
#ifndef KERNEL_GUEST_FDT_H
#define KERNEL_GUEST_FDT_H

#include "kernel/types.h"

struct board;
struct device_desc;
struct system_desc;
struct vm;

enum { GUEST_FDT_MAX = 64 * 1024 };

// Nodes that others refer to.
enum { GUEST_PHANDLE_CLOCK = 0x8000, GUEST_PHANDLE_INTC = 0x8001 };

// Remembers where assigned devices are described and seeds come from. Boot, before the first VM starts.
void guest_fdt_init(const struct board *board, const struct system_desc *system);

// Writes the tree of `vm` to `buffer` (GUEST_FDT_MAX bytes, 8-byte aligned hypervisor memory), with fresh seeds.
// `initrd_gpa` is where the initrd was put. A job slice: bounded by the VM's description. Negative: libfdt's error, logged.
int guest_fdt_build(struct vm *vm, void *buffer, gpa_t initrd_gpa, uint64_t initrd_size);

// Copies the node of an assigned device from the board's tree (guest_fdt_device.c): its addresses as the guest has them,
// its clocks as one fixed clock, nothing that refers to nodes which the guest does not have.
int guest_fdt_device(void *fdt, const void *board_fdt, const struct device_desc *device);

#endif
