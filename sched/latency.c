// SPDX-License-Identifier: Apache-2.0
#include "sched/latency.h"

#include "sched/saturate.h"

#define INSTANT_MAX (UINT64_C(1) << 62)

struct load {
    const struct sched_task *tasks;
    uint32_t task_count;
    const struct sched_source *sources;
    uint32_t source_count;
    uint64_t blocking;
    uint32_t index; /* of the server that is asked about */
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

/* What a server can have used before it wakes up once more, `offset` after its first release, with a unit left. A period
 * brings its whole budget; of what has begun, all but that unit, and no more than there was time for. */
static uint64_t used_before(const struct sched_task *task, uint64_t offset) {
    uint64_t begun = least(offset % task->period, task->budget - 1);

    return add(multiply(offset / task->period, task->budget), begun);
}

/* All that is released in [0, now], due by `due`, and not of the server itself. */
static uint64_t others_before(const struct load *load, uint64_t now, uint64_t due) {
    uint64_t sum = interrupts(load, now);

    for (uint32_t i = 0; i < load->task_count; i++) {
        const struct sched_task *task = &load->tasks[i];

        if (i != load->index && task->deadline <= due) {
            uint64_t jobs = least(now / task->period, (due - task->deadline) / task->period) + 1;

            sum = add(sum, multiply(jobs, task->budget));
        }
    }
    return sum;
}

/* How long the core can be busy without a pause; 0: not found. */
static uint64_t busy_period(const struct load *load, uint32_t *steps) {
    uint64_t length = 1;

    while (length < INSTANT_MAX && *steps < SCHED_LATENCY_STEPS_MAX) {
        uint64_t work = interrupts(load, length - 1);

        for (uint32_t i = 0; i < load->task_count; i++) {
            const struct sched_task *task = &load->tasks[i];

            work = add(work, multiply((length - 1) / task->period + 1, task->budget));
        }
        ++*steps;
        if (work == length) { return length; }
        length = work;
    }
    return 0;
}

/* The first of first, first + period ... that is not before `from`. */
static uint64_t not_before(uint64_t from, uint64_t first, uint64_t period) {
    return from <= first ? first : first + (from - first + period - 1) / period * period;
}

/* The next offset, from `from` on, at which the wait can be longer than around it. */
static uint64_t next_offset(const struct load *load, uint64_t from) {
    const struct sched_task *own = &load->tasks[load->index];
    uint64_t next = not_before(from, own->budget - 1, own->period);

    for (uint32_t i = 0; i < load->task_count; i++) {
        const struct sched_task *task = &load->tasks[i];
        uint64_t ahead = own->deadline % task->period; /* of the wake-up's deadline */
        uint64_t first = task->deadline >= own->deadline ? task->deadline - own->deadline
                                                         : (task->deadline + task->period - ahead) % task->period;

        if (i != load->index) { next = least(next, not_before(from, first, task->period)); }
    }
    return next;
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
    struct load load = {tasks, task_count, sources, source_count, blocking, index};
    uint64_t start = 0;

    *result = (struct sched_latency){0};
    if (!well_formed(&load)) { return false; }

    uint64_t end = busy_period(&load, &result->steps);

    for (uint64_t offset = next_offset(&load, 0); offset < end; offset = next_offset(&load, offset + 1)) {
        uint64_t used = used_before(&tasks[index], offset);

        /* From below: where it began for the last offset, or later. */
        for (;;) {
            uint64_t done = add(used, others_before(&load, start, offset + tasks[index].deadline));

            if (result->steps++ == SCHED_LATENCY_STEPS_MAX || done >= INSTANT_MAX) { return false; }
            if (done <= start) { break; }
            start = done;
        }
        if (start > offset && start - offset > result->longest) {
            result->longest = start - offset;
            result->offset = offset;
        }
    }
    return end != 0;
}
