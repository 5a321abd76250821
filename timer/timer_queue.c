// SPDX-License-Identifier: Apache-2.0
#include "timer/timer_queue.h"

#include <stddef.h>

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

static inline void refresh(struct timer_event *event) {
    const struct timer_event *first = event->child[0], *second = event->child[1];

    event->height = 1 + (first->height > second->height ? first->height : second->height);
    event->least = earlier(event->due, earlier(first->least, second->least));
}

/* `other` stands where `event` stood. */
static void replace(const struct timer_event *event, struct timer_event *other) {
    struct timer_event *up = event->up;

    up->child[up->child[1] == event] = other;
    other->up = up;
}

/* Its child of that side comes to stand above it. */
static struct timer_event *rotate(struct timer_event *event, unsigned side) {
    struct timer_event *child = event->child[side];

    replace(event, child);
    event->child[side] = child->child[!side];
    event->child[side]->up = event;
    child->child[!side] = event;
    event->up = child;
    refresh(event);
    return child;
}

/* Its child of the heavy side is two higher than the other one. Returns who stands in its place then. */
static __attribute__((noinline)) struct timer_event *rebalance(struct timer_event *event, unsigned heavy) {
    struct timer_event *child = event->child[heavy];

    if (child->child[!heavy]->height > child->child[heavy]->height) { refresh(rotate(child, !heavy)); }
    event = rotate(event, heavy);
    refresh(event);
    return event;
}

/* Something below `event`, or its `due`, has changed: it and all above it are put right. */
static void settle(struct timer_queue *queue, struct timer_event *event) {
    do {
        uint32_t lean = event->child[1]->height - event->child[0]->height + 1;

        if (lean <= 2) {
            refresh(event);
        } else {
            event = rebalance(event, lean == 3);
        }
        event = event->up;
    } while (event != &queue->end);
}

static void set_due(struct timer_event *event) {
    event->due = event->when + event->slack;
    if (event->due < event->when || event->due == UINT64_MAX) { event->due = UINT64_MAX - 1; }
}

void timer_queue_init(struct timer_queue *queue) {
    struct timer_event *end = &queue->end;

    *end = (struct timer_event){
        .when = UINT64_MAX, .due = UINT64_MAX, .least = UINT64_MAX, .up = end, .child = {end, end}};
}

/* Of a queued event. Returns it. */
static __attribute__((noinline)) struct timer_event *take_out(struct timer_queue *queue, struct timer_event *event) {
    struct timer_event *changed = event->up, *next = event->child[1];

    if (next == &queue->end) {
        replace(event, event->child[0]);
    } else { /* the next one takes its place */
        while (next->child[0] != &queue->end) { next = next->child[0]; }
        changed = next->up == event ? next : next->up;
        replace(next, next->child[1]);
        replace(event, next);
        for (unsigned side = 0; side < 2; side++) {
            next->child[side] = event->child[side];
            next->child[side]->up = next;
        }
    }
    event->height = 0;
    if (changed != &queue->end) { settle(queue, changed); }
    if (event->when == queue->end.when) {
        queue->end.when = UINT64_MAX;
        for (next = queue->end.child[0]; next != &queue->end; next = next->child[0]) { queue->end.when = next->when; }
    }
    return event;
}

void timer_queue_remove(struct timer_queue *queue, struct timer_event *event) {
    if (timer_queue_queued(event)) { take_out(queue, event); }
}

void timer_queue_add(struct timer_queue *queue, struct timer_event *event, uint64_t when) {
    struct timer_event *up = &queue->end;
    unsigned side = 0;

    if (timer_queue_queued(event)) {
        if (event->when == when) {
            timer_queue_update(queue, event);
            return;
        }
        take_out(queue, event);
    }
    for (struct timer_event *at = up->child[0]; at != &queue->end; at = at->child[side]) {
        up = at;
        side = when >= at->when;
    }
    event->when = when;
    set_due(event);
    event->up = up;
    event->child[0] = event->child[1] = &queue->end;
    event->least = event->due;
    event->height = 1;
    up->child[side] = event;
    queue->end.when = earlier(queue->end.when, when);
    if (up != &queue->end) { settle(queue, up); }
}

void timer_queue_update(struct timer_queue *queue, struct timer_event *event) {
    set_due(event);
    settle(queue, event);
}

struct timer_event *timer_queue_find(const struct timer_queue *queue, uint64_t horizon) {
    struct timer_event *at = queue->end.child[0];

    for (;;) {
        if (at->child[0]->least < horizon) {
            at = at->child[0];
        } else if (at->due < horizon) {
            return at;
        } else {
            at = at->child[1];
        }
    }
}

/* Of the tree below `at` the first one with this deadline, which some of them has. */
static inline struct timer_event *with_due(struct timer_event *at, uint64_t due) {
    for (;;) {
        if (at->child[0]->least == due) {
            at = at->child[0];
        } else if (at->due == due) {
            return at;
        } else {
            at = at->child[1];
        }
    }
}

/* The same of those that have expired, if it is before `horizon`. */
static __attribute__((noinline)) struct timer_event *most_urgent(struct timer_event *at, uint64_t now,
                                                                 uint64_t horizon) {
    struct timer_event *tree = NULL; /* that it is in, or it itself */

    while (at->height != 0) {
        bool expired = at->when <= now;

        if (expired && at->child[0]->least < horizon) {
            tree = at->child[0];
            horizon = tree->least;
        }
        if (expired && at->due < horizon) {
            tree = at;
            horizon = at->due;
        }
        at = at->child[expired];
    }
    return tree == NULL ? NULL : with_due(tree, horizon);
}

struct timer_event *timer_queue_take(struct timer_queue *queue, uint64_t now, uint64_t horizon) {
    struct timer_event *root = queue->end.child[0], *event;

    if (root->least >= horizon) { return NULL; }
    event = with_due(root, root->least);
    if (event->when > now) { event = most_urgent(root, now, horizon); }
    return event == NULL ? NULL : take_out(queue, event);
}
