// SPDX-License-Identifier: Apache-2.0
// Long work as jobs. Each core has one hypervisor thread, which the dispatcher treats as a best-effort entity.
// It runs queued jobs one slice after the other with interrupts open, so that no job delays a reservation.
#ifndef KERNEL_JOB_H
#define KERNEL_JOB_H

#include "kernel/types.h"
#include "sched/sched.h"
#include "timer/timer_queue.h"

struct cpu;

enum { JOB_THREAD_WEIGHT = 100 }; // best-effort share of a core's jobs: that of a VCPU by default

enum job_result { JOB_DONE, JOB_AGAIN, JOB_SLEEP };

// Work that can be cut. `run` does at most about 10 us of work (10,000 instructions) per call, keeps its place in
// the structure around it, and returns JOB_AGAIN while there is more, JOB_SLEEP to be called again at `wake_at`
// (a lazy timer: never interrupts a reservation) or when submitted, JOB_DONE when finished.
// Context: the thread of the core it was submitted to, interrupts open; it may be preempted at any instruction.
struct job {
    enum job_result (*run)(struct job *job);
    uint64_t wake_at; // counter ticks, with JOB_SLEEP; UINT64_MAX: only job_submit wakes it
    struct job *next; // private to job.c from here
    struct timer_event timer;
    uint8_t state; // zero-initialised: idle
    uint8_t cpu;
};

struct job_thread {
    struct spinlock lock; // the queue and the state of this core's jobs; nothing is locked inside
    struct job *head, *tail;
    struct sched_entity entity; // a member of the core only while there are jobs
    bool awake;                 // it is one now; own core, interrupts masked
};

// Queues `job` on `cpu`, waking its thread. Any context, any core; submitting a job that runs marks it to run once more
// (no wake-up is lost). The job structure stays with the caller and must outlive the run. A job that is not done keeps
// its core.
void job_submit(struct cpu *cpu, struct job *job);

// Makes the thread runnable when jobs wait (TODO_INBOX). Own core, interrupts masked; follow with a dispatch.
void job_poll(struct cpu *cpu);

#if TAKT_CONTROL
// It is not queued and nobody is at it: it may be submitted to another core. Of a job that its asker knows not to be submitted now.
static inline bool job_idle(const struct job *job) { return __atomic_load_n(&job->state, __ATOMIC_ACQUIRE) == 0; }
#endif

// The thread's endless loop; arch code enters it once per core. Never returns.
void job_loop(void) __attribute__((noreturn));
// One turn of it: a slice of one job, or a wait. Thread context, interrupts open.
void job_step(struct cpu *cpu);

// Initialises the thread's scheduling entity. Boot only.
void job_thread_init(struct cpu *cpu);

#endif
