// SPDX-License-Identifier: Apache-2.0
// The hypervisor's own address space, one for all cores: what is mapped for ever as the boot needs it, and the windows to
// guest memory that come and go. The boot code made the tables and mapped the image; where everything lies, and with
// which attributes, the architecture says in `hyp_space`.
#ifndef KERNEL_SPACE_H
#define KERNEL_SPACE_H

#include "kernel/pagetable.h"

// What is mapped for ever: devices; the system image, read-only; the hypervisor's memory; stacks.
enum space_kind { SPACE_DEVICES, SPACE_SYSTEM, SPACE_POOL, SPACE_STACKS, SPACE_KINDS };

struct space {
    const struct pagetable *tables;
    uint64_t *window_entries; // the level 2 table that the windows are in
    uint64_t extension;       // or-ed to an address of the tables: its sign
    uint64_t windows;         // where they begin, 2 MiB aligned: SPACE_WINDOWS for each core
    uint64_t data;            // attributes of their leaves: read-write, never executable
    // Where each kind lies, filled from its start, and the attributes of its leaves. Addresses as the tables see them:
    // without a sign extension. The page before SPACE_STACKS is never mapped.
    struct space_part {
        uint64_t start, end, attributes;
    } parts[SPACE_KINDS];
};
extern const struct space hyp_space; // in arch/

// Maps [pa, pa + size), with the pages around it, behind what its kind has already; any alignment, but what is a multiple of
// 2 MiB gets blocks. A page that nothing maps follows: above and, from the one before or its part's start, below each stack
// it is the guard. NULL: no room. Boot, after memory_init; it itself maps the pool, and one small device (the console's
// UART) may come before.
void *space_map(enum space_kind kind, paddr_t pa, uint64_t size);

// The calling core's windows to guest memory: 2 MiB each, `pa` 2 MiB aligned. Slot WINDOW_THREAD belongs to the thread,
// WINDOW_HANDLER to handlers (and boot), which may interrupt the thread's use of its own.
enum { WINDOW_THREAD, WINDOW_HANDLER, SPACE_WINDOWS };
#define WINDOW_SIZE (2ull << 20)
void *window_map(unsigned slot, paddr_t pa);
void window_unmap(unsigned slot);

#endif
