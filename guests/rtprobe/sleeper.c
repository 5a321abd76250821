// SPDX-License-Identifier: Apache-2.0
// Waiting for the virtual timer, asleep or computing, and when its interrupt reached the vector.
#include "interrupts.h"
#include "rtprobe.h"

static volatile bool fired;
static volatile uint64_t fired_at;
static uint64_t random_state;

static void on_timer(uint32_t interrupt, uint64_t stamp) {
    (void)interrupt;
    timer_off();
    fired_at = stamp;
    fired = true;
}

void sleeper_init(void) {
    random_state = arg_number("seed", 1) * 0x9e3779b97f4a7c15ull | 1;
    irq_handle(TIMER_INTERRUPT, on_timer);
    irq_enable(TIMER_INTERRUPT);
}

// xorshift64*, S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled".
uint64_t random_between(uint64_t low, uint64_t high) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return low + (random_state * 0x2545f4914f6cdd1dull >> 1) % (high - low);
}

// Interrupts stay masked up to the wait: an expiry between the test and the wait cannot be slept through. The unmasking
// instruction is part of the lateness.
uint64_t sleep_until(uint64_t due) {
    fired = false;
    timer_set(due);
    while (!fired) take_interrupt();
    return fired_at;
}

uint64_t spin_until(uint64_t due) {
    fired = false;
    timer_set(due);
    irq_unmask();
    while (!fired);
    irq_mask();
    return fired_at;
}
