// SPDX-License-Identifier: Apache-2.0
/*
 * The per-core queue of one-shot timer events.
 *
 * A binary heap of pointers to events that live inside their owners: no allocation, fixed capacity.
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
 *   D of the reservation      event of a waiting VCPU; the wake-up's release is `when`
 *   TIMER_SLACK_BEST_EFFORT   event of a best-effort VCPU: matters when no reservation runs
 *   0                         matters whenever it lies before the horizon: the next scheduling
 *                             decision, watchdogs, every event of the reserved VCPU that runs now
 *
 * Costs, n queued events: add, remove and pop of the head O(log n). When the head does not matter,
 * next and pop also visit events that are earlier than the best found so far and than the horizon:
 * all n in the worst case (nothing before the horizon matters), and n <= TIMER_QUEUE_MAX.
 * Events with equal `when` fire in no particular order.
 */
#ifndef TIMER_TIMER_QUEUE_H
#define TIMER_TIMER_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#define TIMER_QUEUE_MAX         192u /* three for each of a core's entities, the rest for jobs and devices */
#define TIMER_SLACK_BEST_EFFORT UINT64_MAX

enum timer_queue_error { TIMER_QUEUE_OK = 0, TIMER_QUEUE_FULL = -1 };

/* Zero-initialised means "not queued". The owner sets `slack` and `fire`; it may change `slack` at
 * any time, also while queued. `when` and `position` belong to the queue. An event is in at most
 * one queue. */
struct timer_event {
    uint64_t when;
    uint64_t slack;
    /* Called by whoever pops it, never by the queue. */
    void (*fire)(struct timer_event *event, uint64_t now);
    void *owner;       /* who pays for handling it; not read by the queue */
    uint32_t position; /* heap index + 1; 0: not queued */
};

struct timer_queue {
    uint32_t count;
    struct timer_event *heap[TIMER_QUEUE_MAX];
};

void timer_queue_init(struct timer_queue *queue);

/* Queues the event for `when`; a queued event moves to the new time (and never fails).
 * Returns TIMER_QUEUE_OK, or TIMER_QUEUE_FULL and leaves event and queue untouched. */
int timer_queue_add(struct timer_queue *queue, struct timer_event *event, uint64_t when);

/* Takes the event out; does nothing when it is not queued. */
void timer_queue_remove(struct timer_queue *queue, struct timer_event *event);

static inline bool timer_queue_queued(const struct timer_event *event) { return event->position != 0; }

/* The earliest `when` among the events that matter to `horizon`; UINT64_MAX when there is none. May
 * lie in the past. This is the value for the hardware timer. */
uint64_t timer_queue_next(const struct timer_queue *queue, uint64_t horizon);

/* Takes out and returns the earliest event with when <= now that matters to `horizon`; NULL when
 * there is none. The caller then calls event->fire(event, now), which may queue it or others again.
 */
struct timer_event *timer_queue_pop(struct timer_queue *queue, uint64_t now, uint64_t horizon);

#endif
