// SPDX-License-Identifier: Apache-2.0
// Where a guest's own page tables put a linear address, and whether they let this access through: as the processor does it
// (Intel SDM vol. 3A, chapter 4; AMD APM vol. 2, chapter 5), for no paging, 32-bit paging with PSE-36, PAE, four and five
// levels. Pure; any context; at most 5 reads and 5 exchanges, no loop that a guest could make longer.
//
// Accessed and dirty bits are set as the processor sets them: an instruction that is emulated may write to a page of RAM
// whose bit the guest trusts to say so. Mostly they are set, because the processor was there before the emulator.
//
// Otherwise than a processor:
//   - PAE reads the four top entries from memory each time, as AMD's processors do; Intel's keep what they were when CR3 was
//     loaded. They differ for a guest that changes one without loading CR3, which the manuals forbid.
//   - Nothing is kept from walk to walk: what the guest has changed counts at once, before it invalidates.
//   - Pages of 1 GiB are always there; protection keys and shadow stacks are not looked at. The access that trapped has
//     passed those checks of the processor; a second operand (MOVS, CMPS) has not.
#ifndef X86_GUEST_WALK_H
#define X86_GUEST_WALK_H

#include "kernel/types.h"

// The registers of the guest that decide. cpl is 3 in virtual-8086 mode, 0 in real mode.
struct guest_paging {
    uint64_t cr0, cr3, cr4, efer, rflags;
    uint8_t cpl;
    uint8_t maxphyaddr; // as the guest's CPUID says; 32 .. 52
};

// Guest-physical RAM. An aligned `size` of 4 or 8 is one access, never bytes of an old and a new value.
struct guest_memory_ops {
    // Nothing is copied, ERR_RANGE: some byte is not RAM. A read may say ERR_BUSY: not now.
    int (*read)(void *context, gpa_t gpa, void *out, size_t size);
    int (*write)(void *context, gpa_t gpa, const void *in, size_t size);
    // Atomic; size 4 or 8, aligned; gpa has just been read. ERR_BUSY: it does not hold `expected` any more. ERR_RANGE.
    int (*compare_exchange)(void *context, gpa_t gpa, unsigned size, uint64_t expected, uint64_t desired);
};

// Walks for an access by the guest's program at its CPL: `access` is 0, PF_WRITE or PF_FETCH. `linear` is at most 32 bits
// outside of 64-bit mode.
//   OK          *gpa is the address
//   ERR_DENIED  #PF; *error is its code
//   ERR_INVALID not canonical: #SS(0) for a stack segment, else #GP(0)
//   ERR_RANGE   a table does not lie in RAM
//   ERR_BUSY    a read was, or an entry was changed meanwhile, or is its own table's and was marked: the guest does it again
int guest_walk(const struct guest_paging *paging, const struct guest_memory_ops *ops, void *context, uint64_t linear,
               unsigned access, gpa_t *gpa, uint32_t *error);

#endif
