// SPDX-License-Identifier: Apache-2.0
// Translation tables of 4 KiB granule, VMSAv8-64 (DDI 0487, D8): the hypervisor's stage 1 and the guests' stage 2 are
// the same tree with other attributes. Entries change from invalid to valid or back, never from valid to valid, so
// that break-before-make holds by construction. One writer at a time: boot, or the owner of the range.
#ifndef ARM64_PAGETABLE_H
#define ARM64_PAGETABLE_H

#include "kernel/types.h"

struct pagetable {
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
