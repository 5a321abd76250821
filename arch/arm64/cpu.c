// SPDX-License-Identifier: Apache-2.0
// Starting and stopping cores. The way of a started core into C is in start.S.
#include "kernel/cpu.h"

#include "arch/arm64/maintenance.h"
#include "arch/arm64/mmu.h"
#include "arch/arm64/smccc.h"
#include "kernel/arch.h"

// What a core finds when it comes from the firmware, with caches off; start.S knows the order.
struct secondary_boot {
    paddr_t identity, tables;
    struct cpu *cpu;
} __attribute__((aligned(64)));

_Static_assert(offsetof(struct secondary_boot, cpu) == 16, "start.S");

extern const char secondary_entry[]; // start.S
void park(void) __attribute__((noreturn));

int arch_cpu_start(struct cpu *cpu) {
    static struct secondary_boot boot[MAX_CORES];
    struct secondary_boot *mine = &boot[cpu->id];
    int status = mmu_secondary_tables(&mine->identity, &mine->tables);

    if (status != OK) { return status; }
    mine->cpu = cpu;
    cache_clean(mine, sizeof(*mine));
    return smccc_cpu_on(cpu->hwid, arch_image_pa(secondary_entry), arch_image_pa(mine));
}

void arch_park(void) {
    arch_irq_save();
    park();
}
