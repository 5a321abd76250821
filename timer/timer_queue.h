// SPDX-License-Identifier: Apache-2.0
/*
 * The per-core queue of one-shot timer events.
 *
 * A balanced tree (AVL) by time of events that live inside their owners: no allocation, no limit. Each node knows the earliest
 * deadline below it, so that the horizon rule is asked on one way down.
 *
 * Times are absolute counter ticks. The queue belongs to one core and is used with that core's
 * interrupts masked; it has no lock and no other state than the structure itself.
 *
 * The horizon rule. An event whose owner would, when woken at `when`, get the deadline when + slack
 * cannot change an EDF decision whose deadline is earlier or equal. `horizon` is the absolute
 * deadline of what runs now (sched_decision.deadline): an event matters when `when + slack <
 * horizon` (saturating), and every event matters to the horizon UINT64_MAX (best effort or nothing
 * runs). The hardware timer is armed for events that matter only; the others stay queued and are
 * popped when a later decision has a later horizon.
 *
 *   slack                     meaning
 *   D of the reservation      event of a waiting VCPU; the wake-up's release is `when`. Also the next refill of a server that
 *                             has no budget (sched_core.throttled)
 *   TIMER_SLACK_BEST_EFFORT   event of a best-effort VCPU: matters when no reservation runs
 *   0                         matters whenever it lies before the horizon: the next scheduling
 *                             decision, watchdogs, every event of the reserved VCPU that runs now
 *
 * Costs, n queued events: everything O(log n); the tree is at most 1.45 log2(n + 2) nodes deep (Adelson-Velsky & Landis 1962).
 */
#ifndef TIMER_TIMER_QUEUE_H
#define TIMER_TIMER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_SLACK_BEST_EFFORT UINT64_MAX

/* Zero-initialised means "not queued". The owner sets `slack` and `fire`; of a queued event it changes `slack` by
 * timer_queue_set_slack() only. `when` and what follows `owner` belong to the queue. An event is in at most one queue. */
struct timer_event {
    uint64_t when;
    uint64_t slack;
    /* Called by whoever pops it, never by the queue. */
    void (*fire)(struct timer_event *event, uint64_t now);
    void *owner; /* who pays for handling it; not read by the queue */

    uint64_t due;   /* when + slack, below UINT64_MAX: every event matters to that */
    uint64_t least; /* `due` of it and all below it */
    struct timer_event *up;
    struct timer_event *child[2]; /* earlier, later */
    uint32_t height;              /* of the tree that it heads; 0: not queued */
};

/* `end` stands wherever there is no event. It is also above all of them: the tree is its first child, its `when` the earliest. */
struct timer_queue {
    struct timer_event end;
};

void timer_queue_init(struct timer_queue *queue);

/* Queues the event for `when`; a queued event moves to the new time. */
void timer_queue_add(struct timer_queue *queue, struct timer_event *event, uint64_t when);

/* Takes the event out; does nothing when it is not queued. */
void timer_queue_remove(struct timer_queue *queue, struct timer_event *event);

static inline bool timer_queue_queued(const struct timer_event *event) { return event->height != 0; }

static inline bool timer_queue_empty(const struct timer_queue *queue) { return queue->end.child[0] == &queue->end; }

/* Gives the event another slack, queued or not. */
void timer_queue_update(struct timer_queue *queue, struct timer_event *event); /* of one that is queued */
static inline void timer_queue_set_slack(struct timer_queue *queue, struct timer_event *event, uint64_t slack) {
    event->slack = slack;
    if (timer_queue_queued(event)) { timer_queue_update(queue, event); }
}

/* The earliest `when` among the events that matter to `horizon`; UINT64_MAX when there is none. May
 * lie in the past. This is the value for the hardware timer. */
struct timer_event *timer_queue_find(const struct timer_queue *queue, uint64_t horizon); /* who that is: there is one */
static inline uint64_t timer_queue_next(const struct timer_queue *queue, uint64_t horizon) {
    if (horizon == UINT64_MAX) { return queue->end.when; }
    return queue->end.child[0]->least < horizon ? timer_queue_find(queue, horizon)->when : UINT64_MAX;
}

/* Takes out and returns, of the events with when <= now that matter to `horizon`, the one with the earliest when + slack, of
 * those the earliest, of those the one that was queued first; NULL when there is none. What it wakes has that deadline, so that of
 * many that expired together no other matters then. The caller calls event->fire(event, now), which may queue it or others again.
 */
struct timer_event *timer_queue_take(struct timer_queue *queue, uint64_t now, uint64_t horizon); /* some have expired */
static inline struct timer_event *timer_queue_pop(struct timer_queue *queue, uint64_t now, uint64_t horizon) {
    return queue->end.when <= now ? timer_queue_take(queue, now, horizon) : NULL;
}

#endif
