// SPDX-License-Identifier: Apache-2.0
// The hypervisor's own address space, one for all cores: what is mapped for ever as the boot needs it, and the windows to
// guest memory that come and go. The boot code made the tables and mapped the image; where everything lies, and with
// which attributes, the architecture says in `hyp_space`.
#ifndef KERNEL_SPACE_H
#define KERNEL_SPACE_H

#include "kernel/pagetable.h"

// A part that fills from its start. Addresses as the tables see them: without a sign extension.
struct space_part {
    uint64_t start, end;
};

struct space {
    const struct pagetable *tables;
    uint64_t *window_entries; // the level 2 table that the windows are in
    uint64_t extension;       // or-ed to an address of the tables: its sign
    uint64_t windows;         // where they begin, 2 MiB aligned: SPACE_WINDOWS for each core
    struct space_part devices, stacks, pool, system;
    uint64_t data, read_only, device; // attributes of leaves: never executable
};
extern const struct space hyp_space; // in arch/

// Maps of devices and, read-only, of the system image; any alignment. NULL: no room. Boot, after memory_init; one small
// device (the console's UART) may come before.
void *space_map_device(paddr_t pa, uint64_t size);
void *space_map_image(paddr_t pa, uint64_t size);
// Linear map, read-write, of [pa, pa + size), both multiples of 2 MiB: the hypervisor's memory. Once, by memory_init.
void *space_map_pool(paddr_t pa, uint64_t size);
// A stack of `pages` 4 KiB pages between two unmapped guard pages; its top, or NULL. Boot.
void *space_alloc_stack(unsigned pages);

// The calling core's windows to guest memory: 2 MiB each, `pa` 2 MiB aligned. Slot WINDOW_THREAD belongs to the thread,
// WINDOW_HANDLER to handlers (and boot), which may interrupt the thread's use of its own.
enum { WINDOW_THREAD, WINDOW_HANDLER, SPACE_WINDOWS };
#define WINDOW_SIZE (2ull << 20)
void *window_map(unsigned slot, paddr_t pa);
void window_unmap(unsigned slot);

#endif
