// SPDX-License-Identifier: Apache-2.0
#include "timer.h"

#include "interrupts.h"

#define VERSION_WITH_REPORTS 1 // minor number

static timer_handler *handlers[CALL_TIMERS];
static volatile uint64_t stamps[VCPUS_MAX][CALL_TIMERS]; // of sleeps

static void on_timer(uint32_t interrupt, uint64_t stamp) {
    unsigned slot = interrupt - CALL_TIMER_INTERRUPT;
    stamps[vcpu_self()][slot] = stamp;
    if (handlers[slot]) handlers[slot](slot, stamp);
}

bool call_timer_init(void) {
    if (!takt_present()) return false;
    uint64_t version = hypercall(TAKT_HC_VERSION, 0, 0, 0).x[0];
    if (version >> 16 != TAKT_HC_VERSION_MAJOR || (version & 0xffff) < VERSION_WITH_REPORTS) return false;
    for (unsigned slot = 0; slot < CALL_TIMERS; slot++) {
        // It is answered only where the timers have not been left out.
        if ((int64_t)hypercall(TAKT_HC_TIMER_REPORT, slot, 0, 0).x[0] != TAKT_HC_OK) return false;
        irq_handle(CALL_TIMER_INTERRUPT + slot, on_timer);
        irq_enable(CALL_TIMER_INTERRUPT + slot);
    }
    return true;
}

void call_timer_handle(unsigned slot, timer_handler *handler) { handlers[slot] = handler; }

uint64_t call_timer_set(unsigned slot, uint64_t due) {
    return hypercall(TAKT_HC_TIMER_SET, slot, due, CALL_TIMER_INTERRUPT + slot).x[1];
}

bool call_timer_cancel(unsigned slot) { return hypercall(TAKT_HC_TIMER_CANCEL, slot, 0, 0).x[1] == 1; }

struct timer_report call_timer_ask(unsigned slot) {
    struct call_result told = hypercall(TAKT_HC_TIMER_REPORT, slot, 0, 0);
    return (struct timer_report){told.x[1], told.x[2], told.x[3]};
}

uint64_t call_timer_sleep_until(unsigned slot, uint64_t due) {
    volatile uint64_t *stamp = &stamps[vcpu_self()][slot];
    *stamp = 0;
    call_timer_set(slot, due);
    while (*stamp == 0) take_interrupt();
    return *stamp;
}
