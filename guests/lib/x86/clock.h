// SPDX-License-Identifier: Apache-2.0
// How fast the clocks of this machine are.
#ifndef GUEST_CLOCK_H
#define GUEST_CLOCK_H

#include <stdint.h>

// Finds clock_hz and apic_hz; the local APIC's registers are reachable.
void clock_init(void);

extern uint64_t apic_hz; // of the local APIC's timer, undivided

#endif
