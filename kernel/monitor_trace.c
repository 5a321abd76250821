// SPDX-License-Identifier: Apache-2.0
// The monitor's `trace`. A dump is lines that a script reads (scripts/trace.py; docs/tracing.md has the format), a few records
// in each: it lasts as long as the console takes, best effort, while the cores go on writing if they trace.
#include "kernel/arch.h"
#include "kernel/console.h"
#include "kernel/log.h"
#include "kernel/monitor_commands.h"
#include "kernel/string.h"
#include "kernel/trace.h"

enum { RECORDS_IN_LINE = 5 };
#define LINE_CHARS (4 + RECORDS_IN_LINE * (1 + 2 * sizeof(struct trace_record)))
_Static_assert(LINE_CHARS <= CONSOLE_TURN_CHARS, "what a guest prints meanwhile would cut a line of records");

static uint64_t head_of(const struct trace_ring *ring) { return __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE); }

// ---- dump -------------------------------------------------------------------------------------------------

static void print_vm(unsigned number) {
    for (unsigned i = 0; i < vms[number]->vcpu_count; i++) {
        const struct vcpu *vcpu = vms[number]->vcpus[i];
        const struct vcpu_desc *desc = &vcpu->vm->desc->vcpus[i];
        monitor_print("trace-vcpu %u %s %u %u %u %u %u\n", number * MAX_VCPUS + i, vcpu->vm->name, i, vcpu->cpu->id,
                      desc->budget_us, desc->deadline_us, desc->period_us);
    }
}

static void begin_core(unsigned core) {
    const struct trace_ring *ring = cpus[core]->trace;
    uint64_t end = head_of(ring);

    monitor->dump.core = core;
    monitor->dump.end = end;
    monitor->dump.next = monitor->dump.lost = end - MIN(end, (uint64_t)ring->mask);
}

static void print_records(unsigned core) {
    char line[LINE_CHARS];
    struct trace_record record;
    int at = format_string(line, sizeof(line), "t%u", core);
    bool gap = false;

    for (unsigned n = 0; n < RECORDS_IN_LINE && monitor->dump.next < monitor->dump.end; n++, monitor->dump.next++) {
        if (!trace_read(cpus[core]->trace, monitor->dump.next, &record)) {
            monitor->dump.lost++;
            if (!gap) { at += format_string(line + at, sizeof(line) - (size_t)at, " -"); }
            gap = true;
            continue;
        }
        gap = false;
        at += format_string(line + at, sizeof(line) - (size_t)at, " %016lx%016lx%08x%02x%02x%02x%02x", record.time,
                            record.value, record.detail, record.kind, record.who, record.other, record.unused);
    }
    monitor_print("%s\n", line);
}

// Lines of one VM may be eight, each shorter than a quarter of what a row may need.
static bool row_dump(unsigned row) {
    if (row == 0) {
        monitor_print("trace-begin %u %lu %u\n", (unsigned)TRACE_VERSION, clock_rate.hz, cpu_count);
        begin_core(0);
    } else if (row <= vm_count) {
        print_vm(row - 1);
    } else if (monitor->dump.next < monitor->dump.end) {
        print_records(monitor->dump.core);
    } else {
        monitor_print("trace-core %u %lu %lu\n", monitor->dump.core, monitor->dump.end, monitor->dump.lost);
        if (monitor->dump.core + 1 < cpu_count) {
            begin_core(monitor->dump.core + 1);
        } else {
            monitor_print("trace-end\n");
            return false;
        }
    }
    return true;
}

// ---- the command ------------------------------------------------------------------------------------------

static bool row_status(unsigned row) {
    const struct trace_ring *ring = cpus[row]->trace;
    uint64_t head = head_of(ring), kept = MIN(head, (uint64_t)ring->mask); // the one before may be in the making

    if (row == 0) { monitor_print("core trace   records      lost    now-ms\n"); }
    monitor_print("%4u %-5s %9lu %9lu %9lu\n", row, __atomic_load_n(&ring->wanted, __ATOMIC_RELAXED) ? "on" : "off",
                  kept, head - kept, clock_ticks_to_ns_up(&clock_rate, arch_clock() - monitor->began) / 1000000);
    return row + 1 < cpu_count;
}

bool monitor_row_trace(unsigned row) {
    const char *what = monitor->word_count > 1 ? monitor->words[1] : "";
    bool on = strcmp(what, "on") == 0;

    if (cpus[0]->trace == NULL) {
        monitor_print(
            "there is nothing to trace into: give the system `trace-records`, as in trace-records = <4096>\n");
        return false;
    }
    if (*what == '\0') { return row_status(row); }
    if (strcmp(what, "dump") == 0) { return row_dump(row); }
    if (!on && strcmp(what, "off") != 0) {
        monitor_print("trace does not know '%s': it is on, off, dump\n", what);
        return false;
    }
    monitor_print(trace_switch(on) == OK ? "trace is %s\n" : "trace cannot be %s\n", what);
    return false;
}
