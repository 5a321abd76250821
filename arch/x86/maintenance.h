// SPDX-License-Identifier: Apache-2.0
// Every operation that translation tables and images need, named by what it is for, as in arch/arm64/maintenance.h;
// docs/memory.md lists each. Caches are coherent for everything that x86 does (SDM volume 3, 12.6), page walks included;
// what is left is the TLBs.
#ifndef MAINTENANCE_H
#define MAINTENANCE_H

#include "kernel/types.h"

// Writes an entry in one piece: a walker on any core sees the old one or the new one.
static inline void table_write(uint64_t *entry, uint64_t value) { __atomic_store_n(entry, value, __ATOMIC_RELEASE); }

// Everything written to tables so far is seen before what follows: stores are seen in order, and what was not present
// is not cached (SDM volume 3, 4.10.2.3).
static inline void table_publish(void) { __asm__ volatile("" ::: "memory"); }

// After the entry that translated `address` of the hypervisor was made invalid: this core uses it no more. Other cores
// never use this one's windows; what they cached of them by speculation they may keep, since a window is opened for its own
// core alone, which invalidates what it had.
static inline void tlb_flush_hypervisor(uint64_t address) {
    __asm__ volatile("invlpg (%0)" ::"r"((int64_t)(address << 16) >> 16) : "memory");
}

#endif
