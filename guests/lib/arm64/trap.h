// SPDX-License-Identifier: Apache-2.0
// What guard() keeps on AArch64.
#ifndef GUEST_TRAP_H
#define GUEST_TRAP_H

#include <stdbool.h>
#include <stdint.h>

struct trap_context {
    uint64_t resume_sp;
    uint64_t resume_pc;
    uint64_t saved[20];
    uint64_t armed;
    // What ended the call.
    uint64_t esr;
    uint64_t far;
    uint64_t elr;
    bool serror;
};

#define ESR_CLASS(esr) ((unsigned)((esr) >> 26) & 0x3f)

#endif
