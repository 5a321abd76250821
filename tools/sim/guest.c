// SPDX-License-Identifier: Apache-2.0
#include "tools/sim/guest.h"

#include "tools/sim/hostile.h"

#include <stddef.h>

#define BEST_EFFORT_SPAN UINT64_C(10000000) /* in which best effort waits and wakes, and starts */

static struct sim_machine *machine_of(const struct sim_vcpu *vcpu) { return vcpu->pieces[0].core->machine; }

static uint64_t span_of(const struct sim_vcpu *vcpu) {
    return sim_is_reserved(vcpu) ? 2 * vcpu->task.period : BEST_EFFORT_SPAN;
}

/* A boundary of one of the servers on its core. */
static uint64_t next_moment(struct sim_vcpu *vcpu) {
    struct sim_machine *machine = machine_of(vcpu);
    const struct sim_core *core = vcpu->pieces[0].core;
    uint64_t any = random_in(&machine->random, 0, core->piece_count - 1);

    return hostile_moment(&machine->random, &core->pieces[any]->entity, machine->now, span_of(vcpu));
}

// ---- where it is -----------------------------------------------------------------------------------------------------
static void enter(struct sim_vcpu *vcpu, struct sim_piece *piece, uint64_t at) {
    vcpu->active = piece;
    sched_wake(&piece->core->sched, &piece->entity, at);
    piece->core->dirty = true;
}

/* A core that handles an interrupt lets go when it is done with that. */
static void leave(struct sim_vcpu *vcpu) {
    struct sim_piece *piece = vcpu->active;
    struct sim_core *core = piece->core;
    uint64_t now = core->machine->now;

    sim_settle(core);
    sched_block(&core->sched, &piece->entity, now > core->busy_until ? now : core->busy_until);
    if (core->run == piece) { core->run = NULL; }
    core->dirty = true;
    vcpu->active = NULL;
}

/* The second piece it is, until the first one has budget again. A wake-up that the second core's horizon hid is dated back
 * there only: the first core would have let it in at once, so that its piece is released no earlier than now. */
static void enter_second(struct sim_vcpu *vcpu, uint64_t at) {
    struct sim_piece *first = &vcpu->pieces[0];
    uint64_t now = machine_of(vcpu)->now, eligible = sched_eligible_at(&first->entity, at);

    vcpu->home.slack = first->entity.deadline;
    timer_queue_add(&first->core->timers, &vcpu->home, eligible > now ? eligible : now);
    first->core->dirty = true;
    enter(vcpu, &vcpu->pieces[1], at);
}

static void home_fired(struct timer_event *event, uint64_t now) {
    struct sim_vcpu *vcpu = event->owner;
    struct sim_piece *first = &vcpu->pieces[0];

    (void)now;
    leave(vcpu);
    first->core->counts.moves++;
    enter(vcpu, first, event->when);
}

void guest_left_first_piece(struct sim_piece *piece) {
    struct sim_vcpu *vcpu = piece->vcpu;

    if (vcpu->piece_count == 1 || vcpu->active != piece || piece != &vcpu->pieces[0] ||
        piece->entity.state != SCHED_THROTTLED) {
        return;
    }
    leave(vcpu);
    piece->core->counts.moves++;
    enter_second(vcpu, piece->core->machine->now);
}

// ---- its program -----------------------------------------------------------------------------------------------------
static void begin_job(struct sim_vcpu *vcpu) {
    struct sim_machine *machine = machine_of(vcpu);
    uint64_t budget = vcpu->task.budget;

    vcpu->work = vcpu->behaviour == SIM_PERIODIC ? budget : random_in(&machine->random, 1, budget);
    sim_promise(vcpu, vcpu->release + vcpu->task.deadline, vcpu->work);
}

static void wake(struct sim_vcpu *vcpu, uint64_t at) {
    /* Whatever it consumed is back: the whole budget is promised from now on. */
    bool fresh = vcpu->woken == SCHED_NEVER || at >= vcpu->last_supply + vcpu->task.period;

    if (vcpu->woken == SCHED_NEVER) { vcpu->woken = at; }
    vcpu->last_supply = at;
    sim_check_wake(vcpu, at);
    if (vcpu->piece_count > 1 && sched_eligible_at(&vcpu->pieces[0].entity, at) > at) {
        enter_second(vcpu, at);
    } else {
        enter(vcpu, &vcpu->pieces[0], at);
    }
    if (guest_has_jobs(vcpu)) {
        begin_job(vcpu);
    } else if (fresh) {
        sim_promise(vcpu, at + vcpu->task.deadline, vcpu->task.budget);
    }
    if (vcpu->behaviour == SIM_HOSTILE) { vcpu->act_at = next_moment(vcpu); }
}

static void alarm_fired(struct timer_event *event, uint64_t now) {
    (void)now;
    wake(event->owner, event->when);
}

/* Waits for a timer of its own, which counts from the moment at which it has budget to act on it. */
static void set_alarm(struct sim_vcpu *vcpu, uint64_t when) {
    struct sim_piece *best = &vcpu->pieces[0];
    uint64_t at = sched_eligible_at(&best->entity, when);

    if (vcpu->piece_count > 1 && sched_eligible_at(&vcpu->pieces[1].entity, when) < at) {
        best = &vcpu->pieces[1];
        at = sched_eligible_at(&best->entity, when);
    }
    vcpu->alarm.slack = sim_is_reserved(vcpu) ? best->entity.deadline : TIMER_SLACK_BEST_EFFORT;
    timer_queue_add(&best->core->timers, &vcpu->alarm, at);
    best->core->dirty = true;
}

static void wait(struct sim_vcpu *vcpu) {
    sim_settle(vcpu->active->core);
    sim_check_wait(vcpu, machine_of(vcpu)->now);
    leave(vcpu);
    if (vcpu->piece_count > 1) { timer_queue_remove(&vcpu->pieces[0].core->timers, &vcpu->home); }
}

static void end_job(struct sim_vcpu *vcpu) {
    struct sim_machine *machine = machine_of(vcpu);
    uint64_t period = vcpu->task.period;

    vcpu->release += period;
    if (vcpu->behaviour == SIM_SPORADIC && random_in(&machine->random, 0, 1) == 0) {
        vcpu->release += random_in(&machine->random, 0, period / 2);
    }
    if (vcpu->release > machine->now) {
        wait(vcpu);
        set_alarm(vcpu, vcpu->release);
    } else {
        begin_job(vcpu); /* it is late: the next one waits already */
    }
}

static void be_hostile(struct sim_vcpu *vcpu) {
    struct sim_machine *machine = machine_of(vcpu);

    if (vcpu->active == NULL) {
        wake(vcpu, machine->now);
        return;
    }
    wait(vcpu);
    vcpu->act_at = next_moment(vcpu);
    vcpu->interrupted = random_in(&machine->random, 0, 1) == 0;
    if (!vcpu->interrupted) { set_alarm(vcpu, vcpu->act_at); }
}

void guest_act(struct sim_vcpu *vcpu) {
    if (guest_has_jobs(vcpu)) {
        end_job(vcpu);
    } else {
        be_hostile(vcpu);
    }
}

void guest_ran(struct sim_vcpu *vcpu, uint64_t ticks) {
    if (guest_has_jobs(vcpu)) { vcpu->work -= ticks; }
}

void guest_set_up(struct sim_vcpu *vcpu) {
    vcpu->alarm.fire = alarm_fired;
    vcpu->alarm.owner = vcpu;
    vcpu->home.fire = home_fired;
    vcpu->home.owner = vcpu;
    vcpu->stoppable = vcpu->behaviour == SIM_HOSTILE && random_in(&machine_of(vcpu)->random, 0, 3) == 0;
}

void guest_start(struct sim_vcpu *vcpu) {
    struct sim_machine *machine = machine_of(vcpu);
    uint64_t span = sim_is_reserved(vcpu) ? vcpu->task.period : BEST_EFFORT_SPAN;

    vcpu->release = machine->apart ? random_in(&machine->random, 0, span - 1) : 0;
    set_alarm(vcpu, vcpu->release);
}
