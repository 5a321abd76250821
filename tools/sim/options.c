// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/options.h"

#include "tools/sim/system.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const guest_names[SYSTEM_MIXED + 1] = {
    [SIM_RUNS] = "running",    [SIM_PERIODIC] = "periodic", [SIM_SPORADIC] = "sporadic",
    [SIM_HOSTILE] = "hostile", [SYSTEM_MIXED] = "mixed",
};

static bool complain(const char *name, const char *text, const char *remedy) {
    fprintf(stderr, "takt-sim: --%s: %s; %s\n", name, text, remedy);
    return false;
}

static bool parse_number(const struct option *option, const char *text) {
    char *end = NULL, remedy[80];
    bool real = option->kind == OPTION_REAL;
    double value;

    errno = 0;
    value = real ? strtod(text, &end) : (double)strtoull(text, &end, 0);
    if (end == text || *end != '\0' || errno != 0 || text[0] == '-' || !(value >= option->least) ||
        !(value <= option->most)) {
        snprintf(remedy, sizeof(remedy), real ? "give a number from %g to %g" : "give a whole number from %.0f to %.0f",
                 option->least, option->most);
        return complain(option->name, text, remedy);
    }
    if (real) {
        *(double *)option->value = value;
    } else {
        *(uint64_t *)option->value = strtoull(text, &end, 0);
    }
    return true;
}

static bool parse_guests(const struct option *option, const char *text) {
    for (int i = 0; i <= SYSTEM_MIXED; i++) {
        if (strcmp(text, guest_names[i]) == 0) {
            *(int *)option->value = i;
            return true;
        }
    }
    return complain(option->name, text, "give running, periodic, sporadic, hostile or mixed");
}

/* The number of a line `NAME = <N>;`, which is no comment. */
static bool find_property(const char *line, const char *name, uint64_t *value) {
    const char *text = line + strspn(line, " \t");
    char *end = NULL;

    if (strncmp(text, name, strlen(name)) != 0) { return false; }
    text += strlen(name);
    text += strspn(text, " \t=<");
    unsigned long long found = strtoull(text, &end, 0);
    if (end == text || *end != '>') { return false; }
    *value = found;
    return true;
}

static bool parse_board(const struct option *option, const char *path) {
    struct option_board *board = option->value;
    FILE *file = fopen(path, "r");
    char line[256];
    bool found = false;

    if (file == NULL) {
        fprintf(stderr, "takt-sim: --%s: %s: %s; give a board.dts of boards/\n", option->name, path, strerror(errno));
        return false;
    }
    board->path = path;
    while (fgets(line, sizeof(line), file) != NULL) {
        found = find_property(line, "overhead-ns", &board->overhead_ns) || found;
        (void)find_property(line, "migration-ns", &board->migration_ns);
    }
    fclose(file);
    return found || complain(option->name, path, "it has no overhead-ns: give a board.dts of boards/");
}

static bool parse_one(const struct option *option, const char *text) {
    switch (option->kind) {
    case OPTION_FLAG: *(bool *)option->value = true; return true;
    case OPTION_TEXT: *(const char **)option->value = text; return true;
    case OPTION_GUESTS: return parse_guests(option, text);
    case OPTION_BOARD: return parse_board(option, text);
    default: return parse_number(option, text);
    }
}

bool options_parse(const struct option *options, int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        const struct option *option = options;
        bool named = strncmp(argv[i], "--", 2) == 0;

        while (named && option->name != NULL && strcmp(option->name, argv[i] + 2) != 0) { option++; }
        if (!named || option->name == NULL) {
            fprintf(stderr, "takt-sim: %s is no option here; there are", argv[i]);
            for (option = options; option->name != NULL; option++) { fprintf(stderr, " --%s", option->name); }
            fprintf(stderr, "\n");
            return false;
        }
        if (option->kind != OPTION_FLAG && ++i == argc) { return complain(option->name, "has no value", "add one"); }
        if (!parse_one(option, argv[i])) { return false; }
    }
    return true;
}
