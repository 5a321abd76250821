// SPDX-License-Identifier: Apache-2.0
// Starting cores: INIT, STARTUP (SDM volume 3, 9.4.4.1). Their way into C is in start.S.
#include "kernel/cpu.h"

#include "arch/x86/host_apic.h"
#include "arch/x86/interrupts.h"
#include "arch/x86/layout.h"
#include "arch/x86/machine.h"
#include "arch/x86/virt.h"
#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/space.h"
#include "kernel/string.h"

enum { INIT_WAIT_US = 10000, STARTUP_WAIT_US = 200, TAKEN_WAIT_US = 100000, STARTUPS = 2 };

extern const char trampoline[], trampoline_end[], secondary_entry[]; // start.S
extern const char early_tables[];                                    // linker/x86.ld: the identity map

void x86_secondary(struct cpu *cpu) __attribute__((noreturn));
void x86_secondary(struct cpu *cpu) {
    interrupts_cpu_init(cpu);
    host_apic_cpu_init();
    cpu_main(cpu);
}

// Waits `us`, or until `*word` is not 0, and says whether it is.
static bool wait_for(const uint64_t *word, uint64_t us) {
    uint64_t until = arch_clock() + clock_ns_to_ticks_up(&clock_rate, us * 1000);

    while (arch_clock() < until) {
        if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != 0) { return true; }
        arch_relax();
    }
    return false;
}

static bool start(struct cpu *cpu, uint64_t *page) {
    uint64_t *taken = page + TRAMPOLINE_TAKEN / 8;

    // cppcheck-suppress subtractPointers ; labels of one object
    memcpy(page, trampoline, (size_t)(trampoline_end - trampoline));
    page[TRAMPOLINE_CR3 / 8] = arch_image_pa(early_tables);
    page[TRAMPOLINE_ENTRY / 8] = (uint64_t)secondary_entry;
    page[TRAMPOLINE_CPU / 8] = (uint64_t)cpu;
    __atomic_store_n(taken, 0, __ATOMIC_SEQ_CST);
    host_apic_send((uint32_t)cpu->hwid, HOST_APIC_INIT);
    (void)wait_for(taken, INIT_WAIT_US); // it cannot be yet
    for (unsigned i = 0; i < STARTUPS; i++) {
        host_apic_send((uint32_t)cpu->hwid, HOST_APIC_STARTUP | (uint32_t)(machine.trampoline >> PAGE_SHIFT));
        if (wait_for(taken, STARTUP_WAIT_US)) { return true; }
    }
    return wait_for(taken, TAKEN_WAIT_US);
}

COLD int arch_cpu_start(struct cpu *cpu) {
    paddr_t block = ALIGN_DOWN(machine.trampoline, WINDOW_SIZE);
    int status = virt_pages(cpu);

    if (status != OK) { return status; }
    if (machine.trampoline == 0) {
        log_line("memory map: no page below 640 KiB for other cores to start in");
        return ERR_NO_MEMORY;
    }
    char *window = window_map(WINDOW_HANDLER, block);
    bool started = start(cpu, (void *)(window + (machine.trampoline - block)));
    window_unmap(WINDOW_HANDLER);
    return started ? OK : ERR_NOT_FOUND;
}
