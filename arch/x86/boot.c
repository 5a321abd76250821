// SPDX-License-Identifier: Apache-2.0
// From start.S to kernel_main: what the boot loader and ACPI say about the machine, and its clock.
#include "arch/x86/defences.h"
#include "arch/x86/host_apic.h"
#include "arch/x86/interrupts.h"
#include "arch/x86/machine.h"
#include "arch/x86/mmu.h"
#include "kernel/arch.h"
#include "kernel/console.h"
#include "kernel/log.h"

enum { LOW_MEMORY = 0xa0000, LOW_FIRST = 0x1000 };

struct machine machine;
static const void *tree;

// A page of low RAM for the code that other cores start with: the highest, away from what a BIOS keeps.
static paddr_t find_trampoline(const struct boot_info *info) {
    for (unsigned i = 0; i < info->memory_count; i++) {
        const struct range *r = &info->memory[i].range;
        if (info->memory[i].type != BOOT_MEMORY_RAM || r->base >= LOW_MEMORY) { continue; }
        paddr_t end = ALIGN_DOWN(MIN(r->base + r->size, (paddr_t)LOW_MEMORY), PAGE_SIZE);
        if (end >= MAX(r->base, (paddr_t)LOW_FIRST) + PAGE_SIZE) { return end - PAGE_SIZE; }
    }
    return 0;
}

static __attribute__((noreturn)) void give_up(const char *what) {
    log_line("%s: nothing is started", what);
    arch_park();
}

void x86_start(uint32_t magic, paddr_t information);
void x86_start(uint32_t magic, paddr_t information) {
    interrupts_cpu_init(&boot_cpu);
    interrupts_init();
    console_uart_find(board_tree(&machine));
    if (multiboot_parse(&mmu_loader, magic, information, &machine.boot) != OK ||
        acpi_read(&mmu_firmware, machine.boot.rsdp, &machine.acpi) != OK) {
        give_up("what the boot loader and the firmware left cannot be used");
    }
    machine.trampoline = find_trampoline(&machine.boot);
    if (host_apic_init(machine.acpi.local_apic) != OK) { give_up("the local APIC cannot be used"); }
    host_apic_cpu_init();
    machine.clock_hz = host_clock_calibrate();
    if (machine.clock_hz == 0) { give_up("the machine has no clock"); }
    machine.switch_ns = defences_init();
    tree = board_tree(&machine);
    if (tree == NULL) { give_up("the machine's memory map has too many parts"); }
    mmu_firmware_done();
    kernel_main(0);
}

// The tree is our own.
const void *arch_map_fdt(UNUSED paddr_t pa) { return tree; }

uint64_t arch_clock_hz(void) { return machine.clock_hz; }

uint64_t arch_hwid(void) { return host_apic_id(); }
