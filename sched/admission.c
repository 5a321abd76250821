// SPDX-License-Identifier: Apache-2.0
#include "sched/admission.h"

#include "sched/fraction.h"

__extension__ typedef unsigned __int128 wide;

#define INSTANT_MAX        (UINT64_C(1) << 62)
#define BUSY_PERIOD_ROUNDS 1024u
#define ONE                SCHED_UTILISATION_ONE

/* What is on one core, as the functions below pass it around. */
struct load {
    const struct sched_task *tasks;
    uint32_t task_count;
    const struct sched_source *sources;
    uint32_t source_count;
};

static uint32_t term_count(const struct load *load) { return load->task_count + load->source_count; }

/* Tasks and sources alike: a source is a task of the highest urgency, D = 0. */
static struct sched_task term(const struct load *load, uint32_t i) {
    if (i < load->task_count) { return load->tasks[i]; }

    const struct sched_source *source = &load->sources[i - load->task_count];

    return (struct sched_task){.budget = source->cost, .period = source->distance};
}

static uint64_t demand(const struct load *load, uint64_t t) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < term_count(load); i++) {
        struct sched_task task = term(load, i);

        if (t >= task.deadline) { sum = add(sum, multiply((t - task.deadline) / task.period + 1, task.budget)); }
    }
    return sum;
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
    for (uint32_t i = 0; i < term_count(load); i++) {
        struct sched_task task = term(load, i);

        if (task.budget == 0 || task.budget >= INSTANT_MAX || task.period == 0 || task.period >= INSTANT_MAX ||
            (i < load->task_count && (task.budget > task.deadline || task.deadline > task.period))) {
            return false;
        }
    }
    return true;
}

/* Is the sum of Q/T, with `dense` of Q/D, at most one? Exact. The second is sufficient: dbf(t) <= t * Q/D for D <= T, and
 * I(t) <= t * (cost/distance + cost/Dmin) at every deadline, none of which is before Dmin. */
static bool sum_fits(const struct load *load, bool dense) {
    struct fraction sum;
    uint64_t least_deadline = INSTANT_MAX, interrupts = 0;

    fraction_zero(&sum);
    for (uint32_t i = 0; i < term_count(load); i++) {
        struct sched_task task = term(load, i);

        if (!fraction_add(&sum, task.budget, dense && task.deadline != 0 ? task.deadline : task.period)) {
            return false;
        }
        if (task.deadline == 0) {
            interrupts = add(interrupts, task.budget);
        } else if (task.deadline < least_deadline) {
            least_deadline = task.deadline;
        }
    }
    return !dense || (interrupts <= least_deadline && fraction_add(&sum, interrupts, least_deadline));
}

/* h(t) <= U*t + sum (T-D)*U, so nothing fails at or after sum (T-D)*U / (1-U). Rounded to the safe side; INSTANT_MAX when U is too close to
 * one for that. */
static uint64_t bound_by_utilisation(const struct load *load) {
    uint64_t utilisation = 0;
    wide surplus = 0;

    for (uint32_t i = 0; i < term_count(load); i++) {
        struct sched_task task = term(load, i);
        uint64_t share = fraction_ratio_up(task.budget, task.period);

        utilisation += share;
        surplus += (wide)(task.period - task.deadline) * share + ONE - 1;
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

        for (uint32_t i = 0; i < term_count(load); i++) {
            struct sched_task task = term(load, i);

            work = add(work, multiply((length - 1) / task.period + 1, task.budget));
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
    for (uint64_t instant = 1; instant <= INSTANT_MAX; instant *= 2) {
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
    if (load->task_count != 0 && sum_fits(load, true)) { return SCHED_ADMITTED; }
    return sum_fits(load, false) ? walk_deadlines(load, verdict) : refuse_overload(load, verdict);
}

enum sched_outcome sched_admit(const struct sched_task *tasks, uint32_t task_count, const struct sched_source *sources,
                               uint32_t source_count, struct sched_verdict *verdict) {
    struct load load = {tasks, task_count, sources, source_count};

    *verdict = (struct sched_verdict){0};
    verdict->outcome = decide(&load, verdict);
    return verdict->outcome;
}

#if TAKT_RECLAIM
bool sched_may_reclaim(const struct sched_task *tasks, uint32_t task_count, const struct sched_source *sources,
                       uint32_t source_count) {
    struct load load = {tasks, task_count, sources, source_count};

    for (uint32_t i = 0; i < task_count; i++) {
        if (tasks[i].deadline != tasks[i].period) { return false; }
    }
    return well_formed(&load) && sum_fits(&load, true);
}
#endif
