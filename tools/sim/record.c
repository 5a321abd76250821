// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/record.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Every value is eight bytes; lateness alone has a sign, which two's complement keeps. */
static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    {"chunk", offsetof(struct record, chunk)},
    {"sets", offsetof(struct record, sets)},
    {"draws", offsetof(struct record, draws)},
    {"split", offsetof(struct record, split)},
    {"first_bad", offsetof(struct record, first_bad)},
    {"events", offsetof(struct record, counts.events)},
    {"dispatches", offsetof(struct record, counts.dispatches)},
    {"switches", offsetof(struct record, counts.switches)},
    {"interrupts", offsetof(struct record, counts.interrupts)},
    {"activations", offsetof(struct record, counts.activations)},
    {"promises", offsetof(struct record, counts.promises)},
    {"wakes", offsetof(struct record, counts.wakes)},
    {"reclaimed_ns", offsetof(struct record, counts.reclaimed)},
    {"moves", offsetof(struct record, counts.moves)},
    {"idle_ns", offsetof(struct record, counts.idle)},
    {"reserved_ns", offsetof(struct record, counts.reserved)},
    {"interrupt_ns", offsetof(struct record, counts.in_interrupts)},
    {"lateness_ns", offsetof(struct record, counts.lateness)},
};

#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

static const char *name_of(uint32_t i) {
    return i < FIELD_COUNT ? fields[i].name : sim_fault_name((enum sim_fault)(i - FIELD_COUNT));
}

static int64_t get(const struct record *record, uint32_t i) {
    int64_t value;

    if (i >= FIELD_COUNT) { return (int64_t)record->counts.faults[i - FIELD_COUNT]; }
    memcpy(&value, (const char *)record + fields[i].offset, sizeof(value));
    return value;
}

static void set(struct record *record, uint32_t i, int64_t value) {
    if (i >= FIELD_COUNT) {
        record->counts.faults[i - FIELD_COUNT] = (uint64_t)value;
    } else {
        memcpy((char *)record + fields[i].offset, &value, sizeof(value));
    }
}

struct record record_zero(uint64_t chunk) {
    return (struct record){.chunk = chunk, .first_bad = RECORD_NO_SET, .counts = sim_counts_zero()};
}

void record_add(struct record *sum, const struct record *record) {
    sum->sets += record->sets;
    sum->draws += record->draws;
    sum->split += record->split;
    if (record->first_bad < sum->first_bad) { sum->first_bad = record->first_bad; }
    sim_counts_add(&sum->counts, &record->counts);
}

void record_write(const struct record *record, char line[RECORD_LINE_MAX]) {
    size_t used = 0;

    for (uint32_t i = 0; i < FIELD_COUNT + SIM_FAULTS; i++) {
        used += (size_t)snprintf(line + used, RECORD_LINE_MAX - used, "%s=%" PRId64 "%s", name_of(i), get(record, i),
                                 i + 1 < FIELD_COUNT + SIM_FAULTS ? " " : "\n");
    }
}

bool record_read(const char *line, struct record *record) {
    *record = record_zero(0);
    for (uint32_t i = 0; i < FIELD_COUNT + SIM_FAULTS; i++) {
        size_t length = strlen(name_of(i));
        char *end = NULL;

        if (strncmp(line, name_of(i), length) != 0 || line[length] != '=') { return false; }
        set(record, i, strtoll(line + length + 1, &end, 10));
        if (*end != (i + 1 < FIELD_COUNT + SIM_FAULTS ? ' ' : '\n')) { return false; }
        line = end + 1;
    }
    return *line == '\0';
}

void record_print(const struct record *record, bool json, FILE *out) {
    for (uint32_t i = 1; i < FIELD_COUNT + SIM_FAULTS; i++) {
        fprintf(out, json ? "%s\"%s\": %" PRId64 : "%s%-12s %16" PRId64 "\n", json && i > 1 ? ", " : "", name_of(i),
                get(record, i));
    }
}
