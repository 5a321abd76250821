// SPDX-License-Identifier: Apache-2.0
/* What a part of a campaign found, as a line of text and back. */
#ifndef TOOLS_SIM_RECORD_H
#define TOOLS_SIM_RECORD_H

#include "tools/sim/system.h"

#include <stdio.h>

#define RECORD_NO_SET UINT64_MAX /* is written as -1 */

struct record {
    uint64_t chunk;
    uint64_t sets;      /* admitted, and played */
    uint64_t draws;     /* that this took */
    uint64_t split;     /* VCPUs over two cores */
    uint64_t first_bad; /* number of the first set with a fault, or RECORD_NO_SET */
    struct sim_counts counts;
};

#define RECORD_LINE_MAX 1024u

struct record record_zero(uint64_t chunk);
void record_add(struct record *sum, const struct record *record);

/* `name=value` separated by blanks, and a newline. */
void record_write(const struct record *record, char line[RECORD_LINE_MAX]);
bool record_read(const char *line, struct record *record);

/* All but the chunk's number. For people a line each; for programs the members of a JSON object, without its braces. */
void record_print(const struct record *record, bool json, FILE *out);

#endif
