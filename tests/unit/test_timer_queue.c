// SPDX-License-Identifier: Apache-2.0
#include "test_sched_support.h"

#include "queue_check.h"

#include <string.h>

#define EVENTS 200

static void queue_is_a_tree_that_knows_its_events(const struct timer_queue *queue, const struct timer_event *events,
                                                  size_t count) {
    uint32_t queued = 0;

    for (size_t i = 0; i < count; i++) { queued += timer_queue_queued(&events[i]) ? 1 : 0; }
    assert_int_equal(queue_count(queue), queued);
    assert_int_equal(timer_queue_empty(queue), queued == 0);
    for (const struct timer_event *event = NULL; (event = queue_after(queue, event)) != NULL; queued--) {
        assert_true(event >= events && event < events + count && queued > 0);
    }
    assert_int_equal(queued, 0);
}

/* The rule in its plainest form, over all events. */
static uint64_t earliest_that_matters(const struct timer_event *events, size_t count, uint64_t horizon) {
    uint64_t best = UINT64_MAX;

    for (size_t i = 0; i < count; i++) {
        const struct timer_event *event = &events[i];
        bool overflows = event->slack > UINT64_MAX - event->when;
        bool matters = horizon == UINT64_MAX || (!overflows && event->when + event->slack < horizon);

        if (timer_queue_queued(event) && matters && event->when < best) { best = event->when; }
    }
    return best;
}

static uint64_t random_slack(struct random *random) {
    switch (random_in(random, 0, 3)) {
    case 0: return 0;
    case 1: return TIMER_SLACK_BEST_EFFORT;
    default: return random_in(random, 1, 400);
    }
}

/* Of those that have expired: the earliest deadline, and of equal ones the earliest time. */
static void pop_and_compare(struct timer_queue *queue, const struct timer_event *events, uint64_t now,
                            uint64_t horizon) {
    const struct timer_event *popped;
    uint64_t when = UINT64_MAX, due = horizon;

    for (size_t i = 0; i < EVENTS; i++) {
        const struct timer_event *event = &events[i];
        uint64_t its = queue_due(event);

        if (!timer_queue_queued(event) || event->when > now || its > due || its >= horizon) { continue; }
        when = its < due || event->when < when ? event->when : when;
        due = its;
    }
    popped = timer_queue_pop(queue, now, horizon);
    if (when == UINT64_MAX) {
        assert_null(popped);
    } else {
        assert_non_null(popped);
        assert_int_equal(popped->when, when);
        assert_int_equal(queue_due(popped), due);
        assert_false(timer_queue_queued(popped));
    }
}

static void random_use_equals_a_plain_list(void **state) {
    struct random random = random_start("timer queue against a plain list", 0x71e3);

    (void)state;
    for (uint32_t round = 0; round < ROUNDS(800); round++) {
        struct timer_queue queue;
        struct timer_event events[EVENTS] = {0};
        uint64_t span = random_in(&random, 1, 2000);
        uint64_t now = 0;

        timer_queue_init(&queue);
        for (uint32_t step = 0; step < 600; step++) {
            struct timer_event *event = &events[random_in(&random, 0, EVENTS - 1)];
            uint64_t when = now + random_in(&random, 0, span);
            uint64_t horizon = random_in(&random, 0, 4) == 0 ? UINT64_MAX : now + random_in(&random, 0, 800);

            switch (random_in(&random, 0, 6)) {
            case 0:
                timer_queue_remove(&queue, event);
                assert_false(timer_queue_queued(event));
                break;
            case 1:
                now += random_in(&random, 0, 40);
                pop_and_compare(&queue, events, now, horizon);
                break;
            case 2: {
                uint64_t slack = random_slack(&random);

                timer_queue_set_slack(&queue, event, slack);
                assert_true(event->slack == slack);
                break;
            }
            default:
                event->slack = random_slack(&random);
                timer_queue_add(&queue, event, when);
                assert_true(timer_queue_queued(event) && event->when == when);
                break;
            }
            queue_is_a_tree_that_knows_its_events(&queue, events, EVENTS);
            assert_int_equal(timer_queue_next(&queue, horizon), earliest_that_matters(events, EVENTS, horizon));
        }
    }
}

static void everything_fires_in_order_of_deadlines(void **state) {
    struct random random = random_start("firing order", 0x0f1e);
    struct timer_queue queue;
    struct timer_event events[EVENTS] = {0};
    uint64_t last = 0;

    (void)state;
    timer_queue_init(&queue);
    for (size_t i = 0; i < EVENTS; i++) {
        events[i].slack = random_slack(&random);
        timer_queue_add(&queue, &events[i], random_in(&random, 1, 100));
    }
    for (size_t i = 0; i < EVENTS; i++) {
        const struct timer_event *event = timer_queue_pop(&queue, 1000, UINT64_MAX);

        assert_non_null(event);
        assert_true(queue_due(event) >= last);
        last = queue_due(event);
    }
    assert_null(timer_queue_pop(&queue, UINT64_MAX, UINT64_MAX));
    assert_int_equal(timer_queue_next(&queue, UINT64_MAX), UINT64_MAX);
}

/* In whatever order they come and go: no way down is longer than 1.45 log2(n + 2) nodes. */
static void the_tree_stays_low(void **state) {
    struct random random = random_start("orders of coming and going", 0x10e);
    static struct timer_event events[1 << 12];
    struct timer_queue queue;

    (void)state;
    for (uint32_t order = 0; order < 4; order++) {
        memset(events, 0, sizeof(events));
        timer_queue_init(&queue);
        for (uint32_t i = 0; i < 1 << 12; i++) {
            const uint64_t when[] = {i, 9999 - i, 7, random_in(&random, 0, 99999)};

            timer_queue_add(&queue, &events[i], when[order]);
        }
        assert_int_equal(queue_count(&queue), 1 << 12);
        assert_true(queue.end.child[0]->height <= 17); /* 1.45 * 12 */
        for (uint32_t i = 0; i < 1 << 12; i++) {
            if (i % 64 != 0) { timer_queue_remove(&queue, &events[i]); }
        }
        assert_int_equal(queue_count(&queue), 64);
        assert_true(queue.end.child[0]->height <= 8);
    }
}

/* Then nobody else's timer waits for one that was queued later. */
static void of_equal_times_the_first_that_matters_comes_first(void **state) {
    struct timer_event events[20] = {0};
    struct timer_queue queue;

    (void)state;
    timer_queue_init(&queue);
    for (uint32_t i = 0; i < 20; i++) {
        events[i].slack = i % 2 == 0 ? TIMER_SLACK_BEST_EFFORT : 0;
        timer_queue_add(&queue, &events[i], 50);
    }
    timer_queue_add(&queue, &events[1], 50); /* keeps its turn */
    for (uint32_t i = 1; i < 20; i += 2) { assert_ptr_equal(timer_queue_pop(&queue, 50, 1000), &events[i]); }
    for (uint32_t i = 0; i < 20; i += 2) { assert_ptr_equal(timer_queue_pop(&queue, 50, UINT64_MAX), &events[i]); }
}

/* At the ends of time: a sum that is too long matters to the horizon of best effort only. */
static void deadlines_beyond_all_times_saturate(void **state) {
    struct timer_event events[3] = {{.slack = UINT64_MAX - 5}, {.slack = UINT64_MAX - 6}, {.slack = 0}};
    struct timer_queue queue;

    (void)state;
    timer_queue_init(&queue);
    for (uint32_t i = 0; i < 2; i++) { timer_queue_add(&queue, &events[i], 5); }
    timer_queue_add(&queue, &events[2], UINT64_MAX - 1);
    assert_int_equal(timer_queue_next(&queue, UINT64_MAX - 1), UINT64_MAX);
    for (uint32_t i = 0; i < 2; i++) { assert_ptr_equal(timer_queue_pop(&queue, 5, UINT64_MAX), &events[i]); }
    assert_int_equal(timer_queue_next(&queue, UINT64_MAX), UINT64_MAX - 1);
    assert_int_equal(queue_count(&queue), 1);
}

/* A reservation runs until 1000 at the latest. What could not take the core from it does not
 * interrupt it, and is found as soon as something later runs. */
static void the_horizon_hides_what_cannot_preempt(void **state) {
    struct timer_queue queue;
    struct timer_event load = {.slack = TIMER_SLACK_BEST_EFFORT};
    struct timer_event later = {.slack = 900};
    struct timer_event equal = {.slack = 500};
    struct timer_event urgent = {.slack = 200};
    struct timer_event budget_end = {.slack = 0};

    (void)state;
    timer_queue_init(&queue);
    timer_queue_add(&queue, &load, 100);
    timer_queue_add(&queue, &later, 200);
    timer_queue_add(&queue, &equal, 500);
    assert_int_equal(timer_queue_next(&queue, 1000), UINT64_MAX);
    timer_queue_add(&queue, &urgent, 700);
    assert_int_equal(timer_queue_next(&queue, 1000), 700);
    timer_queue_add(&queue, &budget_end, 600);
    assert_int_equal(timer_queue_next(&queue, 1000), 600);
    assert_int_equal(timer_queue_next(&queue, 600), UINT64_MAX);
    assert_null(timer_queue_pop(&queue, 599, 1000));
    assert_ptr_equal(timer_queue_pop(&queue, 700, 1000), &budget_end);
    assert_ptr_equal(timer_queue_pop(&queue, 700, 1000), &urgent);
    assert_null(timer_queue_pop(&queue, 700, 1000));
    assert_ptr_equal(timer_queue_pop(&queue, 700, 1001), &equal);
    assert_ptr_equal(timer_queue_pop(&queue, 700, UINT64_MAX), &later);
    assert_ptr_equal(timer_queue_pop(&queue, 700, UINT64_MAX), &load);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_use_equals_a_plain_list),
        cmocka_unit_test(everything_fires_in_order_of_deadlines),
        cmocka_unit_test(the_tree_stays_low),
        cmocka_unit_test(of_equal_times_the_first_that_matters_comes_first),
        cmocka_unit_test(deadlines_beyond_all_times_saturate),
        cmocka_unit_test(the_horizon_hides_what_cannot_preempt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
