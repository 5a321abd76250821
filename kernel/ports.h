// SPDX-License-Identifier: Apache-2.0
// Emulated I/O ports of one VM, for devices that sit on ports and not in memory (kernel/mmio.h is the same for memory).
#ifndef KERNEL_PORTS_H
#define KERNEL_PORTS_H

#include "kernel/types.h"

struct vm;

// A device of registers of a byte each; larger accesses arrive as their bytes, the lowest port first. `offset` counts from
// its first port. Handler context of any VCPU of the VM, of several at once: the device locks itself.
struct port_ops {
    uint8_t (*read)(void *device, unsigned offset);
    // OK; ERR_BUSY: there is no room now, nothing was done, and the guest makes the same access again, interrupts first.
    int (*write)(void *device, unsigned offset, uint8_t value);
};

// The ports [first, first + count) of `vm` are `device`'s. An architecture without ports defines none. ERR_BUSY: one has
// an owner; ERR_NO_MEMORY: no more devices; ERR_RANGE: count is 0, or reaches beyond the last port. VM creation only.
int arch_vm_add_ports(struct vm *vm, uint16_t first, uint16_t count, const struct port_ops *ops, void *device);

#endif
