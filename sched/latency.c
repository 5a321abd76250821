// SPDX-License-Identifier: Apache-2.0
#include "sched/latency.h"

#include "sched/fraction.h"

#define INSTANT_MAX (UINT64_C(1) << 62)

/* What is looked for, and what is known of the server's own part in the period before it. */
enum question {
    BUSY_PERIOD, /* how long the core can be busy without a pause */
    WHOLE,       /* until its whole budget is supplied: released with the period */
    AFTER,       /* until it starts, in a period in which it ran before: all of the period counts */
    SINCE_RAN,   /* the same: only what is left since it last ran counts */
    ANSWERED
};

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t interrupts(const struct sched_latency_search *load, uint64_t last) {
    uint64_t sum = load->blocking;

    for (uint32_t i = 0; i < load->source_count; i++) {
        const struct sched_source *source = &load->sources[i];

        sum = add(sum, multiply(last / source->distance + 1, source->cost));
    }
    return sum;
}

/* What the server itself has done before, by the wake-up at `offset` or with it. A period brings its whole budget. Before it
 * starts again a unit is left of it, and it cannot have used more than there was time for. */
static uint64_t own_work(const struct sched_latency_search *load, uint32_t question, uint64_t offset) {
    const struct sched_task *own = &load->tasks[load->index];
    uint64_t begun = question == WHOLE ? own->budget : least(offset % own->period, own->budget - 1);

    return question == SINCE_RAN ? 0 : add(multiply(offset / own->period, own->budget), begun);
}

/* How long before the period's start releases of this server count. After a tick of its own only that is left which is due
 * no earlier than the activation that had the tick, so that was released D - D_j after it or later; it lasts `response` at
 * most. Nor was it released before the whole busy period. */
static uint64_t carried(const struct sched_latency_search *load, const struct sched_task *task, uint64_t response) {
    uint64_t own = load->tasks[load->index].deadline, reach = response + task->deadline;

    return reach > own ? least(reach - own, load->end) : 0;
}

/* All that is released until `now` after the start, due by `due`, and not of the server itself. */
static uint64_t others_before(const struct sched_latency_search *load, uint64_t now, uint64_t due, uint64_t response) {
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

/* The first of first, first + period ... that is not before `from`. */
static uint64_t not_before(uint64_t from, uint64_t first, uint64_t period) {
    return from <= first ? first : first + (from - first + period - 1) / period * period;
}

/* The next offset, from `from` on, at which the wait can be longer than around it: where another server's deadline
 * coincides, and where the server's own work stops to grow as fast as the offset does. */
static uint64_t next_offset(const struct sched_latency_search *load, uint32_t question, uint64_t from,
                            uint64_t response) {
    const struct sched_task *own = &load->tasks[load->index];
    uint64_t next = not_before(from, question == AFTER ? own->budget - 1 : 0, own->period);

    for (uint32_t i = 0; i < load->task_count; i++) {
        const struct sched_task *task = &load->tasks[i];
        uint64_t ahead = own->deadline + (response == 0 ? 0 : carried(load, task, response));
        uint64_t first = (task->deadline + task->period - ahead % task->period) % task->period;

        if (i != load->index) { next = least(next, not_before(from, first, task->period)); }
    }
    return next;
}

static bool well_formed(const struct sched_latency_search *load) {
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

static bool answer(struct sched_latency_search *load, bool decided) {
    load->question = ANSWERED;
    load->decided = decided;
    return true;
}

static void ask(struct sched_latency_search *load, uint32_t question) {
    load->question = question;
    load->offset = 0;
    load->start = 0;
    load->longest = 0;
}

/* A round of the fixpoint. */
static bool step_busy_period(struct sched_latency_search *load) {
    uint64_t work = interrupts(load, load->end - 1);

    for (uint32_t i = 0; i < load->task_count; i++) {
        const struct sched_task *task = &load->tasks[i];

        work = add(work, multiply((load->end - 1) / task->period + 1, task->budget));
    }
    if (load->result.steps++ >= SCHED_LATENCY_STEPS_MAX || work >= INSTANT_MAX) { return answer(load, false); }
    if (work == load->end) { ask(load, WHOLE); }
    load->end = work;
    return false;
}

/* All offsets have been looked at for a question. */
static bool next_question(struct sched_latency_search *load) {
    uint64_t longest = load->longest;

    if (load->question == WHOLE) {
        load->whole = longest;
        ask(load, AFTER);
        return false;
    }
    if (load->question == AFTER || longest < load->result.longest) {
        load->result.longest = longest;
        load->result.offset = load->longest_at;
    }
    if (load->question == SINCE_RAN) { return answer(load, true); }
    ask(load, SINCE_RAN);
    return false;
}

/* A round of the fixpoint for one offset. Each offset begins where the last one ended, from below. */
static bool step_offset(struct sched_latency_search *load) {
    uint64_t response = load->question == SINCE_RAN ? load->whole : 0;
    uint64_t due = load->offset + load->tasks[load->index].deadline;
    uint64_t own = own_work(load, load->question, load->offset);
    uint64_t done = add(own, others_before(load, load->start, due, response));

    if (load->result.steps++ >= SCHED_LATENCY_STEPS_MAX || done >= INSTANT_MAX) { return answer(load, false); }
    if (done > load->start) {
        load->start = done;
        return false;
    }
    if (load->start > load->offset && load->start - load->offset > load->longest) {
        load->longest = load->start - load->offset;
        load->longest_at = load->offset;
    }
    load->offset = next_offset(load, load->question, load->offset + 1, response);
    return load->offset >= load->end && next_question(load);
}

void sched_latency_begin(struct sched_latency_search *search, const struct sched_task *tasks, uint32_t task_count,
                         const struct sched_source *sources, uint32_t source_count, uint64_t blocking, uint32_t index) {
    *search = (struct sched_latency_search){
        .tasks = tasks,
        .task_count = task_count,
        .sources = sources,
        .source_count = source_count,
        .blocking = blocking,
        .index = index,
        .end = 1,
        .question = BUSY_PERIOD,
    };
    if (!well_formed(search)) { answer(search, false); }
}

bool sched_latency_step(struct sched_latency_search *search) {
    if (search->question == ANSWERED) { return true; }
    return search->question == BUSY_PERIOD ? step_busy_period(search) : step_offset(search);
}

bool sched_start_latency(const struct sched_task *tasks, uint32_t task_count, const struct sched_source *sources,
                         uint32_t source_count, uint64_t blocking, uint32_t index, struct sched_latency *result) {
    struct sched_latency_search search;

    sched_latency_begin(&search, tasks, task_count, sources, source_count, blocking, index);
    while (!sched_latency_step(&search)) {}
    *result = search.result;
    return search.decided;
}
