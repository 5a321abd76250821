// SPDX-License-Identifier: Apache-2.0
#include "sched/admission.h"

#include "sched/fraction.h"

#include <stdbool.h>

__extension__ typedef unsigned __int128 wide;

#define INSTANT_MAX        (UINT64_C(1) << 62)
#define BUSY_PERIOD_ROUNDS 1024u
#define ONE                (UINT64_C(1) << 32) /* fixed point of the bound on the last instant */

/* What is on one core, as the functions below pass it around. */
struct load {
    const struct sched_task *tasks;
    uint32_t task_count;
    const struct sched_source *sources;
    uint32_t source_count;
};

static uint64_t add(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

static uint64_t multiply(uint64_t a, uint64_t b) {
    wide product = (wide)a * b;

    return (product >> 64) != 0 ? UINT64_MAX : (uint64_t)product;
}

static uint64_t demand(const struct load *load, uint64_t t) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < load->task_count; i++) {
        const struct sched_task *task = &load->tasks[i];

        if (t >= task->deadline) { sum = add(sum, multiply((t - task->deadline) / task->period + 1, task->budget)); }
    }
    for (uint32_t i = 0; i < load->source_count; i++) {
        const struct sched_source *source = &load->sources[i];

        sum = add(sum, multiply(t / source->distance + 1, source->cost));
    }
    return sum;
}

uint64_t sched_demand(const struct sched_task *tasks, uint32_t task_count, const struct sched_source *sources,
                      uint32_t source_count, uint64_t t) {
    struct load load = {tasks, task_count, sources, source_count};

    return demand(&load, t);
}

/* The latest deadline that is not after t; 0 when there is none. */
static uint64_t last_deadline(const struct load *load, uint64_t t) {
    uint64_t last = 0;

    for (uint32_t i = 0; i < load->task_count; i++) {
        const struct sched_task *task = &load->tasks[i];

        if (task->deadline <= t) {
            uint64_t deadline = t - (t - task->deadline) % task->period;

            last = deadline > last ? deadline : last;
        }
    }
    return last;
}

static bool well_formed(const struct load *load) {
    if (load->task_count > SCHED_TASKS_MAX || load->source_count > SCHED_SOURCES_MAX) { return false; }
    for (uint32_t i = 0; i < load->task_count; i++) {
        const struct sched_task *task = &load->tasks[i];

        if (task->budget == 0 || task->budget > task->deadline || task->deadline > task->period ||
            task->period >= INSTANT_MAX) {
            return false;
        }
    }
    for (uint32_t i = 0; i < load->source_count; i++) {
        const struct sched_source *source = &load->sources[i];

        if (source->cost == 0 || source->cost >= INSTANT_MAX || source->distance == 0 ||
            source->distance >= INSTANT_MAX) {
            return false;
        }
    }
    return true;
}

static bool utilisation_fits(const struct load *load) {
    struct fraction sum;

    fraction_zero(&sum);
    for (uint32_t i = 0; i < load->task_count; i++) {
        if (!fraction_add(&sum, load->tasks[i].budget, load->tasks[i].period)) { return false; }
    }
    for (uint32_t i = 0; i < load->source_count; i++) {
        if (!fraction_add(&sum, load->sources[i].cost, load->sources[i].distance)) { return false; }
    }
    return true;
}

/* Sufficient: dbf(t) <= t * Q/D for D <= T, and I(t) <= t * (cost/distance + cost/Dmin) at every
 * deadline, none of which is before Dmin. */
static bool density_fits(const struct load *load) {
    struct fraction sum;
    uint64_t least_deadline = INSTANT_MAX;
    uint64_t interrupts = 0;

    fraction_zero(&sum);
    for (uint32_t i = 0; i < load->task_count; i++) {
        const struct sched_task *task = &load->tasks[i];

        if (!fraction_add(&sum, task->budget, task->deadline)) { return false; }
        least_deadline = task->deadline < least_deadline ? task->deadline : least_deadline;
    }
    for (uint32_t i = 0; i < load->source_count; i++) {
        if (!fraction_add(&sum, load->sources[i].cost, load->sources[i].distance)) { return false; }
        interrupts = add(interrupts, load->sources[i].cost);
    }
    return interrupts <= least_deadline && fraction_add(&sum, interrupts, least_deadline);
}

/* part/whole in fixed point, never too small. */
static uint64_t ratio_up(uint64_t part, uint64_t whole) {
    while (part >= ONE) {
        part = (part + 1) / 2;
        whole /= 2;
    }
    return part * ONE / whole + (part * ONE % whole != 0 ? 1 : 0);
}

/* h(t) <= U*t + sum (T-D)*U + sum cost, so nothing fails at or after
 * (sum (T-D)*U + sum cost) / (1-U). Rounded to the safe side; INSTANT_MAX when U is too close to
 * one for that. */
static uint64_t bound_by_utilisation(const struct load *load) {
    uint64_t utilisation = 0;
    wide surplus = 0;

    for (uint32_t i = 0; i < load->task_count; i++) {
        const struct sched_task *task = &load->tasks[i];
        uint64_t share = ratio_up(task->budget, task->period);

        utilisation += share;
        surplus += (wide)(task->period - task->deadline) * share + ONE - 1;
    }
    for (uint32_t i = 0; i < load->source_count; i++) {
        utilisation += ratio_up(load->sources[i].cost, load->sources[i].distance);
        surplus += (wide)load->sources[i].cost * ONE;
    }
    if (utilisation >= ONE || (surplus >> 32) >= INSTANT_MAX) { return INSTANT_MAX; }

    uint64_t idle = ONE - utilisation;
    uint64_t whole = (uint64_t)(surplus >> 32) + 1;
    uint64_t quotient = whole / idle;

    if (quotient >= INSTANT_MAX / ONE) { return INSTANT_MAX; }
    return quotient * ONE + (whole % idle) * ONE / idle + 1;
}

/* Length of the synchronous busy period, if it is below `limit` and found in time; else `limit`. At
 * its end all that was released is done, so nothing of it can be late behind it, and what comes
 * later finds the core no fuller than at 0. */
static uint64_t bound_by_busy_period(const struct load *load, uint64_t limit) {
    uint64_t length = 1;

    for (uint32_t round = 0; round < BUSY_PERIOD_ROUNDS; round++) {
        uint64_t work = 0;

        for (uint32_t i = 0; i < load->task_count; i++) {
            uint64_t jobs = (length - 1) / load->tasks[i].period + 1;

            work = add(work, multiply(jobs, load->tasks[i].budget));
        }
        for (uint32_t i = 0; i < load->source_count; i++) {
            uint64_t arrivals = (length - 1) / load->sources[i].distance + 1;

            work = add(work, multiply(arrivals, load->sources[i].cost));
        }
        if (work >= limit) { return limit; }
        if (work == length) { return length; }
        length = work;
    }
    return limit;
}

static enum sched_outcome refuse(struct sched_verdict *verdict, uint64_t at, uint64_t demanded) {
    verdict->at = at;
    verdict->demand = demanded;
    verdict->excess = demanded - at;
    return SCHED_REFUSED;
}

/* Utilisation above one: demand outgrows time sooner or later; looks at ever later instants. */
static enum sched_outcome refuse_overload(const struct load *load, struct sched_verdict *verdict) {
    for (uint64_t instant = 1; instant < INSTANT_MAX; instant *= 2) {
        uint64_t deadline = last_deadline(load, instant);
        uint64_t at = load->task_count == 0 ? instant : deadline;
        uint64_t demanded = demand(load, at);

        verdict->steps++;
        if (at != 0 && demanded > at) { return refuse(verdict, at, demanded); }
    }
    return SCHED_REFUSED;
}

/* Walks the deadlines down from the last that can fail. Where h(t) <= t, no deadline in [h(t), t)
 * fails either, because h does not decrease; so the next to look at is the last one before h(t). */
static enum sched_outcome walk_deadlines(const struct load *load, struct sched_verdict *verdict) {
    uint64_t limit = bound_by_busy_period(load, bound_by_utilisation(load));

    if (limit >= INSTANT_MAX) { return SCHED_UNDECIDED; }
    for (uint64_t at = last_deadline(load, limit); at != 0;) {
        if (verdict->steps == SCHED_QPA_STEPS_MAX) { return SCHED_UNDECIDED; }

        uint64_t demanded = demand(load, at);

        verdict->steps++;
        if (demanded > at) { return refuse(verdict, at, demanded); }
        at = last_deadline(load, demanded - 1);
    }
    return SCHED_ADMITTED;
}

static enum sched_outcome decide(const struct load *load, struct sched_verdict *verdict) {
    if (!well_formed(load)) { return SCHED_MALFORMED; }
    if (load->task_count == 0 || !density_fits(load)) {
        if (!utilisation_fits(load)) { return refuse_overload(load, verdict); }
        return walk_deadlines(load, verdict);
    }
    return SCHED_ADMITTED;
}

enum sched_outcome sched_admit(const struct sched_task *tasks, uint32_t task_count, const struct sched_source *sources,
                               uint32_t source_count, struct sched_verdict *verdict) {
    struct load load = {tasks, task_count, sources, source_count};

    *verdict = (struct sched_verdict){0};
    verdict->outcome = decide(&load, verdict);
    return verdict->outcome;
}
