// SPDX-License-Identifier: Apache-2.0
#include "sched/supply.h"

#include "sched/fraction.h"

#include <stdbool.h>

#define INSTANT_MAX (UINT64_C(1) << 62)

struct sched_supply sched_supply_wanting(const struct sched_task *reservation) {
    return (struct sched_supply){
        .blackout = reservation->period + reservation->deadline - 2 * reservation->budget,
        .budget = reservation->budget,
        .period = reservation->period,
    };
}

struct sched_supply sched_supply_waking(const struct sched_task *reservation) {
    struct sched_supply supply = sched_supply_wanting(reservation);

    supply.blackout += reservation->budget;
    return supply;
}

uint64_t sched_supply_within(const struct sched_supply *supply, uint64_t length) {
    if (length <= supply->blackout) { return 0; }

    uint64_t since = length - supply->blackout;
    uint64_t part = since % supply->period;

    return since / supply->period * supply->budget + (part < supply->budget ? part : supply->budget);
}

uint64_t sched_supply_window(const struct sched_supply *supply, uint64_t amount) {
    if (amount == 0) { return 0; }

    uint64_t periods = multiply((amount - 1) / supply->budget, supply->period);

    return add(add(supply->blackout, periods), (amount - 1) % supply->budget + 1);
}

static uint64_t demand(const struct sched_task *tasks, uint32_t count, uint64_t length) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct sched_task *task = &tasks[i];

        if (length < task->deadline) { continue; }
        sum = add(sum, multiply((length - task->deadline) / task->period + 1, task->budget));
    }
    return sum;
}

/* The latest deadline that is not after `length`; 0: none. */
static uint64_t last_deadline(const struct sched_task *tasks, uint32_t count, uint64_t length) {
    uint64_t last = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (tasks[i].deadline <= length) {
            uint64_t deadline = length - (length - tasks[i].deadline) % tasks[i].period;

            last = deadline > last ? deadline : last;
        }
    }
    return last;
}

/* The end of the longest time for which there can be something to do; INSTANT_MAX: beyond, or not found. */
static uint64_t busy_period(const struct sched_supply *supply, const struct sched_task *tasks, uint32_t count) {
    uint64_t length = 1;

    for (uint32_t round = 0; round < SCHED_QPA_STEPS_MAX; round++) {
        uint64_t work = 0;

        for (uint32_t i = 0; i < count; i++) {
            work = add(work, multiply((length - 1) / tasks[i].period + 1, tasks[i].budget));
        }

        uint64_t end = sched_supply_window(supply, work);

        if (end >= INSTANT_MAX) { return INSTANT_MAX; }
        if (end <= length) { return length; }
        length = end;
    }
    return INSTANT_MAX;
}

/* Whether the supply is too little at this deadline; then *verdict says so. */
static bool fails_at(const struct sched_supply *supply, const struct sched_task *tasks, uint32_t count, uint64_t at,
                     struct sched_verdict *verdict) {
    uint64_t supplied = sched_supply_within(supply, at);

    verdict->steps++;
    verdict->demand = demand(tasks, count, at);
    if (verdict->demand <= supplied) { return false; }
    verdict->at = at;
    verdict->excess = verdict->demand - supplied;
    verdict->outcome = SCHED_REFUSED;
    return true;
}

static bool well_formed(const struct sched_supply *supply, const struct sched_task *tasks, uint32_t count) {
    if (count > SCHED_TASKS_MAX || supply->budget == 0 || supply->budget > supply->period ||
        supply->period >= INSTANT_MAX || supply->blackout >= INSTANT_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct sched_task *task = &tasks[i];

        if (task->budget == 0 || task->deadline == 0 || task->period == 0 || task->budget >= INSTANT_MAX ||
            task->deadline >= INSTANT_MAX || task->period >= INSTANT_MAX) {
            return false;
        }
    }
    return true;
}

/* Without an end there is at most a witness: more demand than supply shows sooner or later. */
static void look_for_witness(const struct sched_supply *supply, const struct sched_task *tasks, uint32_t count,
                             struct sched_verdict *verdict) {
    verdict->outcome = SCHED_UNDECIDED;
    for (uint64_t instant = 1; instant < INSTANT_MAX; instant *= 2) {
        uint64_t at = last_deadline(tasks, count, instant);

        if (at != 0 && fails_at(supply, tasks, count, at, verdict)) { return; }
    }
}

/* Where the demand is supplied at `at`, it is at every deadline before for which as much has been supplied already. */
static void walk_deadlines(const struct sched_supply *supply, const struct sched_task *tasks, uint32_t count,
                           uint64_t end, struct sched_verdict *verdict) {
    uint64_t at = last_deadline(tasks, count, end);

    for (verdict->outcome = SCHED_ADMITTED; at != 0;) {
        if (verdict->steps == SCHED_QPA_STEPS_MAX) {
            verdict->outcome = SCHED_UNDECIDED;
            return;
        }
        if (fails_at(supply, tasks, count, at, verdict)) { return; }
        at = last_deadline(tasks, count, sched_supply_window(supply, verdict->demand) - 1);
    }
}

enum sched_outcome sched_supply_fits(const struct sched_supply *supply, const struct sched_task *tasks,
                                     uint32_t task_count, struct sched_verdict *verdict) {
    *verdict = (struct sched_verdict){.outcome = SCHED_MALFORMED};
    if (!well_formed(supply, tasks, task_count)) { return SCHED_MALFORMED; }

    uint64_t end = busy_period(supply, tasks, task_count);

    if (end == INSTANT_MAX) {
        look_for_witness(supply, tasks, task_count, verdict);
    } else {
        walk_deadlines(supply, tasks, task_count, end, verdict);
    }
    return verdict->outcome;
}

uint64_t sched_supply_least_budget(const struct sched_task *reservation, const struct sched_task *tasks,
                                   uint32_t task_count) {
    uint64_t least = 1, most = reservation->deadline + 1;

    while (least < most) {
        struct sched_task tried = {least + (most - least) / 2, reservation->deadline, reservation->period};
        struct sched_supply supply = sched_supply_waking(&tried);
        struct sched_verdict verdict;

        if (sched_supply_fits(&supply, tasks, task_count, &verdict) == SCHED_ADMITTED) {
            most = tried.budget;
        } else {
            least = tried.budget + 1;
        }
    }
    return least > reservation->deadline ? 0 : least;
}
