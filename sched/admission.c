// SPDX-License-Identifier: Apache-2.0
#include "sched/admission.h"

#include "sched/fraction.h"

__extension__ typedef unsigned __int128 wide;

#define INSTANT_MAX        (UINT64_C(1) << 62)
#define BUSY_PERIOD_ROUNDS 1024u
#define ONE                SCHED_UTILISATION_ONE

enum phase { DENSITY, UTILISATION, BUSY_PERIOD, WALK, OVERLOAD, DECIDED };

static uint32_t term_count(const struct sched_test *load) { return load->task_count + load->source_count; }

/* Tasks and sources alike: a source is a task of the highest urgency, D = 0. */
static struct sched_task term(const struct sched_test *load, uint32_t i) {
    if (i < load->task_count) { return load->tasks[i]; }

    const struct sched_source *source = &load->sources[i - load->task_count];

    return (struct sched_task){.budget = source->cost, .period = source->distance};
}

static uint64_t demand(const struct sched_test *load, uint64_t t) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < term_count(load); i++) {
        struct sched_task task = term(load, i);

        if (t >= task.deadline) { sum = add(sum, multiply((t - task.deadline) / task.period + 1, task.budget)); }
    }
    return sum;
}

/* The latest deadline that is not after t; 0 when there is none. */
static uint64_t last_deadline(const struct sched_test *load, uint64_t t) {
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

static bool well_formed(const struct sched_test *load) {
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

static void decide(struct sched_test *test, enum sched_outcome outcome) {
    test->verdict.outcome = outcome;
    test->phase = DECIDED;
}

static void begin_sum(struct sched_test *test, enum phase phase) {
    test->phase = phase;
    test->next = 0;
    test->interrupts = 0;
    test->least_deadline = INSTANT_MAX;
    fraction_zero(&test->sum);
}

/* Adds the next term to the sum of Q/T, with DENSITY of Q/D. *fits: it is at most one so far. False: there was none left.
 * Exact. Density is sufficient: dbf(t) <= t * Q/D for D <= T, and I(t) <= t * (cost/distance + cost/Dmin) at every deadline,
 * none of which is before Dmin. */
static bool add_term(struct sched_test *test, bool *fits) {
    bool dense = test->phase == DENSITY;

    if (test->next == term_count(test)) {
        *fits = !dense || (test->interrupts <= test->least_deadline &&
                           fraction_add(&test->sum, test->interrupts, test->least_deadline));
        return false;
    }

    struct sched_task task = term(test, test->next++);

    *fits = fraction_add(&test->sum, task.budget, dense && task.deadline != 0 ? task.deadline : task.period);
    if (task.deadline == 0) {
        test->interrupts = add(test->interrupts, task.budget);
    } else if (task.deadline < test->least_deadline) {
        test->least_deadline = task.deadline;
    }
    return true;
}

/* h(t) <= U*t + sum (T-D)*U, so nothing fails at or after sum (T-D)*U / (1-U). Rounded to the safe side; INSTANT_MAX when U is too close to
 * one for that. */
static uint64_t bound_by_utilisation(const struct sched_test *load) {
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

static void step_sum(struct sched_test *test) {
    bool dense = test->phase == DENSITY, fits;

    if (add_term(test, &fits) && fits) { return; }
    if (dense && fits) {
        decide(test, SCHED_ADMITTED);
    } else if (dense) {
        begin_sum(test, UTILISATION);
    } else {
        test->phase = fits ? BUSY_PERIOD : OVERLOAD;
        test->limit = bound_by_utilisation(test);
        test->at = 1;
    }
}

static void begin_walk(struct sched_test *test, uint64_t limit) {
    test->phase = WALK;
    test->at = last_deadline(test, limit);
    if (limit >= INSTANT_MAX) { decide(test, SCHED_UNDECIDED); }
}

/* Length of the synchronous busy period, if it is below `limit` and found in time; else `limit`. At
 * its end all that was released is done, so nothing of it can be late behind it, and what comes
 * later finds the core no fuller than at 0. Its rounds are counted on from the terms. */
static void step_busy_period(struct sched_test *test) {
    uint64_t work = 0;

    for (uint32_t i = 0; i < term_count(test); i++) {
        struct sched_task task = term(test, i);

        work = add(work, multiply((test->at - 1) / task.period + 1, task.budget));
    }
    if (work >= test->limit || work == test->at) {
        begin_walk(test, work < test->limit ? work : test->limit);
    } else if (++test->next == BUSY_PERIOD_ROUNDS) {
        begin_walk(test, test->limit);
    }
    if (test->phase == BUSY_PERIOD) { test->at = work; }
}

static void refuse(struct sched_test *test, uint64_t at, uint64_t demanded) {
    test->verdict.at = at;
    test->verdict.demand = demanded;
    test->verdict.excess = demanded - at;
    decide(test, SCHED_REFUSED);
}

/* Utilisation above one: demand outgrows time sooner or later; looks at ever later instants. */
static void step_overload(struct sched_test *test) {
    uint64_t at = test->task_count == 0 ? test->at : last_deadline(test, test->at);
    uint64_t demanded = demand(test, at);

    test->verdict.steps++;
    if (at != 0 && demanded > at) {
        refuse(test, at, demanded);
    } else if (test->at >= INSTANT_MAX) {
        decide(test, SCHED_REFUSED);
    }
    test->at *= 2;
}

/* Walks the deadlines down from the last that can fail. Where h(t) <= t, no deadline in [h(t), t)
 * fails either, because h does not decrease; so the next to look at is the last one before h(t). */
static void step_walk(struct sched_test *test) {
    if (test->at == 0 || test->verdict.steps == SCHED_QPA_STEPS_MAX) {
        decide(test, test->at == 0 ? SCHED_ADMITTED : SCHED_UNDECIDED);
        return;
    }

    uint64_t demanded = demand(test, test->at);

    test->verdict.steps++;
    if (demanded > test->at) {
        refuse(test, test->at, demanded);
    } else {
        test->at = last_deadline(test, demanded - 1);
    }
}

void sched_test_begin(struct sched_test *test, const struct sched_task *tasks, uint32_t task_count,
                      const struct sched_source *sources, uint32_t source_count) {
    test->tasks = tasks;
    test->task_count = task_count;
    test->sources = sources;
    test->source_count = source_count;
    test->verdict = (struct sched_verdict){0};
    begin_sum(test, task_count != 0 ? DENSITY : UTILISATION);
    if (!well_formed(test)) { decide(test, SCHED_MALFORMED); }
}

bool sched_test_step(struct sched_test *test) {
    static void (*const steps[])(struct sched_test *) = {
        [DENSITY] = step_sum, [UTILISATION] = step_sum,   [BUSY_PERIOD] = step_busy_period,
        [WALK] = step_walk,   [OVERLOAD] = step_overload,
    };

    if (test->phase != DECIDED) { steps[test->phase](test); }
    return test->phase == DECIDED;
}

enum sched_outcome sched_admit(const struct sched_task *tasks, uint32_t task_count, const struct sched_source *sources,
                               uint32_t source_count, struct sched_verdict *verdict) {
    struct sched_test test;

    sched_test_begin(&test, tasks, task_count, sources, source_count);
    while (!sched_test_step(&test)) {}
    *verdict = test.verdict;
    return verdict->outcome;
}

#if TAKT_RECLAIM
bool sched_may_reclaim(const struct sched_task *tasks, uint32_t task_count, const struct sched_source *sources,
                       uint32_t source_count) {
    struct sched_test test;

    for (uint32_t i = 0; i < task_count; i++) {
        if (tasks[i].deadline != tasks[i].period) { return false; }
    }
    sched_test_begin(&test, tasks, task_count, sources, source_count);
    while (test.phase == DENSITY) { sched_test_step(&test); }
    return test.phase == DECIDED && test.verdict.outcome == SCHED_ADMITTED;
}
#endif
