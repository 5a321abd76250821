// SPDX-License-Identifier: Apache-2.0
// VCPUs: waiting and waking, starting and leaving. Everything that changes a VCPU's state happens on its own core; other
// cores ask through the inbox of that core.
#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/pieces.h"
#include "kernel/promise.h"
#include "kernel/trace.h"

struct vcpu *vcpu_of_entity(const struct cpu *cpu, struct sched_entity *entity) {
    if (entity == NULL || entity == &cpu->thread.entity) { return NULL; }
    return container_of(entity, struct vcpu, entity);
}

// ---- waiting and waking -----------------------------------------------------------------------------------

// Its own timer is in no queue any more.
static void wake(struct vcpu *vcpu, uint64_t at) {
    struct cpu *cpu = vcpu->cpu;

    vcpu->state = VCPU_READY;
    vcpu->ready_since = at;
    vcpu->stats.wakeups++;
    sched_wake(&cpu->sched, &vcpu->entity, at);
    cpu->todo |= TODO_DISPATCH;
}

// The virtual timer of a VCPU that waits, or comes back into its turn, has expired at `expiry`.
static void deliver_timer(struct vcpu *vcpu, uint64_t expiry) {
    if (arch_vcpu_timer_expire(vcpu)) { // else it reached the guest before, which is not done with it
        vcpu->timer_due = expiry;
    }
}

static void guest_timer_fired(struct timer_event *event, UNUSED uint64_t now) {
    struct vcpu *vcpu = container_of(event, struct vcpu, guest_timer);

    deliver_timer(vcpu, arch_vcpu_timer_deadline(vcpu));
    if (vcpu->state == VCPU_BLOCKED) { wake(vcpu, event->when); }
}

// A waiting VCPU's timers count from the moment at which it has budget to act on them.
static void park(struct vcpu *vcpu, struct timer_event *event, uint64_t when, uint64_t eligible) {
    event->slack = vcpu_timer_slack(vcpu);
    timer_queue_add(&vcpu->cpu->timers, event, MAX(when, eligible));
}

static inline __attribute__((always_inline)) void arm_timers(struct vcpu *vcpu, uint64_t now) {
    uint64_t eligible = sched_eligible_at(&vcpu->entity, now), deadline = arch_vcpu_timer_deadline(vcpu);
    if (timer_queue_queued(&vcpu->device_timer)) {
        uint64_t expiry = vcpu->device_timer.when;
        park(vcpu, &vcpu->device_timer, expiry, eligible);
        promise_expect(vcpu, expiry, vcpu->device_timer.when);
    }
    if (deadline != UINT64_MAX) {
        park(vcpu, &vcpu->guest_timer, deadline, eligible);
        promise_expect(vcpu, deadline, vcpu->guest_timer.when);
    }
    if (timer_queue_queued(&vcpu->call_timer)) { park(vcpu, &vcpu->call_timer, vcpu->call_timer.when, eligible); }
}

void vcpu_out(struct vcpu *vcpu, uint64_t now) {
    arch_vcpu_pause(vcpu);
    if (vcpu->timer_measured) { // now, where nobody waits for it
        vcpu->timer_measured = false;
        histogram_add(&vcpu->stats.lateness, vcpu->timer_late);
        promise_check(vcpu);
    }
    if (vcpu->state != VCPU_BLOCKED) {
        vcpu->ready_since = now;
        timer_queue_set_slack(&vcpu->cpu->timers, &vcpu->device_timer, TIMER_SLACK_BEST_EFFORT);
        timer_queue_set_slack(&vcpu->cpu->timers, &vcpu->call_timer, TIMER_SLACK_BEST_EFFORT);
        return;
    }
    arm_timers(vcpu, now);
}

void vcpu_block(struct vcpu *vcpu) {
    struct cpu *cpu = vcpu->cpu;

    __atomic_store_n(&cpu->current, NULL, __ATOMIC_RELAXED);
    __atomic_store_n(&vcpu->state, (uint8_t)VCPU_BLOCKED, __ATOMIC_RELAXED);
    arch_barrier_full(); // see vcpu_interrupt
    if (arch_vcpu_has_interrupt(vcpu)) {
        __atomic_store_n(&vcpu->state, (uint8_t)VCPU_READY, __ATOMIC_RELAXED);
        __atomic_store_n(&cpu->current, vcpu, __ATOMIC_RELAXED);
        arch_barrier_full();
        cpu->todo |= TODO_INTERRUPTS; // whoever kicked it meanwhile on this core found it neither running nor waiting
        return;
    }
    cpu_check_time(cpu, cpu->entered);
    sched_block(&cpu->sched, &vcpu->entity, cpu->entered);
    vcpu_out(vcpu, cpu->entered);
    arch_resume_set(cpu, NULL);
    cpu->todo |= TODO_DISPATCH;
}

static uint64_t claim(const struct vcpu *vcpu, struct timer_event *event) {
    timer_queue_set_slack(&vcpu->cpu->timers, event, vcpu_running_slack(vcpu));
    return timer_queue_queued(event) ? event->when : UINT64_MAX;
}

uint64_t vcpu_in(struct vcpu *vcpu, uint64_t now) {
    uint64_t device = claim(vcpu, &vcpu->device_timer), call = claim(vcpu, &vcpu->call_timer);

    vcpu->stolen += now - MIN(now, vcpu->ready_since);
    if (vcpu->timer_due == 0) {
        uint64_t deadline = arch_vcpu_timer_deadline(vcpu);
        if (deadline <= now) { // expired while it was out of turn
            deliver_timer(vcpu, deadline);
        }
    }
    if (vcpu->timer_due != 0) {
        vcpu->timer_late = arch_clock() - vcpu->timer_due;
        vcpu->timer_due = 0;
        vcpu->timer_measured = true;
    }
    return MIN(device, call);
}

// A VCPU that moves is another core's at any moment, but not while the inbox of its core is locked.
static inline __attribute__((always_inline)) struct cpu *post(struct vcpu *vcpu) {
    struct cpu *cpu = __atomic_load_n(&vcpu->cpu, __ATOMIC_RELAXED);
    unsigned long flags = spin_lock(&cpu->inbox.lock);

#if TAKT_MOVES
    while (unlikely(__atomic_load_n(&vcpu->cpu, __ATOMIC_RELAXED) != cpu)) {
        spin_unlock(&cpu->inbox.lock, flags);
        cpu = __atomic_load_n(&vcpu->cpu, __ATOMIC_RELAXED);
        flags = spin_lock(&cpu->inbox.lock);
    }
#endif
    if (!vcpu->in_inbox) {
        vcpu->in_inbox = true;
        vcpu->inbox_next = cpu->inbox.head;
        cpu->inbox.head = vcpu;
    }
    spin_unlock(&cpu->inbox.lock, flags);
    // The order that sched_remote_preempts asks for: bit, full barrier (cpu_notify's is one), question.
    cpu_notify(cpu, TODO_INBOX, false);
    return cpu;
}

#if TAKT_MOVES
COLD void vcpu_arm_timers(struct vcpu *vcpu, uint64_t now) { arm_timers(vcpu, now); }

COLD void vcpu_post(struct vcpu *vcpu) { post(vcpu); }
#endif

void vcpu_kick(struct vcpu *vcpu) {
    if (vcpu->cpu == this_cpu()) {
        vcpu_attend(vcpu, arch_clock());
        return;
    }
    struct cpu *cpu = post(vcpu);
    if (__atomic_load_n(&cpu->current, __ATOMIC_RELAXED) == vcpu ||
        sched_remote_preempts(&cpu->sched, &vcpu->entity, arch_clock())) {
        cpu_notify(cpu, TODO_INBOX, true);
    }
}

// The short way for a VCPU that runs on another core: its core need not be told which one. One that only waits for its
// turn looks when that comes (enter_vcpu), on whatever core. The barrier stands between what was made pending and the
// questions, the first of which is where it is; vcpu_block and dispatch have its twins, so that one of the two sees the other.
__attribute__((noinline)) void vcpu_interrupt(struct vcpu *vcpu) {
    if (vcpu->cpu != this_cpu()) {
        arch_barrier_full();
        struct cpu *cpu = vcpu->cpu;
        if (*(struct vcpu *const volatile *)&cpu->current == vcpu) {
            cpu_notify(cpu, TODO_INTERRUPTS, true);
            return;
        }
        if (__atomic_load_n(&vcpu->state, __ATOMIC_RELAXED) == VCPU_READY) { return; }
    }
    vcpu_kick(vcpu);
}

// ---- starting and leaving ---------------------------------------------------------------------------------

COLD int vcpu_start(struct vcpu *vcpu, gpa_t entry, uint64_t arg) {
    unsigned long flags = spin_lock(&vcpu->vm->lock);
    int status = ERR_BUSY;

    if (!vcpu->on && !vcpu->stop) {
        vcpu->on = true;
        vcpu->start_pending = true;
        vcpu->start_entry = entry;
        vcpu->start_arg = arg;
        vcpu->vm->running_vcpus++;
        status = OK;
    }
    spin_unlock(&vcpu->vm->lock, flags);
    if (status == OK) { vcpu_kick(vcpu); }
    return status;
}

#if TAKT_RECLAIM
// The first of its own timers that expires while it waits: handling that may wait as well.
static uint64_t first_timer(struct sched_entity *entity) {
    const struct vcpu *vcpu = container_of(entity, struct vcpu, entity);
    const struct timer_event *const timers[] = {&vcpu->guest_timer, &vcpu->device_timer, &vcpu->call_timer};
    uint64_t first = SCHED_NEVER;

    for (unsigned i = 0; i < ARRAY_SIZE(timers); i++) {
        if (timer_queue_queued(timers[i])) { first = MIN(first, timers[i]->when); }
    }
    return first;
}
#endif

static COLD void begin(struct vcpu *vcpu, uint64_t now) {
    struct cpu *cpu = vcpu->cpu;

    arch_vcpu_reset(vcpu);
    arch_vcpu_set_entry(vcpu, vcpu->start_entry, vcpu->start_arg);
    vcpu->timer_due = 0;
    vcpu->stolen = 0;
    vcpu->ready_since = now;
    vcpu->wfi_traps = true;
    if (sched_add(&cpu->sched, &vcpu->entity) != SCHED_OK) {
        panic("core %u: more VCPUs than admission let in", cpu->id);
    }
#if TAKT_RECLAIM
    if (vcpu->entity.reclaims) { sched_reclaim(&cpu->sched, &cpu->spare, first_timer); }
#endif
    vcpu->state = VCPU_READY;
    if (trace_is_on(cpu)) { trace_start(cpu, vcpu); }
    sched_wake(&cpu->sched, &vcpu->entity, now);
    cpu->todo |= TODO_DISPATCH;
}

// It may start again, elsewhere in time, from a clean state, or go on on another core.
void vcpu_vacate(struct vcpu *vcpu) {
    struct cpu *cpu = vcpu->cpu;

    if (cpu->current == vcpu) {
        arch_vcpu_pause(vcpu);
        cpu->current = NULL;
        arch_resume_set(cpu, NULL);
    }
    if (cpu->loaded == vcpu) {
        arch_vcpu_save(vcpu);
        cpu->loaded = NULL;
    }
}

// Leaves its core for good, until it is started again; the last one of a VM hands over to the VM's job.
static COLD void leave(struct vcpu *vcpu, uint64_t now) {
    struct cpu *cpu = vcpu->cpu;

    if (vcpu->state != VCPU_OFF) {
        if (vcpu_moves(vcpu) && pieces_leave(vcpu)) { return; } // this comes again at the end of its way
        sched_remove(&cpu->sched, &vcpu->entity, now);
        trace(cpu, TRACE_STOP, vcpu, vcpu->vm->end, 0);
        timer_queue_remove(&cpu->timers, &vcpu->guest_timer);
        timer_queue_remove(&cpu->timers, &vcpu->device_timer);
        call_timer_forget(vcpu);
        vcpu->state = VCPU_OFF;
        vcpu_vacate(vcpu);
    }
    cpu->todo |= TODO_DISPATCH; // looks at the inbox again, too: the VM's job may be this core's
    vm_vcpu_left(vcpu);
}

void vcpu_off(struct vcpu *vcpu) {
    if (!vcpu_moves(vcpu) || !pieces_off(vcpu)) { leave(vcpu, vcpu->cpu->entered); }
}

// False: that was all, or it is not here any more.
static COLD bool attend_unusual(struct vcpu *vcpu, uint64_t now) {
    if (VCPU_COMES(vcpu)) { control_arrive(vcpu); }
    if (vcpu_moves(vcpu) && pieces_not_now(vcpu)) { return false; }
    bool leaves = vcpu_moves(vcpu) && pieces_arrive(vcpu);
    unsigned long flags = spin_lock(&vcpu->vm->lock);
    bool stop = (vcpu->stop || leaves) && vcpu->on, start = vcpu->start_pending && !stop;

    vcpu->start_pending = false;
    spin_unlock(&vcpu->vm->lock, flags);
    if (stop) { leave(vcpu, now); }
    if (start) { begin(vcpu, now); }
    return !stop && !start && !(vcpu_moves(vcpu) && pieces_go(vcpu));
}

// It waits: for this?
static void wake_for_interrupt(struct vcpu *vcpu, uint64_t at) {
    if (!arch_vcpu_has_interrupt(vcpu)) { return; }
    if (timer_queue_queued(&vcpu->guest_timer)) { timer_queue_remove(&vcpu->cpu->timers, &vcpu->guest_timer); }
    wake(vcpu, at);
}

void vcpu_attend(struct vcpu *vcpu, uint64_t now) {
    if (unlikely(vcpu->unusual != 0) && !attend_unusual(vcpu, now)) { return; }
    if (vcpu->state == VCPU_BLOCKED) {
        wake_for_interrupt(vcpu, now);
    } else if (vcpu == vcpu->cpu->current) {
        vcpu->cpu->todo |= TODO_INTERRUPTS;
    }
}

void vcpu_timer_pending(struct vcpu *vcpu, uint64_t expiry) {
    if (vcpu == vcpu->cpu->current) {
        vcpu->cpu->todo |= TODO_INTERRUPTS;
        return;
    }
    if (vcpu->state == VCPU_BLOCKED) { wake_for_interrupt(vcpu, vcpu->device_timer.when); }
    // Else it does not let the interrupt in, or its VM ends.
    if (vcpu->state == VCPU_READY) { vcpu->timer_due = expiry; }
}

COLD int vcpu_init(struct vcpu *vcpu, struct vm *vm, unsigned index, const struct vcpu_desc *desc, struct cpu *cpu) {
    const struct sched_task *task = &desc->task; // what is enforced is what admission counted
    int status = desc->reserved ? sched_entity_init_reserved(&vcpu->entity, task->budget, task->deadline, task->period)
                                : sched_entity_init_best_effort(&vcpu->entity, desc->weight);

    vcpu->vm = vm;
    vcpu->cpu = cpu;
    vcpu->index = (uint8_t)index;
    vcpu->guest_timer = (struct timer_event){.fire = guest_timer_fired, .owner = &vcpu->entity};
    vcpu->device_timer.owner = &vcpu->entity;
    vcpu->call_timer.owner = &vcpu->entity;
#if TAKT_RECLAIM
    vcpu->entity.reclaims = desc->reclaim;
#endif
    promise_init(vcpu, desc);
    return status == SCHED_OK ? OK : ERR_INVALID;
}
