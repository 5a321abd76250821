// SPDX-License-Identifier: Apache-2.0
// Takt's own calls; their contract is include/takt/hypercall.h.
#ifndef KERNEL_HYPERCALL_H
#define KERNEL_HYPERCALL_H

#include "kernel/types.h"

struct vcpu;

// One function: arguments in x[1..], results beyond the returned one, which goes to x[0], in x[1..3]. `x` belongs to
// the current VCPU. Handler context.
typedef int64_t (*guest_call_t)(struct vcpu *vcpu, uint64_t *x);

// By number, counted from TAKT_HC_BASE; NULL: no such call.
enum { HYPERCALLS = 0x22 + 3 * TAKT_CONTROL, HYPERCALLS_DEFINED = 3 + 3 * TAKT_TIMERS + 3 * TAKT_CONTROL };
extern const guest_call_t hypercalls[HYPERCALLS];
// The standard queries, counted from SMCCC_VENDOR_HYP_COUNT.
enum { VENDOR_CALLS = 4 };
extern const guest_call_t vendor_calls[VENDOR_CALLS];

#endif
