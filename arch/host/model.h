// SPDX-License-Identifier: Apache-2.0
// What an emulator does not have: a TLB that keeps translations until they are invalidated, and a write-back cache that
// keeps what was written until it is cleaned. Both as stubborn as the architecture allows: nothing is ever evicted.
//
// RAM exists three times: as cores with caches on see it (tests and kernel/ use that through plain pointers), as it is
// in memory, and as instruction caches hold it. Tables are walked as the manual says, by code that shares nothing with
// pagetable.c. A broken rule ends the program with its name, unless the test said that it expects it.
#ifndef HOST_MODEL_H
#define HOST_MODEL_H

#include "kernel/types.h"

#define MODEL_RAM_BASE 0x40000000ull
#define MODEL_RAM_SIZE (1ull << 30)

enum model_rule {
    MODEL_UNPUBLISHED, // a walk met an entry that no barrier had published
    MODEL_STALE,       // a TLB still translated what its table no longer does
    MODEL_NO_BREAK,    // a valid entry was replaced by another valid one
    MODEL_NO_FLUSH,    // an entry was made valid while a TLB still held what it had been before
    MODEL_VMID_REUSED, // a VMID hit what the tables of another VM, or another life, had left
    MODEL_BAD_TABLE,   // an entry that means nothing, or lies outside RAM
    MODEL_TLB_FULL,    // the model is too small for the test
    MODEL_RULES
};

// RAM all zero, caches and TLB empty, nothing expected.
void model_reset(void);
// Rule `rule` will be broken on purpose: counted, not fatal, until model_reset.
void model_expect(enum model_rule rule);
unsigned model_broken(enum model_rule rule); // how often

// ---- the machine's parts, called by maintenance.h --------------------------------------------------------
void model_table_write(uint64_t *entry, uint64_t value);
void model_table_publish(void);
void model_tlb_flush_hypervisor(uint64_t address);
void model_tlb_flush_guest(uint64_t vttbr);
void model_cache_clean(const void *address, uint64_t size);
void model_cache_drop_instructions(void);

// ---- what tests look at -----------------------------------------------------------------------------------
// A physical address as a core with caches on reaches it; NULL outside of RAM.
void *model_ram(paddr_t pa);
// The byte that a reader with its caches off finds, and the one that an instruction fetch of such a guest finds.
unsigned char model_read_uncached(paddr_t pa);
unsigned char model_fetch(paddr_t pa);

struct model_translation {
    bool mapped;
    paddr_t pa;
    uint64_t leaf; // the descriptor
    uint64_t size; // of the block that it is part of
};
// A core uses `address` at EL2 (48 bits, 4 KiB granule), or a guest uses `gpa`, with these register values.
struct model_translation model_use_hypervisor(paddr_t ttbr, uint64_t address);
struct model_translation model_use_guest(uint64_t vttbr, uint64_t vtcr, gpa_t gpa);

#endif
