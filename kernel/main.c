// SPDX-License-Identifier: Apache-2.0
// Walk 2: from the firmware's device tree and the system image to running VMs. Whatever is wrong with either is said in
// full, and then nothing starts.
#include "kernel/arch.h"
#include "kernel/boot.h"
#include "kernel/console.h"
#include "kernel/control.h"
#include "kernel/guest_fdt.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/report.h"
#include "kernel/space.h"
#include "kernel/trace.h"

// Nothing runs and nothing will: the machine stays as it is, for somebody to read why.
static __attribute__((noreturn)) void give_up(const char *what) {
    log_line("%s: nothing is started", what);
    arch_park();
}

static void log_mistake(UNUSED struct sysdesc_sink *sink, const char *place, const char *wrong, const char *remedy) {
    log_line("%s: %s; %s", place, wrong, remedy);
}

static struct board *boot_board(paddr_t fdt) {
    static struct board board;
    const void *tree = arch_map_fdt(fdt);

    if (tree == NULL) { give_up("no device tree at the address that the boot loader passed"); }
    console_uart_find(tree);
    if (board_parse(tree, &board) != OK || memory_init(&board) != OK) {
        give_up("the board's device tree cannot be used");
    }
    return &board;
}

static struct system_desc *boot_description(const struct board *board, struct boot_times *times) {
    struct sysdesc_sink sink = {.mistake = log_mistake};
    struct system_desc *desc = memory_alloc(sizeof(*desc));
    const void *image;

    if (board->initrd.size == 0) {
        give_up("no system image: give it to QEMU with -initrd, or let U-Boot boot the whole .itb");
    }
    image = space_map(SPACE_SYSTEM, board->initrd.base, board->initrd.size);
    if (desc == NULL || image == NULL) { give_up("too little memory for the system description"); }
    (void)sysdesc_parse(image, board->initrd.size, board, clock_rate.hz, desc, &sink);
    uint64_t start = arch_clock();
    (void)sysdesc_verify(desc, &sink);
    times->hashing = arch_clock() - start;
    boot_cpu.stats.hashing_ticks = times->hashing;
    if (sink.count != 0) { give_up("the system description has mistakes"); }
    times->checked = arch_clock();
    return desc;
}

static void start_vms(void) {
    for (unsigned i = 0; i < vm_count; i++) {
        if (vms[i]->desc->start && vm_start(vms[i]) != OK) { log_line("%s: cannot be started", vms[i]->name); }
    }
}

void kernel_main(paddr_t fdt) {
    static struct boot_times times;

    times.entered = arch_clock();
    if (clock_rate_init(&clock_rate, arch_clock_hz()) != CLOCK_OK) { arch_park(); }
    struct board *board = boot_board(fdt);
    if (arch_init(board) != OK || cpus_create(board) != OK) { give_up("the machine cannot be used"); }
    struct system_desc *desc = boot_description(board, &times);
    cpu_count = sysdesc_cores(board, desc);
    guest_fdt_init(board, desc);
    arch_cpu_init(&boot_cpu);
    if (cpus_start() != OK || console_init(desc) != OK || trace_init(desc) != OK || vm_create_all(desc) != OK ||
        control_init(board, desc) != OK) {
        give_up("the system cannot be built");
    }
    report_system(board, desc, &times);
    console_wake(); // now, so that nothing comes between the report's lines
    boot_cpu.online = true;
    start_vms();
    arch_enter(&boot_cpu);
}
