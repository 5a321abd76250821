// SPDX-License-Identifier: Apache-2.0
/*
 * Every tree that the timer queue can hold with a few events and times, and everything that can be done to it then.
 *
 * The queue looks at `when` and `slack` only, so trees that differ in who an event is are one state: shape and times. What
 * each choice of slacks makes of it is asked in each state. What must come out is computed over a plain list.
 */
#include "search.h"

#include "tests/unit/queue_check.h"

#define EVENTS_MAX 8u
#define KEY_MAX    (2 * EVENTS_MAX + 1) /* the tree from its root on, earlier side first: time + 1, or 0 where it ends */

struct scope {
    uint32_t events; /* at most */
    uint32_t times;  /* 0 .. times - 1 */
    uint32_t slacks; /* how many of slack_of[] */
};

static const uint64_t slack_of[] = {0, 1, TIMER_SLACK_BEST_EFFORT, 2};

struct world {
    struct timer_queue queue;
    struct timer_event events[EVENTS_MAX + 1];
    uint32_t restored;
};

static struct timer_event *restore_below(struct world *world, struct timer_event *up, const uint8_t **key) {
    struct timer_event *end = &world->queue.end, *event;
    uint8_t time = *(*key)++;

    if (time == 0) { return end; }
    event = &world->events[world->restored++];
    event->when = event->due = event->least = time - 1u;
    event->up = up;
    for (unsigned side = 0; side < 2; side++) {
        event->child[side] = restore_below(world, event, key);
        event->least = event->child[side]->least < event->least ? event->child[side]->least : event->least;
        event->height = event->child[side]->height >= event->height ? event->child[side]->height + 1 : event->height;
    }
    return event;
}

/* All slacks are 0. */
static void restore(struct world *world, const uint8_t *key) {
    memset(world, 0, sizeof(*world));
    timer_queue_init(&world->queue);
    world->queue.end.child[0] = restore_below(world, &world->queue.end, &key);
    for (const struct timer_event *event = NULL; (event = queue_after(&world->queue, event)) != NULL;) {
        if (event->when < world->queue.end.when) { world->queue.end.when = event->when; }
    }
}

static void keep_below(const struct world *world, const struct timer_event *event, uint8_t **key) {
    *(*key)++ = (uint8_t)(event == &world->queue.end ? 0 : event->when + 1);
    if (event == &world->queue.end) { return; }
    keep_below(world, event->child[0], key);
    keep_below(world, event->child[1], key);
}

/* Exactly the events that `expected` has a time for are queued, at that time, once, in a tree as it has to be. Returns the
 * key. */
static const uint8_t *check(const struct world *world, const uint64_t *expected, uint32_t events) {
    static uint8_t key[KEY_MAX];
    uint8_t *at = key;
    uint32_t queued = 0;

    for (uint32_t i = 0; i <= events; i++) {
        const struct timer_event *event = &world->events[i];

        assert_int_equal(timer_queue_queued(event), expected[i] != UINT64_MAX);
        if (!timer_queue_queued(event)) { continue; }
        queued++;
        assert_int_equal(event->when, expected[i]);
    }
    assert_int_equal(queue_count(&world->queue), queued);
    memset(key, 0, sizeof(key));
    keep_below(world, world->queue.end.child[0], &at);
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
    uint8_t start[KEY_MAX];

    memcpy(start, search_key(search, state), sizeof(start));
    for (uint32_t who = 0; who < scope->events; who++) {
        for (uint32_t when = 0; when <= scope->times; when++) {
            restore(&world, start);
            list_of(&world, list, scope->events);
            if (when == scope->times) {
                timer_queue_remove(&world.queue, &world.events[who]);
                list[who] = UINT64_MAX;
            } else {
                timer_queue_add(&world.queue, &world.events[who], when);
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
    uint64_t when = UINT64_MAX, due = horizon;
    const struct timer_event *event;

    restore(&world, search_key(search, state));
    list_of(&world, list, scope->events);
    for (uint32_t i = 0; i < scope->events; i++) { timer_queue_set_slack(&world.queue, &world.events[i], slacks[i]); }
    (void)check(&world, list, scope->events);
    assert_int_equal(timer_queue_next(&world.queue, horizon), earliest(&world, list, scope->events, horizon));
    for (uint32_t i = 0; i < scope->events; i++) { /* of those that have expired the earliest deadline, then time */
        uint64_t its = list[i] <= now ? queue_due(&world.events[i]) : UINT64_MAX;

        if (its > due || its >= horizon) { continue; }
        when = its < due || list[i] < when ? list[i] : when;
        due = its;
    }
    event = timer_queue_pop(&world.queue, now, horizon);
    if (when == UINT64_MAX) {
        assert_null(event);
    } else {
        assert_non_null(event);
        assert_int_equal(event->when, when);
        assert_int_equal(queue_due(event), due);
        list[event - world.events] = UINT64_MAX;
    }
    search_add(search, check(&world, list, scope->events), state, 0);
}

/* Asks and pops with every slack of every event, every horizon and every time. Returns how many. */
static uint64_t ask(struct search *search, uint32_t state, const struct scope *scope) {
    uint32_t choices = 1;
    uint64_t asked = 0;
    struct world world;

    restore(&world, search_key(search, state));
    for (uint32_t i = 0; i < world.restored; i++) { choices *= scope->slacks; }
    for (uint32_t choice = 0; choice < choices; choice++) {
        uint64_t slacks[EVENTS_MAX] = {0};
        uint32_t left = choice;

        for (uint32_t i = 0; i < world.restored; i++, left /= scope->slacks) {
            slacks[i] = slack_of[left % scope->slacks];
        }
        for (uint64_t horizon = 0; horizon <= scope->times + 2; horizon++) {
            for (uint64_t now = 0; now < scope->times; now++, asked++) {
                pop(search, state, scope, slacks, now, horizon == scope->times + 2 ? UINT64_MAX : horizon);
            }
        }
    }
    return asked;
}

/* How often so many of these times can be chosen, each once. */
static uint32_t count_choices(uint32_t events, uint32_t times) {
    uint32_t choices = 1;

    for (uint32_t i = 0; i < events; i++) { choices = choices * (times - i) / (i + 1); }
    return choices;
}

/* Balanced shapes. */
static uint32_t count_shapes(uint32_t events, uint32_t height) {
    uint32_t count = 0;

    if (height == 0) { return events == 0; }
    if (events == 0) { return 0; }
    for (uint32_t first = 0; first < events; first++) {
        uint32_t second = events - 1 - first;

        count += count_shapes(first, height - 1) * count_shapes(second, height - 1);
        if (height == 1) { continue; }
        count += count_shapes(first, height - 1) * count_shapes(second, height - 2);
        count += count_shapes(first, height - 2) * count_shapes(second, height - 1);
    }
    return count;
}

/* How many trees there are with no time twice: each balanced shape with each choice of times. */
static uint32_t count_trees(const struct scope *scope) {
    uint32_t count = 0;

    for (uint32_t events = 0; events <= scope->events && events <= scope->times; events++) {
        for (uint32_t height = 0; height <= events; height++) {
            count += count_shapes(events, height) * count_choices(events, scope->times);
        }
    }
    return count;
}

static bool no_time_twice(const uint8_t *key) {
    uint32_t seen = 0, twice = 0;

    for (uint32_t i = 0; i < KEY_MAX; i++) {
        twice |= key[i] == 0 ? 0 : seen & 1u << key[i];
        seen |= 1u << key[i];
    }
    return twice == 0;
}

static void explore(const struct scope *scope) {
    const uint8_t empty[KEY_MAX] = {0};
    struct search search;
    uint64_t asked = 0;
    uint32_t plain = 0;

    search_start(&search, KEY_MAX, empty);
    for (uint32_t done = 0; done < search.count; done++) {
        change(&search, done, scope);
        asked += ask(&search, done, scope);
        plain += no_time_twice(search_key(&search, done));
    }
    printf("             %u events, %u times, %u slacks: %u trees, %llu questions\n", scope->events, scope->times,
           scope->slacks, search.count, (unsigned long long)asked);
    assert_int_equal(plain, count_trees(scope)); /* which shapes others have depends on who was first */
    search_end(&search);
}

static void every_small_queue_equals_a_plain_list(void **state) {
    static const struct scope scopes[] = {{4, 5, 4}, {7, 2, 3}, {5, 5, 4}, {7, 3, 3}, {6, 6, 4}, {8, 3, 4}};
    uint32_t last = search_depth() == 0 ? 1 : 2 + search_depth();

    (void)state;
    for (uint32_t i = 0; i <= last && i < sizeof(scopes) / sizeof(scopes[0]); i++) { explore(&scopes[i]); }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_small_queue_equals_a_plain_list)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
