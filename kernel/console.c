// SPDX-License-Identifier: Apache-2.0
// The console's producers and its job. Any VCPU fills the ring of its channel and goes on; the job, best effort on one
// core, does everything that takes time. It is woken when there is something to print at once: a whole line, or any
// character of the VM in focus.
#include "kernel/console.h"

#include "kernel/arch.h"
#include "kernel/console_state.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/monitor.h"
#include "kernel/string.h"

enum { REDRAW_MS = 100, RX_DISTANCE_MS = 1 };

const struct uart_ops *console_uart;
struct console console;

void console_wake(void) {
    if (console.cpu != NULL) { job_submit(console.cpu, &console.job); }
}

// ---- producers --------------------------------------------------------------------------------------------

// *wake: the job has something to do now, or a quiet time to wait for, that it does not know of yet.
size_t console_vm_put(struct vm *vm, enum console_channel channel, const char *data, size_t size, bool *wake) {
    struct console_source *source = &console.sources[console_source_of(vm->id, channel)];

    *wake = false;
    if (size == 0) { return 0; }
    unsigned long flags = spin_lock(&source->ring.lock);
    uint32_t lines = source->ring.lines_in;
    __atomic_store_n(&source->written_at, arch_clock(), __ATOMIC_RELAXED);
    uint32_t taken = console_ring_put(&source->ring, data, size);
    uint32_t used = console_ring_used(&source->ring); // after that: the job may have emptied it meanwhile, and gone
    *wake = used <= taken || source->ring.lines_in != lines ||
            (used >= CONSOLE_RING_SIZE / 2 && used - taken < CONSOLE_RING_SIZE / 2);
    if (taken < size) { *wake |= !__atomic_exchange_n(&source->full, true, __ATOMIC_SEQ_CST); }
    spin_unlock(&source->ring.lock, flags);
    __atomic_store_n(&console.spoke[vm->id], (uint8_t)channel, __ATOMIC_RELAXED);
    *wake |= __atomic_load_n(&console.in.focus, __ATOMIC_RELAXED) == vm->id;
    return taken;
}

size_t console_vm_write(struct vm *vm, enum console_channel channel, const char *data, size_t size) {
    bool wake;
    size_t taken = console_vm_put(vm, channel, data, size, &wake);

    if (wake) { console_wake(); }
    return taken;
}

void console_vm_attach(struct vm *vm, enum console_channel channel, const struct console_device *device) {
    ASSERT(console.sources != NULL);
    console.sources[console_source_of(vm->id, channel)].device = *device;
}

void console_uart_interrupt(void) {
    console_uart->rx_interrupt(false);
    console.in.masked_at = arch_clock();
    __atomic_store_n(&console.in.masked, true, __ATOMIC_RELEASE);
    console_wake();
}

size_t console_monitor_room(void) { return console_ring_room(&console.sources[SOURCE_MONITOR].ring); }

// ---- the job ----------------------------------------------------------------------------------------------

// True: there was something, and there may be more. The job is the only producer of this ring: no lock, and interrupts stay
// open.
static bool fetch_log(void) {
    struct console_ring *ring = &console.sources[SOURCE_LOG].ring;
    char chunk[LOG_LINE_MAX];

    if (console_ring_room(ring) < sizeof(chunk)) { return false; }
    return console_ring_put(ring, chunk, log_read(&console.log_cursor, chunk, sizeof(chunk))) > 0;
}

// Tells the devices that found their ring full that half of it is free. The flag goes first: a device that finds the
// ring full again from here on sets it again. True: one has more to do.
static bool tell_drained(void) {
    bool again = false;

    for (unsigned i = SOURCE_VMS; i < console.source_count; i++) {
        struct console_source *source = &console.sources[i];
        if (__atomic_load_n(&source->full, __ATOMIC_RELAXED) &&
            console_ring_room(&source->ring) >= CONSOLE_RING_SIZE / 2) {
            __atomic_store_n(&source->full, false, __ATOMIC_SEQ_CST);
            if (source->device.drained != NULL && source->device.drained(source->device.device)) {
                __atomic_store_n(&source->full, true, __ATOMIC_RELAXED);
                again = true;
            }
        }
    }
    return again;
}

// Other output broke the line that the user is typing: once that is quiet it is shown again.
static void redraw_prompt(uint64_t now, struct console_progress *progress) {
    uint64_t at = console.out.last_at + REDRAW_MS * console.ms;

    if (!console.out.prompt_broken || console.in.focus != FOCUS_MONITOR || monitor_busy()) { return; }
    if (now < at) {
        progress->wake_at = MIN(progress->wake_at, at);
        return;
    }
    monitor_redraw();
    progress->again = true;
}

static enum job_result console_job(struct job *job) {
    struct console_progress progress = {.wake_at = UINT64_MAX};
    uint64_t now = arch_clock();

    if (!console.started) {
        console.started = true;
        console.log_cursor = log_to_console();
        console_set_focus(console.in.focus, now);
        console_uart->rx_interrupt(true);
    }
    console_input_step(now, &progress);
    progress.again |= monitor_step() || fetch_log(); // in one slice the one or the other
    console_output_step(now, &progress);
    progress.again |= tell_drained();
    if (!progress.again) { redraw_prompt(now, &progress); }
    job->wake_at = progress.wake_at;
    return progress.again ? JOB_AGAIN : JOB_SLEEP;
}

// ---- boot -------------------------------------------------------------------------------------------------

// By reserved share, then by VCPUs: a core of its own if there is one.
static struct cpu *least_used_core(const struct system_desc *desc) {
    uint64_t least = UINT64_MAX;
    unsigned best = 0;

    for (unsigned i = 0; i < cpu_count; i++) {
        uint64_t load = sched_core_utilisation(&desc->cores[i]) * SCHED_MEMBERS_MAX + desc->cores[i].member_count;
        if (load < least) {
            least = load;
            best = i;
        }
    }
    return cpus[best];
}

static int make_source(unsigned index, const char *name, const char *suffix) {
    struct console_source *source = &console.sources[index];

    source->ring.data = memory_alloc(CONSOLE_RING_SIZE);
    if (name != NULL) { format_string(source->prefix, sizeof(source->prefix), "[%s%s] ", name, suffix); }
    return source->ring.data != NULL ? OK : ERR_NO_MEMORY;
}

static int make_sources(const struct system_desc *desc) {
    console.source_count = SOURCE_VMS + desc->vm_count * CONSOLE_CHANNELS;
    console.sources = memory_alloc(console.source_count * sizeof(*console.sources));
    if (console.sources == NULL) { return ERR_NO_MEMORY; }
    int status = make_source(SOURCE_LOG, "takt", "");
    if (status == OK) { status = make_source(SOURCE_MONITOR, NULL, ""); }
    for (unsigned i = 0; i < desc->vm_count && status == OK; i++) {
        status = make_source(console_source_of(i, CONSOLE_UART), desc->vms[i].name, "");
        if (status == OK) { status = make_source(console_source_of(i, CONSOLE_VIRTIO), desc->vms[i].name, ":hvc0"); }
    }
    return status;
}

int console_init(const struct system_desc *desc) {
    uint64_t distance = clock_ns_to_ticks_up(&clock_rate, desc->console_irq_distance_us * 1000ull);
    int status = make_sources(desc);

    if (status == OK) { status = monitor_init(); }
    if (status != OK || console_uart == NULL) { return status != OK ? status : ERR_NOT_FOUND; }
    console.desc = desc;
    console.ms = clock_ns_to_ticks_up(&clock_rate, 1000000);
    console.rx_distance = MAX(distance, RX_DISTANCE_MS * console.ms);
    console.out.open = NO_SOURCE;
    console.in.focus = FOCUS_MONITOR;
    for (unsigned i = 0; i < desc->vm_count && desc->console_focus != NULL; i++) {
        if (strcmp(desc->vms[i].name, desc->console_focus) == 0) { console.in.focus = i; }
    }
    console.job = (struct job){.run = console_job};
    console.cpu = least_used_core(desc);
    arch_irq_claim(console_uart->irq, cpus[desc->console_core]);
    return OK;
}

void console_panic_begin(void) {
    if (console_uart == NULL) { return; }
    if (console.started) { console_output_flush(SOURCE_LOG); }
    log_direct(console.log_cursor);
}
