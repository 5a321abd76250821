// SPDX-License-Identifier: Apache-2.0
// The life of a job: idle -> queued -> running -> (queued | sleeping | idle). Every change is made under its core's
// thread lock. Only the own core takes jobs off the queue, arms their timers and runs them; any core may queue.
//
// No wake-up is lost. A submitter queues, then sets TODO_INBOX, then asks whether that needs an interrupt; the target
// publishes what it runs and only then reads `todo`. The thread looks at the queue with interrupts masked and waits
// with interrupts masked (a pending one ends the wait), so what comes after the look ends the wait.
#include "kernel/job.h"

#include "kernel/arch.h"
#include "kernel/log.h"

enum job_state {
    JOB_IDLE,
    JOB_QUEUED,
    JOB_RUNNING,
    JOB_RUNNING_SUBMITTED, // and once more afterwards
    JOB_SLEEPING,
};

// With the thread's lock held.
static void append(struct job_thread *thread, struct job *job) {
    job->state = JOB_QUEUED;
    job->next = NULL;
    if (thread->tail != NULL) {
        thread->tail->next = job;
    } else {
        __atomic_store_n(&thread->head, job, __ATOMIC_RELAXED);
    }
    thread->tail = job;
}

// The thread is best effort: a core that runs a reservation is not interrupted for it. It meets the bit when that
// reservation blocks or its budget ends.
static void notify(struct cpu *cpu) {
    cpu_notify(cpu, TODO_INBOX, false); // a full barrier too, as sched_remote_preempts asks
    if (cpu != this_cpu() && __atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE) &&
        sched_remote_preempts(&cpu->sched, &cpu->thread.entity, arch_clock())) {
        cpu_notify(cpu, TODO_INBOX, true);
    }
}

void job_submit(struct cpu *cpu, struct job *job) {
    unsigned long flags = spin_lock(&cpu->thread.lock);
    bool queue = job->state == JOB_IDLE || job->state == JOB_SLEEPING;

    ASSERT(job->state == JOB_IDLE || job->cpu == cpu->id);
    if (queue) {
        job->cpu = (uint8_t)cpu->id;
        append(&cpu->thread, job);
    } else if (job->state == JOB_RUNNING) {
        job->state = JOB_RUNNING_SUBMITTED;
    }
    spin_unlock(&cpu->thread.lock, flags);
    if (queue) { notify(cpu); }
}

// Interrupts masked. Should the core have no room for one more member its jobs still run, in the time that nobody wants.
static void wake_thread(struct cpu *cpu) {
    struct job_thread *thread = &cpu->thread;

    if (thread->awake || sched_add(&cpu->sched, &thread->entity) != SCHED_OK) { return; }
    thread->awake = true;
    sched_wake(&cpu->sched, &thread->entity, arch_clock());
    cpu->todo |= TODO_DISPATCH;
}

void job_poll(struct cpu *cpu) {
    if (__atomic_load_n(&cpu->thread.head, __ATOMIC_RELAXED) != NULL) { wake_thread(cpu); }
}

// Handler context of the job's core.
static void timer_fired(struct timer_event *event, UNUSED uint64_t now) {
    struct job *job = container_of(event, struct job, timer);
    struct cpu *cpu = cpus[job->cpu];
    unsigned long flags = spin_lock(&cpu->thread.lock);

    if (job->state == JOB_SLEEPING) { append(&cpu->thread, job); }
    spin_unlock(&cpu->thread.lock, flags);
    job_poll(cpu);
}

static struct job *take(struct cpu *cpu) {
    struct job_thread *thread = &cpu->thread;
    unsigned long flags = spin_lock(&thread->lock);
    struct job *job = thread->head;

    if (job != NULL) {
        __atomic_store_n(&thread->head, job->next, __ATOMIC_RELAXED);
        if (job->next == NULL) { thread->tail = NULL; }
        job->state = JOB_RUNNING;
        timer_queue_remove(&cpu->timers, &job->timer);
    }
    spin_unlock(&thread->lock, flags);
    return job;
}

static void sleep_until(struct cpu *cpu, struct job *job) {
    if (job->wake_at != UINT64_MAX) {
        job->timer.slack = TIMER_SLACK_BEST_EFFORT;
        job->timer.fire = timer_fired;
        timer_queue_add(&cpu->timers, &job->timer, job->wake_at);
        cpu->todo |= TODO_DISPATCH; // to program the hardware
    }
    job->state = JOB_SLEEPING;
}

// A job that is done may be gone or on another core as soon as the lock is open.
static void settle(struct cpu *cpu, struct job *job, enum job_result result) {
    unsigned long flags = spin_lock(&cpu->thread.lock);

    if (result == JOB_AGAIN || job->state == JOB_RUNNING_SUBMITTED) {
        append(&cpu->thread, job);
    } else if (result == JOB_SLEEP) {
        sleep_until(cpu, job);
    } else if (result == JOB_DONE) {
        job->state = JOB_IDLE;
    }
    spin_unlock(&cpu->thread.lock, flags);
}

// Nothing to do. The first time the thread leaves the core's members and lets the core decide; it comes back here as
// what runs when nobody wants to.
static void wait_for_work(struct cpu *cpu) {
    if (!cpu->thread.awake) {
        uint64_t since = arch_clock();
        __atomic_store_n(&cpu->stats.idle_since, since, __ATOMIC_RELAXED);
        arch_idle();
        __atomic_store_n(&cpu->stats.idle_since, 0, __ATOMIC_RELAXED);
        cpu->stats.idle_ticks += arch_clock() - since;
        return;
    }
    cpu->thread.awake = false;
    sched_remove(&cpu->sched, &cpu->thread.entity, arch_clock());
    cpu->todo |= TODO_DISPATCH;
    arch_thread_yield();
}

void job_step(struct cpu *cpu) {
    unsigned long flags = arch_irq_save();

    uint32_t todo = cpu->todo & ~(uint32_t)TODO_TRACE;

    if ((todo | __atomic_load_n(&cpu->todo_remote, __ATOMIC_RELAXED)) != 0) { arch_thread_yield(); }
    struct job *job = take(cpu);
    if (job == NULL) {
        wait_for_work(cpu);
    } else { // it may have come in just now, ahead of its notice
        wake_thread(cpu);
    }
    arch_irq_restore(flags);
    if (job != NULL) { settle(cpu, job, job->run(job)); }
}

void job_loop(void) {
    struct cpu *cpu = this_cpu();

    for (;;) { job_step(cpu); }
}

void job_thread_init(struct cpu *cpu) {
    int status = sched_entity_init_best_effort(&cpu->thread.entity, JOB_THREAD_WEIGHT);

    ASSERT(status == SCHED_OK);
}
