// SPDX-License-Identifier: Apache-2.0
// What must hold on the machine of core_world.h after each handler, found out the slow way: by looking at everything.
#ifndef TEST_CORE_CHECK_H
#define TEST_CORE_CHECK_H

#include "kernel/pieces.h"
#include "tests/unit/core_world.h"
#include "tests/unit/queue_check.h"

static inline unsigned check_count(const struct sched_heap *heap, const struct sched_entity *entity) {
    unsigned count = 0;

    for (unsigned i = 0; i < heap->count; i++) { count += heap->slot[i] == entity; }
    return count;
}

// In exactly the place that its state names.
static inline void check_place(const struct vcpu *vcpu) {
    const struct sched_core *core = &vcpu->cpu->sched;
    const struct sched_entity *entity = &vcpu->entity;
    unsigned ready = check_count(&core->ready, entity);
    bool throttled = timer_queue_queued(&entity->refill);
    unsigned sharing = check_count(&core->sharing, entity);

    if (vcpu->arriving) { // nobody's for the moment
        WORLD_ASSERT(ready + sharing == 0 && !throttled && vcpu->in_inbox && (vcpu->moves || vcpu->comes));
        return;
    }
    WORLD_ASSERT(entity->core == (vcpu->state == VCPU_OFF ? NULL : core));
    WORLD_ASSERT((entity->state != SCHED_BLOCKED) == (vcpu->state == VCPU_READY));
    WORLD_ASSERT(ready == (entity->state == SCHED_READY));
    WORLD_ASSERT(throttled == (entity->state == SCHED_THROTTLED));
    WORLD_ASSERT(sharing == (entity->state == SCHED_SHARING));
}

// Refills, what is left and what was used always are one budget.
static inline void check_budget(const struct sched_entity *entity) {
    uint64_t sum = entity->remaining + entity->consumed;

    if (entity->class == SCHED_RESERVED) {
        for (unsigned i = 0; i < entity->refill_count; i++) {
            sum += entity->refills[(entity->refill_head + i) % SCHED_REFILLS_MAX].amount;
        }
        WORLD_ASSERT(sum == entity->budget);
    }
}

static inline void check_timers(const struct vcpu *vcpu) {
    const struct guest *guest = guest_of(vcpu);
    bool queued = timer_queue_queued(&vcpu->guest_timer);

    if (vcpu->arriving) {
        WORLD_ASSERT(!queued && !timer_queue_queued(&vcpu->device_timer) && !timer_queue_queued(&vcpu->call_timer));
        return;
    }

    WORLD_ASSERT(queued == (vcpu->state == VCPU_BLOCKED && guest->timer != OFF));
    WORLD_ASSERT(!queued || vcpu->guest_timer.when >= guest->timer);
    WORLD_ASSERT(vcpu->state != VCPU_OFF ||
                 (!timer_queue_queued(&vcpu->call_timer) && !timer_queue_queued(&vcpu->device_timer)));
}

// A piece that the VCPU is not in is a blocked member of its core, from when it first came there until it goes off.
static inline void check_pieces(const struct vcpu *vcpu) {
    const struct vcpu_pieces *p = vcpu->pieces;
    bool off = vcpu->state == VCPU_OFF, second = vcpu->cpu == p->core[1];

    for (unsigned i = 0; i < 2; i++) {
        const struct sched_core *core = &p->core[i]->sched;
        unsigned parked = 0, here = 0;
        for (unsigned n = 0; n < core->population; n++) {
            parked += core->member[n] == &p->parked[i];
            here += core->member[n] == &vcpu->entity;
        }
        bool home = !off && !vcpu->arriving && p->core[i] == vcpu->cpu;
        WORLD_ASSERT(here == home && parked <= !off && (parked == 0 || !home));
        WORLD_ASSERT(parked == 0 || (p->parked[i].state == SCHED_BLOCKED && p->parked[i].core == core));
        if (parked != 0) { check_budget(&p->parked[i]); }
    }
    WORLD_ASSERT(!off || (vcpu->cpu == p->core[0] && !vcpu->arriving));
    WORLD_ASSERT(timer_queue_queued(&p->back) == (second && !vcpu->arriving) || vcpu->in_inbox);
}

static inline void check_vcpu(const struct vcpu *vcpu) {
    const struct cpu *cpu = vcpu->cpu;
    const struct guest *guest = guest_of(vcpu);

    check_place(vcpu);
    if (vcpu->moves) { check_pieces(vcpu); }
    check_budget(&vcpu->entity);
    check_timers(vcpu);
    WORLD_ASSERT(guest->running == (cpu->current == vcpu));
    WORLD_ASSERT(guest->loaded == (cpu->loaded == vcpu));
    WORLD_ASSERT(!guest->running || vcpu->state == VCPU_READY);
    WORLD_ASSERT(!guest->loaded || vcpu->state != VCPU_OFF);
    WORLD_ASSERT(vcpu->state == VCPU_OFF || vcpu->on);
    // On and not on its core: somebody has told the core.
    WORLD_ASSERT(vcpu->on == (vcpu->state != VCPU_OFF) || (vcpu->start_pending && vcpu->in_inbox));
    WORLD_ASSERT(!vcpu->on || !vcpu->stop || vcpu->in_inbox);
}

static inline void check_vm(const struct vm *vm) {
    unsigned on = 0;

    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        check_vcpu(vm->vcpus[i]);
        on += vm->vcpus[i]->on;
        WORLD_ASSERT(vm->state == VM_RUNNING || !vm->vcpus[i]->on || vm->vcpus[i]->stop);
    }
    WORLD_ASSERT(on == vm->running_vcpus);
    WORLD_ASSERT(on == 0 || vm->state == VM_RUNNING || vm->state == VM_STOPPING);
    // Nobody waits for a thing that will not come: the job is there while the VM is in between.
    WORLD_ASSERT(on != 0 || vm->state == VM_STOPPED || vm->job.state != 0);
}

static inline void check_queue(const struct timer_queue *queue) { WORLD_ASSERT(queue_count(queue) < 1000); }

static inline void check_inbox(const struct cpu *cpu) {
    unsigned linked = 0, marked = 0;

    for (const struct vcpu *vcpu = cpu->inbox.head; vcpu != NULL; vcpu = vcpu->inbox_next) {
        WORLD_ASSERT(vcpu->cpu == cpu && vcpu->in_inbox);
        linked++;
    }
    for (unsigned i = 0; i < vm_count; i++) {
        for (unsigned n = 0; n < vms[i]->vcpu_count; n++) {
            marked += vms[i]->vcpus[n]->cpu == cpu && vms[i]->vcpus[n]->in_inbox;
        }
    }
    WORLD_ASSERT(linked == marked);
    WORLD_ASSERT(linked == 0 || (cpu->todo_remote & TODO_INBOX) != 0);
    WORLD_ASSERT(core_of(cpu)->ipi || (cpu->todo_remote & TODO_KICKED) == 0);
}

// The throttled servers, all members, each with the slack that its next deadline has.
static inline void check_throttled(const struct sched_core *core) {
    unsigned throttled = 0;

    for (unsigned i = 0; i < core->population; i++) {
        const struct sched_entity *entity = core->member[i];
        if (entity->state != SCHED_THROTTLED) { continue; }
        WORLD_ASSERT(timer_queue_queued(&entity->refill) && entity->refill.slack == entity->deadline);
        throttled++;
    }
    WORLD_ASSERT(queue_count(&core->throttled) == throttled);
}

static inline uint64_t check_until(const struct sched_core *core) {
    uint64_t until = OFF;

    if (!core->enforced) { return OFF; }
    if (core->running != NULL && core->running->class == SCHED_RESERVED) {
        uint64_t deadline = core->running->release + core->running->deadline;
        until = core->run_start + core->running->remaining;
        for (unsigned i = 0; i < core->population; i++) {
            const struct timer_event *refill = &core->member[i]->refill;
            if (timer_queue_queued(refill) && refill->when + core->member[i]->deadline < deadline) {
                until = MIN(until, refill->when);
            }
        }
        return until;
    }
    for (unsigned i = 0; i < core->population; i++) {
        if (timer_queue_queued(&core->member[i]->refill)) { until = MIN(until, core->member[i]->refill.when); }
    }
    return core->sharing.count > 1 ? MIN(until, core->run_start + core->turn_left) : until;
}

// The next moment that can change what this core runs, by the words of timer_queue.h.
static inline uint64_t check_next(const struct cpu *cpu) {
    const struct sched_entity *running = cpu->sched.running;
    bool reserved = running != NULL && running->class == SCHED_RESERVED && cpu->sched.enforced;
    uint64_t horizon = reserved ? running->release + running->deadline : OFF;
    uint64_t next = check_until(&cpu->sched);

    for (const struct timer_event *event = NULL; (event = queue_after(&cpu->timers, event)) != NULL;) {
        if (horizon == OFF || clock_add_saturating(event->when, event->slack) < horizon) {
            next = MIN(next, event->when);
        }
    }
    return next;
}

// The core that just left its handler has nothing more to do, runs what EDF says, and is woken neither late nor early.
static inline void check_core(const struct cpu *cpu) {
    const struct sched_core *core = &cpu->sched;
    const struct sched_entity *running = core->running;

    WORLD_ASSERT((cpu->todo & ~(uint32_t)TODO_TRACE) == 0 && cpu->todo_remote == 0);
    WORLD_ASSERT(cpu->current == NULL || running == &cpu->current->entity);
    WORLD_ASSERT(cpu->current != NULL || running == NULL || running == &cpu->thread.entity);
    for (unsigned i = 0; i < core->ready.count; i++) {
        const struct sched_entity *other = core->ready.slot[i];
        WORLD_ASSERT(!core->enforced || running->class == SCHED_RESERVED);
        WORLD_ASSERT(!core->enforced || running->release + running->deadline <= other->release + other->deadline);
    }
    WORLD_ASSERT(running != NULL || core->sharing.count + core->ready.count == 0);
    // What expired before the handler that armed it is due at once, and not called late.
    uint64_t next = check_next(cpu), armed = core_of(cpu)->timer;
    WORLD_ASSERT(armed == next || (next < armed && armed <= cpu->entered));
    WORLD_ASSERT(cpu->current == NULL || guest_of(cpu->current)->traps_wfi == !sched_sole(&cpu->sched));
}

static inline void world_check(unsigned core) {
    check_core(cpus[core]);
    for (unsigned i = 0; i < cpu_count; i++) {
        check_queue(&cpus[i]->timers);
        check_throttled(&cpus[i]->sched);
        check_inbox(cpus[i]);
    }
    for (unsigned i = 0; i < vm_count; i++) { check_vm(vms[i]); }
}

#endif
