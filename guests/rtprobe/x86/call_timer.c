// SPDX-License-Identifier: Apache-2.0
#include "alarm.h"

#include <takt/hypercall.h>

#define ALARM_IPI 2

static volatile uint64_t alarm_at;

static void on_request(uint32_t interrupt, uint64_t stamp) {
    (void)interrupt, (void)stamp;
    hypercall(TAKT_HC_TIMER_SET, 0, alarm_at, CALL_TIMER_CHOICE);
}

bool alarm_init(irq_handler *handler) {
    if (!takt_present()) {
        say("rtprobe: rows i and o need Takt\n");
        return false;
    }
    irq_handle(IPI_INTERRUPT(ALARM_IPI), on_request);
    irq_handle(CALL_TIMER_INTERRUPT, handler);
    irq_enable(CALL_TIMER_INTERRUPT);
    return true;
}

void alarm_prepare(uint64_t us) {
    alarm_at = clock_now() + us_to_ticks(us);
    ipi_send(0, ALARM_IPI);
}
