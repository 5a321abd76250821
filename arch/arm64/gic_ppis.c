// SPDX-License-Identifier: Apache-2.0
// Which of each core's own interrupts the machine gave to what the hypervisor uses. Linux bindings:
// interrupt-controller/arm,gic.yaml and arm,gic-v3.yaml (`interrupts`: maintenance), timer/arm,arch_timer.yaml.
#include <libfdt.h>

#include "arch/arm64/gic.h"
#include "kernel/board.h"
#include "kernel/board_irq.h"
#include "kernel/log.h"

// Places in `interrupts` of a timer without `interrupt-names`: secure and non-secure physical are 0 and 1.
enum { VIRTUAL = 2, HYPERVISOR = 3 };

static const char *const timer_names[] = {"arm,armv8-timer", NULL};

static int read_ppi(const void *fdt, int node, int index, const char *what, unsigned *intid) {
    struct board_irq irq;
    int status = board_irq(fdt, node, (unsigned)index, BOARD_IRQ_PRIVATE, &irq);

    if (status != OK) {
        log_line("board: %s: interrupts: no %s interrupt of each core's own (%d)", fdt_get_name(fdt, node, NULL), what,
                 status);
        return status;
    }
    *intid = irq.intid;
    return OK;
}

static int read_timer(const void *fdt, int node, int index, const char *name, unsigned *intid) {
    if (fdt_getprop(fdt, node, "interrupt-names", NULL) != NULL) {
        index = fdt_stringlist_search(fdt, node, "interrupt-names", name);
    }
    return read_ppi(fdt, node, index, name, intid);
}

int gic_find_ppis(const void *board_fdt, int node) {
    int timer = board_find_compatible(board_fdt, timer_names, -1);

    if (timer < 0) {
        log_line("board: no timer that is known; wanted: %s", timer_names[0]);
        return ERR_NOT_FOUND;
    }
    int status = read_ppi(board_fdt, node, 0, "maintenance", &gic_machine.maintenance);
    if (status == OK) { status = read_timer(board_fdt, timer, VIRTUAL, "virt", &gic_machine.vtimer); }
    return status == OK ? read_timer(board_fdt, timer, HYPERVISOR, "hyp-phys", &gic_machine.hyp_timer) : status;
}
