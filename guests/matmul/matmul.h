// SPDX-License-Identifier: Apache-2.0
// matmul: a load that computes in floating point without pause, and can tell when its registers or
// its results have been tampered with.
//
// Boot arguments:
//   mode=matmul   (default) matrix products; each second `matmul: round N checksum X ok`, or FAILED
//   mode=fpcheck  patterns in all floating-point and vector registers, looked at again after a while; each second
//                 `fpcheck: N ok`; on a difference `fpcheck: FAILED REGISTER ...` and the machine
//                 is switched off
//   mode=calls | timers | ipis
//                 nothing but null hypercalls; a timer that has always just expired; IPIs to itself
//   storm         instead: floating point, a null hypercall every 286 instructions, the
//                 timer every 1 ms, and on Takt a hypercall timer
//   storm-sgi     the same, and VCPU 1 sends IPIs to VCPU 0 without pause
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

// A well mixed number from a counter (splitmix64: G. Steele and others, "Fast splittable pseudorandom number generators").
static inline uint64_t mix(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

// Of the architecture: fills all registers from `seed`, computes nothing for a while, and compares. False, after a line
// that says which one, if one has changed.
bool fpcheck_round(uint64_t seed);
void fpcheck_run(uint64_t seed, bool quiet);
// In assembly: `count` units of the storm, a null hypercall and computing.
void storm_units(const double *a, const double *b, double *sums, uint64_t count);
_Noreturn void storm_run(bool sgi, bool quiet);
// One of the storms of a single kind, for ever. False: no such mode.
bool attack_run(const char *mode);

// True once a second, for a program that polls it.
bool second_passed(void);

#endif
