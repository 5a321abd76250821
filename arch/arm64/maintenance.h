// SPDX-License-Identifier: Apache-2.0
// Every barrier, TLB and cache operation for translation tables and images, named by what it is for. Nothing else
// issues them; docs/memory.md lists each with its reason in the manual. arch/host/maintenance.h has the same names on
// top of a model that finds a missing one, so code that also builds for the host includes <maintenance.h>.
#ifndef MAINTENANCE_H
#define MAINTENANCE_H

#include "arch/arm64/sysreg.h"
#include "kernel/types.h"

// Writes a translation descriptor in one piece: a walker on any core sees the old one or the new one.
static inline void table_write(uint64_t *entry, uint64_t value) { __atomic_store_n(entry, value, __ATOMIC_RELAXED); }

// Everything written to tables so far is seen by every walker before what follows. Enough for an entry that was not
// valid: faults are not cached.
static inline void table_publish(void) { __asm__ volatile("dsb ishst; isb" ::: "memory"); }

// A TLBI for all cores and the wait for its end, both twice: on Cortex-A76 r0p0 to r3p0 an access through the old
// translation may outlive the first (erratum 1286807; Cortex-A55 has the like, 2441007). On every core: one broadcast
// more, where nobody waits for it, costs less than knowing which cores need it.
#define TLBI_TWICE(tlbi) tlbi "; dsb ish; " tlbi "; dsb ish; isb"

// After the entry that translated `address` of the hypervisor was made invalid: no core uses it any more.
static inline void tlb_flush_hypervisor(uint64_t address) {
    __asm__ volatile("dsb ishst; " TLBI_TWICE("tlbi vae2is, %0")::"r"(address >> PAGE_SHIFT) : "memory");
}

// No core holds a translation, of either stage, of the guest that `vttbr` (with its VMID) belongs to. The guest does
// not run. Interrupts masked: VTTBR_EL2 is changed meanwhile.
static inline void tlb_flush_guest(uint64_t vttbr) {
    uint64_t own = read_sysreg(vttbr_el2);

    write_sysreg(vttbr_el2, vttbr);
    __asm__ volatile("isb; dsb ishst; " TLBI_TWICE("tlbi vmalls12e1is")::: "memory");
    write_sysreg(vttbr_el2, own);
    isb();
}

// This core holds no stage 1 or combined translation of the guest whose VTTBR_EL2 is set: another VCPU of the same VM ran
// here last, and ASIDs are each VCPU's own (DDI 0487, D8, "TLB maintenance"). The caller returns by ERET, which
// synchronises.
static inline void tlb_flush_sibling(void) { __asm__ volatile("isb; tlbi vmalle1; dsb nsh; isb" ::: "memory"); }

// What a VCPU stored, invalidated and maintained on this core is done, for the core that it goes to (B2, "DSB").
static inline void guest_complete(void) { __asm__ volatile("dsb ish" ::: "memory"); }

static inline uint64_t cache_line(unsigned shift) { return 4ull << ((read_sysreg(ctr_el0) >> shift) & CTR_LINE_MASK); }

// What was written to [address, address + size) is in memory, for a reader whose caches are off. Clean and invalidate
// rather than clean: Cortex-A53 errata 819472, 824069, 826319 and 827319.
static inline void cache_clean(const void *address, uint64_t size) {
    uint64_t line = cache_line(CTR_DMINLINE_SHIFT), end = (uint64_t)address + size;

    for (uint64_t a = ALIGN_DOWN((uint64_t)address, line); a < end; a += line) {
        __asm__ volatile("dc civac, %0" ::"r"(a) : "memory");
    }
    dsb_sy();
}

// No core's instruction cache holds what was there before. The mapping is not the one that will be executed, so that
// only the whole cache will do (it may be virtually indexed).
static inline void cache_drop_instructions(void) { __asm__ volatile("ic ialluis; dsb ish; isb" ::: "memory"); }

#endif
