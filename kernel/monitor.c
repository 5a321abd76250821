// SPDX-License-Identifier: Apache-2.0
// The monitor's line editor, its table of commands, and the stepping of the one at work.
#include "kernel/monitor.h"

#include "kernel/console_state.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/monitor_commands.h"
#include "kernel/string.h"
#include "kernel/vm.h"

struct monitor *monitor;

enum { ROW_ROOM = 3 * LOG_LINE_MAX }; // what a row may need of the ring

static bool row_help(unsigned row);

static const struct monitor_command commands[] = {
    {"help", "", "this list", 1, .row = row_help},
    {"vms", "", "the VMs: state, restarts, why each ended last", 1, .row = monitor_row_vms,
     .header = "no name                    state    starts restarts vcpus memory-MiB last-end"},
    {"cpus", "", "the cores: utilisation promised and used, idle, interrupts", 1, .row = monitor_row_cpus,
     .header = "core promised   used used-boot   idle interrupt-us masked-max-ns  switches      ipis lost owner"},
    {"vcpus", "", "the VCPUs: reservation, time used, exhausted budgets", 1, .row = monitor_row_vcpus,
     .header = "vm                      vcpu core state budget-us period-us deadline-us weight "
               "  used   used-ms exhausted    own platform    moves"},
    {"exits", "[NAME]", "ways into the hypervisor, by reason", 1, .row = monitor_row_exits,
     .header = "vm                      reason           count"},
    {"timers", "", "how late guests' timer interrupts were delivered", 1, .row = monitor_row_timers,
     .header = "vm                      vcpu     count     min-ns    mean-ns     p99-ns     max-ns"},
    {"misses", "", "reserved VCPUs that got their budget too late, by cause", 1, .row = monitor_row_misses,
     .header = "vm                      vcpu activations      own platform"},
#if TAKT_ANALYSIS
    {"promises", "", "latency promised to reserved VCPUs, wake-ups held against it, later ones by cause", 1,
     .row = monitor_row_promises,
     .header = "vm                      vcpu promised-ns   checked       own  platform worst-by-ns"},
#endif
    {"memory", "", "who has the machine's memory", 1, .row = monitor_row_memory,
     .header = "total-KiB hypervisor-KiB guests-KiB  free-KiB"},
    {"log", "", "the hypervisor's last messages", 1, .row = monitor_row_log},
#if TAKT_TRACE
    {"trace", "[WHAT]", "on, off, dump: what the cores decided and when; alone: how much there is", 1,
     .row = monitor_row_trace},
#endif
    {"stop", "NAME", "end a VM", 2, .row = monitor_row_act, .action = vm_stop, .done = "stopped"},
    {"start", "NAME", "start a VM that is stopped", 2, .row = monitor_row_act, .action = vm_start, .done = "started"},
    {"restart", "NAME", "end a VM and start it again", 2, .row = monitor_row_act, .action = vm_restart,
     .done = "restarted"},
#if TAKT_CONTROL
    {"create", "NAME", "admit, place and start a VM that has no place", 2, .row = monitor_row_create},
    {"destroy", "NAME", "end a VM, and free what was reserved for it", 2, .row = monitor_row_destroy},
    {"reserve", "NAME VCPU BUDGET DEADLINE PERIOD", "another reservation for a VCPU, in us", 6,
     .row = monitor_row_reserve},
    {"move", "NAME VCPU CORE", "a VCPU to another core", 4, .row = monitor_row_move},
    {"changes", "", "changes that were asked for; the longest time that one took a core", 1, .row = monitor_row_changes,
     .header = "asked  done refused commit-max-ns core-max-ns"},
#endif
    {"reset", "", "reset the machine", 1, .row = monitor_row_reset},
    {"quit", "", "switch the machine off", 1, .row = monitor_row_quit},
};

static bool row_help(unsigned row) {
    const struct monitor_command *command = &commands[row];

    monitor_print("%-8s %-7s %s\n", command->name, command->arguments, command->help);
    return row + 1 < ARRAY_SIZE(commands);
}

// ---- output -----------------------------------------------------------------------------------------------

// The job is the only producer of the ring: no lock, and interrupts stay open.
void monitor_write(const char *text, size_t length) {
    if (length > 0) {
        console_ring_put(&console.sources[SOURCE_MONITOR].ring, text, length);
        monitor->open = text[length - 1] != '\n';
    }
}

void monitor_print(const char *format, ...) {
    char line[LOG_LINE_MAX];
    va_list args;

    va_start(args, format);
    monitor_write(line, (size_t)format_string_v(line, sizeof(line), format, args));
    va_end(args);
}

// From here on nothing stands left of what the monitor prints.
static void fresh_line(void) {
    if (monitor->open && !console.out.prompt_broken) { monitor_write("\n", 1); }
    console.out.prompt_broken = false;
    monitor->open = false;
}

void monitor_notice(const char *format, ...) {
    char line[LOG_LINE_MAX];
    va_list args;

    va_start(args, format);
    format_string_v(line, sizeof(line), format, args);
    va_end(args);
    fresh_line();
    monitor_print("%s\n", line);
}

void monitor_redraw(void) {
    if (!monitor_busy()) {
        fresh_line();
        monitor_print("takt> ");
        monitor_write(monitor->line, monitor->length);
    }
}

void monitor_prompt(void) {
    if (!monitor_busy()) {
        monitor->length = 0;
        monitor_redraw();
    }
}

// ---- commands ---------------------------------------------------------------------------------------------

bool monitor_busy(void) { return monitor->active != NULL; }

static void finish(void) {
    monitor->active = NULL;
    monitor->length = 0;
    if (console.in.focus == FOCUS_MONITOR) { monitor_prompt(); }
}

void monitor_cancel(void) {
    fresh_line();
    finish();
}

bool monitor_step(void) {
    if (!monitor_busy() || console_monitor_room() < ROW_ROOM) { return false; }
    if (monitor->row == 0 && monitor->active->header != NULL) { monitor_print("%s\n", monitor->active->header); }
    if (!monitor->active->row(monitor->row++)) { finish(); }
    return true;
}

static void split_words(void) {
    char *at = monitor->line;

    monitor->line[monitor->length] = '\0';
    monitor->word_count = 0;
    for (;;) {
        while (*at == ' ') { *at++ = '\0'; }
        if (*at == '\0' || monitor->word_count == MONITOR_WORDS) { return; }
        monitor->words[monitor->word_count++] = at;
        while (*at != ' ' && *at != '\0') { at++; }
    }
}

static const struct monitor_command *find_command(const char *name) {
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) { return &commands[i]; }
    }
    return NULL;
}

static void execute(void) {
    monitor_write("\n", 1);
    split_words();
    const struct monitor_command *command = monitor->word_count > 0 ? find_command(monitor->words[0]) : NULL;
    if (command != NULL && monitor->word_count >= command->words) {
        monitor->active = command;
        monitor->row = 0;
        return;
    }
    if (command != NULL) {
        monitor_print("%s needs %s: the name of a VM; `vms` lists them\n", command->name, command->arguments);
    } else if (monitor->word_count > 0) {
        monitor_print("no command '%s'; `help` lists them\n", monitor->words[0]);
    }
    finish();
}

// ---- keys -------------------------------------------------------------------------------------------------

static void erase(unsigned count) {
    for (; count > 0 && monitor->length > 0; count--) {
        monitor->length--;
        monitor_write("\b \b", 3);
    }
}

// Function keys send ESC [ ... or ESC O and a letter: they mean nothing here.
static bool inside_escape(char c) {
    bool first = monitor->escape == 1;

    if (monitor->escape == 0) { return false; }
    monitor->escape = (first && (c == '[' || c == 'O')) || (!first && c < '@') ? 2 : 0;
    return true;
}

void monitor_key(char c) {
    if (console.out.prompt_broken) { monitor_redraw(); }
    if (inside_escape(c)) { return; }
    switch (c) {
    case '\r':
    case '\n': execute(); break;
    case BS:
    case DEL: erase(1); break;
    case CTRL_U: erase(MONITOR_LINE); break;
    case CTRL_C:
        monitor_write("^C\n", 3);
        monitor_prompt();
        break;
    case ESC: monitor->escape = 1; break;
    default:
        if (c >= ' ' && c < DEL && monitor->length < MONITOR_LINE - 1) {
            monitor->line[monitor->length++] = c;
            monitor_write(&c, 1);
        }
    }
}

int monitor_init(void) {
    monitor = memory_alloc(sizeof(*monitor));
    if (monitor == NULL) { return ERR_NO_MEMORY; }
    monitor->began = arch_clock();
    return OK;
}
