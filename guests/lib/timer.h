// SPDX-License-Identifier: Apache-2.0
// Timers of the hypervisor instead of a timer device (include/takt/hypercall.h): absolute one-shot timers on the guest's own
// clock, CALL_TIMERS of them for each VCPU, each with an interrupt of its own. What a tickless RTOS needs, and all of it.
//
// Every call is for the calling VCPU, from its program or from an interrupt handler, does not block unless it says so, and
// costs one hypercall. `slot` is below CALL_TIMERS.
#ifndef GUEST_TIMER_H
#define GUEST_TIMER_H

#include "guest.h"

#include <takt/hypercall.h>

#define CALL_TIMERS TAKT_HC_TIMER_SLOTS

// A timer has expired; `stamp` is the clock as the vector's first instructions read it. As an irq_handler: no floating point, no
// newlib, no say().
typedef void timer_handler(unsigned slot, uint64_t stamp);

// Where a slot is: the expiry that is armed and the last one that came; 0: none. Who was woken early has armed - now left.
struct timer_report {
    uint64_t armed;
    uint64_t expired;
    uint64_t late; // ticks from `expired` till the interrupt was made pending; at most what the handler's stamp shows
};

// Once for each VCPU, before the other calls; with interrupts masked. False: no hypervisor that has these timers.
bool call_timer_init(void);

// Who is called when `slot` expires, on whatever VCPU; NULL: nobody, but who waits is woken.
void call_timer_handle(unsigned slot, timer_handler *handler);

// Arms the slot, or moves it when it is armed. Never early; a time that has passed, or is nearer than the least distance of the
// VM's description, becomes that distance from now. Returns the expiry that is armed.
uint64_t call_timer_set(unsigned slot, uint64_t due);

// True if it was armed. False: it has expired, and its interrupt has come or is pending.
bool call_timer_cancel(unsigned slot);

struct timer_report call_timer_ask(unsigned slot);

// Sleeps till `due` by `slot`; called with interrupts masked, as take_interrupt() is. Other interrupts are handled meanwhile.
// Returns the clock at the vector.
uint64_t call_timer_sleep_until(unsigned slot, uint64_t due);

#endif
