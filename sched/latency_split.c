// SPDX-License-Identifier: Apache-2.0
#include "sched/latency_split.h"

#include "sched/fraction.h"

/* Not decided: an admitted server starts before its deadline, or is late by no more than what nothing preempts. */
static uint64_t start(const struct sched_core_load *load, const struct sched_task *tasks, uint64_t blocking,
                      uint32_t index) {
    uint64_t by_deadline = add(load->tasks[index].deadline, blocking);
    struct sched_latency latency;

    if (!sched_start_latency(tasks, load->task_count, load->sources, load->source_count, blocking, index, &latency)) {
        return by_deadline;
    }
    return latency.longest < by_deadline ? latency.longest : by_deadline;
}

/* As if a unit more of it were left when all of it is used. */
static uint64_t until_turn(const struct sched_core_load *load, uint64_t blocking, uint32_t index) {
    struct sched_task tasks[SCHED_TASKS_MAX];

    for (uint32_t i = 0; i < load->task_count; i++) { tasks[i] = load->tasks[i]; }
    tasks[index].budget++;
    tasks[index].deadline += tasks[index].deadline < tasks[index].period ? 1 : 0;
    return start(load, tasks, blocking, index);
}

uint64_t sched_split_latency(const struct sched_split *split, uint64_t blocking) {
    uint64_t first = start(split->load[0], split->load[0]->tasks, blocking, split->index[0]);
    uint64_t second = start(split->load[1], split->load[1]->tasks, blocking, split->index[1]);
    uint64_t turn = until_turn(split->load[0], blocking, split->index[0]);

    return add(add(turn > first ? turn : first, split->migration), second);
}
