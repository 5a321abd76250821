// SPDX-License-Identifier: Apache-2.0
// takt-sim: plays made-up systems on the hypervisor's own scheduler and event queue (docs/simulation.md).
//
//   takt-sim [--cores N --vcpus M --utilisation U --seed S --time MS ...]   cores with M VCPUs each, one line per core
//   takt-sim campaign --sets N [--out FILE ...]                             random sets, resumable, on all processors
//   takt-sim placement [--board BOARD.dts ...]                              experiment 1: who goes where, what is accepted
//
// Exit status: 0 every promise held, 1 one did not, 2 it could not be run.
#include <stdio.h>
#include <string.h>

#include "tools/sim/campaign.h"

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "campaign") == 0) { return campaign_command(argc - 2, argv + 2); }
    if (argc > 1 && strcmp(argv[1], "placement") == 0) { return placement_command(argc - 2, argv + 2); }
    if (argc > 1 && argv[1][0] != '-') {
        fprintf(stderr, "takt-sim: %s is no command; there are campaign and placement, or options alone\n", argv[1]);
        return SIM_EXIT_TROUBLE;
    }
    return cores_command(argc - 1, argv + 1);
}
