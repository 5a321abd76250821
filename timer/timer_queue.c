// SPDX-License-Identifier: Apache-2.0
#include "timer/timer_queue.h"

#include <stddef.h>

/* A node that is passed over leaves at most one sibling waiting per level; TIMER_QUEUE_MAX nodes
 * have 8 levels. */
#define PENDING_MAX 9u

_Static_assert(TIMER_QUEUE_MAX < (1u << (PENDING_MAX - 1)), "the search stack holds one node per level");

static void place(struct timer_queue *queue, uint32_t index, struct timer_event *event) {
    queue->heap[index] = event;
    event->position = index + 1;
}

static void sift_up(struct timer_queue *queue, uint32_t index, struct timer_event *event) {
    while (index > 0) {
        uint32_t parent = (index - 1) / 2;

        if (queue->heap[parent]->when <= event->when) { break; }
        place(queue, index, queue->heap[parent]);
        index = parent;
    }
    place(queue, index, event);
}

static void sift_down(struct timer_queue *queue, uint32_t index, struct timer_event *event) {
    for (;;) {
        uint32_t child = 2 * index + 1;

        if (child >= queue->count) { break; }
        if (child + 1 < queue->count && queue->heap[child + 1]->when < queue->heap[child]->when) { child++; }
        if (event->when <= queue->heap[child]->when) { break; }
        place(queue, index, queue->heap[child]);
        index = child;
    }
    place(queue, index, event);
}

/* Puts an event with a new `when` where it belongs; `index` is its place or a free one. */
static void settle(struct timer_queue *queue, uint32_t index, struct timer_event *event) {
    if (index > 0 && queue->heap[(index - 1) / 2]->when > event->when) {
        sift_up(queue, index, event);
    } else {
        sift_down(queue, index, event);
    }
}

void timer_queue_init(struct timer_queue *queue) { queue->count = 0; }

int timer_queue_add(struct timer_queue *queue, struct timer_event *event, uint64_t when) {
    if (timer_queue_queued(event)) {
        event->when = when;
        settle(queue, event->position - 1, event);
        return TIMER_QUEUE_OK;
    }
    if (queue->count == TIMER_QUEUE_MAX) { return TIMER_QUEUE_FULL; }
    event->when = when;
    sift_up(queue, queue->count++, event);
    return TIMER_QUEUE_OK;
}

void timer_queue_remove(struct timer_queue *queue, struct timer_event *event) {
    if (!timer_queue_queued(event)) { return; }

    uint32_t index = event->position - 1;
    struct timer_event *last = queue->heap[--queue->count];

    event->position = 0;
    if (last != event) { settle(queue, index, last); }
}

static bool matters(const struct timer_event *event, uint64_t horizon) {
    uint64_t deadline = event->when + event->slack;

    if (deadline < event->when) { deadline = UINT64_MAX; }
    return deadline < horizon || horizon == UINT64_MAX;
}

/* The earliest event before `limit` that matters, the head having been passed over. No descendant
 * of a node is earlier than the node: a subtree that starts at or behind the best found so far, or
 * behind the horizon, is skipped. */
static struct timer_event *search(const struct timer_queue *queue, uint64_t limit, uint64_t horizon) {
    struct timer_event *best = NULL;
    uint64_t bound = limit < horizon ? limit : horizon;
    uint32_t pending[PENDING_MAX];
    uint32_t depth = 0;
    uint32_t index = 0;

    for (;;) {
        if (index < queue->count && queue->heap[index]->when < bound) {
            if (matters(queue->heap[index], horizon)) {
                best = queue->heap[index];
                bound = best->when;
            } else {
                pending[depth++] = 2 * index + 2;
                index = 2 * index + 1;
                continue;
            }
        }
        if (depth == 0) { return best; }
        index = pending[--depth];
    }
}

static struct timer_event *earliest(const struct timer_queue *queue, uint64_t limit, uint64_t horizon) {
    if (queue->count == 0 || queue->heap[0]->when >= limit) { return NULL; }
    if (matters(queue->heap[0], horizon)) { return queue->heap[0]; }
    return search(queue, limit, horizon);
}

uint64_t timer_queue_next(const struct timer_queue *queue, uint64_t horizon) {
    const struct timer_event *event = earliest(queue, UINT64_MAX, horizon);

    return event == NULL ? UINT64_MAX : event->when;
}

struct timer_event *timer_queue_pop(struct timer_queue *queue, uint64_t now, uint64_t horizon) {
    uint64_t limit = now == UINT64_MAX ? now : now + 1;
    struct timer_event *event = earliest(queue, limit, horizon);

    if (event != NULL) { timer_queue_remove(queue, event); }
    return event;
}
