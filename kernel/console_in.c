// SPDX-License-Identifier: Apache-2.0
// Input: one escape key, Ctrl-], says who gets the rest. What the one in focus cannot take yet waits here, and when
// that is full, in the UART; after a second without progress it is dropped, so that the escape key still gets through
// to whoever looks for help.
#include "kernel/console_state.h"
#include "kernel/monitor.h"
#include "kernel/string.h"
#include "kernel/sysdesc.h"

enum {
    SLICE_KEYS = 16,
    RETRY_MS = 1,
    STUCK_MS = 1000,
};

void console_set_focus(unsigned focus, uint64_t now) {
    struct console_input *in = &console.in;

    __atomic_store_n(&in->focus, focus, __ATOMIC_RELAXED);
    in->pending_count = 0;
    in->pending_since = now;
    in->begun = false;
    monitor_notice("-- input goes to %s (Ctrl-] h for help) --",
                   focus == FOCUS_MONITOR ? "the monitor" : console.desc->vms[focus].name);
    if (focus == FOCUS_MONITOR) { monitor_prompt(); }
}

// ---- keys -------------------------------------------------------------------------------------------------

static void push(char c) {
    struct console_input *in = &console.in;

    if (in->focus == FOCUS_MONITOR && c == CTRL_C && monitor_busy()) {
        monitor_cancel();
    } else if (in->pending_count < INPUT_PENDING_MAX) {
        in->pending[in->pending_count++] = c;
    }
}

// The monitor is one more place in the circle of VMs.
static void step_focus(unsigned step, uint64_t now) {
    unsigned places = console.desc->vm_count + 1;
    unsigned at = console.in.focus == FOCUS_MONITOR ? console.desc->vm_count : console.in.focus;

    at = (at + step) % places;
    console_set_focus(at == console.desc->vm_count ? FOCUS_MONITOR : at, now);
}

static void help(void) {
    monitor_notice("Ctrl-] and then: a digit gives the input to that VM (`vms` numbers them),");
    monitor_notice("  n p  the next, the previous VM      m 0  the monitor");
    monitor_notice("  h ?  this help                      Ctrl-]  a Ctrl-] for the guest");
    if (console.in.focus == FOCUS_MONITOR) { monitor_redraw(); }
}

// What is no command, h and ? among it, gets the help.
static void command_key(char c, uint64_t now) {
    unsigned vm = (unsigned char)c - (unsigned)'1';

    switch (c) {
    case 'm':
    case '0': console_set_focus(FOCUS_MONITOR, now); break;
    case 'n': step_focus(1, now); break;
    case 'p': step_focus(console.desc->vm_count, now); break;
    case CTRL_BRACKET: push(CTRL_BRACKET); break;
    default:
        if (vm < MIN(console.desc->vm_count, 9u)) {
            console_set_focus(vm, now);
        } else {
            help();
        }
    }
}

static void key(char c, uint64_t now) {
    struct console_input *in = &console.in;

    if (in->escape) {
        in->escape = false;
        command_key(c, now);
    } else if (c == CTRL_BRACKET) {
        in->escape = true;
    } else {
        push(c);
    }
}

// ---- delivery ---------------------------------------------------------------------------------------------

static size_t give_monitor(void) {
    size_t taken = 0;

    while (taken < console.in.pending_count && !monitor_busy()) { monitor_key(console.in.pending[taken++]); }
    return taken;
}

// Where the guest spoke last; where it never did, or nothing listens, the other channel. A line that was begun stays
// where it began.
static size_t give_vm(unsigned vm) {
    struct console_input *in = &console.in;
    unsigned channel = in->begun ? in->channel : __atomic_load_n(&console.spoke[vm], __ATOMIC_RELAXED);

    for (unsigned i = 0; i < CONSOLE_CHANNELS; i++) {
        const struct console_device *device =
            &console.sources[console_source_of(vm, (channel + i) % CONSOLE_CHANNELS)].device;
        if (device->input != NULL) {
            size_t taken = device->input(device->device, in->pending, in->pending_count);
            if (taken > 0) {
                in->channel = (uint8_t)((channel + i) % CONSOLE_CHANNELS);
                in->begun = in->pending[taken - 1] != '\r' && in->pending[taken - 1] != '\n';
            }
            return taken;
        }
    }
    return console.in.pending_count; // it has no console: nobody will ever read it
}

static void deliver(uint64_t now, struct console_progress *progress) {
    struct console_input *in = &console.in;

    if (in->pending_count == 0) {
        in->pending_since = now;
        return;
    }
    size_t taken = in->focus == FOCUS_MONITOR ? give_monitor() : give_vm(in->focus);
    in->pending_count -= (unsigned)taken;
    memmove(in->pending, in->pending + taken, in->pending_count);
    if (taken > 0) {
        in->pending_since = now;
    } else if (now - in->pending_since > STUCK_MS * console.ms) {
        in->pending_count = 0;
    }
    if (in->pending_count > 0) { progress->wake_at = MIN(progress->wake_at, now + RETRY_MS * console.ms); }
}

// The interrupt is let through again when the UART is empty and its least distance has passed.
static void receive(uint64_t now, struct console_progress *progress) {
    struct console_input *in = &console.in;
    int c = 0;

    if (!__atomic_load_n(&in->masked, __ATOMIC_ACQUIRE)) { return; }
    for (unsigned i = 0; i < SLICE_KEYS && in->pending_count < INPUT_PENDING_MAX; i++) {
        c = console_uart->get();
        if (c < 0) { break; }
        key((char)c, now);
    }
    uint64_t open_at = in->masked_at + console.rx_distance;
    if (c >= 0) {
        progress->again |= in->pending_count < INPUT_PENDING_MAX;
    } else if (now < open_at) {
        progress->wake_at = MIN(progress->wake_at, open_at);
    } else {
        __atomic_store_n(&in->masked, false, __ATOMIC_RELAXED);
        console_uart->rx_interrupt(true);
    }
}

void console_input_step(uint64_t now, struct console_progress *progress) {
    receive(now, progress);
    deliver(now, progress);
}
