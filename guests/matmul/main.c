// SPDX-License-Identifier: Apache-2.0
#include "matmul.h"

#include <string.h>

bool second_passed(void) {
    static uint64_t next;
    uint64_t now = clock_now();
    if (next == 0) next = now + clock_hz;
    if (now < next) return false;
    next += clock_hz;
    return true;
}

static void matmul_run(uint64_t seed, bool quiet) {
    for (uint64_t round = 1;; round++) {
        uint64_t checksum;
        bool right = matmul_round(seed + round, &checksum);
        bool due = second_passed();
        if (!right || (due && !quiet))
            say("matmul: round %llu checksum %016llx %s\n", (unsigned long long)round, (unsigned long long)checksum,
                right ? "ok" : "FAILED");
    }
}

void guest_main(void) {
    bool quiet = arg_has("quiet");
    // Far apart, because rounds count up from the seed.
    uint64_t seed = arg_number("seed", 1) << 32;
    const char *mode = arg_text("mode", "matmul");
    say("matmul: seed %llu, %s\n", (unsigned long long)(seed >> 32),
        arg_has("storm") || arg_has("storm-sgi") ? "storm" : mode);
    if (arg_has("storm") || arg_has("storm-sgi"))
        storm_run(arg_has("storm-sgi"), quiet);
    else if (strcmp(mode, "fpcheck") == 0)
        fpcheck_run(seed, quiet);
    else if (attack_run(mode))
        return;
    else if (strcmp(mode, "matmul") == 0)
        matmul_run(seed, quiet);
    else
        say("matmul: no such mode\n");
}
