// SPDX-License-Identifier: Apache-2.0
// Private to monitor*.c: a command is a row of the table in monitor.c and a function that writes its answer row by row.
#ifndef KERNEL_MONITOR_COMMANDS_H
#define KERNEL_MONITOR_COMMANDS_H

#include "kernel/monitor.h"

struct vcpu;
struct vm;

enum { MONITOR_LINE = 80, MONITOR_WORDS = 6 };

struct monitor_command {
    const char *name, *arguments, *help;
    uint8_t words; // least number of words, the command's own included
    // Writes row `row` of the answer, at most two lines; false: it was the last. Called with 0, 1, 2, ...
    bool (*row)(unsigned row);
    const char *header;           // stands above the rows, or NULL
    int (*action)(struct vm *vm); // of monitor_row_act, and what it has begun
    const char *done;
};

// What `used` was when it was last asked for.
struct monitor_seen {
    uint64_t at, used;
};

struct monitor {
    uint64_t began;
    const struct monitor_command *active;
    unsigned row;
    unsigned word_count;
    const char *words[MONITOR_WORDS];
    unsigned length;         // of what is typed
    char line[MONITOR_LINE]; // typed; cut into words when a command starts
    uint8_t escape;          // inside a function key's sequence
    bool open;               // the last thing written was not a newline
    uint64_t cursor;         // of `log`
#if TAKT_TRACE
    struct {
        unsigned core;
        uint64_t next, end,
            lost; // records: which comes next, which is the first not to be shown, how many were overwritten
    } dump;       // of `trace dump`
#endif
    struct monitor_seen core_seen[MAX_CORES], vcpu_seen[MAX_VMS][MAX_VCPUS];
};
extern struct monitor *monitor;

// Writes to the monitor's ring, as format_string; a row is a line with its newline.
void monitor_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void monitor_write(const char *text, size_t length);

// VCPU number `index` of all VMs together, or NULL.
struct vcpu *monitor_vcpu(unsigned index);

// monitor_vm.c
bool monitor_row_vms(unsigned row);
bool monitor_row_act(unsigned row);
// monitor_stats.c
bool monitor_row_cpus(unsigned row);
bool monitor_row_vcpus(unsigned row);
bool monitor_row_exits(unsigned row);
bool monitor_row_timers(unsigned row);
bool monitor_row_misses(unsigned row);
#if TAKT_ANALYSIS
// promise.c
bool monitor_row_promises(unsigned row);
#endif
// monitor_system.c
bool monitor_row_memory(unsigned row);
bool monitor_row_log(unsigned row);
bool monitor_row_reset(unsigned row);
bool monitor_row_quit(unsigned row);
#if TAKT_CONTROL
// monitor_control.c
bool monitor_row_reserve(unsigned row);
bool monitor_row_move(unsigned row);
bool monitor_row_create(unsigned row);
bool monitor_row_destroy(unsigned row);
bool monitor_row_changes(unsigned row);
#endif
#if TAKT_TRACE
// monitor_trace.c
bool monitor_row_trace(unsigned row);
#endif

#endif
