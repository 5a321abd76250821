// SPDX-License-Identifier: Apache-2.0
// Physical memory of the machine: what the board has, what is reserved, what went to whom. Allocation is for ever:
// everything is allocated while booting, single-threaded, on the boot core.
#ifndef KERNEL_MEMORY_H
#define KERNEL_MEMORY_H

#include "kernel/types.h"

struct board;

// Takes the board's memory minus reserved ranges, the hypervisor's image, the device tree and the system image, and maps
// the hypervisor's own part of it. ERR_NO_MEMORY: no 2 MiB aligned place for that.
int memory_init(const struct board *board);

// Allocates `size` bytes of physical memory aligned to `align` (a power of two >= 4096) for a guest. Not mapped at EL2,
// content undefined. ERR_NO_MEMORY.
int memory_alloc_guest(uint64_t size, uint64_t align, paddr_t *pa);

// Allocates zeroed hypervisor memory, mapped read-write, never executable. NULL when exhausted. Cache-line aligned.
void *memory_alloc(size_t size);
// The same, whole 4 KiB pages, page aligned (translation tables, stacks); a power of two of them aligned to its size.
void *memory_alloc_pages(unsigned pages);

// Between an address that memory_alloc* returned (or lies in the hypervisor image) and its physical address.
paddr_t memory_pa(const void *address);
void *memory_va(paddr_t pa); // only for what memory_alloc* returned

struct memory_report {
    uint64_t total, hypervisor, guests, free;
};
void memory_report(struct memory_report *out);

#endif
