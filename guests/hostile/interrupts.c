// SPDX-License-Identifier: Apache-2.0
// Interrupts of its own without measure, as fast as they go.
#include "interrupts.h"

#include "hostile.h"

#define IPIS     100000
#define DRAIN_US 1000

void drain(void) {
    uint64_t end = clock_now() + us_to_ticks(DRAIN_US);
    irq_unmask();
    while (clock_now() < end);
    irq_mask();
}

static void ipi_self(void) {
    irq_unmask();
    for (unsigned i = 0; i < IPIS; i++) {
        ipi_send(vcpu_self(), i % 16);
        step_passed();
    }
    drain();
    restore_interrupts();
}

// The other VCPUs of this VM are off: they must neither wake nor hold anything up.
static void ipi_others(void) {
    for (unsigned i = 0; i < IPIS; i++) {
        ipi_send_others(i % 16);
        step_passed();
    }
    restore_interrupts();
}

const struct attack interrupt_attacks[] = {
    {"ipi-self", ipi_self, CONTINUES},
    {"ipi-others", ipi_others, CONTINUES},
    {0},
};
