// SPDX-License-Identifier: Apache-2.0
// mode=fpcheck: does the floating-point state survive whatever else runs on this core?
#include "matmul.h"

void fpcheck_run(uint64_t seed, bool quiet) {
    for (uint64_t round = 1; fpcheck_round(seed + round); round++)
        if (second_passed() && !quiet) say("fpcheck: %llu ok\n", (unsigned long long)round);
}
