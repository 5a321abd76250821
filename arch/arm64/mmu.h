// SPDX-License-Identifier: Apache-2.0
// The hypervisor's own address space (layout.h), stage 1 of EL2. The functions that kernel/ calls are in kernel/arch.h.
#ifndef ARM64_MMU_H
#define ARM64_MMU_H

#include "arch/arm64/sysreg.h"
#include "kernel/pagetable.h"

// Descriptors of VMSAv8-64, either stage (DDI 0487, D8.3).
static const struct pagetable_format vmsa_format = {
    .table = DESC_VALID | DESC_TABLE,
    .block = DESC_VALID,
    .page = DESC_VALID | DESC_TABLE,
    .distinction = DESC_TABLE,
    .block_level = 1,
};

// Physical addresses that this machine's tables can hold, as PARange encodes it, at most 48 bits. Any core.
unsigned mmu_pa_range(void);

// The tables that every core uses, and a second root that also shows the boot code's page at its physical address, for
// a core to turn translation on with. Made at the first call. ERR_NO_MEMORY. Boot core, after memory_init.
int mmu_secondary_tables(paddr_t *identity, paddr_t *tables);

// Whether a load from `address` would succeed now. Changes PAR_EL1: only where no guest will run again.
bool mmu_readable(uint64_t address);

#endif
