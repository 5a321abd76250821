// SPDX-License-Identifier: Apache-2.0
// Walk 1 of the house, from an interrupt to the guest that it makes run: what other cores left is taken, expired
// timers fire, the scheduler decides, the chosen VCPU takes the core, and the one hardware timer is set to the next
// moment that can change the decision.
#include "kernel/arch.h"
#include "kernel/pieces.h"
#include "kernel/trace.h"

void cpu_notify(struct cpu *cpu, uint32_t bits, bool now) {
    uint32_t wanted = now ? bits | TODO_KICKED : bits;
    uint32_t old = __atomic_fetch_or(&cpu->todo_remote, wanted, __ATOMIC_SEQ_CST);

    arch_barrier_full(); // an exclusive pair alone lets a later load pass the store (ARMv8.0)
    if (!now) { return; }
    if ((old & TODO_KICKED) == 0) {
        this_cpu()->stats.ipis_sent++;
        arch_ipi(cpu);
    } else {
        this_cpu()->stats.ipis_saved++;
    }
}

void cpu_check_time(struct cpu *cpu, uint64_t now) {
    uint64_t told = cpu->sched.distorted_at; // what the machine lost until then is not counted twice
    uint64_t since = MAX(MIN(cpu->armed, cpu->entered), told);

    if (unlikely((int64_t)(now - since) > (int64_t)cpu->late_limit)) { sched_distorted(&cpu->sched, now); }
}

void cpu_timer_expired(struct cpu *cpu) {
    uint64_t late = cpu->entered > cpu->armed ? cpu->entered - cpu->armed : 0;

    cpu->stats.timer.expiries++;
    cpu->stats.timer.late_sum += late;
    if (late > cpu->stats.timer.late_max) { cpu->stats.timer.late_max = late; }
    if (late < cpu->stats.timer.late_min) { cpu->stats.timer.late_min = late; }
    cpu->todo |= TODO_DISPATCH;
}

// What other cores left: VCPUs to look at, jobs for the thread. Bounded by the VCPUs that can be on one core; what
// comes in meanwhile beyond that has set the bit again.
static void take_inbox(struct cpu *cpu) {
    trace_follow(cpu);
    for (unsigned i = 0; i < SCHED_ENTITIES_MAX; i++) {
        unsigned long flags = spin_lock(&cpu->inbox.lock);
        struct vcpu *vcpu = cpu->inbox.head;
        if (vcpu != NULL) {
            cpu->inbox.head = vcpu->inbox_next;
            vcpu->in_inbox = false;
        }
        spin_unlock(&cpu->inbox.lock, flags);
        if (vcpu == NULL) { break; }
        vcpu_attend(vcpu, cpu->entered);
    }
    job_poll(cpu);
}

static void take_remote(struct cpu *cpu) {
    uint32_t bits = __atomic_exchange_n(&cpu->todo_remote, 0, __ATOMIC_SEQ_CST);

    cpu->todo |= bits & TODO_INTERRUPTS;
    if ((bits & TODO_INBOX) != 0) { take_inbox(cpu); }
}

static void arm(struct cpu *cpu, uint64_t when) {
    if (when != cpu->armed) {
        cpu->armed = when;
        arch_timer_arm(when);
    }
}

// Fires what has expired and matters to what the core would run, and what expires meanwhile: the most urgent first, which as a
// rule leaves no other that matters. Best effort's all do, so interrupts come in between. Each comes once, since none comes back
// before its owner has run. Returns the time at which it was done.
static uint64_t fire_timers(struct cpu *cpu) {
    for (bool fired = false;; fired = true) {
        uint64_t now = arch_clock();
        if (timer_queue_next(&cpu->timers, SCHED_NEVER) > now) { return now; }
        uint64_t horizon = sched_horizon(&cpu->sched);
        struct timer_event *event = timer_queue_pop(&cpu->timers, now, MIN(horizon, SCHED_NEVER - 1));
        if (event == NULL) {
            if (horizon != SCHED_NEVER) { return now; }
            if (fired) {
                cpu_check_time(cpu, now);
                arm(cpu, SCHED_NEVER); // or its own interrupt, where that stays until then, would be one of those
                if (unlikely(cpu_must_yield(cpu))) {
                    arch_interrupt_take(cpu);
                    continue;
                }
            }
            event = timer_queue_pop(&cpu->timers, now, SCHED_NEVER);
        }
        event->fire(event, now);
        cpu_account_event(cpu, event->owner, now);
    }
}

static void leave_vcpu(struct cpu *cpu) {
    if (cpu->current != NULL) {
        vcpu_out(cpu->current, cpu->entered);
        cpu->current = NULL;
    }
}

// Sets *until, which the decision holds for, back to the VCPU's own timers. Returns false, with nobody on the core, when
// it has passed meanwhile, or `event` is about to: an interrupt would have to wait for the load, for an exception, and for
// another save.
static bool enter_vcpu(struct cpu *cpu, struct vcpu *vcpu, uint64_t event, uint64_t *until) {
    if (cpu->loaded != vcpu) {
        if (cpu->loaded != NULL) { arch_vcpu_save(cpu->loaded); }
        cpu->loaded = NULL;
        uint64_t now = arch_clock();
        if (unlikely(now >= *until || now + cpu->load_time >= event)) { return false; }
        arch_vcpu_load(vcpu);
        cpu->loaded = vcpu;
        cpu->stats.switches++;
    }
    cpu->current = vcpu;
    uint64_t own = vcpu_in(vcpu, cpu->entered);
    *until = MIN(*until, own);
    arch_vcpu_resume(vcpu);
    cpu->todo |= TODO_INTERRUPTS;
    return true;
}

// A VCPU that owns its core keeps it while it waits: nobody else wants it.
static void set_wfi(struct cpu *cpu, struct vcpu *vcpu) {
    bool trap = !sched_sole(&cpu->sched);

    if (vcpu->wfi_traps != trap) {
        vcpu->wfi_traps = trap;
        arch_vcpu_trap_wfi(vcpu, trap);
    }
}

// What was decided is over.
static void again(struct cpu *cpu) {
    cpu->todo |= TODO_DISPATCH;
    if (TAKT_SPLIT && unlikely(cpu->sched.told)) { pieces_look(cpu); }
}

static void reschedule(struct cpu *cpu) {
    struct sched_decision decision;
    struct vcpu *next;
    uint64_t now, event;
    bool other = false;

    cpu->stats.dispatches++;
    do {
        now = fire_timers(cpu);
        cpu_check_time(cpu, now);
        decision = sched_pick(&cpu->sched, now);
        next = vcpu_of_entity(cpu, decision.run);
        if (next != cpu->current) {
            leave_vcpu(cpu);
            other = true;
        }
        event = timer_queue_next(&cpu->timers, decision.deadline);
    } while (unlikely(event <= now)); // a decision for later than the last one lets more of them matter
    if (decision.deadline == SCHED_NEVER) { sched_caught_up(&cpu->sched); }
    cpu->todo &= ~(uint32_t)TODO_DISPATCH; // whatever asked for it so far has been seen
    uint64_t when = MIN(decision.until, event);
    if (other) {
        if (next != NULL && !enter_vcpu(cpu, next, event, &when)) {
            arch_resume_set(cpu, NULL); // it may stay so: the thread may be next
            again(cpu);
            return;
        }
        arch_resume_set(cpu, next);
    }
    if (next != NULL) { set_wfi(cpu, next); }
    arm(cpu, MAX(when, cpu->entered));                  // what expired while its owner was out of turn is not late
    if (unlikely(arch_clock() >= when)) { again(cpu); } // sooner than the interrupt would
}

void dispatch(struct cpu *cpu) {
    for (;;) {
        if (cpu->todo_remote != 0) { take_remote(cpu); }
        if ((cpu->todo & TODO_DISPATCH) != 0) {
            reschedule(cpu);
            arch_barrier_full(); // the decision is published before the words are read again (sched_remote_preempts)
            continue;
        }
        if ((cpu->todo & TODO_INTERRUPTS) == 0) { break; }
        if (unlikely(arch_interrupt_pending())) { // the work yields to it: here, which saves a way out and in
            arch_interrupt_take(cpu);
            continue;
        }
        cpu->todo &= ~(uint32_t)TODO_INTERRUPTS;
        if (cpu->current != NULL) { arch_vcpu_sync_interrupts(cpu->current); }
    }
    if (trace_is_on(cpu)) { trace_look(cpu); }
}
