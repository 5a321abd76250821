// SPDX-License-Identifier: Apache-2.0
// job.c against a core that is interrupted at the worst moment. The file is compiled into this one with the leaf
// operations of the architecture replaced: each is a point at which another core may submit a job or a device may
// interrupt. Every test is repeated for each such point, and every pair of points; at the end nothing may be asleep that
// was asked for.
#include "test_sched_support.h"

#include <string.h>

#include "arch_types.h"
#include "sched/sched.h"
#include "timer/timer_queue.h"

static unsigned long sim_irq_save(void);
static void sim_irq_restore(unsigned long flags);
static void sim_idle(void);
static struct cpu *sim_this_cpu(void);
static uint64_t sim_clock(void);

#define arch_irq_save     sim_irq_save
#define arch_irq_restore  sim_irq_restore
#define arch_idle         sim_idle
#define arch_this_cpu     sim_this_cpu
#define arch_clock        sim_clock
#define arch_thread_yield sim_thread_yield
#define cpu_notify        sim_notify
#define cpus              sim_cpus
#include "kernel/job.c"

enum { GUEST_BUDGET = 50, GUEST_PERIOD = 200, STEPS_MAX = 2000, NO_EVENT = -1 };

struct cpu *sim_cpus[MAX_CORES];

enum event_kind { REMOTE_SUBMIT, INTERRUPT_SUBMIT };

struct event {
    enum event_kind kind;
    int at; // number of the point at which it happens
    bool done;
    bool pending; // INTERRUPT_SUBMIT: happened, not yet handled
    struct job *job;
};

enum { REST = JOB_SLEEP + 1 }; // asleep until it is submitted

// A job that plays its script over and over, one entry each time it runs.
struct scripted_job {
    struct job job;
    const int *script;
    unsigned length, runs;
    bool wanted;     // submitted and not run since
    uint64_t due_at; // asleep until then; 0: not
};

static struct {
    struct cpu core, other;
    struct cpu *self;
    bool masked, pending, in_handler, finished;
    uint64_t clock, armed;
    int points;
    struct event events[2];
    uint64_t event_takes; // what the other core needs to submit, so that timers fall due meanwhile
    struct sched_entity guest;
    struct scripted_job jobs[2];
} sim;

// ---- what happens from outside ----------------------------------------------------------------------------

static struct scripted_job *scripted(struct job *job) { return container_of(job, struct scripted_job, job); }

static void handler(void);

static void submit(struct job *job) {
    scripted(job)->wanted = true;
    job_submit(&sim.core, job);
}

static void fire(struct event *event) {
    if (event->done || event->at == NO_EVENT) { return; }
    event->done = true;
    if (event->kind == INTERRUPT_SUBMIT) {
        event->pending = true;
    } else {
        bool masked = sim.masked, in_handler = sim.in_handler;
        sim.self = &sim.other;
        sim.masked = sim.in_handler = true; // the other core's, while it acts
        submit(event->job);
        sim.clock += sim.event_takes;
        sim.self = &sim.core;
        sim.masked = masked;
        sim.in_handler = in_handler;
    }
}

static bool interrupt_pending(void) { return sim.pending || sim.events[0].pending || sim.events[1].pending; }

// A point between two instructions. The other core waits for the lock, if need be, until a later one.
static void point(void) {
    struct spinlock *lock = &sim.core.thread.lock;

    if (sim.self != &sim.core) { return; }
    sim.points++;
    for (unsigned i = 0; i < ARRAY_SIZE(sim.events); i++) {
        if (sim.points >= sim.events[i].at && lock->next == lock->owner) { fire(&sim.events[i]); }
    }
    sim.pending |= sim.clock >= sim.armed;
    if (!sim.masked && !sim.in_handler && interrupt_pending()) { handler(); }
}

static unsigned long sim_irq_save(void) {
    unsigned long flags = sim.masked;

    point();
    sim.masked = true;
    return flags;
}

static void sim_irq_restore(unsigned long flags) {
    point();
    sim.masked = flags != 0;
    point();
}

static struct cpu *sim_this_cpu(void) { return sim.self; }

static uint64_t sim_clock(void) {
    point();
    return sim.clock;
}

void sim_notify(struct cpu *cpu, uint32_t bits, bool now) {
    uint32_t wanted = now ? bits | TODO_KICKED : bits;
    uint32_t old = __atomic_fetch_or(&cpu->todo_remote, wanted, __ATOMIC_SEQ_CST);

    if (now && (old & TODO_KICKED) == 0) { sim.pending = true; }
}

// ---- the core's handlers, as kernel/dispatch.c has them -----------------------------------------------------

static struct sched_decision decide(void) {
    struct sched_decision decision = sched_pick(&sim.core.sched, sim.clock);
    struct timer_event *event;

    while ((event = timer_queue_pop(&sim.core.timers, sim.clock, decision.deadline)) != NULL) {
        event->fire(event, sim.clock);
        decision = sched_pick(&sim.core.sched, sim.clock);
    }
    return decision;
}

static struct sched_decision dispatch_once(void) {
    struct sched_decision decision;

    do {
        point();
        sim.pending = false;
        if (sim.core.todo_remote != 0) {
            sim.core.todo_remote = 0;
            job_poll(&sim.core);
        }
        sim.core.todo = 0;
        decision = decide();
        sim.armed = MIN(decision.until, timer_queue_next(&sim.core.timers, decision.deadline));
        point();
    } while (sim.core.todo_remote != 0 || sim.core.todo != 0);
    return decision;
}

// Time passes to the next interrupt; false: none will ever come.
static bool next_interrupt(void) {
    if (interrupt_pending()) { return true; }
    for (unsigned i = 0; i < ARRAY_SIZE(sim.events); i++) {
        fire(&sim.events[i]);
        if (interrupt_pending()) { return true; }
    }
    if (sim.armed == UINT64_MAX) { return false; }
    sim.clock = MAX(sim.clock, sim.armed);
    return true;
}

// From an interrupt or the thread's call until the thread has the core again, awake or as the idle loop.
static void handler(void) {
    struct sched_decision decision;
    bool masked = sim.masked;

    sim.masked = sim.in_handler = true;
    for (;;) {
        for (unsigned i = 0; i < ARRAY_SIZE(sim.events); i++) {
            if (sim.events[i].pending) {
                sim.events[i].pending = false;
                submit(sim.events[i].job);
            }
        }
        decision = dispatch_once();
        if (decision.run != &sim.guest) { break; }
        if (!next_interrupt()) { // the guest would run for ever, and no job may wait for that
            assert_null(sim.core.thread.head);
            sched_block(&sim.core.sched, &sim.guest, sim.clock);
        }
    }
    sim.in_handler = false;
    sim.masked = masked;
}

void sim_thread_yield(void) {
    assert_ptr_equal(sim.self, &sim.core);
    point();
    handler();
}

static void sim_idle(void) {
    assert_true(sim.masked); // or what comes between the last look and the wait would be slept through
    point();
    if (!next_interrupt()) {
        sim.finished = true;
    } else if (!interrupt_pending()) {
        sim.pending = true; // the timer's
    }
}

// ---- the jobs ---------------------------------------------------------------------------------------------

static enum job_result play(struct job *job) {
    struct scripted_job *script = scripted(job);
    int result = script->script[script->runs++ % script->length];

    assert_false(sim.masked);
    assert_false(sim.in_handler);
    assert_false(timer_queue_queued(&job->timer));
    assert_true(sim.core.thread.awake || sim.core.sched.population == SCHED_ENTITIES_MAX);
    script->wanted = false;
    script->due_at = 0;
    point();
    sim.clock += 10;
    point();
    if (result == JOB_SLEEP) {
        script->due_at = sim.clock + 100;
        job->wake_at = script->due_at;
    } else if (result == REST) {
        job->wake_at = UINT64_MAX;
    }
    return result == REST ? JOB_SLEEP : (enum job_result)result;
}

enum guest { NO_GUEST, RESERVED_GUEST, BUSY_GUEST };

static void set_up(enum guest guest, const int *script, unsigned length) {
    memset(&sim, 0, sizeof(sim));
    sim.self = &sim.core;
    sim.core.online = true;
    sim.other.id = 1;
    sim.clock = 1000;
    sim_cpus[0] = &sim.core;
    sched_core_init(&sim.core.sched, 1000);
    timer_queue_init(&sim.core.timers);
    job_thread_init(&sim.core);
    for (unsigned i = 0; i < 2; i++) {
        sim.events[i].at = NO_EVENT;
        sim.jobs[i].job = (struct job){.run = play};
        sim.jobs[i].script = script;
        sim.jobs[i].length = length;
    }
    if (guest != NO_GUEST) {
        if (guest == RESERVED_GUEST) {
            sched_entity_init_reserved(&sim.guest, GUEST_BUDGET, GUEST_PERIOD, GUEST_PERIOD);
        } else {
            sched_entity_init_best_effort(&sim.guest, 100);
        }
        sched_add(&sim.core.sched, &sim.guest);
        sched_wake(&sim.core.sched, &sim.guest, sim.clock);
    }
    sim.armed = sched_pick(&sim.core.sched, sim.clock).until; // the way out of boot
}

// Returns how many points there were.
static int run_to_the_end(void) {
    for (unsigned i = 0; !sim.finished; i++) {
        assert_true(i < STEPS_MAX);
        job_step(&sim.core);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_false(sim.jobs[i].wanted);
        assert_int_equal(sim.jobs[i].due_at, 0);
        assert_int_equal(sim.jobs[i].job.state, JOB_IDLE);
    }
    assert_null(sim.core.thread.head);
    assert_null(sim.core.thread.tail);
    assert_false(sim.core.thread.awake);
    assert_true(timer_queue_empty(&sim.core.timers));
    return sim.points;
}

// ---- tests ------------------------------------------------------------------------------------------------

static const int once[] = {JOB_DONE};
static const int slices[] = {JOB_AGAIN, JOB_AGAIN, JOB_DONE};
static const int resting[] = {REST, JOB_DONE};
static const int sleeper[] = {JOB_AGAIN, JOB_SLEEP, JOB_DONE};

static void a_job_plays_its_script(void **state) {
    (void)state;
    set_up(NO_GUEST, sleeper, ARRAY_SIZE(sleeper));
    submit(&sim.jobs[0].job);
    run_to_the_end();
    assert_int_equal(sim.jobs[0].runs, 3);
    assert_int_equal(sim.clock, 1000 + 3 * 10 + 100);
}

static void submitting_a_queued_job_changes_nothing(void **state) {
    (void)state;
    set_up(NO_GUEST, once, ARRAY_SIZE(once));
    submit(&sim.jobs[0].job);
    submit(&sim.jobs[1].job);
    submit(&sim.jobs[0].job);
    run_to_the_end();
    assert_int_equal(sim.jobs[0].runs, 1);
    assert_int_equal(sim.jobs[1].runs, 1);
}

static void jobs_take_turns(void **state) {
    (void)state;
    set_up(NO_GUEST, slices, ARRAY_SIZE(slices));
    submit(&sim.jobs[0].job);
    submit(&sim.jobs[1].job);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(sim.jobs[0].runs, (i + 1) / 2);
        assert_int_equal(sim.jobs[1].runs, i / 2);
        job_step(&sim.core);
    }
    run_to_the_end();
}

static void a_sleeper_without_a_time_waits_to_be_submitted(void **state) {
    (void)state;
    set_up(NO_GUEST, resting, ARRAY_SIZE(resting));
    submit(&sim.jobs[0].job);
    while (!sim.finished) { job_step(&sim.core); }
    assert_int_equal(sim.jobs[0].runs, 1);
    assert_int_equal(sim.jobs[0].job.state, JOB_SLEEPING);
    sim.finished = false;
    submit(&sim.jobs[0].job);
    run_to_the_end();
    assert_int_equal(sim.jobs[0].runs, 2);
}

// The hardware timer is set although the thread goes on with the next job.
static void a_sleeper_is_woken_beside_a_busy_job(void **state) {
    static const int busy[] = {JOB_AGAIN, JOB_AGAIN, JOB_AGAIN, JOB_AGAIN, JOB_AGAIN, JOB_AGAIN, JOB_AGAIN,
                               JOB_AGAIN, JOB_AGAIN, JOB_AGAIN, JOB_AGAIN, JOB_AGAIN, JOB_AGAIN, JOB_AGAIN,
                               JOB_AGAIN, JOB_AGAIN, JOB_AGAIN, JOB_AGAIN, JOB_AGAIN, JOB_DONE};

    (void)state;
    set_up(NO_GUEST, sleeper, ARRAY_SIZE(sleeper));
    sim.jobs[1].script = busy;
    sim.jobs[1].length = ARRAY_SIZE(busy);
    submit(&sim.jobs[0].job);
    submit(&sim.jobs[1].job);
    while (sim.jobs[0].runs < 3) { job_step(&sim.core); }
    assert_in_range(sim.jobs[1].runs, 10, 14);
    run_to_the_end();
}

// All pairs of an event each at every point of the run, until the run has no more points.
static void every_moment(enum guest guest, const int *script, unsigned length) {
    int points = 1;

    for (int first = 1; first <= points; first++) {
        for (int second = first; second <= points; second++) {
            for (unsigned kinds = 0; kinds < 16; kinds++) {
                set_up(guest, script, length);
                sim.event_takes = kinds >= 8 ? 150 : 0;
                sim.events[0] = (struct event){.kind = kinds & 1, .at = first, .job = &sim.jobs[0].job};
                sim.events[1] =
                    (struct event){.kind = kinds >> 1 & 1, .at = second, .job = &sim.jobs[kinds >> 2 & 1].job};
                points = MAX(points, MIN(run_to_the_end(), 120));
                assert_true(sim.jobs[0].runs > 0);
                assert_true((kinds & 4) == 0 || sim.jobs[1].runs > 0);
            }
        }
    }
    assert_true(points > 20);
}

static void no_wake_up_is_lost_on_an_idle_core(void **state) {
    (void)state;
    every_moment(NO_GUEST, once, ARRAY_SIZE(once));
    every_moment(NO_GUEST, slices, ARRAY_SIZE(slices));
    every_moment(NO_GUEST, sleeper, ARRAY_SIZE(sleeper));
}

// The guest owns the core until a job appears, and has a budget to keep from then on.
static void no_wake_up_is_lost_beside_a_guest(void **state) {
    (void)state;
    every_moment(RESERVED_GUEST, once, ARRAY_SIZE(once));
    every_moment(RESERVED_GUEST, sleeper, ARRAY_SIZE(sleeper));
    every_moment(BUSY_GUEST, once, ARRAY_SIZE(once));
    every_moment(BUSY_GUEST, sleeper, ARRAY_SIZE(sleeper));
}

// A core with as many members as it can have runs its jobs when nobody else wants to.
static void jobs_run_without_a_place_among_the_members(void **state) {
    static struct sched_entity members[SCHED_ENTITIES_MAX];

    (void)state;
    set_up(NO_GUEST, slices, ARRAY_SIZE(slices));
    for (unsigned i = 0; i < SCHED_ENTITIES_MAX; i++) {
        sched_entity_init_best_effort(&members[i], 1);
        assert_int_equal(sched_add(&sim.core.sched, &members[i]), SCHED_OK);
    }
    submit(&sim.jobs[0].job);
    run_to_the_end();
    assert_int_equal(sim.jobs[0].runs, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_plays_its_script),
        cmocka_unit_test(submitting_a_queued_job_changes_nothing),
        cmocka_unit_test(jobs_take_turns),
        cmocka_unit_test(a_sleeper_without_a_time_waits_to_be_submitted),
        cmocka_unit_test(a_sleeper_is_woken_beside_a_busy_job),
        cmocka_unit_test(no_wake_up_is_lost_on_an_idle_core),
        cmocka_unit_test(no_wake_up_is_lost_beside_a_guest),
        cmocka_unit_test(jobs_run_without_a_place_among_the_members),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
