// SPDX-License-Identifier: Apache-2.0
// Long work as jobs. Each core has one hypervisor thread, which the dispatcher treats as a best-effort entity.
// It runs queued jobs one slice after the other with interrupts open, so that no job delays a reservation.
#ifndef KERNEL_JOB_H
#define KERNEL_JOB_H

#include "kernel/types.h"
#include "sched/sched.h"
#include "timer/timer_queue.h"

struct cpu;

enum job_result { JOB_DONE, JOB_AGAIN, JOB_SLEEP };

// Work that can be cut. `run` does at most about 10 us of work (10,000 instructions) per call, keeps its place in
// the structure around it, and returns JOB_AGAIN while there is more, JOB_SLEEP to be called again at `wake_at`
// (a lazy timer: never interrupts a reservation) or when submitted, JOB_DONE when finished.
// Context: the thread of the core it was submitted to, interrupts open; it may be preempted at any instruction.
struct job {
    enum job_result (*run)(struct job *job);
    const char *name;
    uint64_t wake_at; // counter ticks, with JOB_SLEEP; UINT64_MAX: only job_submit wakes it
    struct job *next; // private to job.c from here
    struct timer_event timer;
    uint8_t state;
    uint8_t cpu;
};

struct job_thread {
    struct sched_entity entity;
    struct job *head, *tail;
};

// Queues `job` on `cpu`, waking its thread. Any context, any core; queueing a queued job marks it to run once more
// (no wake-up is lost). The job structure stays with the caller and must outlive the run. A job keeps its core.
void job_submit(struct cpu *cpu, struct job *job);

// The thread's endless loop; arch code enters it once per core. Never returns.
void job_loop(void);

// Initialises the thread's scheduling entity. Boot only.
void job_thread_init(struct cpu *cpu);

#endif
