// SPDX-License-Identifier: Apache-2.0
// What the machine has, read from its device tree: nothing about a board is compiled in.
#ifndef KERNEL_BOARD_H
#define KERNEL_BOARD_H

#include "kernel/ranges.h"

enum { MAX_BOARD_MEMORY = 32, MAX_BOARD_RESERVED = 16 };

struct board {
    const void *fdt; // mapped copy of the firmware's tree, valid for ever
    const char *model;
    unsigned cpu_count;   // usable cores, capped at MAX_CORES
    unsigned cpu_total;   // cores the tree lists
    uint32_t overhead_ns; // of the root's `takt,overhead-ns`: more for every budget, by what boot found on this machine
    unsigned thread_count; // further threads of those cores, where a core has several
    struct board_cpu {
        uint64_t hwid; // in `reg` of /cpus/cpu@*
        unsigned core; // whose thread it is: an index of cpus
    } cpus[MAX_CORES]; // the first thread of each core; behind them, as far as there is room, the further threads
    unsigned memory_count;
    struct range memory[MAX_BOARD_MEMORY]; // in no order, apart from each other
    unsigned reserved_count;               // /memreserve/, /reserved-memory
    struct range reserved[MAX_BOARD_RESERVED];
    struct range initrd; // the system image as the boot loader left it; size 0: none
    uint64_t seed[4];    // from /chosen/rng-seed and kaslr-seed, zero when the firmware gave none
    bool has_seed;
};

// Parses and checks `fdt` (size already checked against the mapping). On an error writes one line to the log that names
// node and property and what to do, and returns a negative status. Pure: also runs on the host in takt-plan.
int board_parse(const void *fdt, struct board *board);

// Reads entry `index` of the node's `reg` as (address, size), translated through `ranges` of its parents. ERR_NOT_FOUND:
// there is no such entry; ERR_RANGE: its parents give it no place in the machine's addresses.
int board_reg(const void *fdt, int node, unsigned index, struct range *out);

// The first node that is compatible with any of the NULL-terminated list, or negative.
int board_find_compatible(const void *fdt, const char *const *list, int after);

// The node of the console, as /chosen/stdout-path names it by path or by alias, or negative.
int board_console(const void *fdt);

#endif
