// SPDX-License-Identifier: Apache-2.0
/* The start latency where others reclaim, by hand and by its formula in sched/latency_reclaim.h at every offset. Most
 * periods are powers of two, so that a share can be said exactly. tests/scripts/test_sim.py plays it. */
#include "test_sched_support.h"

#include "sched/latency_reclaim.h"

#define SERVERS_MAX 4u
#define PERIOD_MAX  256u

static struct sched_task tasks[SERVERS_MAX + 1]; /* behind the last of each is one that nobody may look at */
static struct sched_source sources[3];
static uint32_t task_count, source_count;
static uint64_t blocking;

static uint64_t found(uint32_t index) {
    return sched_reclaim_latency(tasks, task_count, sources, source_count, blocking, index);
}

static uint64_t at_most(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Time is counted in parts of a tick, `fine` of them, to which each share is rounded up. */
static uint64_t share(uint64_t time, uint64_t part, uint64_t whole) { return (time * part + whole - 1) / whole; }

static uint64_t before(const struct sched_task *own, uint64_t o, uint64_t s, uint64_t fine) {
    uint64_t t = o + own->period * fine;
    uint64_t sum = blocking * fine + at_most(o, (own->budget - 1) * fine + share(o, own->budget, own->period));

    for (uint32_t i = 0; i < source_count; i++) {
        sum += sources[i].cost * fine + share(s, sources[i].cost, sources[i].distance);
    }
    for (const struct sched_task *task = tasks; task < tasks + task_count; task++) {
        uint64_t used = share(s, task->budget, task->period), due = share(t, task->budget, task->period);

        if (task == own) { continue; }
        sum += t < task->period * fine ? used : at_most(task->budget * fine + used, due);
    }
    return sum;
}

/* The longest of all offsets, in ticks; no longer than to the deadline. */
static uint64_t longest(const struct sched_task *own, uint64_t fine) {
    uint64_t limit = (own->deadline + blocking) * fine, most = 0;

    for (uint64_t o = 0; o < PERIOD_MAX * fine; o += fine) {
        uint64_t s = o, next = before(own, o, s, fine);

        for (; s < o + limit && next > s; next = before(own, o, s, fine)) { s = next; }
        most = at_most(limit, s - o > most ? s - o : most);
    }
    return most / fine;
}

static void random_load(struct random *random) {
    source_count = (uint32_t)random_in(random, 0, 4) / 2;
    blocking = random_in(random, 0, 3) / 2 * 5;
    do {
        task_count = (uint32_t)random_in(random, 1, SERVERS_MAX);
        for (uint32_t i = 0; i < task_count; i++) {
            uint64_t period = UINT64_C(16) << random_in(random, 0, 4);

            tasks[i] = (struct sched_task){random_in(random, 1, period / 2), period, period};
        }
        for (uint32_t i = 0; i < source_count; i++) {
            sources[i] = (struct sched_source){random_in(random, 1, 2), UINT64_C(16) << random_in(random, 0, 3)};
        }
    } while (!sched_may_reclaim(tasks, task_count, sources, source_count));
    tasks[task_count] = (struct sched_task){999, 1000, 1000};
    sources[source_count] = (struct sched_source){999, 1000};
}

/* Rounding to whole ticks may add some, but no more than if every offset were looked at so. */
static void no_offset_waits_longer_than_the_few(void **state) {
    struct random random = random_start("latency beside reclaimers at every offset", 0x5ec1a1);
    uint32_t all = 0, by_deadline = 0;

    (void)state;
    for (uint32_t round = 0; round < ROUNDS(3000); round++) {
        random_load(&random);
        for (uint32_t i = 0; i < task_count; i++) {
            uint64_t exact = longest(&tasks[i], 1024), rounded = longest(&tasks[i], 1);
            uint64_t latency = found(i);

            assert_in_range(latency, exact, rounded);
            all++;
            by_deadline += latency == tasks[i].deadline + blocking;
        }
    }
    printf("             %u servers, %u by their deadline\n", all, by_deadline);
    assert_true(all > ROUNDS(3000) && by_deadline < all / 10);
}

/* ---- by hand ------------------------------------------------------------------------------------------------- */

static void set(struct sched_task own, struct sched_task other) {
    tasks[0] = own;
    tasks[1] = other;
    task_count = 2;
    source_count = 0;
    blocking = 0;
}

/* Its own 15 and an eighth last until 18; by 18 + 128 the other, a quarter, can have used 36.5. */
static void others_have_their_share_until_the_deadline(void **state) {
    (void)state;
    set((struct sched_task){16, 128, 128}, (struct sched_task){32, 128, 128});
    assert_int_equal(found(0), 37);
}

/* Woken at 18 it would wait until 72, of which the other has three quarters. At 128, due with the other's 192, it has had
 * 15 and an eighth of 128 itself. The same in very small ticks. */
static void it_waits_longest_when_a_longer_period_ends_with_its_own(void **state) {
    (void)state;
    set((struct sched_task){16, 128, 128}, (struct sched_task){192, 256, 256});
    assert_int_equal(found(0), 192 + 15 + 16 - 128);
    for (uint32_t i = 0; i < 2; i++) {
        tasks[i] = (struct sched_task){tasks[i].budget << 34, tasks[i].deadline << 34, tasks[i].period << 34};
    }
    assert_true(found(0) == (UINT64_C(192) + 16 + 16 - 128) * (UINT64_C(1) << 34) - 1);
}

/* Half of the core is used up at 15, and only the section is left to wait for. With more it is not before the period ends,
 * and nothing is known but the deadline; not in very small ticks either. */
static void with_more_than_half_of_the_core_it_starts_by_its_deadline(void **state) {
    (void)state;
    set((struct sched_task){8, 16, 16}, (struct sched_task){0});
    task_count = 1;
    blocking = 2;
    assert_int_equal(found(0), 2);
    for (tasks[0].budget = 9; tasks[0].budget <= 16; tasks[0].budget++) { assert_int_equal(found(0), 16 + 2); }

    uint64_t period = (UINT64_C(255) << 32) + (1 << 16);

    set((struct sched_task){(UINT64_C(255) << 32) + 1, period, period}, (struct sched_task){1, 1 << 25, 1 << 25});
    assert_true(found(0) == period);
}

/* Its own 2 and a quarter last until 3, with eleven sixteenths for the other until 10. Woken at 5 it would have, in whole
 * ticks, 4 of its own and wait until 13; but no period of this core starts to count there. */
static void only_periods_of_this_core_make_an_offset(void **state) {
    (void)state;
    set((struct sched_task){3, 12, 12}, (struct sched_task){88, 128, 128});
    tasks[2] = (struct sched_task){1, 12 + 5, 12 + 5};
    assert_int_equal(found(0), 7);
}

/* One of each at the start, and what comes while they last. */
static void interrupts_are_those_of_the_wait_and_one(void **state) {
    (void)state;
    set((struct sched_task){1, 128, 128}, (struct sched_task){0});
    task_count = 1;
    source_count = 2;
    sources[0] = (struct sched_source){4, 64};  /* a sixteenth */
    sources[1] = (struct sched_source){8, 256}; /* a thirty-second */
    assert_int_equal(found(0), 4 + 8 + 1 + 1);
    blocking = 3; /* now it is more than 16 ticks */
    assert_int_equal(found(0), 4 + 8 + 2 + 1 + 3);
}

/* The other has all but a 1,024th: a wake-up at 1 is a tick further with each round, until at 1,024 one was spared. One at
 * 2,096, due with the other's 4,092, waits longer: until these and two of its own are done. When the other has a little
 * more a tick is spared at 1,025, one round too late, and nothing is known but the deadline. */
static void a_search_of_more_than_1024_rounds_ends_with_the_deadline(void **state) {
    (void)state;
    set((struct sched_task){1, 2000, 2000}, (struct sched_task){4092, 4096, 4096});
    assert_int_equal(found(0), 4092 + 2 - 2096);
    set((struct sched_task){1, 2000, 2000}, (struct sched_task){4094, 4098, 4098});
    assert_int_equal(found(0), 2000);
}

int main(void) {
    const struct CMUnitTest all[] = {
        cmocka_unit_test(others_have_their_share_until_the_deadline),
        cmocka_unit_test(it_waits_longest_when_a_longer_period_ends_with_its_own),
        cmocka_unit_test(with_more_than_half_of_the_core_it_starts_by_its_deadline),
        cmocka_unit_test(only_periods_of_this_core_make_an_offset),
        cmocka_unit_test(interrupts_are_those_of_the_wait_and_one),
        cmocka_unit_test(a_search_of_more_than_1024_rounds_ends_with_the_deadline),
        cmocka_unit_test(no_offset_waits_longer_than_the_few),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
