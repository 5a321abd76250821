// SPDX-License-Identifier: Apache-2.0
/* What holds whatever guests do, computed from the supply that the simulator hands out, beside the scheduler's own counts. */
#include "tools/sim/guest.h"

#include <stddef.h>

static const char *const fault_names[SIM_FAULTS] = {
    [SIM_FAULT_MISS] = "misses",     [SIM_FAULT_SLOW] = "slow",        [SIM_FAULT_LATE] = "late",
    [SIM_FAULT_STARVED] = "starved", [SIM_FAULT_OVERRUN] = "overruns", [SIM_FAULT_ORDER] = "order",
    [SIM_FAULT_TIMER] = "timer",     [SIM_FAULT_TWICE] = "twice",      [SIM_FAULT_BOOKS] = "books",
};

const char *sim_fault_name(enum sim_fault fault) { return fault_names[fault]; }

struct sim_counts sim_counts_zero(void) { return (struct sim_counts){.lateness = INT64_MIN}; }

void sim_counts_add(struct sim_counts *sum, const struct sim_counts *counts) {
    sum->events += counts->events;
    sum->dispatches += counts->dispatches;
    sum->switches += counts->switches;
    sum->interrupts += counts->interrupts;
    sum->activations += counts->activations;
    sum->promises += counts->promises;
    sum->wakes += counts->wakes;
    sum->reclaimed += counts->reclaimed;
    sum->moves += counts->moves;
    sum->idle += counts->idle;
    sum->reserved += counts->reserved;
    sum->in_interrupts += counts->in_interrupts;
    if (counts->lateness > sum->lateness) { sum->lateness = counts->lateness; }
    for (uint32_t i = 0; i < SIM_FAULTS; i++) { sum->faults[i] += counts->faults[i]; }
}

uint64_t sim_faults(const struct sim_counts *counts) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < SIM_FAULTS; i++) { sum += counts->faults[i]; }
    return sum;
}

static void fault(struct sim_core *core, enum sim_fault what) { core->counts.faults[what]++; }

/* A split VCPU's are counted where its first piece is. */
static struct sim_core *core_of(const struct sim_vcpu *vcpu) { return vcpu->pieces[0].core; }

void sim_promise(struct sim_vcpu *vcpu, uint64_t due, uint64_t amount) {
    if (vcpu->charged || !sim_is_reserved(vcpu)) { return; }
    vcpu->due = due;
    vcpu->due_supplied = vcpu->supplied + amount;
}

/* Who goes on wanting gets the budget again in each further period. */
static void next_promise(struct sim_vcpu *vcpu) {
    if (guest_has_jobs(vcpu)) {
        vcpu->due = SCHED_NEVER;
    } else {
        vcpu->due += vcpu->task.period;
        vcpu->due_supplied += vcpu->task.budget;
    }
}

/* The supply of [from, from + ticks) keeps promises. */
static void keep_promises(struct sim_vcpu *vcpu, uint64_t from, uint64_t ticks) {
    struct sim_counts *counts = &core_of(vcpu)->counts;

    while (vcpu->due != SCHED_NEVER && vcpu->supplied + ticks >= vcpu->due_supplied) {
        int64_t lateness = (int64_t)(from + (vcpu->due_supplied - vcpu->supplied) - vcpu->due);

        counts->promises++;
        if (lateness > counts->lateness) { counts->lateness = lateness; }
        if (lateness > 0) { fault(core_of(vcpu), SIM_FAULT_LATE); }
        next_promise(vcpu);
    }
}

/* Its longest time without supply: T + D - 2Q for who always wants; who cuts his budget into pieces waits for the next. */
static void check_gap(struct sim_vcpu *vcpu, uint64_t now) {
    uint64_t longest = vcpu->task.period + vcpu->task.deadline;

    if (vcpu->charged) { return; }
    if (vcpu->behaviour == SIM_RUNS) { longest -= 2 * vcpu->task.budget; }
    if (now > vcpu->last_supply + longest) { fault(core_of(vcpu), SIM_FAULT_STARVED); }
}

/* Activations that began within a period of each other get no more than the budget together. */
static void check_chain(struct sim_piece *piece, uint64_t from, uint64_t ticks) {
    const struct sched_entity *entity = &piece->entity;
    uint64_t release = entity->release;
    struct sim_supply *last = &piece->chain[(piece->chain_first + piece->chain_count - 1) % SIM_CHAIN_MAX];

    if (from < release || (piece->chain_count > 0 && release < last->release)) {
        fault(piece->core, SIM_FAULT_OVERRUN); /* dated back */
        return;
    }
    while (piece->chain_count > 0 && piece->chain[piece->chain_first].release + entity->period <= release) {
        piece->chain_sum -= piece->chain[piece->chain_first].amount;
        piece->chain_first = (piece->chain_first + 1) % SIM_CHAIN_MAX;
        piece->chain_count--;
    }
    piece->chain_sum += ticks;
    if (piece->chain_count > 0 && last->release == release) {
        last->amount += ticks;
    } else {
        if (piece->chain_count == SIM_CHAIN_MAX) { /* two become one, with the release that is forgotten first */
            struct sim_supply *first = &piece->chain[piece->chain_first];

            piece->chain_first = (piece->chain_first + 1) % SIM_CHAIN_MAX;
            piece->chain_count--;
            piece->chain[piece->chain_first].amount += first->amount;
            piece->chain[piece->chain_first].release = first->release;
        }
        piece->chain[(piece->chain_first + piece->chain_count++) % SIM_CHAIN_MAX] =
            (struct sim_supply){.release = release, .amount = ticks};
    }
    if (piece->chain_sum <= entity->budget) { return; }
    if (entity->reclaims) {
        uint64_t beyond = piece->chain_sum - entity->budget;

        piece->core->counts.reclaimed += beyond < ticks ? beyond : ticks;
    } else {
        fault(piece->core, SIM_FAULT_OVERRUN);
    }
}

void sim_check_wake(struct sim_vcpu *vcpu, uint64_t at) {
    bool budget = false;

    for (uint32_t i = 0; i < vcpu->piece_count; i++) { budget |= sched_eligible_at(&vcpu->pieces[i].entity, at) <= at; }
    if (vcpu->latency != SCHED_NEVER && budget && !vcpu->charged) { vcpu->start_by = at + vcpu->latency; }
}

/* It starts, or does not wait any longer, at `now`. */
static void check_start(struct sim_vcpu *vcpu, uint64_t now) {
    if (vcpu->start_by == SCHED_NEVER) { return; }
    core_of(vcpu)->counts.wakes++;
    if (now > vcpu->start_by) { fault(core_of(vcpu), SIM_FAULT_SLOW); }
    vcpu->start_by = SCHED_NEVER;
}

void sim_check_supply(struct sim_piece *piece, uint64_t from, uint64_t to) {
    struct sim_vcpu *vcpu = piece->vcpu;
    uint64_t ticks = to - from;

    if (vcpu->active != piece || from < vcpu->last_supply) { fault(piece->core, SIM_FAULT_TWICE); }
    if (sim_is_reserved(vcpu)) {
        check_start(vcpu, from);
        check_gap(vcpu, from);
        if (piece->core->sched.enforced) { check_chain(piece, from, ticks); }
        keep_promises(vcpu, from, ticks);
    }
    vcpu->supplied += ticks;
    vcpu->last_supply = to;
    piece->supplied += ticks;
}

/* From its first wake-up on, a whole budget in each period that has begun, and not more. */
static void check_rate(const struct sim_vcpu *vcpu, uint64_t now) {
    uint64_t periods = (now - vcpu->woken) / vcpu->task.period + 1;

    for (uint32_t i = 0; i < vcpu->piece_count; i++) {
        const struct sim_piece *piece = &vcpu->pieces[i];

        if (piece->core->sched.enforced && !piece->entity.reclaims &&
            piece->supplied > periods * piece->entity.budget) {
            fault(piece->core, SIM_FAULT_OVERRUN);
        }
    }
}

void sim_check_wait(struct sim_vcpu *vcpu, uint64_t now) {
    if (!sim_is_reserved(vcpu)) { return; }
    check_start(vcpu, now);
    check_gap(vcpu, now);
    check_rate(vcpu, now);
    if (now > vcpu->due) { fault(core_of(vcpu), SIM_FAULT_LATE); }
    vcpu->due = SCHED_NEVER;
}

static bool matters(const struct timer_event *event, uint64_t deadline) {
    bool far = event->when + event->slack < event->when;

    return deadline == SCHED_NEVER || (!far && event->when + event->slack < deadline);
}

/* An event that waits on this core and matters does not come before the hardware's timer. */
static void check_event(struct sim_core *core, const struct timer_event *event, uint64_t deadline) {
    const struct timer_event *top = event;

    while (timer_queue_queued(top)) { top = top->up; }
    if (top != &core->timers.end) { return; }
    if (event->when < core->armed && matters(event, deadline)) { fault(core, SIM_FAULT_TIMER); }
}

void sim_check_decision(struct sim_core *core, const struct sched_decision *decision) {
    uint64_t now = core->machine->now;

    for (uint32_t i = 0; i < core->piece_count && core->sched.enforced; i++) {
        const struct sched_entity *entity = &core->pieces[i]->entity;
        bool sooner = entity->state == SCHED_READY && entity->release + entity->deadline < decision->deadline;
        bool throttled = entity->state == SCHED_THROTTLED;
        bool preempts = throttled && (decision->deadline == SCHED_NEVER ||
                                      entity->refill.when + entity->deadline < decision->deadline);

        if (sooner || (preempts && entity->refill.when <= now)) { fault(core, SIM_FAULT_ORDER); }
        if (preempts && core->armed > entity->refill.when) { fault(core, SIM_FAULT_TIMER); }
    }
    for (uint32_t i = 0; i < core->piece_count; i++) {
        check_event(core, &core->pieces[i]->vcpu->alarm, decision->deadline);
        check_event(core, &core->pieces[i]->vcpu->home, decision->deadline);
    }
    if (core->armed <= now) { fault(core, SIM_FAULT_TIMER); }
    if (core->run != NULL && core->run->vcpu->active != core->run) { fault(core, SIM_FAULT_TWICE); }
}

/* An interrupt that is still handled is exempt to its end. */
static void close_piece(struct sim_piece *piece, uint64_t end) {
    const struct sched_entity *entity = &piece->entity;
    const struct sched_core *sched = &piece->core->sched;
    uint64_t now = piece->core->busy_until > end ? piece->core->busy_until : end;
    int64_t pending = sched->running == entity ? (int64_t)(now - sched->run_start) : 0;
    uint64_t booked = entity->stats.supplied + (pending > 0 ? (uint64_t)pending : 0);

    piece->core->counts.activations += entity->stats.activations;
    for (uint32_t i = 0; i < SCHED_MISS_CAUSES; i++) {
        piece->core->counts.faults[SIM_FAULT_MISS] += entity->stats.misses[i];
    }
    if (booked != piece->supplied) { fault(piece->core, SIM_FAULT_BOOKS); }
    if (sched->enforced && entity->state == SCHED_READY && entity->class == SCHED_RESERVED &&
        now > entity->release + entity->deadline + (pending > 0 ? (uint64_t)pending : 0)) {
        fault(piece->core, SIM_FAULT_MISS); /* still to be counted by the scheduler */
    }
}

void sim_check_end(struct sim_machine *machine) {
    for (uint32_t i = 0; i < machine->vcpu_count; i++) {
        struct sim_vcpu *vcpu = &machine->vcpus[i];

        for (uint32_t j = 0; j < vcpu->piece_count; j++) { close_piece(&vcpu->pieces[j], machine->now); }
        if (vcpu->active != NULL) { sim_check_wait(vcpu, machine->now); }
    }
}
