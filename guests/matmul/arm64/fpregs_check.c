// SPDX-License-Identifier: Apache-2.0
// v0-v31, FPCR and FPSR.
#include "matmul.h"

#define LOOPS     200000 // of two instructions: long enough to be preempted often

// The bits that an Armv8.0 CPU keeps: AHP, DN, FZ, RMode; QC and the cumulative exceptions.
#define FPCR_BITS 0x07c00000
#define FPSR_BITS 0x0800009f

struct fpregs {
    uint64_t v[32][2];
    uint64_t fpcr;
    uint64_t fpsr;
};

void fpregs_hold(const struct fpregs *set, struct fpregs *seen, uint64_t loops);

static void make(struct fpregs *set, uint64_t seed) {
    for (int i = 0; i < 32; i++) {
        set->v[i][0] = mix(&seed);
        set->v[i][1] = mix(&seed);
    }
    set->fpcr = mix(&seed) & FPCR_BITS;
    set->fpsr = mix(&seed) & FPSR_BITS;
}

static bool same(const char *name, unsigned number, uint64_t set, uint64_t seen) {
    if (set == seen) return true;
    say("fpcheck: FAILED %s%u set %#llx seen %#llx\n", name, number, (unsigned long long)set, (unsigned long long)seen);
    return false;
}

static bool compare(const struct fpregs *set, const struct fpregs *seen) {
    bool all = true;
    for (unsigned i = 0; i < 32; i++) {
        all &= same("v", i, set->v[i][0], seen->v[i][0]);
        all &= same("v.high", i, set->v[i][1], seen->v[i][1]);
    }
    all &= same("fpcr", 0, set->fpcr, seen->fpcr);
    all &= same("fpsr", 0, set->fpsr, seen->fpsr);
    return all;
}

bool fpcheck_round(uint64_t seed) {
    static struct fpregs set, seen;
    make(&set, seed);
    fpregs_hold(&set, &seen, LOOPS);
    return compare(&set, &seen);
}
