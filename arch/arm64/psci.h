// SPDX-License-Identifier: Apache-2.0
// Calls that a guest makes, by HVC #0 or SMC #0: SMCCC 1.2 (Arm DEN0028), PSCI 1.1 (DEN0022), TRNG (DEN0098), stolen time
// (DEN0057A) and Takt's own (include/takt/hypercall.h). Each service is a table of functions by number (guest_calls.c);
// an unknown function answers "not supported".
#ifndef ARM64_PSCI_H
#define ARM64_PSCI_H

#include "kernel/hypercall.h"
#include "kernel/types.h"

struct vcpu;
struct vm;

// Does the call in the frame of the current VCPU, whose PC is behind the instruction already.
void smccc_call(struct vcpu *vcpu);

// Argument `n`: a call by its 32-bit id has 32-bit arguments (DEN0028, 2.7).
#define CALL_64BIT BIT(30)
static inline uint64_t call_argument(const uint64_t *x, unsigned n) {
    return (x[0] & CALL_64BIT) != 0 ? x[n] : (uint32_t)x[n];
}

// The tables; NULL: no such function. Numbers count from the service's base.
enum { PSCI_CALLS = 0x13, TRNG_CALLS = 4, PV_TIME_CALLS = 2 };
extern const guest_call_t psci_calls[PSCI_CALLS];       // from 0x84000000
extern const guest_call_t psci_calls_64[PSCI_CALLS];    // from 0xc4000000
extern const guest_call_t trng_calls[TRNG_CALLS];       // from 0x84000050; the last one also as TRNG_RND_64
extern const guest_call_t pv_time_calls[PV_TIME_CALLS]; // from 0xc5000020
#define PSCI_BASE       0x84000000u
#define PSCI_BASE_64    0xc4000000u
#define TRNG_BASE       0x84000050u
#define PV_TIME_BASE    0xc5000020u

// ---- stolen time (guest_time.c) -----------------------------------------------------------------------------
// Where the records lie: one page, 64 bytes for each VCPU, inside what the checker keeps for the interrupt controller.
#define STOLEN_TIME_GPA 0x08fff000ull
// Allocates and maps the VM's page. VM creation, with its VCPUs and stage 2 there.
int stolen_time_init(struct vm *vm);
// The VCPU's power-on state: no record is asked for.
void stolen_time_reset(struct vcpu *vcpu);
// `ticks`: how long, since its VM started, the VCPU wanted to run and did not. A few instructions when no record was
// asked for. Own core.
void stolen_time_update(struct vcpu *vcpu, uint64_t ticks);

#endif
