// SPDX-License-Identifier: Apache-2.0
// Who may ask, one request after the other, and how each ends.
#include "kernel/console_state.h"
#include "kernel/control_plan.h"

#include "kernel/log.h"
#include "kernel/memory.h"

enum { SLICE_NS = 5000, PATIENCE_MS = 20000 };

struct control *control;

static const char *const verbs[CONTROL_OPERATIONS] = {
    [CONTROL_RESERVE] = "reserve", [CONTROL_MOVE] = "move", [CONTROL_CREATE] = "create",  [CONTROL_DESTROY] = "destroy",
    [CONTROL_START] = "start",     [CONTROL_STOP] = "stop", [CONTROL_RESTART] = "restart"};

// The words of the checker become the reason; where the mistake is, the log says itself.
static void take_reason(UNUSED struct sysdesc_sink *sink, UNUSED const char *place, const char *wrong,
                        const char *remedy) {
    format_string(control->text, sizeof(control->text), "%s; %s", wrong, remedy);
}

// It is woken by what it waits for, mostly: then the hardware need not come at the time by which it would have given up.
static void forget_alarm(struct control *c) {
    unsigned long flags = arch_irq_save();

    if (c->slept) { this_cpu()->todo |= TODO_DISPATCH; }
    c->slept = false;
    arch_irq_restore(flags);
}

static enum job_result control_job(struct job *job) {
    struct control *c = container_of(job, struct control, job);
    uint64_t start = arch_clock();
    enum job_result result;

    forget_alarm(c);
    do { result = c->stage(c); } while (result == JOB_AGAIN && arch_clock() - start < c->slice);
    c->slept = result == JOB_SLEEP;
    return result;
}

// With the lock held, and nothing under way.
static void begin(struct control *c, const struct control_request *request) {
    c->request = *request;
    c->stage = control_prepare;
    c->stats.asked++;
    c->judged = false;
    c->change_count = 0;
    control_note_begin(c, request);
    c->sink.count = 0;
    c->text[0] = '\0';
}

// The next request's job is this one, which goes on.
static enum job_result end(struct control *c) {
    unsigned long flags = spin_lock(&c->lock);
    bool more = c->queued;

    c->stage = NULL;
    c->queued = false;
    if (more) { begin(c, &c->next); }
    spin_unlock(&c->lock, flags);
    return more ? JOB_AGAIN : JOB_DONE;
}

enum job_result control_refuse(struct control *c, const char *format, ...) {
    const struct vm *vm = vms[c->request.vm];
    va_list args;

    if (format != NULL) {
        va_start(args, format);
        format_string_v(c->text, sizeof(c->text), format, args);
        va_end(args);
    }
    c->stats.refused++;
    log_line("%s: %s refused: %s; nothing has changed", vm->name, verbs[c->request.operation], c->text);
    control_note_end(c, false);
    return end(c);
}

enum job_result control_finish(struct control *c) {
    c->stats.done++;
    log_line("%s: %s done", vms[c->request.vm]->name, verbs[c->request.operation]);
    control_note_end(c, true);
    return end(c);
}

static bool in_range(const struct control_request *request) {
    return request->vm < vm_count && request->vcpu < vms[request->vm]->vcpu_count && request->core < cpu_count;
}

int control_ask(const struct control_request *request) {
    struct control *c = control;
    int status = OK;

    if (!in_range(request)) { return ERR_RANGE; }
    unsigned long flags = spin_lock(&c->lock);
    bool idle = c->stage == NULL;
    if (idle) {
        begin(c, request);
    } else if (!c->queued && request->asker == NULL) {
        c->queued = true;
        c->next = *request;
    } else {
        status = ERR_BUSY;
    }
    spin_unlock(&c->lock, flags);
    if (idle) { job_submit(c->cpu, &c->job); }
    return status;
}

int control_init(const struct board *board, struct system_desc *desc) {
    struct control *c = memory_alloc(sizeof(*c));

    if (c == NULL) { return ERR_NO_MEMORY; }
    control = c;
    c->job.run = control_job;
    c->cpu = console.cpu != NULL ? console.cpu : this_cpu();
    c->slice = clock_ns_to_ticks_up(&clock_rate, SLICE_NS);
    c->patience = clock_ns_to_ticks_up(&clock_rate, PATIENCE_MS * 1000000ull);
    c->system = desc;
    c->sink.mistake = take_reason;
    for (unsigned i = 0; i < vm_count; i++) { vms[i]->absent = desc->vms[i].on_demand; }
    c->check = (struct sysdesc_check){.board = board, .sys = desc, .sink = &c->sink, .file = "", .rate = clock_rate};
#if TAKT_ANALYSIS
    c->injection =
        clock_ns_to_ticks_up(&clock_rate, (uint64_t)desc->injection_ns + MIN(board->overhead_ns, OVERHEAD_NS_MAX));
#endif
    return OK;
}
