// SPDX-License-Identifier: Apache-2.0
/* The commands of takt-sim; argv without program and command. Each returns an exit status. */
#ifndef TOOLS_SIM_CAMPAIGN_H
#define TOOLS_SIM_CAMPAIGN_H

#include "tools/sim/record.h"

enum { SIM_EXIT_GOOD = 0, SIM_EXIT_FAULTS = 1, SIM_EXIT_TROUBLE = 2 };

int campaign_command(int argc, char **argv);
int cores_command(int argc, char **argv);
int placement_command(int argc, char **argv);

struct campaign {
    struct system_plan plan; /* its utilisation 0: each set takes the next of several */
    uint64_t seed;
    uint64_t first, sets, chunk; /* sets are numbered; a chunk is what one worker takes at a time */
};

/* Draws, places and plays chunk `number`. Sets that are refused are drawn again, 1 % smaller. Equal arguments give an equal
 * result. False: out of memory. */
bool campaign_run_chunk(const struct campaign *campaign, uint64_t number, struct sim_machine *machine,
                        struct record *record);

#endif
