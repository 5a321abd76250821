// SPDX-License-Identifier: Apache-2.0
// Monitor commands about the machine: memory, log, reset, quit.
#include "kernel/arch.h"
#include "kernel/console_state.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/monitor_commands.h"

bool monitor_row_memory(UNUSED unsigned row) {
    struct memory_report report;

    memory_report(&report);
    monitor_print("%9lu %14lu %10lu %9lu\n", (report.total >> 10), (report.hypervisor >> 10), (report.guests >> 10),
                  (report.free >> 10));
    return false;
}

bool monitor_row_log(unsigned row) {
    char chunk[LOG_LINE_MAX];

    if (row == 0) { monitor->cursor = 0; }
    size_t size = log_read(&monitor->cursor, chunk, sizeof(chunk));
    monitor_write(chunk, size);
    return size > 0;
}

// What the operator reads last must have left the ring.
static bool after_output(unsigned row, const char *text, void (*act)(void)) {
    if (row == 0) {
        monitor_print("%s\n", text);
    } else if (console_monitor_room() == CONSOLE_RING_SIZE && console.out.stage_length == 0) {
        act();
    }
    return true;
}

bool monitor_row_reset(unsigned row) { return after_output(row, "resetting the machine", arch_system_reset); }

bool monitor_row_quit(unsigned row) { return after_output(row, "switching the machine off", arch_system_off); }
