// SPDX-License-Identifier: Apache-2.0
/* The start latency by its definition in sched/latency.h, word by word: every offset of the busy period, every job
 * counted; and what is not decided. tests/unit/test_latency.c holds it against the dispatcher. */
#include "test_sched_support.h"

#include "sched/latency.h"

#define SERVERS_MAX 4u
#define INSTANT_MAX (UINT64_C(1) << 62)

struct load {
    struct sched_task tasks[SCHED_TASKS_MAX + 2]; /* behind the last of each is one that nobody may look at */
    struct sched_source sources[SCHED_SOURCES_MAX + 2];
    uint32_t task_count, source_count, own;
    uint64_t blocking;
};

static struct load l;
static struct sched_latency latency;

static bool decided(void) {
    return sched_start_latency(l.tasks, l.task_count, l.sources, l.source_count, l.blocking, l.own, &latency);
}

static bool malformed(void) { return !decided() && latency.steps == 0; }

/* ---- the definition ------------------------------------------------------------------------------------------ */

/* Released from -before on in every period, until `now`, due by `due`. */
static uint64_t jobs(uint64_t period, uint64_t deadline, uint64_t before, uint64_t now, uint64_t due) {
    uint64_t count = 0;

    for (uint64_t release = 0; release <= now + before && release + deadline <= due + before; release += period) {
        count++;
    }
    return count;
}

static uint64_t interrupts(uint64_t now) {
    uint64_t sum = l.blocking;

    for (uint32_t i = 0; i < l.source_count; i++) {
        sum += jobs(l.sources[i].distance, 0, 0, now, now) * l.sources[i].cost;
    }
    return sum;
}

static uint64_t busy_period(void) {
    for (uint64_t end = 1;; end++) {
        uint64_t work = interrupts(end - 1);

        for (uint32_t i = 0; i < l.task_count; i++) {
            work += jobs(l.tasks[i].period, 0, 0, end - 1, end - 1) * l.tasks[i].budget;
        }
        if (work <= end) { return end; }
    }
}

enum question { WHOLE, AFTER, SINCE_RAN };

static uint64_t own_work(enum question question, uint64_t offset) {
    const struct sched_task *own = &l.tasks[l.own];
    uint64_t sum = 0, begun = offset;

    if (question == SINCE_RAN) { return 0; }
    for (; begun >= own->period; begun -= own->period) { sum += own->budget; }
    if (question == WHOLE) { return sum + own->budget; }
    return sum + (begun < own->budget ? begun : own->budget - 1); /* a unit is left */
}

/* From the wake-up at `offset` until all that comes first is done. */
static uint64_t wait_at(enum question question, uint64_t offset, uint64_t response, uint64_t end) {
    const struct sched_task *own = &l.tasks[l.own];

    for (uint64_t now = 0;;) {
        uint64_t work = interrupts(now) + own_work(question, offset);

        for (uint32_t i = 0; i < l.task_count; i++) {
            const struct sched_task *task = &l.tasks[i];
            uint64_t before = 0;

            if (question == SINCE_RAN && response + task->deadline > own->deadline) {
                before = response + task->deadline - own->deadline;
                before = before < end ? before : end;
            }
            if (i != l.own) {
                work += jobs(task->period, task->deadline, before, now, offset + own->deadline) * task->budget;
            }
        }
        if (work <= now) { return now > offset ? now - offset : 0; }
        now = work;
    }
}

static uint64_t longest(enum question question, uint64_t response, uint64_t end) {
    uint64_t most = 0;

    for (uint64_t offset = 0; offset < end; offset++) {
        uint64_t wait = wait_at(question, offset, response, end);

        most = wait > most ? wait : most;
    }
    return most;
}

/* ---- random sets --------------------------------------------------------------------------------------------- */

static bool admitted(uint32_t count) {
    struct sched_verdict verdict;

    return sched_admit(l.tasks, count, l.sources, l.source_count, &verdict) == SCHED_ADMITTED;
}

static void random_load(struct random *random) {
    l.task_count = 0;
    l.source_count = (uint32_t)random_in(random, 0, 4) / 2;
    l.blocking = random_in(random, 0, 3) / 2;
    for (uint32_t i = 0; i < l.source_count; i++) {
        l.sources[i] = (struct sched_source){random_in(random, 1, 2), random_in(random, 3, 30)};
    }
    for (uint32_t tries = 0; tries < 8 && l.task_count < SERVERS_MAX; tries++) {
        uint64_t period = random_in(random, 2, 20), budget = random_in(random, 1, (period + 1) / 2);
        uint64_t deadline = random_in(random, 0, 2) == 0 ? period : random_in(random, budget, period);

        l.tasks[l.task_count] = (struct sched_task){budget, deadline, period};
        if (admitted(l.task_count + 1)) { l.task_count++; }
    }
    l.tasks[l.task_count] = (struct sched_task){9, 1, 1};
    l.sources[l.source_count] = (struct sched_source){9, 0};
}

static void no_offset_between_those_looked_at_waits_longer(void **state) {
    struct random random = random_start("start latency at every offset", 0x0ff5e7);
    uint32_t all = 0, since_ran = 0;

    (void)state;
    for (uint32_t round = 0; round < ROUNDS(2000); round++) {
        random_load(&random);
        for (l.own = 0; l.own < l.task_count; l.own++) {
            if (!decided()) { continue; }

            uint64_t end = busy_period(), response = longest(WHOLE, 0, end);
            uint64_t after = longest(AFTER, 0, end), since = longest(SINCE_RAN, response, end);

            all++;
            since_ran += since < after;
            assert_int_equal(latency.longest, since < after ? since : after);
            assert_true(latency.offset < end);
            assert_int_equal(wait_at(since < after ? SINCE_RAN : AFTER, latency.offset, response, end),
                             latency.longest);
        }
    }
    printf("             %u servers, %u bounded by what is left since they ran\n", all, since_ran);
    assert_true(all > ROUNDS(2000) * 2 && since_ran > ROUNDS(2000) / 20);
}

/* ---- by hand ------------------------------------------------------------------------------------------------- */

static void set(uint32_t count, uint64_t blocking) {
    l.task_count = count;
    l.source_count = 0;
    l.blocking = blocking;
    l.own = 0;
}

static void alone_it_waits_for_interrupts_and_the_section(void **state) {
    (void)state;
    l.tasks[0] = (struct sched_task){10, 50, 100};
    set(1, 0);
    assert_true(decided());
    assert_int_equal(latency.longest, 0);
    l.blocking = 7;
    l.source_count = 2;
    l.sources[0] = (struct sched_source){2, 100};
    l.sources[1] = (struct sched_source){3, 12}; /* again as the first are through: 7 + 2 + 3, and 3 more */
    assert_true(decided());
    assert_int_equal(latency.longest, 15);
    assert_int_equal(latency.offset, 0);
}

/* One finds the busy period, two the end of its tick, and one each that it never waits for what it ran before. */
static void with_one_tick_alone_it_is_known_in_five_steps(void **state) {
    (void)state;
    l.tasks[0] = (struct sched_task){1, 10, 10};
    set(1, 0);
    assert_true(decided());
    assert_int_equal(latency.longest, 0);
    assert_int_equal(latency.steps, 5);
}

/* Due together at 100, as it was before, for 39 of its 40, since 0: woken at 60 it waits for the other's 60. */
static void what_it_ran_before_makes_it_wait(void **state) {
    (void)state;
    l.tasks[0] = (struct sched_task){40, 40, 100};
    l.tasks[1] = (struct sched_task){60, 100, 100};
    set(2, 0);
    assert_true(decided());
    assert_int_equal(latency.longest, 39);
    assert_int_equal(latency.offset, 60);
}

static void in_steps_it_is_the_same(void **state) {
    struct sched_latency_search search;

    what_it_ran_before_makes_it_wait(state);
    sched_latency_begin(&search, l.tasks, 2, l.sources, 0, 0, 0);
    for (uint32_t step = 1; step < latency.steps; step++) { assert_false(sched_latency_step(&search)); }
    for (uint32_t again = 0; again < 3; again++) { assert_true(sched_latency_step(&search)); }
    assert_true(search.decided);
    assert_memory_equal(&search.result, &latency, sizeof(latency));
}

/* ---- what is not decided ------------------------------------------------------------------------------------- */

static void a_value_out_of_its_range_is_not_decided(void **state) {
    static const struct sched_task wrong[] = {
        {0, 5, 10}, {6, 5, 10}, {1, 11, 10}, {1, 10, INSTANT_MAX}, {1, INSTANT_MAX, INSTANT_MAX}};

    (void)state;
    for (uint32_t place = 0; place < 2; place++) {
        for (uint32_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
            l.tasks[0] = l.tasks[1] = (struct sched_task){1, 10, 10};
            set(2, 0);
            assert_true(decided());
            l.tasks[place] = wrong[i];
            assert_true(malformed());
        }
    }
    l.tasks[0] = (struct sched_task){INSTANT_MAX - 1, INSTANT_MAX - 1, INSTANT_MAX - 1};
    set(1, 0);
    assert_true(decided());
    l.tasks[0] = l.tasks[1] = (struct sched_task){1, 10, 10};
    l.own = 1; /* of one */
    assert_true(malformed());
    set(1, INSTANT_MAX);
    assert_true(malformed());
    set(1, 0);
    l.source_count = 2;
    for (uint32_t place = 0; place < 2; place++) {
        l.sources[0] = l.sources[1] = (struct sched_source){1, 20};
        assert_true(decided());
        l.sources[place].distance = 0;
        assert_true(malformed());
    }
    l.sources[1].distance = 1; /* interrupts without a pause */
    assert_false(decided());
    assert_false(malformed());
}

static void a_core_has_room_for_so_many(void **state) {
    (void)state;
    for (uint32_t i = 0; i <= SCHED_TASKS_MAX; i++) { l.tasks[i] = (struct sched_task){1, 1000, 1000}; }
    for (uint32_t i = 0; i <= SCHED_SOURCES_MAX; i++) { l.sources[i] = (struct sched_source){1, 1000}; }
    set(SCHED_TASKS_MAX, 0);
    assert_true(decided());
    assert_int_equal(latency.longest, SCHED_TASKS_MAX - 1);
    l.source_count = SCHED_SOURCES_MAX;
    assert_true(decided());
    assert_int_equal(latency.longest, SCHED_TASKS_MAX - 1 + SCHED_SOURCES_MAX);
    l.source_count++;
    assert_true(malformed());
    set(SCHED_TASKS_MAX + 1, 0);
    assert_true(malformed());
}

/* The last evaluation is one that may not be used. */
static void it_ends_after_so_many_steps(void **state) {
    (void)state;
    l.tasks[0] = (struct sched_task){1, 2, 2}; /* with a section before it no time is ever left */
    l.tasks[1] = (struct sched_task){1, 2, 2};
    set(2, 1);
    assert_false(decided());
    assert_int_equal(latency.steps, SCHED_LATENCY_STEPS_MAX + 1);
    /* A busy period of 100,000, and a wake-up to look at in every second tick of it. */
    l.tasks[1] = (struct sched_task){50000, 100000, 100000};
    set(2, 0);
    assert_false(decided());
    assert_int_equal(latency.steps, SCHED_LATENCY_STEPS_MAX + 1);
    l.tasks[1] = (struct sched_task){500, 1000, 1000};
    assert_true(decided());
    assert_in_range(latency.steps, 1000, SCHED_LATENCY_STEPS_MAX);
}

/* A section of b, and behind it two jobs of each; the other's second is due later than whatever is asked about. */
static void a_busy_period_is_shorter_than_2_to_the_62(void **state) {
    (void)state;
    l.tasks[0] = (struct sched_task){1, 1, INSTANT_MAX / 2};
    l.tasks[1] = (struct sched_task){1, INSTANT_MAX / 2 + 2, INSTANT_MAX / 2 + 2};
    set(2, INSTANT_MAX - 1 - 4);
    assert_true(decided());
    assert_true(latency.longest == l.blocking);
    l.blocking++;
    assert_false(decided());
}

/* In a period that begins with its own last tick two jobs of the other count, that of before it and the next. */
static void what_comes_first_is_less_than_2_to_the_62(void **state) {
    (void)state;
    l.tasks[0] = (struct sched_task){1, INSTANT_MAX - 1, INSTANT_MAX - 1};
    l.tasks[1] = (struct sched_task){INSTANT_MAX / 2 - 1, INSTANT_MAX - 1, INSTANT_MAX - 1};
    set(2, 0);
    assert_true(decided());
    assert_true(latency.longest == l.tasks[1].budget);
    l.tasks[1].budget++;
    assert_false(decided());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_it_waits_for_interrupts_and_the_section),
        cmocka_unit_test(with_one_tick_alone_it_is_known_in_five_steps),
        cmocka_unit_test(what_it_ran_before_makes_it_wait),
        cmocka_unit_test(in_steps_it_is_the_same),
        cmocka_unit_test(no_offset_between_those_looked_at_waits_longer),
        cmocka_unit_test(a_value_out_of_its_range_is_not_decided),
        cmocka_unit_test(a_core_has_room_for_so_many),
        cmocka_unit_test(it_ends_after_so_many_steps),
        cmocka_unit_test(a_busy_period_is_shorter_than_2_to_the_62),
        cmocka_unit_test(what_comes_first_is_less_than_2_to_the_62),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
