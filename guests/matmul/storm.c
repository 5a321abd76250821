// SPDX-License-Identifier: Apache-2.0
// The neighbour from hell that still keeps within its own machine: hypercalls, timers, IPIs.
#include "interrupts.h"
#include "matmul.h"

#include <takt/hypercall.h>

#define TICK_US       1000
#define CALL_TIMER_US 250
#define STORM_IPI     2
#define SENDER        1
#define UNITS         1024 // between two looks at the clock

static volatile uint64_t ticks, call_timers, sgis;

static void on_tick(uint32_t interrupt, uint64_t stamp) {
    (void)interrupt;
    ticks = ticks + 1;
    timer_set(stamp + us_to_ticks(TICK_US));
}

static int64_t set_call_timer(uint64_t due) {
    return (int64_t)hypercall(TAKT_HC_TIMER_SET, 0, due, CALL_TIMER_CHOICE).x[0];
}

static void on_call_timer(uint32_t interrupt, uint64_t stamp) {
    (void)interrupt;
    call_timers = call_timers + 1;
    set_call_timer(stamp + us_to_ticks(CALL_TIMER_US));
}

static void on_sgi(uint32_t interrupt, uint64_t stamp) {
    (void)interrupt, (void)stamp;
    sgis = sgis + 1;
}

static void send_sgis(void) {
    for (;;) ipi_send(0, STORM_IPI);
}

static void start_call_timer(void) {
    if (!takt_present()) return;
    irq_handle(CALL_TIMER_INTERRUPT, on_call_timer);
    irq_enable(CALL_TIMER_INTERRUPT);
    if (set_call_timer(clock_now() + us_to_ticks(CALL_TIMER_US)) != TAKT_HC_OK)
        say("matmul: no hypercall timer here\n");
}

void storm_run(bool sgi, bool quiet) {
    static const double a[4] __attribute__((aligned(16))) = {0.5, 0.25, 0.125, 0.5};
    static const double b[4] __attribute__((aligned(16))) = {0.5, -0.5, 0.25, -0.25};
    static double sums[8] __attribute__((aligned(16)));

    irq_handle(TIMER_INTERRUPT, on_tick);
    irq_enable(TIMER_INTERRUPT);
    timer_set(clock_now() + us_to_ticks(TICK_US));
    start_call_timer();
    irq_handle(IPI_INTERRUPT(STORM_IPI), on_sgi);
    if (sgi && vcpu_start(SENDER, send_sgis) != 0) say("matmul: storm-sgi needs a second VCPU\n");
    for (uint64_t units = UNITS;; units += UNITS) {
        irq_unmask();
        storm_units(a, b, sums, UNITS);
        irq_mask();
        if (second_passed() && !quiet)
            say("matmul: storm hypercalls %llu ticks %llu timers %llu sgis %llu\n", (unsigned long long)units,
                (unsigned long long)ticks, (unsigned long long)call_timers, (unsigned long long)sgis);
    }
}
