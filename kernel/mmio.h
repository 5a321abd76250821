// SPDX-License-Identifier: Apache-2.0
// Emulated MMIO of one VM: a sorted table, filled before the VM first runs, read on traps without a lock.
#ifndef KERNEL_MMIO_H
#define KERNEL_MMIO_H

#include "kernel/types.h"

struct vcpu;
struct vm;

// One access, decoded. On a read the handler leaves the value in `value`; the caller masks and extends it.
struct mmio_access {
    uint64_t offset; // from the region's start
    uint64_t value;
    uint8_t size; // 1, 2, 4 or 8 bytes, naturally aligned (checked by the caller)
    bool write;
};

// Handles one access by the current VCPU. Handler context. Returns OK; ERR_BUSY: there is more to do than a handler may,
// and the guest makes the same access again, interrupts first; else the guest gets a synchronous external abort.
typedef int (*mmio_handler_t)(struct vcpu *vcpu, void *device, struct mmio_access *access);

struct mmio_region {
    gpa_t base;
    uint64_t size;
    mmio_handler_t handler;
    void *device;
};

enum { MAX_MMIO_REGIONS = 24 };

struct mmio_map {
    unsigned count;
    struct mmio_region regions[MAX_MMIO_REGIONS];
};

// Adds a region. ERR_BUSY: it overlaps one that is there; ERR_NO_MEMORY: the table is full. VM creation only.
COLD int mmio_add(struct mmio_map *map, const struct mmio_region *region);

// The region that holds [gpa, gpa + size), or NULL. Binary search, no lock.
const struct mmio_region *mmio_find(const struct mmio_map *map, gpa_t gpa, unsigned size);

// ---- the same for devices that sit on I/O ports -----------------------------------------------------------
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
