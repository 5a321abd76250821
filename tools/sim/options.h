// SPDX-License-Identifier: Apache-2.0
/* `--name value` options of a command line, with their ranges. */
#ifndef TOOLS_SIM_OPTIONS_H
#define TOOLS_SIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum option_kind { OPTION_FLAG, OPTION_NUMBER, OPTION_REAL, OPTION_TEXT, OPTION_GUESTS, OPTION_BOARD };

/* `value` is a bool, uint64_t, double, const char *, int (what guests do), or struct option_board. */
struct option {
    const char *name;
    enum option_kind kind;
    void *value;
    double least, most; /* of numbers */
};

/* The costs that a board's data (boards/NAME/board.dts) has measured. */
struct option_board {
    const char *path;
    uint64_t overhead_ns, migration_ns;
};

/* Fills the values; false: a mistake was told on stderr. The list ends with a NULL name. */
bool options_parse(const struct option *options, int argc, char **argv);

#endif
