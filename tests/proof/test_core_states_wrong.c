// SPDX-License-Identifier: Apache-2.0
/*
 * The search of core_search.h can fail: here with a constant-bandwidth server in the place of sched/server.c, which the
 * linker then leaves out. It keeps budget and deadline over a block when they fit its bandwidth at the wake-up, which is
 * sound under the density test only (docs/scheduling.md, test vector of the scheduling model); else it is no more generous
 * than the real one. Its list holds one refill: what is left and from which release, or all of Q and when it is back.
 */
#include "core_search.h"

#include "sched/server.h"

static void keep_one(struct sched_entity *entity, uint64_t time, uint64_t amount) {
    entity->refill_head = 0;
    entity->refill_count = 1;
    entity->refills[0] = (struct sched_refill){.time = time, .amount = amount};
    entity->remaining = 0;
    entity->consumed = 0;
}

void server_reset(struct sched_entity *entity, uint64_t now) { keep_one(entity, now, entity->budget); }

bool server_open(struct sched_entity *entity, uint64_t at) {
    struct sched_refill *kept = &entity->refills[0];
    uint64_t deadline = kept->time + entity->deadline;

    if (sched_before(at, kept->time)) { return false; }
    if (kept->amount == entity->budget || !sched_before(at, kept->time + entity->period)) {
        kept->time = at;
        kept->amount = entity->budget;
    } else if (!sched_before(at, deadline) || kept->amount * entity->period > (deadline - at) * entity->budget) {
        keep_one(entity, kept->time + entity->period, entity->budget);
        return false;
    }
    entity->release = kept->time;
    entity->remaining = kept->amount;
    entity->refill_count = 0;
    return true;
}

void server_exhaust(struct sched_entity *entity) { keep_one(entity, entity->release + entity->period, entity->budget); }

void server_close(struct sched_entity *entity, uint64_t now) {
    (void)now;
    keep_one(entity, entity->release, entity->remaining);
}

void server_owe(struct sched_entity *entity, uint64_t ticks) {
    (void)entity;
    (void)ticks;
}

void server_pay(struct sched_entity *entity, uint64_t until) {
    (void)entity;
    (void)until;
}

uint64_t server_eligible_at(const struct sched_entity *entity, uint64_t now) {
    return sched_before(now, entity->refills[0].time) ? entity->refills[0].time : now;
}

static bool density_fits(const struct scope *scope) {
    const struct sched_task *a = &scope->tasks[0];
    const struct sched_task *b = &scope->tasks[1];

    return a->budget * b->deadline + b->budget * a->deadline <= a->deadline * b->deadline;
}

static void a_server_that_keeps_its_deadline_is_found_to_miss(void **state) {
    struct sched_task tasks[PERIOD_MAX * PERIOD_MAX * PERIOD_MAX];
    uint32_t count = all_tasks(tasks, 4 + search_depth());
    uint32_t sets = 0;
    uint32_t missing = 0;
    uint64_t states = 0;

    (void)state;
    for (uint32_t a = 0; a < count; a++) {
        for (uint32_t b = a; b < count; b++) {
            struct scope scope = {.tasks = {tasks[a], tasks[b]}, .count = 2, .only_misses = true, .dated_back = 5};

            if (!admitted(&scope)) { continue; }
            sets++;
            if (explore_core(&scope, &states, missing == 0) == NULL) { continue; }
            missing++;
            assert_false(density_fits(&scope));
        }
    }
    printf("             %u of %u sets miss, %llu states\n", missing, sets, (unsigned long long)states);
    assert_true(missing > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_server_that_keeps_its_deadline_is_found_to_miss)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
