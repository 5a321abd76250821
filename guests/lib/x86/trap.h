// SPDX-License-Identifier: Apache-2.0
// What guard() keeps on x86-64.
#ifndef GUEST_TRAP_H
#define GUEST_TRAP_H

#include <stdint.h>

struct trap_context {
    uint64_t resume_sp; // the address to resume at lies there
    uint64_t saved[6];
    uint64_t mxcsr;
    uint64_t armed;
    // What ended the call.
    uint64_t vector;
    uint64_t error; // the error code, or 0
    uint64_t cr2;
    uint64_t rip;
};

#endif
