// SPDX-License-Identifier: Apache-2.0
// No wake-up from another core is lost. dispatch.c and vcpu.c are compiled into
// this file with the leaf operations of the architecture replaced: each is a
// point at which the two cores may change places. First every interleaving with
// up to three changes is played, the target's stores held back as long as the
// architecture allows; then two threads do the same at full speed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <ucontext.h>

#include <cmocka.h>

#include "arch_types.h"

static struct cpu *sim_this_cpu(void);
static uint64_t sim_clock(void);
static unsigned long sim_irq_save(void);
static void sim_irq_restore(unsigned long flags);
static void sim_relax(void);
static void sim_barrier(void);

#define arch_this_cpu     sim_this_cpu
#define arch_clock        sim_clock
#define arch_irq_save     sim_irq_save
#define arch_irq_restore  sim_irq_restore
#define arch_relax        sim_relax
#define arch_barrier_full sim_barrier
#define vm_vcpu_left      sim_vcpu_left
#define job_poll          sim_job_poll
#include "kernel/dispatch.c" // NOLINT(bugprone-suspicious-include)
#include "kernel/vcpu.c"     // NOLINT(bugprone-suspicious-include)

enum { ROUNDS_AT_SPEED = 100000, SECONDS_AT_SPEED = 3, LOST_AFTER_S = 20, STACK = 256 * 1024 };
enum { TARGET, KICKER };

// A has the earlier deadline of two reservations; B is what gets kicked.
static struct {
    struct cpu core[2];
    struct vm vm;
    struct vcpu a, b;
    bool pending_a, pending_b; // atomic
    bool synced_b;             // what reached the hardware of the target
    bool ipi;                  // atomic, for the target
    unsigned taken;            // atomic
    uint64_t clock;            // atomic
} sim;

static _Thread_local struct cpu *self;

// ---- two cores in turns
// -----------------------------------------------------------------------------------

static struct {
    bool on;
    ucontext_t test, side[2];
    bool ended[2];
    unsigned runs;    // who does
    unsigned left;    // points until they change places
    unsigned next;    // index of the change
    unsigned turn[3]; // how many points each turn lasts; then each runs to its end
    unsigned points[2];
} play;

// What the target publishes. Its stores wait in a buffer until a barrier, or a
// lock that it gives back. The kicker may have read them ahead, as early as its
// own last barrier or the last lock that it took: an atomic operation alone,
// made of an exclusive load and store (Armv8.0), holds nothing up.
struct published {
    struct vcpu *current;
    uint64_t deadline, hint;
    uint8_t state;
};

static struct published own, visible, seen;

static struct published published(void) {
    return (struct published){sim.core[TARGET].current, sim.core[TARGET].sched.current_deadline, sim.b.entity.wake_hint,
                              sim.b.state};
}

static void show(const struct published *words) {
    sim.core[TARGET].current = words->current;
    sim.core[TARGET].sched.current_deadline = words->deadline;
    sim.b.entity.wake_hint = words->hint;
    sim.b.state = words->state;
}

static void drain(void) {
    if (play.on && play.runs == TARGET) { visible = published(); }
}

static void look(void) {
    if (play.on && play.runs == KICKER) {
        seen = visible;
        show(&seen);
    }
}

static void change(unsigned to) {
    unsigned from = play.runs;

    if (from == TARGET) {
        own = published();
        show(&seen);
    } else {
        show(&own);
    }
    play.runs = to;
    self = &sim.core[to];
    swapcontext(&play.side[from], &play.side[to]);
}

static void point(bool must) {
    if (!play.on) { return; }
    play.points[play.runs]++;
    if (play.left > 0 && !must) {
        play.left--;
        return;
    }
    if (play.ended[1 - play.runs]) { return; }
    if (!must) { play.left = play.next < ARRAY_SIZE(play.turn) ? play.turn[play.next++] : UINT32_MAX; }
    change(1 - play.runs);
}

static struct cpu *sim_this_cpu(void) { return self; }

static uint64_t sim_clock(void) {
    point(false);
    return __atomic_add_fetch(&sim.clock, 1, __ATOMIC_RELAXED);
}

static unsigned long sim_irq_save(void) {
    point(false);
    look();
    return 0;
}

static void sim_irq_restore(unsigned long flags) {
    (void)flags;
    drain();
    point(false);
}

static void sim_relax(void) { point(true); }

static void sim_barrier(void) {
    point(false);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    drain();
    look();
    point(false);
}

// ---- the architecture
// -------------------------------------------------------------------------------------

static bool *pending(const struct vcpu *vcpu) { return vcpu == &sim.a ? &sim.pending_a : &sim.pending_b; }

void arch_ipi(struct cpu *target) {
    (void)target;
    __atomic_store_n(&sim.ipi, true, __ATOMIC_SEQ_CST);
}

bool arch_vcpu_has_interrupt(struct vcpu *vcpu) {
    bool has;

    point(false);
    has = __atomic_load_n(pending(vcpu), __ATOMIC_RELAXED);
    point(false);
    return has;
}

void arch_vcpu_sync_interrupts(struct vcpu *vcpu) {
    point(false);
    if (vcpu == &sim.b) { sim.synced_b = __atomic_load_n(&sim.pending_b, __ATOMIC_RELAXED); }
    point(false);
}

uint64_t arch_vcpu_timer_deadline(const struct vcpu *vcpu) {
    (void)vcpu;
    return UINT64_MAX;
}

void arch_resume_set(struct cpu *cpu, struct vcpu *vcpu) {
    (void)cpu;
    (void)vcpu;
    point(false);
}

void arch_vcpu_pause(struct vcpu *vcpu) {
    (void)vcpu;
    point(false);
}

void arch_vcpu_resume(struct vcpu *vcpu) {
    (void)vcpu;
    point(false);
}

void sim_vcpu_left(struct vcpu *vcpu) { (void)vcpu; }

void sim_job_poll(struct cpu *cpu) { (void)cpu; }

// ---- what the target does
// ---------------------------------------------------------------------------------

enum act { LOOK, A_WAITS, B_WAITS, A_WAKES };

static void handler(enum act act) {
    struct cpu *cpu = &sim.core[TARGET];

    cpu->entered = arch_clock();
    switch (act) {
    case A_WAITS: vcpu_block(&sim.a); break;
    case B_WAITS: vcpu_block(&sim.b); break;
    case A_WAKES:
        __atomic_store_n(&sim.pending_a, true, __ATOMIC_RELAXED);
        vcpu_kick(&sim.a);
        break;
    default: break;
    }
    point(false);
    if (cpu->todo != 0 || __atomic_load_n(&cpu->todo_remote, __ATOMIC_RELAXED) != 0) { dispatch(cpu); }
    if (cpu->current == &sim.a) { __atomic_store_n(&sim.pending_a, false, __ATOMIC_RELAXED); }
    if (cpu->current == &sim.b && sim.synced_b) { // B takes it
        __atomic_store_n(&sim.pending_b, false, __ATOMIC_RELAXED);
        sim.synced_b = false;
        __atomic_store_n(&sim.taken, sim.taken + 1, __ATOMIC_RELEASE);
    }
}

static void kick(void) {
    __atomic_store_n(&sim.pending_b, true, __ATOMIC_RELAXED);
    point(false);
    vcpu_interrupt(&sim.b);
}

static const struct scene {
    const char *name;
    bool a_runs, b_runs; // before: on the core, or waiting
    enum act act;
} scenes[] = {
    {"a reservation waits", true, false, A_WAITS},   {"a reservation wakes", false, false, A_WAKES},
    {"it waits itself", false, true, B_WAITS},       {"it is preempted", false, true, A_WAKES},
    {"another interrupt comes", false, false, LOOK}, {"its turn comes", true, true, A_WAITS},
    {"it is not its turn", true, true, LOOK},
};

static void prepare(const struct scene *scene) {
    struct vcpu *on[] = {&sim.a, &sim.b};

    memset(&sim, 0, sizeof(sim));
    self = &sim.core[TARGET];
    sim.vm.state = VM_RUNNING;
    for (unsigned i = 0; i < 2; i++) {
        sim.core[i].id = i;
        sim.core[i].late_limit = UINT64_MAX;
        sched_core_init(&sim.core[i].sched, 1000);
        timer_queue_init(&sim.core[i].timers);
    }
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t length = UINT64_C(1) << (40 + i);
        *on[i] = (struct vcpu){.vm = &sim.vm, .cpu = &sim.core[TARGET], .start_pending = true, .on = true};
        (void)sched_entity_init_reserved(&on[i]->entity, length / 4, length, length);
        on[i]->guest_timer.owner = &on[i]->entity;
        vcpu_attend(on[i], arch_clock());
    }
    handler(LOOK);
    handler(A_WAITS);
    if (!scene->b_runs) { handler(B_WAITS); }
    if (scene->a_runs) { handler(A_WAKES); }
}

// What the interrupt controller still has to tell the target.
static void settle(void) {
    while (__atomic_exchange_n(&sim.ipi, false, __ATOMIC_SEQ_CST)) { handler(LOOK); }
}

// All that came is done: B has its interrupt, at once or when A, whose deadline
// is earlier, waits.
static bool arrived(void) {
    settle();
    if (sim.taken == 0 && sim.core[TARGET].current == &sim.a) {
        handler(A_WAITS);
        settle();
    }
    return sim.taken == 1 && sim.core[TARGET].current == &sim.b;
}

// ---- every interleaving
// -----------------------------------------------------------------------------------

static const struct scene *stage;

static void side(unsigned which) {
    if (which == TARGET) {
        handler(stage->act);
        point(false); // it runs its guest; what was not published yet is still on
                      // its way
    } else {
        kick();
    }
    play.ended[which] = true;
    drain();
    if (play.ended[1 - which]) {
        if (which == KICKER) { show(&own); }
        setcontext(&play.test);
    }
    play.left = UINT32_MAX;
    change(1 - which);
}

static void target_side(void) { side(TARGET); }

static void kicker_side(void) { side(KICKER); }

static void interleave(const struct scene *scene, unsigned first, unsigned second, unsigned third) {
    static char stacks[2][STACK] __attribute__((aligned(64)));

    stage = scene;
    prepare(scene);
    memset(&play, 0, sizeof(play));
    for (unsigned i = 0; i < 2; i++) {
        getcontext(&play.side[i]);
        play.side[i].uc_stack.ss_sp = stacks[i];
        play.side[i].uc_stack.ss_size = STACK;
        play.side[i].uc_link = NULL;
        makecontext(&play.side[i], i == TARGET ? target_side : kicker_side, 0);
    }
    play.left = first;
    play.turn[0] = second;
    play.turn[1] = third;
    play.turn[2] = UINT32_MAX;
    seen = visible = published();
    play.on = true;
    swapcontext(&play.test, &play.side[TARGET]);
    play.on = false;
    self = &sim.core[TARGET];
}

static void every_interleaving(void **state) {
    (void)state;
    for (unsigned s = 0; s < ARRAY_SIZE(scenes); s++) {
        unsigned runs = 0, target, kicker;
        interleave(&scenes[s], UINT32_MAX, 0, 0);
        target = play.points[TARGET];
        kicker = 0;
        for (unsigned first = 0; first <= target; first++) {
            for (unsigned second = 0; second <= kicker + 1; second++) {
                for (unsigned third = 0; third <= target - first + 1; third++) {
                    interleave(&scenes[s], first, second, third);
                    kicker = MAX(kicker, play.points[KICKER]);
                    runs++;
                    if (!arrived()) {
                        fail_msg("%s: lost after %u, %u and %u points", scenes[s].name, first, second, third);
                    }
                }
            }
        }
        printf("             %s: %u interleavings of %u and %u points\n", scenes[s].name, runs, target, kicker);
    }
}

// ---- at full speed
// ----------------------------------------------------------------------------------------

static struct {
    unsigned round; // atomic: the kicker kicks once for each
    unsigned kicked;
} race;

static void *kick_on_command(void *nothing) {
    unsigned done = 0;

    self = &sim.core[KICKER];
    for (;;) {
        unsigned round = __atomic_load_n(&race.round, __ATOMIC_ACQUIRE);
        if (round == UINT32_MAX) { return nothing; }
        if (round == done) {
            sched_yield();
            continue;
        }
        for (volatile unsigned i = round * 7 % 61; i > 0; i--) {}
        kick();
        done = round;
        __atomic_store_n(&race.kicked, done, __ATOMIC_RELEASE);
    }
}

static double seconds(void) {
    struct timespec now;

    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void two_threads_at_full_speed(void **state) {
    double begin = seconds();
    pthread_t kicker;
    unsigned round = 0;

    (void)state;
    race.round = race.kicked = 0;
    assert_int_equal(pthread_create(&kicker, NULL, kick_on_command, NULL), 0);
    while (++round <= ROUNDS_AT_SPEED && seconds() - begin < SECONDS_AT_SPEED) {
        const struct scene *scene = &scenes[round % ARRAY_SIZE(scenes)];
        double since = seconds();
        prepare(scene);
        __atomic_store_n(&race.round, round, __ATOMIC_RELEASE);
        for (volatile unsigned i = round * 11 % 101; i > 0; i--) {}
        handler(scene->act);
        while (__atomic_load_n(&race.kicked, __ATOMIC_ACQUIRE) != round) {
            assert_true(seconds() - since < LOST_AFTER_S);
            sched_yield();
        }
        if (!arrived()) { fail_msg("%s: lost in round %u", scene->name, round); }
    }
    __atomic_store_n(&race.round, UINT32_MAX, __ATOMIC_RELEASE);
    pthread_join(kicker, NULL);
    printf("             %u rounds\n", round - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_interleaving),
        cmocka_unit_test(two_threads_at_full_speed),
    };
    return cmocka_run_group_tests_name("kicks from another core", tests, NULL, NULL);
}
