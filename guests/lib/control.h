// SPDX-License-Identifier: Apache-2.0
// Changing the system from a VM that its description names `controller` (include/takt/control.h): other reservations, VCPUs
// on other cores, VMs that come and go.
//
// One request at a time: control_ask() returns at once, and control_wait() when it has been decided and done. All calls are
// the program's, of one VCPU; none is for an interrupt handler.
#ifndef GUEST_CONTROL_H
#define GUEST_CONTROL_H

#include "guest.h"

#include <takt/control.h>

struct control_outcome {
    int64_t status;   // 0, or TAKT_HC_BUSY, TAKT_HC_INVALID, TAKT_HC_DENIED: it was not even noted
    uint64_t outcome; // TAKT_CONTROL_DONE ..
    uint64_t core, latency_ns;
    uint64_t at_ns, demand_ns, excess_ns;           // refused: the witness
    uint64_t largest_budget_us, smallest_period_us; // and what would have been admitted
};

// Once, with interrupts masked. False: no hypervisor that takes orders, or this VM is not to give any.
bool control_init(void);

// The number of the VM with that name, or -1.
int control_vm(const char *name);
// Its state, TAKT_CONTROL_STOPPED ..
unsigned control_state(unsigned vm);

// Asks. 0, or an error as in control_outcome.status.
int64_t control_reserve(unsigned vm, unsigned vcpu, uint32_t budget_us, uint32_t deadline_us, uint32_t period_us);
int64_t control_move(unsigned vm, unsigned vcpu, unsigned core);
int64_t control_of_vm(unsigned operation, unsigned vm); // TAKT_CONTROL_CREATE .. TAKT_CONTROL_RESTART

// Waits until the last request has ended; called with interrupts masked, as take_interrupt() is.
struct control_outcome control_wait(void);

#endif
