// SPDX-License-Identifier: Apache-2.0
// Calls by which a VM that the system description names `controller` changes the system while it runs; the convention is that of
// takt/hypercall.h. TAKT_HC_DENIED to all others; in a hypervisor built without the part `control` TAKT_HC_NOT_SUPPORTED.
#ifndef TAKT_CONTROL_H
#define TAKT_CONTROL_H

#include "takt/hypercall.h"

// CONTROL (x1: what, x2, x3)
//   Asks for a change of the system; the same admission decides as at boot. The call only notes it:
//   it is worked off in time that no reservation wants, one request at a time, and disturbs none.
//   x1: bits 0..7 one of TAKT_CONTROL_START .. below, 8..15 the VM, counted as in CONTROL_LIST, 16..23
//   the VCPU (RESERVE, MOVE; else 0), 24..31 an interrupt, as `intid` of TIMER_SET, that becomes pending
//   for the calling VCPU when it has been decided and done; 0: none. Bits 32..63 are 0.
//   RESERVE: x2 is budget-us | deadline-us << 32, x3 period-us; MOVE: x2 is the core, x3 0; else both 0.
//   x0: 0; TAKT_HC_BUSY, a request of this VM or somebody else's is under way; TAKT_HC_INVALID (an operation,
//   VM, VCPU, core or interrupt that is none). x1: the ticket, by which to ask for the result.
#define TAKT_HC_CONTROL        (TAKT_HC_BASE + 0x22)

#define TAKT_CONTROL_RESERVE   0 // another reservation for a VCPU that has one
#define TAKT_CONTROL_MOVE      1 // a VCPU to another core
#define TAKT_CONTROL_CREATE    2 // an absent VM is admitted, placed and started
#define TAKT_CONTROL_DESTROY   3 // a VM ends, and its share is free
#define TAKT_CONTROL_START     4 // of a VM that has its share; the last three are asked for at once,
#define TAKT_CONTROL_STOP      5 // and done by the VM itself: CONTROL_LIST tells when
#define TAKT_CONTROL_RESTART   6

// CONTROL_RESULT (x1: ticket, x2: page)
//   x0: 0; TAKT_HC_BUSY, it has not been decided yet; TAKT_HC_INVALID (not the ticket of this VM's last
//   request, or no such page).
//   page 0: x1 one of TAKT_CONTROL_DONE .. below; x2 the core, of the VCPU, or that which refuses;
//           x3 the latency that a reserved VCPU is promised now, in ns, 0 if none is (RESERVE, MOVE)
//   page 1: REFUSED: within x1 ns the reservations of that core can want x2 ns, x3 ns too much; all 0
//           where they are more than all its time
//   page 2: REFUSED, UNDECIDED: x1 the largest budget in us that would have been admitted, 0: none;
//           x2 the smallest period for this budget, 0: none
#define TAKT_HC_CONTROL_RESULT (TAKT_HC_BASE + 0x23)

#define TAKT_CONTROL_DONE      0
#define TAKT_CONTROL_REFUSED   1 // by admission
#define TAKT_CONTROL_UNDECIDED 2 // admission did not decide within its steps
#define TAKT_CONTROL_SENSELESS 3 // as things are: the hypervisor's log says why

// CONTROL_LIST (x1: VM, x2: page)
//   VMs count from 0 in the order of the description. x0: 0; TAKT_HC_INVALID (no such VM or page).
//   page 0: x1 its state, one of TAKT_CONTROL_STOPPED .. below; x2 its VCPUs; x3 how often it was started
//   page 1: its name in x1 to x3, lowest byte first, filled up with zeros
//   page 2 + n: VCPU n: x1 budget-us | deadline-us << 32 (0: best effort), x2 period-us | core << 32,
//           x3 the latency that it is promised in ns, 0: none
#define TAKT_HC_CONTROL_LIST   (TAKT_HC_BASE + 0x24)

#define TAKT_CONTROL_STOPPED   0
#define TAKT_CONTROL_LOADING   1
#define TAKT_CONTROL_RUNNING   2
#define TAKT_CONTROL_STOPPING  3
#define TAKT_CONTROL_ABSENT    4 // it is described, and has no place: CREATE

#endif
