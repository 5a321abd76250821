// SPDX-License-Identifier: Apache-2.0
// The tree of a timer queue, looked at as a whole: order, links, balance, and what each node says of those below it.
#ifndef TEST_QUEUE_CHECK_H
#define TEST_QUEUE_CHECK_H

#include "timer/timer_queue.h"

static inline uint64_t queue_due(const struct timer_event *event) {
    return event->slack >= UINT64_MAX - 1 - event->when ? UINT64_MAX - 1 : event->when + event->slack;
}

// Returns how many events are at and below `at`, all of them from `from` to `to`; a wrong one counts for thousands.
static inline unsigned queue_look(const struct timer_queue *queue, const struct timer_event *at, uint64_t from,
                                  uint64_t to) {
    const struct timer_event *end = &queue->end;
    unsigned below = 0, wrong = 0;
    uint32_t tallest = 0, sum = 0;
    uint64_t least = queue_due(at);

    for (unsigned side = 0; side < 2; side++) {
        const struct timer_event *child = at->child[side];

        if (child == end) { continue; }
        wrong += child->up != at;
        below += queue_look(queue, child, side == 0 ? from : at->when, side == 0 ? at->when : to);
        tallest = child->height > tallest ? child->height : tallest;
        sum += child->height;
        least = child->least < least ? child->least : least;
    }
    wrong += at->when < from || at->when > to || at->due != queue_due(at) || at->least != least;
    wrong += at->height != tallest + 1 || 2 * tallest > sum + 1; // the shorter side is one shorter at most
    return 1 + below + 1000 * wrong;
}

// The events in order of time: of none the first one, of the last one none.
static inline const struct timer_event *queue_after(const struct timer_queue *queue, const struct timer_event *event) {
    const struct timer_event *end = &queue->end;
    const struct timer_event *at = event == NULL ? end->child[0] : event->child[1];

    if (at == end && event != NULL) { // up, as long as that was the later side
        for (at = event->up; at != end && at->child[1] == event; at = at->up) { event = at; }
        return at == end ? NULL : at;
    }
    while (at != end && at->child[0] != end) { at = at->child[0]; }
    return at == end ? NULL : at;
}

// How many events are queued; thousands when the tree is not what it has to be.
static inline unsigned queue_count(const struct timer_queue *queue) {
    const struct timer_event *end = &queue->end, *root = end->child[0], *first = queue_after(queue, NULL);
    bool wrong = end->height != 0 || end->least != UINT64_MAX || end->child[1] != end;

    if (first == NULL || root == NULL) { return wrong || root != end || end->when != UINT64_MAX ? 1000 : 0; }
    wrong |= end->when != first->when || root->up != end;
    return queue_look(queue, root, 0, UINT64_MAX) + (wrong ? 1000 : 0);
}

#endif
