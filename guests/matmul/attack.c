// SPDX-License-Identifier: Apache-2.0
// Storms of one kind each, as dense as the guest can make them: each turn enters the hypervisor.
#include "interrupts.h"
#include "matmul.h"

#include <string.h>

#define STORM_IPI 2

static _Noreturn void call_for_ever(void) {
    for (;;) takt_present();
}

// The next one is due when this one is handled.
static void on_timer(uint32_t interrupt, uint64_t stamp) {
    (void)interrupt;
    timer_set(stamp);
}

static _Noreturn void expire_for_ever(void) {
    irq_handle(TIMER_INTERRUPT, on_timer);
    irq_enable(TIMER_INTERRUPT);
    timer_set(clock_now());
    irq_unmask();
    for (;;) spin_pause();
}

static void on_ipi(uint32_t interrupt, uint64_t stamp) { (void)interrupt, (void)stamp; }

static _Noreturn void interrupt_for_ever(void) {
    irq_handle(IPI_INTERRUPT(STORM_IPI), on_ipi);
    irq_unmask();
    for (;;) ipi_send(vcpu_self(), STORM_IPI);
}

bool attack_run(const char *mode) {
    if (strcmp(mode, "calls") == 0) call_for_ever();
    if (strcmp(mode, "timers") == 0) expire_for_ever();
    if (strcmp(mode, "ipis") == 0) interrupt_for_ever();
    return false;
}
