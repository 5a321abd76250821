// SPDX-License-Identifier: Apache-2.0
#include "sched/latency_reclaim.h"

#include "sched/fraction.h"

#define ROUNDS 1024u

struct load {
    const struct sched_task *tasks;
    uint32_t task_count;
    const struct sched_source *sources;
    uint32_t source_count;
    uint64_t blocking;
    const struct sched_task *own;
};

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* ticks * part / whole, not too small. */
static uint64_t share_of(uint64_t ticks, uint64_t part, uint64_t whole) {
    uint64_t share = fraction_ratio_up(part, whole);

    return multiply(ticks >> 32, share) + (((ticks & UINT32_MAX) * share + UINT32_MAX) >> 32);
}

static uint64_t before(const struct load *load, uint64_t offset, uint64_t s) {
    const struct sched_task *own = load->own;
    uint64_t due = offset + own->period;
    uint64_t sum = load->blocking + least(offset, own->budget - 1 + share_of(offset, own->budget, own->period));

    for (uint32_t i = 0; i < load->source_count; i++) {
        const struct sched_source *source = &load->sources[i];

        sum = add(sum, source->cost + share_of(s, source->cost, source->distance));
    }
    for (uint32_t i = 0; i < load->task_count; i++) {
        const struct sched_task *task = &load->tasks[i];
        uint64_t used = share_of(s, task->budget, task->period);

        if (task == own) { continue; }
        if (due >= task->period) { used = least(task->budget + used, share_of(due, task->budget, task->period)); }
        sum = add(sum, used);
    }
    return sum;
}

/* How long a wake-up at `offset` waits; no longer than `limit`. */
static uint64_t wait_at(const struct load *load, uint64_t offset, uint64_t limit) {
    uint64_t s = offset;

    for (uint32_t round = 0; round < ROUNDS && s - offset < limit; round++) {
        uint64_t next = before(load, offset, s);

        if (next <= s) { return s - offset; }
        s = next;
    }
    return limit;
}

uint64_t sched_reclaim_latency(const struct sched_task *tasks, uint32_t task_count, const struct sched_source *sources,
                               uint32_t source_count, uint64_t blocking, uint32_t index) {
    const struct sched_task *own = &tasks[index];
    struct load load = {tasks, task_count, sources, source_count, blocking, own};
    uint64_t limit = own->deadline + blocking;

    /* Its own part would be used up behind the period's end, if at all. */
    if (own->budget > own->period / 2) { return limit; }

    uint64_t idle = SCHED_UTILISATION_ONE - fraction_ratio_up(own->budget, own->period);
    uint64_t whole = own->budget - 1;
    uint64_t used_up = whole / idle * SCHED_UTILISATION_ONE + (whole % idle) * SCHED_UTILISATION_ONE / idle + 1;
    uint64_t longest = wait_at(&load, used_up, limit);

    for (uint32_t i = 0; i < task_count; i++) {
        if (tasks[i].period <= own->period + used_up) { continue; }
        uint64_t wait = wait_at(&load, tasks[i].period - own->period, limit);

        longest = wait > longest ? wait : longest;
    }
    return longest;
}
