// SPDX-License-Identifier: Apache-2.0
#include "sched/latency.h"

#include "sched/fraction.h"

#define INSTANT_MAX (UINT64_C(1) << 62)

struct load {
    const struct sched_task *tasks;
    uint32_t task_count;
    const struct sched_source *sources;
    uint32_t source_count;
    uint64_t blocking;
    uint32_t index; /* of the server that is asked about */
    uint64_t end;   /* of the longest busy period */
    uint32_t steps;
};

/* What is looked for, and what is known of the server's own part in the period before it. */
enum question {
    WHOLE,    /* until its whole budget is supplied: released with the period */
    AFTER,    /* until it starts, in a period in which it ran before: all of the period counts */
    SINCE_RAN /* the same: only what is left since it last ran counts */
};

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t interrupts(const struct load *load, uint64_t last) {
    uint64_t sum = load->blocking;

    for (uint32_t i = 0; i < load->source_count; i++) {
        const struct sched_source *source = &load->sources[i];

        sum = add(sum, multiply(last / source->distance + 1, source->cost));
    }
    return sum;
}

/* What the server itself has done before, by the wake-up at `offset` or with it. A period brings its whole budget. Before it
 * starts again a unit is left of it, and it cannot have used more than there was time for. */
static uint64_t own_work(const struct load *load, enum question question, uint64_t offset) {
    const struct sched_task *own = &load->tasks[load->index];
    uint64_t begun = question == WHOLE ? own->budget : least(offset % own->period, own->budget - 1);

    return question == SINCE_RAN ? 0 : add(multiply(offset / own->period, own->budget), begun);
}

/* How long before the period's start releases of this server count. After a tick of its own only that is left which is due
 * no earlier than the activation that had the tick, so that was released D - D_j after it or later; it lasts `response` at
 * most. Nor was it released before the whole busy period. */
static uint64_t carried(const struct load *load, const struct sched_task *task, uint64_t response) {
    uint64_t own = load->tasks[load->index].deadline, reach = response + task->deadline;

    return reach > own ? least(reach - own, load->end) : 0;
}

/* All that is released until `now` after the start, due by `due`, and not of the server itself. */
static uint64_t others_before(const struct load *load, uint64_t now, uint64_t due, uint64_t response) {
    uint64_t sum = interrupts(load, now);

    for (uint32_t i = 0; i < load->task_count; i++) {
        const struct sched_task *task = &load->tasks[i];
        uint64_t before = response == 0 ? 0 : carried(load, task, response);

        if (i != load->index && task->deadline <= due + before) {
            uint64_t jobs = least((now + before) / task->period, (due + before - task->deadline) / task->period) + 1;

            sum = add(sum, multiply(jobs, task->budget));
        }
    }
    return sum;
}

/* How long the core can be busy without a pause; 0: not found. */
static uint64_t busy_period(struct load *load) {
    uint64_t length = 1;

    while (length < INSTANT_MAX && load->steps < SCHED_LATENCY_STEPS_MAX) {
        uint64_t work = interrupts(load, length - 1);

        for (uint32_t i = 0; i < load->task_count; i++) {
            const struct sched_task *task = &load->tasks[i];

            work = add(work, multiply((length - 1) / task->period + 1, task->budget));
        }
        load->steps++;
        if (work == length) { return length; }
        length = work;
    }
    return 0;
}

/* The first of first, first + period ... that is not before `from`. */
static uint64_t not_before(uint64_t from, uint64_t first, uint64_t period) {
    return from <= first ? first : first + (from - first + period - 1) / period * period;
}

/* The next offset, from `from` on, at which the wait can be longer than around it: where another server's deadline
 * coincides, and where the server's own work stops to grow as fast as the offset does. */
static uint64_t next_offset(const struct load *load, enum question question, uint64_t from, uint64_t response) {
    const struct sched_task *own = &load->tasks[load->index];
    uint64_t next = not_before(from, question == AFTER ? own->budget - 1 : 0, own->period);

    for (uint32_t i = 0; i < load->task_count; i++) {
        const struct sched_task *task = &load->tasks[i];
        uint64_t ahead = own->deadline + (response == 0 ? 0 : carried(load, task, response));
        uint64_t first = task->deadline >= ahead
                             ? task->deadline - ahead
                             : (task->deadline + task->period - ahead % task->period) % task->period;

        if (i != load->index) { next = least(next, not_before(from, first, task->period)); }
    }
    return next;
}

/* The longest wait over all offsets, into *result; false: not decided. Each begins where the last one ended, from below. */
static bool look(struct load *load, enum question question, uint64_t response, struct sched_latency *result) {
    uint64_t start = 0;

    for (uint64_t offset = 0; offset < load->end; offset = next_offset(load, question, offset + 1, response)) {
        uint64_t due = offset + load->tasks[load->index].deadline;
        uint64_t own = own_work(load, question, offset);

        for (;;) {
            uint64_t done = add(own, others_before(load, start, due, response));

            if (load->steps++ >= SCHED_LATENCY_STEPS_MAX || done >= INSTANT_MAX) { return false; }
            if (done <= start) { break; }
            start = done;
        }
        if (start > offset && start - offset > result->longest) {
            result->longest = start - offset;
            result->offset = offset;
        }
    }
    return true;
}

static bool well_formed(const struct load *load) {
    if (load->task_count > SCHED_TASKS_MAX || load->source_count > SCHED_SOURCES_MAX ||
        load->index >= load->task_count || load->blocking >= INSTANT_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < load->task_count; i++) {
        const struct sched_task *task = &load->tasks[i];

        if (task->budget == 0 || task->budget > task->deadline || task->deadline > task->period ||
            task->period >= INSTANT_MAX) {
            return false;
        }
    }
    for (uint32_t i = 0; i < load->source_count; i++) {
        if (load->sources[i].distance == 0) { return false; }
    }
    return true;
}

bool sched_start_latency(const struct sched_task *tasks, uint32_t task_count, const struct sched_source *sources,
                         uint32_t source_count, uint64_t blocking, uint32_t index, struct sched_latency *result) {
    struct load load = {tasks, task_count, sources, source_count, blocking, index, .end = 0};
    struct sched_latency whole = {0}, since = {0};

    *result = (struct sched_latency){0};
    if (!well_formed(&load)) { return false; }
    load.end = busy_period(&load);

    bool decided = load.end != 0 && look(&load, WHOLE, 0, &whole) && look(&load, AFTER, 0, result) &&
                   look(&load, SINCE_RAN, whole.longest, &since);

    if (since.longest < result->longest) { *result = since; }
    result->steps = load.steps;
    return decided;
}
