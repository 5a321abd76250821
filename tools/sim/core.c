// SPDX-License-Identifier: Apache-2.0
/* Time passes: what happens next on which core, and the dispatcher (kernel/dispatch.c) over the real scheduler and queue. */
#include "tools/sim/guest.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

void sim_settle(struct sim_core *core) {
    uint64_t now = core->machine->now;

    if (now <= core->since) { return; } /* still in an interrupt's handler, or nothing passed */
    uint64_t ticks = now - core->since;
    if (core->run == NULL) {
        core->counts.idle += ticks;
    } else {
        sim_check_supply(core->run, core->since, now);
        guest_ran(core->run->vcpu, ticks);
        core->counts.reserved += sim_is_reserved(core->run->vcpu) ? ticks : 0;
    }
    core->since = now;
}

static void fire_timers(struct sim_core *core) {
    uint64_t now = core->machine->now;

    for (;;) {
        uint64_t horizon = sched_horizon(&core->sched);
        struct timer_event *event = timer_queue_pop(&core->timers, now, earlier(horizon, SCHED_NEVER - 1));

        if (event == NULL && horizon == SCHED_NEVER) { event = timer_queue_pop(&core->timers, now, SCHED_NEVER); }
        if (event == NULL) { return; }
        event->fire(event, now);
    }
}

/* What a guest on this core, or somebody from outside, does next. */
static uint64_t next_move(const struct sim_core *core) {
    uint64_t next = core->run != NULL ? guest_acts_at(core->run->vcpu, core->since) : SCHED_NEVER;

    for (uint32_t i = 0; i < core->piece_count; i++) {
        const struct sim_piece *piece = core->pieces[i];

        if (piece == &piece->vcpu->pieces[0] && piece != core->run) {
            next = earlier(next, guest_moved_at(piece->vcpu));
        }
    }
    return next;
}

static void plan(struct sim_core *core) {
    uint64_t now = core->machine->now;

    if (now < core->busy_until) {
        core->next = core->busy_until;
    } else {
        core->next = earlier(earlier(core->armed, core->interrupt_at), next_move(core));
        if (core->next < now) { core->next = now; }
    }
}

static void dispatch(struct sim_core *core) {
    uint64_t now = core->machine->now, event;
    struct sched_decision decision;

    sim_settle(core);
    core->counts.dispatches++;
    do {
        fire_timers(core);
        decision = sched_pick(&core->sched, now);
        if (core->run != NULL) { guest_left_first_piece(core->run); }
        event = timer_queue_next(&core->timers, decision.deadline);
    } while (event <= now);
    core->dirty = false;
    core->armed = earlier(decision.until, event);
    core->run = decision.run != NULL ? sim_piece_of(decision.run) : NULL;
    if (core->run != NULL && core->run->vcpu != core->loaded) {
        core->loaded = core->run->vcpu;
        core->counts.switches++;
    }
    sim_check_decision(core, &decision);
}

/* Steals the core's time: nothing else happens on it until then. */
static void interrupt(struct sim_core *core) {
    struct random *random = &core->machine->random;
    uint64_t cost = core->source.cost, distance = core->source.distance;

    core->counts.interrupts++;
    core->counts.in_interrupts += cost;
    sched_exempt(&core->sched, cost);
    if (core->source_owner != NULL) { sched_charge(&core->sched, &core->source_owner->pieces[0].entity, cost); }
    core->busy_until = core->machine->now + cost;
    core->since = core->busy_until;
    core->interrupt_at += distance;
    if (core->machine->apart && random_in(random, 0, 3) == 0) {
        core->interrupt_at += random_in(random, 0, distance / 8);
    }
}

static void move(struct sim_core *core) {
    uint64_t now = core->machine->now;

    if (core->run != NULL && guest_acts_at(core->run->vcpu, core->since) <= now) { guest_act(core->run->vcpu); }
    for (uint32_t i = 0; i < core->piece_count; i++) {
        struct sim_piece *piece = core->pieces[i];

        if (piece == &piece->vcpu->pieces[0] && piece != core->run && guest_moved_at(piece->vcpu) <= now) {
            guest_act(piece->vcpu);
        }
    }
}

static void happen(struct sim_core *core) {
    sim_settle(core);
    core->counts.events++;
    if (core->interrupt_at <= core->machine->now) {
        interrupt(core);
        plan(core);
    } else {
        move(core);
        core->dirty = true;
    }
}

/* Whoever came to or left a core makes it decide; that may send a split VCPU on to another one. */
static void dispatch_all(struct sim_machine *machine) {
    bool again;

    do {
        again = false;
        for (uint32_t i = 0; i < machine->core_count; i++) {
            struct sim_core *core = &machine->cores[i];

            if (!core->dirty || machine->now < core->busy_until) { continue; }
            dispatch(core);
            again = true;
        }
    } while (again);
    for (uint32_t i = 0; i < machine->core_count; i++) { plan(&machine->cores[i]); }
}

static uint64_t next_event(const struct sim_machine *machine) {
    uint64_t next = SCHED_NEVER;

    for (uint32_t i = 0; i < machine->core_count; i++) { next = earlier(next, machine->cores[i].next); }
    return next;
}

/* Everybody is there before the first decision: from then on budgets are enforced. */
static void start(struct sim_machine *machine) {
    for (uint32_t i = 0; i < machine->core_count; i++) {
        struct sim_core *core = &machine->cores[i];
        uint64_t distance = core->source.distance;

        (void)sched_pick(&core->sched, 0);
        core->dirty = true;
        if (distance != 0) { core->interrupt_at = machine->apart ? random_in(&machine->random, 0, distance - 1) : 0; }
    }
    for (uint32_t i = 0; i < machine->vcpu_count; i++) { guest_start(&machine->vcpus[i]); }
    dispatch_all(machine);
}

void sim_run(struct sim_machine *machine, uint64_t end, bool apart) {
    machine->apart = apart;
    start(machine);
    for (;;) {
        uint64_t next = next_event(machine);

        if (next >= end) { break; }
        machine->now = next;
        for (uint32_t i = 0; i < machine->core_count; i++) {
            if (machine->cores[i].next <= next) { happen(&machine->cores[i]); }
        }
        dispatch_all(machine);
    }
    machine->now = end;
    for (uint32_t i = 0; i < machine->core_count; i++) { sim_settle(&machine->cores[i]); }
    sim_check_end(machine);
}

// ---- setting up ------------------------------------------------------------------------------------------------------
bool sim_create(struct sim_machine *machine, uint32_t cores, uint32_t vcpus) {
    *machine = (struct sim_machine){.vcpus_max = vcpus};
    machine->cores = calloc(cores, sizeof(*machine->cores));
    machine->vcpus = calloc(vcpus, sizeof(*machine->vcpus));
    if (machine->cores != NULL && machine->vcpus != NULL) { return true; }
    sim_destroy(machine);
    return false;
}

void sim_destroy(struct sim_machine *machine) {
    free(machine->cores);
    free(machine->vcpus);
    machine->cores = NULL;
    machine->vcpus = NULL;
}

#define BEST_EFFORT_TURN 5000000u /* as long as the hypervisor's */

void sim_reset(struct sim_machine *machine, uint32_t cores, uint64_t seed) {
    machine->random = (struct random){seed};
    machine->now = 0;
    machine->core_count = cores;
    machine->vcpu_count = 0;
    for (uint32_t i = 0; i < cores; i++) {
        struct sim_core *core = &machine->cores[i];

        *core = (struct sim_core){.machine = machine, .interrupt_at = SCHED_NEVER, .counts = sim_counts_zero()};
        sched_core_init(&core->sched, BEST_EFFORT_TURN);
        timer_queue_init(&core->timers);
    }
}

static bool add_piece(struct sim_vcpu *vcpu, struct sim_core *core) {
    struct sim_piece *piece = &vcpu->pieces[vcpu->piece_count];

    if (sched_add(&core->sched, &piece->entity) != SCHED_OK) { return false; }
    piece->core = core;
    piece->vcpu = vcpu;
    core->pieces[core->piece_count++] = piece;
    vcpu->piece_count++;
    return true;
}

static struct sim_vcpu *new_vcpu(struct sim_machine *machine, enum sim_behaviour behaviour) {
    if (machine->vcpu_count == machine->vcpus_max) { return NULL; }
    struct sim_vcpu *vcpu = &machine->vcpus[machine->vcpu_count];

    *vcpu = (struct sim_vcpu){.behaviour = behaviour,
                              .due = SCHED_NEVER,
                              .act_at = SCHED_NEVER,
                              .woken = SCHED_NEVER,
                              .work = SCHED_NEVER,
                              .latency = SCHED_NEVER,
                              .start_by = SCHED_NEVER};
    return vcpu;
}

struct sim_vcpu *sim_add_reserved(struct sim_machine *machine, uint32_t core, const struct sched_task *task,
                                  enum sim_behaviour behaviour) {
    struct sim_vcpu *vcpu = new_vcpu(machine, behaviour);

    if (vcpu == NULL ||
        sched_entity_init_reserved(&vcpu->pieces[0].entity, task->budget, task->deadline, task->period) != SCHED_OK) {
        return NULL;
    }
    vcpu->task = *task;
    if (!add_piece(vcpu, &machine->cores[core])) { return NULL; }
    machine->vcpu_count++;
    guest_set_up(vcpu);
    return vcpu;
}

bool sim_split(struct sim_machine *machine, struct sim_vcpu *vcpu, uint32_t core, const struct sched_task *task,
               const struct sched_task *whole) {
    if (sched_entity_init_reserved(&vcpu->pieces[1].entity, task->budget, task->deadline, task->period) != SCHED_OK) {
        return false;
    }
    vcpu->task = *whole;
    return add_piece(vcpu, &machine->cores[core]);
}

struct sim_vcpu *sim_add_best_effort(struct sim_machine *machine, uint32_t core, uint32_t weight,
                                     enum sim_behaviour behaviour) {
    struct sim_vcpu *vcpu = new_vcpu(machine, behaviour);

    if (vcpu == NULL || sched_entity_init_best_effort(&vcpu->pieces[0].entity, weight) != SCHED_OK ||
        !add_piece(vcpu, &machine->cores[core])) {
        return NULL;
    }
    machine->vcpu_count++;
    guest_set_up(vcpu);
    return vcpu;
}

static uint64_t awaits(struct sched_entity *entity) {
    const struct timer_event *alarm = &sim_piece_of(entity)->vcpu->alarm;

    return timer_queue_queued(alarm) ? alarm->when : SCHED_NEVER;
}

void sim_reclaim(struct sim_machine *machine, uint32_t core) {
    struct sim_core *at = &machine->cores[core];

    for (uint32_t i = 0; i < at->piece_count; i++) {
        at->pieces[i]->entity.reclaims = sim_is_reserved(at->pieces[i]->vcpu);
    }
    sched_reclaim(&at->sched, &at->spare, awaits);
}

void sim_add_source(struct sim_machine *machine, uint32_t core, const struct sched_source *source,
                    struct sim_vcpu *owner) {
    struct sim_core *at = &machine->cores[core];

    at->source = *source;
    at->source_owner = owner;
    if (owner != NULL) { owner->charged = true; }
}
