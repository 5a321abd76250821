// SPDX-License-Identifier: Apache-2.0
// The hypervisor's own tables (layout.h), and how boot reads what firmware left.
#ifndef X86_MMU_H
#define X86_MMU_H

#include "arch/x86/physical.h"
#include "arch/x86/regs.h"
#include "kernel/pagetable.h"

// Entries of 4-level paging and of nested paging on SVM (SDM volume 3, 4.5; APM volume 2, 15.25). Tables give every
// right; a leaf takes it away.
static const struct pagetable_format long_mode_format = {
    .table = PTE_PRESENT | PTE_WRITE | PTE_USER,
    .block = PTE_PRESENT | PTE_BLOCK,
    .page = PTE_PRESENT,
    .distinction = PTE_BLOCK,
    .block_level = 2, // not every processor has blocks of 1 GiB
};

// Reads until mmu_firmware_done: of the boot loader's information, which says where memory is, anywhere; of ACPI tables,
// inside of that. Boot core.
extern const struct physical mmu_loader, mmu_firmware;
void mmu_firmware_done(void);

// Whether a load from `address` would succeed now: walks our own tables.
bool mmu_readable(uint64_t address);

#endif
