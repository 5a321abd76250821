// SPDX-License-Identifier: Apache-2.0
// matmul: a load that computes in floating point without pause, and can tell when its registers or
// its results have been tampered with.
//
// Boot arguments:
//   mode=matmul   (default) matrix products; each second `matmul: round N checksum X ok`, or FAILED
//   mode=fpcheck  patterns in v0-v31, FPCR and FPSR, looked at again after a while; each second
//                 `fpcheck: N ok`; on a difference `fpcheck: FAILED REGISTER ...` and the machine
//                 is switched off
//   storm         instead: floating point, a null hypercall every 286 instructions, the virtual
//                 timer every 1 ms, and on Takt a hypercall timer
//   storm-sgi     the same, and VCPU 1 sends SGIs to VCPU 0 without pause
//   quiet         no line each second
//   seed=N        of the data; guests that share a core should differ in it
#ifndef MATMUL_H
#define MATMUL_H

#include "guest.h"

#include <stdbool.h>
#include <stdint.h>

// One round: two matrices made from `seed`, their product, checked with integers. Returns whether it
// is right; *checksum is of the product.
bool matmul_round(uint64_t seed, uint64_t *checksum);

void fpcheck_run(uint64_t seed, bool quiet);
_Noreturn void storm_run(bool sgi, bool quiet);

// True once a second, for a program that polls it.
bool second_passed(void);

#endif
