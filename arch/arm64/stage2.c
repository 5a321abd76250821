// SPDX-License-Identifier: Apache-2.0
#include "arch/arm64/stage2.h"

#include <maintenance.h>

#include "arch/arm64/mmu.h"
#include "arch/arm64/sysreg.h"
#include "kernel/arch.h"
#include "kernel/memory.h"
#include "kernel/pagetable.h"

// VMID 0 is what VTTBR_EL2 holds out of reset; the baseline has eight bits of VMID.
_Static_assert(MAX_VMS < 255, "VMIDs of 8 bits, 0 left out");

enum { MAX_IPA_BITS = 40, LEVEL1_BITS = 39, LEVEL2_BITS = 30, MAX_LEVEL2_BITS = 34 };

#define LEAF (DESC_AF | DESC_SH_INNER)

static const uint64_t leaves[] = {
    [STAGE2_RAM] = LEAF | DESC_S2_NORMAL_WB | DESC_S2_READ | DESC_S2_WRITE,
    [STAGE2_DEVICE] = LEAF | DESC_S2_DEVICE | DESC_S2_READ | DESC_S2_WRITE | DESC_XN,
    [STAGE2_SHARED] = LEAF | DESC_S2_NORMAL_WB | DESC_S2_READ | DESC_XN,
};

// Size of a guest's physical address space: what the machine's has, and at most 40 bits, so that a table walk takes
// three steps (PARange encodes 32, 36, 40, 42, 44 and 48 bits).
static unsigned ipa_bits(void) {
    static const uint8_t bits[] = {32, 36, MAX_IPA_BITS};

    return bits[MIN(mmu_pa_range(), (unsigned)ARRAY_SIZE(bits) - 1)];
}

// Where a walk starts. Up to 16 concatenated tables stand in for one table of the level above (DDI 0487, D8.2).
static unsigned start_level(unsigned bits) { return bits <= MAX_LEVEL2_BITS ? 2 : 1; }

static unsigned root_pages(unsigned bits) {
    unsigned covered = start_level(bits) == 2 ? LEVEL2_BITS : LEVEL1_BITS;

    return bits > covered ? 1u << (bits - covered) : 1;
}

int stage2_init(struct vm *vm) {
    unsigned bits = ipa_bits(), level = start_level(bits);
    uint64_t *root = memory_alloc_pages(root_pages(bits)), vmid = (uint64_t)vm->id + 1;

    if (root == NULL) { return ERR_NO_MEMORY; }
    vm->arch.stage2 =
        (struct pagetable){.format = &vmsa_format, .root = root, .level = (uint8_t)level, .bits = (uint8_t)bits};
    vm->arch.vttbr = memory_pa(root) | vmid << VTTBR_VMID_SHIFT;
    vm->arch.vtcr = VTCR_EL2_RES1 | TCR_T0SZ(bits) | VTCR_SL0(2 - level) | TCR_IRGN0_WB | TCR_ORGN0_WB | TCR_SH0_INNER |
                    TCR_TG0_4K | (uint64_t)mmu_pa_range() << TCR_PS_SHIFT;
    stage2_flush(vm); // reset leaves TLBs unknown
    return OK;
}

void stage2_flush(struct vm *vm) {
    unsigned long flags = arch_irq_save(); // VTTBR_EL2 is another's meanwhile

    tlb_flush_guest(vm->arch.vttbr);
    arch_irq_restore(flags);
    cache_drop_instructions();
}

int arch_vm_map(struct vm *vm, gpa_t gpa, paddr_t pa, uint64_t size, enum stage2_kind kind) {
    return pagetable_map(&vm->arch.stage2, gpa, pa, size, leaves[kind]);
}

void arch_cache_publish(const void *address, uint64_t size) { cache_clean(address, size); }
