// SPDX-License-Identifier: Apache-2.0
// Translation tables of four levels of 512 entries and pages of 4 KiB: VMSAv8-64 with that granule (DDI 0487, D8), 4-level
// paging and nested paging of x86-64 (SDM volume 3, 4.5; 29.3.2). The hypervisor's own tables and the guests' second stage
// are the same tree with other attributes. Entries change from invalid to valid or back, never from valid to valid, so
// that break-before-make holds by construction. One writer at a time: boot, or the owner of the range.
#ifndef KERNEL_PAGETABLE_H
#define KERNEL_PAGETABLE_H

#include "kernel/types.h"

// What the bits of an entry are; none of them is an attribute.
struct pagetable_format {
    uint64_t table;       // of an entry that leads to a table
    uint64_t block, page; // of a leaf of 1 GiB or 2 MiB, of 4 KiB; not 0
    uint64_t distinction; // the bit in which `table` differs from `block`
    uint8_t block_level;  // at which blocks begin: 1, or 2 where there are none of 1 GiB
};

struct pagetable {
    const struct pagetable_format *format;
    uint64_t *root; // 2^n concatenated tables where `bits` needs them, aligned to their size
    uint8_t level;  // at which a walk starts: 0 to 2
    uint8_t bits;   // of an input address
    // After the leaf that maps `address` was made invalid: no TLB holds it any more when it returns. NULL: nothing is
    // ever removed.
    void (*flush)(uint64_t address);
};

// Maps [address, address + size) to pa with the largest blocks that fit (1 GiB, 2 MiB, 4 KiB), all multiples of 4 KiB.
// `attributes`: the bits of a leaf besides address and type. ERR_RANGE: beyond `bits`; ERR_BUSY: something is mapped
// there; ERR_NO_MEMORY. On an error nothing is mapped. Boot.
int pagetable_map(const struct pagetable *table, uint64_t address, paddr_t pa, uint64_t size, uint64_t attributes);

// A leaf that comes and goes: `entry` is its place in `table`, where it maps `address`; `leaf` is complete. Closing it
// flushes the TLBs of all cores: afterwards nothing reaches what it mapped. Any context, owner of the entry.
void pagetable_open(uint64_t *entry, uint64_t leaf);
void pagetable_close(const struct pagetable *table, uint64_t *entry, uint64_t address);

#endif
