// SPDX-License-Identifier: Apache-2.0
// Interrupts without measure: every id, enabled and set pending, and SGIs to nobody.
#include "arm64.h"

#include "gic.h"
#include "interrupts.h"

#define SGIS     100000
#define ROUNDS   20
#define DRAIN_US 1000

// Targets that this VM does not have.
static void sgi_nobody(void) {
    for (unsigned i = 0; i < SGIS; i++) {
        ipi_send(i % 16, i / 16 % 16);
        step_passed();
    }
    drain();
    restore_interrupts();
}

// With nobody to handle them the edges come once, the levels again and again.
static void pend_everything(void) {
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (uint32_t intid = 0; intid < gic.lines; intid++) {
            irq_enable(intid);
            gic_set_pending(intid);
            step_passed();
        }
        drain();
    }
    restore_interrupts();
}

// More pending interrupts than there are list registers, and never an acknowledgement.
static void pend_unacknowledged(void) {
    for (uint32_t intid = 0; intid < gic.lines; intid++) {
        irq_enable(intid);
        gic_set_pending(intid);
        step_passed();
    }
    uint64_t end = clock_now() + us_to_ticks(DRAIN_US);
    while (clock_now() < end) wait_for_interrupt(); // ends at once: something is pending
    restore_interrupts();
}

const struct attack pending_attacks[] = {
    {"sgi-nobody", sgi_nobody, CONTINUES},
    {"pend-everything", pend_everything, CONTINUES},
    {"pend-unacknowledged", pend_unacknowledged, CONTINUES},
    {0},
};
