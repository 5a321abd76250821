// SPDX-License-Identifier: Apache-2.0
/*
 * One server and everything that can happen to it, for small Q, D and T.
 *
 * In every tick its guest does what core_states.h lets it do, or is woken late; and the tick may go to others, as long as
 * the server can still have every activation by its deadline. So what it gets, and when, is any supply that an admitted
 * core can give it. Beside the checks of core_states.h: what it gets in any window.
 */
#include "core_search.h"

struct server_world {
    struct world world;
    uint32_t history; /* bit k: it ran k + 1 ticks ago */
};

struct state_key {
    struct core_key core;
    uint32_t history;
};

/* What the search saw, to tell whether it looked where it should. */
struct seen {
    uint64_t states;
    uint64_t late;     /* wake-ups told late */
    uint64_t withheld; /* ticks given to others */
    uint64_t full;     /* lists that were full */
    uint64_t owing;    /* states with debt */
    bool reached;      /* the bound over a window was reached */
};

/* As long as the windows that are looked at: the bound grows by Q with every further T. */
static uint32_t history_of(const struct scope *scope) {
    return scope->joins ? 0 : (uint32_t)(2 * scope->tasks[0].period + 1);
}

/* With every tick from `at` on, would each activation that is open or due have its budget in time? */
static bool can_be_in_time(const struct world *world, uint64_t at) {
    const struct sched_entity *entity = &world->servers[0];
    uint64_t end = at + entity->remaining;

    if (entity->state != SCHED_READY) { return true; }
    if (end > entity->release + entity->deadline) { return false; }
    for (uint32_t i = 0; i < entity->refill_count; i++) {
        const struct sched_refill *refill = &entity->refills[(entity->refill_head + i) % SCHED_REFILLS_MAX];

        end = (end > refill->time ? end : refill->time) + refill->amount;
        if (end > refill->time + entity->deadline) { return false; }
    }
    return true;
}

/* The most that a window of w ticks can hold: (1 + floor((w + D - 2Q) / T)) whole budgets and a part of one. */
static uint64_t most_in_window(const struct sched_task *task, uint64_t w) {
    return ((w + task->deadline + task->period - 2 * task->budget) / task->period + 1) * task->budget;
}

/* Every tick of budget returns T after its release at the earliest and is had by D: two of one are T - D + 1 apart. */
static uint64_t most_of_pieces(const struct sched_task *task, uint64_t w) {
    uint64_t turns = 1 + (w + task->deadline < 2 ? 0 : (w + task->deadline - 2) / task->period);

    return turns * task->budget < w ? turns * task->budget : w;
}

/* What all releases of one period got, for each period that lies within the last two. */
static const char *chain_complaint(const struct server_world *w) {
    const struct sched_task *task = &w->world.scope->tasks[0];

    for (uint64_t first = 0; first <= task->period && w->world.scope->periods_kept == 2; first++) {
        uint64_t sum = 0;

        for (uint64_t age = first; age < first + task->period; age++) { sum += w->world.got[0][age]; }
        if (sum > task->budget) { return "more than Q from the releases of a period"; }
    }
    return NULL;
}

static const char *window_complaint(const struct server_world *w, struct seen *seen) {
    const struct sched_task *task = &w->world.scope->tasks[0];
    uint32_t sum = 0;

    for (uint32_t length = 1; length <= history_of(w->world.scope); length++) {
        sum += (w->history >> (length - 1)) & 1u;
        if (sum > most_of_pieces(task, length)) { return "more than the pieces of Q allow in a window"; }
        if (sum > most_in_window(task, length)) { return "more than the bound in a window"; }
        seen->reached = seen->reached || (length > task->period && sum == most_of_pieces(task, length) && sum < length);
    }
    return NULL;
}

/* What happens in a step beside the guest's act. */
enum variant {
    ON_TIME,     /* nothing else */
    WOKEN_LATE,  /* it woke a tick ago */
    WITHHELD,    /* others get the tick */
    CHARGED,     /* an interrupt of its own costs a tick of its budget */
    NOT_DECIDED, /* the dispatcher is not called: it may overrun */
};

#define OVERRUN_MAX 3u
#define BEHIND_MAX  (PERIOD_MAX - 1) /* a server that is told ever later is followed so far */

static bool variant_is_there(const struct world *world, enum act what, enum variant variant) {
    switch (variant) {
    case WOKEN_LATE: return world->servers[0].state == SCHED_BLOCKED && what == TURN;
    case NOT_DECIDED: return what == STAY && NOW - world->core.run_start < OVERRUN_MAX;
    default: return true;
    }
}

static bool server_step(struct server_world *w, enum act what, enum variant variant, struct seen *seen,
                        const char **complaint) {
    struct world *world = &w->world;
    struct sched_entity *entity = &world->servers[0];
    struct sched_decision decision;
    bool runs;

    if (!variant_is_there(world, what, variant)) { return false; }
    if (variant == NOT_DECIDED) { return true; }
    if (entity->state == SCHED_READY && NOW - entity->release > BEHIND_MAX) { return false; }
    if (variant == WOKEN_LATE) {
        sched_wake(&world->core, entity, NOW - 1);
    } else if (!act(world, what, USUAL)) {
        return false;
    }
    if (variant == CHARGED) { sched_charge(&world->core, entity, 1); }
    decision = sched_pick(&world->core, NOW);
    if (!can_be_in_time(world, NOW) && !world->scope->debts) {
        *complaint = variant == WOKEN_LATE ? NULL : "it cannot be in time even alone";
        return false;
    }
    runs = decision.run == entity;
    if (variant == WITHHELD && (!runs || !can_be_in_time(world, NOW + 1))) { return false; }
    *complaint = complaint_about(world, &decision);
    pass(world, &decision, variant == WITHHELD);
    if (world->scope->debts) { memset(world->got, 0, sizeof(world->got)); }
    w->history = (w->history << 1 | (runs && variant != WITHHELD ? 1u : 0u)) & ((1u << history_of(world->scope)) - 1);
    if (*complaint == NULL) { *complaint = chain_complaint(w); }
    if (*complaint == NULL) { *complaint = window_complaint(w, seen); }
    seen->late += variant == WOKEN_LATE ? 1 : 0;
    seen->withheld += variant == WITHHELD ? 1 : 0;
    seen->full += entity->refill_count == SCHED_REFILLS_MAX ? 1 : 0;
    seen->owing += entity->debt != 0 ? 1 : 0;
    return true;
}

static void follow(struct search *search, uint32_t state, const struct scope *scope, enum variant variant,
                   struct seen *seen) {
    static struct server_world w;
    struct state_key key;
    const char *complaint = NULL;

    for (enum act what = STAY; what < ACTS; what++) {
        bool there;

        memcpy(&key, search_key(search, state), sizeof(key));
        restore(&w.world, scope, &key.core);
        w.history = key.history;
        there = server_step(&w, what, variant, seen, &complaint);
        if (complaint != NULL) {
            printf("             %s, by these steps and then variant %u:\n", complaint, variant);
            print_scope(scope);
            print_way(search, scope, state, (uint32_t)what << 2);
            fail();
        }
        if (!there) { continue; }
        keep(&w.world, NOW + 1, &key.core);
        key.history = w.history;
        search_add(search, (const uint8_t *)&key, state, (uint32_t)what << 2);
    }
}

static void explore_server(const struct scope *scope, const enum variant *variants, uint32_t count, struct seen *seen) {
    struct state_key key;
    struct search search;

    memset(&key, 0, sizeof(key));
    key.core.servers[0].refill_count = 1;
    key.core.servers[0].refill_amount[0] = (uint8_t)scope->tasks[0].budget;
    search_start(&search, sizeof(key), (const uint8_t *)&key);
    for (uint32_t done = 0; done < search.count; done++) {
        for (uint32_t i = 0; i < count; i++) { follow(&search, done, scope, variants[i], seen); }
    }
    seen->states += search.count;
    search_end(&search);
}

static void supply_is_never_early_and_never_too_much(void **state) {
    static const enum variant variants[] = {ON_TIME, WOKEN_LATE, WITHHELD};
    struct sched_task tasks[PERIOD_MAX * PERIOD_MAX * PERIOD_MAX];
    uint32_t count = all_tasks(tasks, search_depth() == 0 ? 3 : 4 + search_depth());
    struct seen seen = {0};

    (void)state;
    for (uint32_t i = 0; i < count; i++) {
        struct scope scope = {.tasks = {tasks[i]}, .count = 1, .periods_kept = 2, .dated_back = 1};

        if (tasks[i].budget <= 3) { explore_server(&scope, variants, 3, &seen); }
    }
    printf("             %llu states, %llu wake-ups told late, %llu ticks given to others\n",
           (unsigned long long)seen.states, (unsigned long long)seen.late, (unsigned long long)seen.withheld);
    assert_true(seen.late > 100 && seen.withheld > 100 && seen.reached);
}

static void a_full_list_never_brings_budget_early(void **state) {
    static const enum variant variants[] = {ON_TIME};
    struct seen seen = {0};

    (void)state;
    for (uint64_t period = 11; period <= (search_depth() == 0 ? 11 : 12); period++) {
        struct scope scope = {.tasks = {{9, period, period}}, .count = 1, .joins = true};

        explore_server(&scope, variants, 1, &seen);
    }
    printf("             %llu states, %llu times full\n", (unsigned long long)seen.states,
           (unsigned long long)seen.full);
    assert_true(seen.full > 100);
}

static void debt_is_paid_and_budget_comes_when_it_is_told(void **state) {
    static const enum variant variants[] = {ON_TIME, CHARGED, NOT_DECIDED};
    struct sched_task tasks[PERIOD_MAX * PERIOD_MAX * PERIOD_MAX];
    uint32_t count = all_tasks(tasks, search_depth() == 0 ? 3 : 4 + search_depth());
    struct seen seen = {0};

    (void)state;
    for (uint32_t i = 0; i < count; i++) {
        struct scope scope = {.tasks = {tasks[i]}, .count = 1, .joins = true, .debts = true};

        if (tasks[i].budget <= 3) { explore_server(&scope, variants, 3, &seen); }
    }
    printf("             %llu states, %llu times in debt\n", (unsigned long long)seen.states,
           (unsigned long long)seen.owing);
    assert_true(seen.owing > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(supply_is_never_early_and_never_too_much),
        cmocka_unit_test(a_full_list_never_brings_budget_early),
        cmocka_unit_test(debt_is_paid_and_budget_comes_when_it_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
