// SPDX-License-Identifier: Apache-2.0
/* The search through core_states.h, and the sets of reservations that it is for. */
#ifndef PROOF_CORE_SEARCH_H
#define PROOF_CORE_SEARCH_H

#include "core_states.h"

static inline void print_scope(const struct scope *scope) {
    printf("             (Q, D, T):");
    for (uint32_t i = 0; i < scope->count; i++) {
        const struct sched_task *task = &scope->tasks[i];

        printf(" (%u, %u, %u)", (uint32_t)task->budget, (uint32_t)task->deadline, (uint32_t)task->period);
    }
    if (scope->becomes.budget != 0) {
        printf(", and then (%u, %u, %u) in place of the first", (uint32_t)scope->becomes.budget,
               (uint32_t)scope->becomes.deadline, (uint32_t)scope->becomes.period);
    }
    printf("; interrupts: %u by %u; who reclaims: %x\n", (uint32_t)scope->source.cost, (uint32_t)scope->source.distance,
           scope->reclaims);
}

static inline void print_way(const struct search *search, const struct scope *scope, uint32_t state, uint32_t last) {
    static const char *const specials[SPECIALS] = {"", ", A changes first", ", A changes between", ", A changes last",
                                                   ", the decision stands"};
    uint32_t steps[64];
    uint32_t count = search_way(search, state, steps, 63);

    steps[count++] = last;
    for (uint32_t i = 0; i < count; i++) {
        printf("             %3u:", i);
        uint32_t acts = steps[i] >> 2;
        for (uint32_t who = 0; who < scope->count; acts /= ACTS, who++) {
            if (acts % ACTS != STAY) {
                printf(" %c %s", 'A' + (char)who, acts % ACTS == TURN ? "turns" : "blocks and wakes");
            }
        }
        printf("%s%s\n", specials[acts], (steps[i] & 2u) != 0 ? ", interrupt" : "");
    }
}

/* Follows everything from the state in which all are blocked with full budgets. Returns what is wrong, or NULL; *states
 * grows by the states seen. `tells`: prints the way to what is wrong. */
static inline const char *explore_core(const struct scope *scope, uint64_t *states, bool tells) {
    static struct world world;
    struct core_key key = {.quiet = (uint8_t)scope->source.distance};
    struct search search;
    const char *complaint = NULL;
    uint32_t steps = 4;
    uint32_t done;
    uint32_t number = 0;

    for (uint32_t i = 0; i < scope->count; i++) {
        key.servers[i].refill_count = 1;
        key.servers[i].refill_amount[0] = (uint8_t)scope->tasks[i].budget;
        steps *= ACTS;
    }
    if (scope->becomes.budget != 0 || scope->reclaims != 0) { steps *= SPECIALS; }
    search_start(&search, sizeof(key), (const uint8_t *)&key);
    for (done = 0; done < search.count && complaint == NULL; done++) {
        for (number = 0; number < steps; number++) {
            memcpy(&key, search_key(&search, done), sizeof(key));
            restore(&world, scope, &key);
            if (!step(&world, number, &complaint)) { continue; }
            if (complaint != NULL) { break; }
            keep(&world, NOW + 1, &key);
            search_add(&search, (const uint8_t *)&key, done, number);
        }
    }
    *states += search.count;
    if (complaint != NULL && tells) {
        print_scope(scope);
        printf("             %s, by these steps:\n", complaint);
        print_way(&search, scope, done - 1, number);
    }
    search_end(&search);
    return complaint;
}

/* ---- sets of reservations ----------------------------------------------------------------------------------- */

static inline bool admitted(const struct scope *scope) {
    struct sched_verdict verdict;

    return sched_admit(scope->tasks, scope->count, &scope->source, scope->source.cost != 0 ? 1 : 0, &verdict) ==
           SCHED_ADMITTED;
}

/* Every reservation with a period of at most `most`. */
static inline uint32_t all_tasks(struct sched_task *tasks, uint32_t most) {
    uint32_t count = 0;

    for (uint64_t period = 1; period <= most; period++) {
        for (uint64_t deadline = 1; deadline <= period; deadline++) {
            for (uint64_t budget = 1; budget <= deadline; budget++) {
                tasks[count++] = (struct sched_task){budget, deadline, period};
            }
        }
    }
    return count;
}

#endif
