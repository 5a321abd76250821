// SPDX-License-Identifier: Apache-2.0
#include "kernel/pieces.h"

#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/memory.h"

enum { FIRST, SECOND };

COLD void pieces_look(struct cpu *cpu) {
    cpu->sched.told = false;
    for (unsigned i = 0; i < cpu->sched.population; i++) {
        struct sched_entity *entity = cpu->sched.member[i];
        if (entity->tells && entity->state == SCHED_THROTTLED) { vcpu_post(vcpu_of_entity(cpu, entity)); }
    }
}

static void first_is_back(struct timer_event *event, UNUSED uint64_t now) {
    vcpu_post(container_of(event, struct vcpu_pieces, back)->vcpu);
}

COLD int pieces_init(struct vcpu *vcpu, uint32_t migration_ns) {
    const struct vcpu_desc *desc = &vcpu->vm->desc->vcpus[vcpu->index];
    struct vcpu_pieces *p;
    uint64_t cost =
        clock_ns_to_ticks_up(&clock_rate, migration_ns); // of coming and going: in what was admitted, not its own

    if (desc->second == CORE_AUTO) { return OK; }
    p = memory_alloc(sizeof(*p));
    if (p == NULL) { return ERR_NO_MEMORY; }
    *p = (struct vcpu_pieces){
        .vcpu = vcpu,
        .core = {cpus[desc->placed], cpus[desc->second]},
        .back.fire = first_is_back, // nobody's: what it takes is in what was admitted
    };
    for (unsigned i = FIRST; i <= SECOND; i++) {
        const struct sched_task *task = &desc->pieces[i];
        uint64_t budget = task->budget > cost ? task->budget - cost : 0;
        if (sched_entity_init_reserved(&p->parked[i], budget, task->deadline, task->period) != SCHED_OK) {
            return ERR_INVALID;
        }
    }
    vcpu->entity = p->parked[FIRST];
    vcpu->entity.elsewhere = 0;
    vcpu->entity.tells = true;
    vcpu->pieces = p;
    vcpu->inbox_next = vcpu;
    vcpu->moves = true;
    return OK;
}

// The piece is its core's from here on. Its statistics stay with the VCPU.
static void park(struct vcpu *vcpu) {
    struct vcpu_pieces *p = vcpu->pieces;
    struct sched_entity *parked = &p->parked[p->current];
    const struct sched_entity *other = &p->parked[1 - p->current];

    sched_relocate(&vcpu->cpu->sched, &vcpu->entity, parked);
    parked->stats.charged = parked->stats.forgiven = 0; // while it is parked; no others change
    parked->elsewhere = SCHED_NEVER;
    parked->tells = false;
    vcpu->entity.deadline = other->deadline; // what others ask about is the piece to come
    __atomic_store_n(&vcpu->entity.wake_hint, __atomic_load_n(&other->wake_hint, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

// A guest that cuts its budget into parts has several refills in a period, but one return. What wakes it without budget may have
// waited behind more urgent work of this core, which the other one knows nothing of: there it comes now.
static void leave_first(struct vcpu_pieces *p, uint64_t now) {
    const struct sched_entity *first = &p->parked[FIRST];
    uint64_t eligible = sched_eligible_at(first, now);

    p->back_at = p->returned != 0 ? MAX(eligible, p->returned + first->period) : eligible;
    p->since = MAX(p->vcpu->ready_since, p->vcpu->cpu->entered);
}

static void leave_second(struct vcpu_pieces *p) {
    timer_queue_remove(&p->core[SECOND]->timers, &p->back);
    p->returned = p->back_at;
    p->since = MAX(p->back_at, p->vcpu->ready_since);
}

// To the other core. What runs here does not pay.
static void go(struct vcpu *vcpu) {
    struct vcpu_pieces *p = vcpu->pieces;
    struct cpu *cpu = vcpu->cpu;
    uint64_t now = arch_clock();
    bool first = p->current == FIRST;

    if (p->leaving && !first) {
        sched_remove(&cpu->sched, &vcpu->entity, now);
    } else {
        sched_block(&cpu->sched, &vcpu->entity, now);
    }
    park(vcpu);
    if (first) {
        leave_first(p, now);
    } else {
        leave_second(p);
    }
    p->moves++;
    vcpu_hand_over(vcpu, p->core[first ? SECOND : FIRST]);
    cpu_account_event(cpu, NULL, now);
}

static void unpark(struct vcpu *vcpu) {
    struct vcpu_pieces *p = vcpu->pieces;
    struct cpu *cpu = vcpu->cpu;
    struct sched_entity *parked = &p->parked[cpu == p->core[SECOND] ? SECOND : FIRST];
    uint64_t charged = parked->stats.charged, forgiven = parked->stats.forgiven;

    p->current = cpu == p->core[SECOND] ? SECOND : FIRST;
    parked->stats = vcpu->entity.stats;
    parked->stats.charged += charged;
    parked->stats.forgiven += forgiven;
    if (parked->core == NULL && sched_add(&cpu->sched, parked) != SCHED_OK) {
        panic("core %u: more VCPUs than admission let in", cpu->id);
    }
    sched_relocate(&cpu->sched, parked, &vcpu->entity);
}

// Who was taken out of the inbox has its link still; here it is bent back.
COLD bool pieces_not_now(struct vcpu *vcpu) {
    unsigned long flags = spin_lock(&vcpu->cpu->inbox.lock);
    bool taken_out = !vcpu->in_inbox && vcpu->inbox_next != vcpu;

    if (taken_out) { vcpu->inbox_next = vcpu; }
    spin_unlock(&vcpu->cpu->inbox.lock, flags);
    if (!taken_out) { vcpu_post(vcpu); }
    return !taken_out;
}

COLD bool pieces_arrive(struct vcpu *vcpu) {
    struct vcpu_pieces *p = vcpu->pieces;
    struct cpu *cpu = vcpu->cpu;
    uint64_t now = arch_clock();

    if (!vcpu->arriving) { return p->leaving; }
    p->arrived = now;
    unpark(vcpu);
    if (unlikely(now - p->since > cpu->late_limit)) {
        sched_distorted(&cpu->sched, now);
    } // lost here, or on the other core
    if (p->current == FIRST) {
        vcpu->entity.elsewhere = 0; // a move away
        vcpu->entity.tells = true;
    } else {
        vcpu->entity.elsewhere = p->back_at;
        if (!p->leaving) { timer_queue_add(&cpu->timers, &p->back, p->back_at); }
    }
    vcpu_take_over(vcpu);
    if (vcpu->state == VCPU_READY && !p->leaving) { sched_wake(&cpu->sched, &vcpu->entity, p->since); }
    cpu_account_event(cpu, NULL, now);
    return p->leaving;
}

COLD bool pieces_go(struct vcpu *vcpu) {
    const struct vcpu_pieces *p = vcpu->pieces;
    bool goes = p->current == FIRST ? vcpu->entity.state == SCHED_THROTTLED : arch_clock() >= p->back_at;

    if (vcpu->state == VCPU_OFF || !goes) { return false; }
    go(vcpu);
    return true;
}

COLD bool pieces_leave(struct vcpu *vcpu) {
    struct vcpu_pieces *p = vcpu->pieces;
    bool goes = p->current == SECOND || p->parked[SECOND].core != NULL;

    p->leaving = goes;
    if (goes) { go(vcpu); } // and is the other core's, which may be through with it already
    return goes;
}

COLD bool pieces_off(struct vcpu *vcpu) {
    vcpu->pieces->leaving = true;
    vcpu_post(vcpu);
    return true;
}

COLD const struct sched_entity *pieces_on(const struct vcpu *vcpu, const struct cpu *cpu) {
    const struct vcpu_pieces *p = vcpu->pieces;

    if (p == NULL) { return vcpu->cpu == cpu ? &vcpu->entity : NULL; }
    unsigned piece = p->core[SECOND] == cpu ? SECOND : FIRST;
    if (p->core[piece] != cpu) { return NULL; }
    return piece == p->current ? &vcpu->entity : &p->parked[piece];
}

COLD bool pieces_lost_time(const struct vcpu *vcpu, uint64_t since) {
    bool lost = false;

    for (unsigned i = FIRST; i <= SECOND; i++) {
        const struct sched_core *core = &vcpu->pieces->core[i]->sched;
        lost |= core->behind || (core->distortions != 0 && core->distorted_at >= since);
    }
    return lost;
}
