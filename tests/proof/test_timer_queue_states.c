// SPDX-License-Identifier: Apache-2.0
/*
 * Every heap that the timer queue can hold with a few events and times, and everything that can be done to it then.
 *
 * The queue looks at `when` and `slack` only, so heaps that differ in who an event is are one state: the times in heap
 * order. A slack may change while its event is queued; so each question is asked with every choice of slacks. What must
 * come out is computed over a plain list.
 */
#include "search.h"

#include "timer/timer_queue.h"

#define EVENTS_MAX 8u

struct scope {
    uint32_t events; /* at most */
    uint32_t times;  /* 0 .. times - 1 */
    uint32_t slacks; /* how many of slack_of[] */
};

static const uint64_t slack_of[] = {0, 1, TIMER_SLACK_BEST_EFFORT, 2};

struct world {
    struct timer_queue queue;
    struct timer_event events[EVENTS_MAX + 1];
};

static void restore(struct world *world, const uint8_t *key, uint32_t events) {
    timer_queue_init(&world->queue);
    for (uint32_t i = 0; i <= events; i++) { world->events[i] = (struct timer_event){0}; }
    for (uint32_t i = 0; i < events && key[i] != 0; i++) {
        world->queue.heap[i] = &world->events[i];
        world->events[i].when = key[i] - 1u;
        world->events[i].position = i + 1;
        world->queue.count = i + 1;
    }
}

/* Exactly the events that `expected` has a time for are queued, at that time, once, in a heap. Returns the key. */
static const uint8_t *check(const struct world *world, const uint64_t *expected, uint32_t events) {
    static uint8_t key[EVENTS_MAX];
    uint32_t queued = 0;

    for (uint32_t i = 0; i <= events; i++) {
        const struct timer_event *event = &world->events[i];

        assert_int_equal(timer_queue_queued(event), expected[i] != UINT64_MAX);
        if (!timer_queue_queued(event)) { continue; }
        queued++;
        assert_int_equal(event->when, expected[i]);
        assert_true(event->position <= world->queue.count);
        assert_ptr_equal(world->queue.heap[event->position - 1], event);
    }
    assert_int_equal(queued, world->queue.count);
    memset(key, 0, sizeof(key));
    for (uint32_t i = 0; i < world->queue.count; i++) {
        assert_true(i == 0 || world->queue.heap[(i - 1) / 2]->when <= world->queue.heap[i]->when);
        key[i] = (uint8_t)(world->queue.heap[i]->when + 1);
    }
    return key;
}

static void list_of(const struct world *world, uint64_t *list, uint32_t events) {
    for (uint32_t i = 0; i <= events; i++) {
        list[i] = timer_queue_queued(&world->events[i]) ? world->events[i].when : UINT64_MAX;
    }
}

/* Adds, moves and removes. */
static void change(struct search *search, uint32_t state, const struct scope *scope) {
    struct world world;
    uint64_t list[EVENTS_MAX + 1];
    uint8_t start[EVENTS_MAX];

    memcpy(start, search_key(search, state), sizeof(start));
    for (uint32_t who = 0; who < scope->events; who++) {
        for (uint32_t when = 0; when <= scope->times; when++) {
            restore(&world, start, scope->events);
            list_of(&world, list, scope->events);
            if (when == scope->times) {
                timer_queue_remove(&world.queue, &world.events[who]);
                list[who] = UINT64_MAX;
            } else {
                assert_int_equal(timer_queue_add(&world.queue, &world.events[who], when), TIMER_QUEUE_OK);
                list[who] = when;
            }
            search_add(search, check(&world, list, scope->events), state, 0);
        }
    }
}

/* The earliest time of a plain list that matters to the horizon. */
static uint64_t earliest(const struct world *world, const uint64_t *list, uint32_t events, uint64_t horizon) {
    uint64_t best = UINT64_MAX;

    for (uint32_t i = 0; i < events; i++) {
        uint64_t slack = world->events[i].slack;
        bool matters = horizon == UINT64_MAX ||
                       (slack != TIMER_SLACK_BEST_EFFORT && list[i] != UINT64_MAX && list[i] + slack < horizon);

        if (matters && list[i] < best) { best = list[i]; }
    }
    return best;
}

static void pop(struct search *search, uint32_t state, const struct scope *scope, const uint64_t *slacks, uint64_t now,
                uint64_t horizon) {
    struct world world;
    uint64_t list[EVENTS_MAX + 1];
    uint64_t expected;
    const struct timer_event *event;

    restore(&world, search_key(search, state), scope->events);
    for (uint32_t i = 0; i < scope->events; i++) { world.events[i].slack = slacks[i]; }
    list_of(&world, list, scope->events);
    expected = earliest(&world, list, scope->events, horizon);
    assert_int_equal(timer_queue_next(&world.queue, horizon), expected);
    event = timer_queue_pop(&world.queue, now, horizon);
    if (expected > now) {
        assert_null(event);
    } else {
        assert_non_null(event);
        assert_int_equal(event->when, expected);
        assert_true(horizon == UINT64_MAX || event->slack < horizon - event->when);
        list[event - world.events] = UINT64_MAX;
    }
    search_add(search, check(&world, list, scope->events), state, 0);
}

/* Asks and pops with every slack of every event, every horizon and every time. Returns how many. */
static uint64_t ask(struct search *search, uint32_t state, const struct scope *scope) {
    uint32_t queued = 0;
    uint32_t choices = 1;
    uint64_t asked = 0;

    while (queued < scope->events && search_key(search, state)[queued] != 0) {
        queued++;
        choices *= scope->slacks;
    }
    for (uint32_t choice = 0; choice < choices; choice++) {
        uint64_t slacks[EVENTS_MAX] = {0};
        uint32_t left = choice;

        for (uint32_t i = 0; i < queued; i++, left /= scope->slacks) { slacks[i] = slack_of[left % scope->slacks]; }
        for (uint64_t horizon = 0; horizon <= scope->times + 2; horizon++) {
            for (uint64_t now = 0; now < scope->times; now++, asked++) {
                pop(search, state, scope, slacks, now, horizon == scope->times + 2 ? UINT64_MAX : horizon);
            }
        }
    }
    return asked;
}

/* How many heaps there are: sequences whose every time is not before its parent's. */
static uint32_t count_heaps(uint8_t *key, uint32_t length, const struct scope *scope) {
    uint32_t count = 1;

    for (uint32_t when = 0; when < scope->times && length < scope->events; when++) {
        key[length] = (uint8_t)when;
        if (length == 0 || key[(length - 1) / 2] <= when) { count += count_heaps(key, length + 1, scope); }
    }
    return count;
}

static void explore(const struct scope *scope) {
    const uint8_t empty[EVENTS_MAX] = {0};
    uint8_t key[EVENTS_MAX];
    struct search search;
    uint64_t asked = 0;

    search_start(&search, EVENTS_MAX, empty);
    for (uint32_t done = 0; done < search.count; done++) {
        change(&search, done, scope);
        asked += ask(&search, done, scope);
    }
    printf("             %u events, %u times, %u slacks: %u heaps, %llu questions\n", scope->events, scope->times,
           scope->slacks, search.count, (unsigned long long)asked);
    assert_int_equal(search.count, count_heaps(key, 0, scope));
    search_end(&search);
}

static void every_small_queue_equals_a_plain_list(void **state) {
    static const struct scope scopes[] = {{4, 5, 4}, {7, 2, 3}, {5, 5, 4}, {7, 3, 3}, {6, 5, 4}, {8, 3, 4}};
    uint32_t last = search_depth() == 0 ? 1 : 2 + search_depth();

    (void)state;
    for (uint32_t i = 0; i <= last && i < sizeof(scopes) / sizeof(scopes[0]); i++) { explore(&scopes[i]); }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_small_queue_equals_a_plain_list)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
