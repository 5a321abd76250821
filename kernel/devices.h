// SPDX-License-Identifier: Apache-2.0
// Virtual and assigned devices of a VM. A device kind is one constant record; a VM's devices are created once and
// reset at each start.
#ifndef KERNEL_DEVICES_H
#define KERNEL_DEVICES_H

#include "kernel/types.h"

struct vm;

// A virtual device kind. `create` allocates state, adds MMIO regions (mmio_add) and returns its state through *state;
// returns OK without state when the VM's description does not ask for it.
struct virtual_device {
    int (*create)(struct vm *vm, void **state);
    void (*reset)(struct vm *vm, void *state);
    unsigned irq; // the input of the VM's interrupt controller that is its own
};
enum { MAX_VIRTUAL_DEVICES = 4 };
struct vm_devices {
    void *state[MAX_VIRTUAL_DEVICES];
};
// Table of all kinds, terminated by NULL; drivers/registry.c defines it.
extern const struct virtual_device *const virtual_devices[];
// For each of them: adds its node to a guest's device tree (libfdt, read-write). Negative: libfdt's error. Where guests have
// none, nobody defines it.
typedef int (*virtual_device_node_t)(void *fdt);
extern const virtual_device_node_t virtual_device_nodes[];

// Assigned devices (kernel/assign.c): maps MMIO pages into stage 2 and routes interrupts. VM creation.
int assign_all(struct vm *vm);
// On: the VM starts, interrupts are routed again. Off: it ends, interrupts masked, device left quiet as far as a device
// without a reset line can be.
void assign_switch(const struct vm *vm, bool on);

#endif
