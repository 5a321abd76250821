// SPDX-License-Identifier: Apache-2.0
// arch/arm64/maintenance.h on the model: the same names do to the model what the instructions do to the machine.
#ifndef MAINTENANCE_H
#define MAINTENANCE_H

#include "arch/host/model.h"

static inline void table_write(uint64_t *entry, uint64_t value) { model_table_write(entry, value); }

static inline void table_publish(void) { model_table_publish(); }

static inline void tlb_flush_hypervisor(uint64_t address) {
    model_table_publish();
    model_tlb_flush_hypervisor(address);
}

static inline void tlb_flush_guest(uint64_t vttbr) {
    model_table_publish();
    model_tlb_flush_guest(vttbr);
}

static inline void cache_clean(const void *address, uint64_t size) { model_cache_clean(address, size); }

static inline void cache_drop_instructions(void) { model_cache_drop_instructions(); }

#endif
