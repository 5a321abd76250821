// SPDX-License-Identifier: Apache-2.0
// What was admitted is done: core by core, each by a job of its own thread. That runs when no reservation wants the core,
// which is the moment that a change needs.
#include "kernel/arch.h"
#include "kernel/control_plan.h"
#include "kernel/hand_over.h"
#include "kernel/log.h"
#include "sched/change.h"

// ---- promises ---------------------------------------------------------------------------------------------

#if TAKT_ANALYSIS
static uint64_t latency_now(const struct vm *vm, unsigned vcpu) { return vm->desc->vcpus[vcpu].latency; }

static uint64_t latency_to_be(struct control *c, const struct vcpu *vcpu) {
    uint64_t latency = c->latency[vcpu->vm->id][vcpu->index];

    return latency != 0 ? latency : UINT64_MAX;
}

// Who waits now may be brought later by as much.
static void promise(struct vcpu *vcpu, uint64_t latency) {
    struct vcpu_promise *promise = &vcpu->promise;

    if (latency > promise->latency && promise->allowed != UINT64_MAX) {
        promise->allowed = clock_add_saturating(promise->allowed, latency - promise->latency);
    }
    promise->latency = latency;
}

static void set_promise(struct control *c, struct vcpu *vcpu, bool longer_only) {
    const struct vm *vm = vcpu->vm;
    unsigned core = control_core_of(c, vm, vcpu->index);
    bool concerned = core != CORE_AUTO && (c->concerned & BIT(core)) != 0;
    unsigned long flags = arch_irq_save();

    if (concerned && vcpu->cpu == this_cpu() && control_desc_of(c, vm, vcpu->index)->reserved) {
        uint64_t latency = latency_to_be(c, vcpu);
        if (!longer_only || latency > vcpu->promise.latency) { promise(vcpu, latency); }
    }
    arch_irq_restore(flags);
}

// Those of this core. With smt there are none.
static void set_promises(struct control *c, bool longer_only) {
    for (unsigned v = 0; v < vm_count && !c->system->smt; v++) {
        for (unsigned i = 0; i < vms[v]->vcpu_count; i++) { set_promise(c, vms[v]->vcpus[i], longer_only); }
    }
}
#else
static uint64_t latency_now(UNUSED const struct vm *vm, UNUSED unsigned vcpu) { return 0; }
static uint64_t latency_to_be(UNUSED struct control *c, UNUSED const struct vcpu *vcpu) { return 0; }
static void promise(UNUSED struct vcpu *vcpu, UNUSED uint64_t latency) {}
static void set_promises(UNUSED struct control *c, UNUSED bool longer_only) {}
#endif

// ---- one core's part --------------------------------------------------------------------------------------

// Nothing that has happened waits to be told to the scheduler, and no activation is open. Interrupts masked.
static bool is_quiet(const struct cpu *cpu, uint64_t now) {
    return !arch_interrupt_pending() && (cpu->todo & TODO_DISPATCH) == 0 &&
           __atomic_load_n(&cpu->todo_remote, __ATOMIC_RELAXED) == 0 && sched_quiet(&cpu->sched, now) &&
           timer_queue_next(&cpu->timers, SCHED_NEVER) > now;
}

static void hand_over(struct vcpu *vcpu, struct cpu *to) {
    unsigned long flags = spin_lock(&vcpu->vm->lock);

    vcpu->comes = true;
    spin_unlock(&vcpu->vm->lock, flags);
    vcpu_hand_over(vcpu, to);
}

static void apply(struct control *c, struct control_change *change, uint64_t now) {
    struct vcpu *vcpu = change->vcpu;
    struct cpu *cpu = vcpu->cpu, *to = change->to == CORE_AUTO ? cpu : cpus[change->to];
    const struct sched_task *task = &change->desc.task;

    if (to != cpu && vcpu->entity.core != NULL) { sched_remove(&cpu->sched, &vcpu->entity, now); }
    if (change->desc.reserved && change->to != CORE_AUTO) {
        (void)sched_change(&vcpu->entity, task->budget, task->deadline, task->period, now); // admitted
        promise(vcpu, latency_to_be(c, vcpu));
    }
    if (to != cpu) {
        hand_over(vcpu, to);
    } else if (vcpu->state == VCPU_BLOCKED) {
        vcpu_arm_timers(vcpu, now);
    }
    change->applied = true;
    cpu->todo |= TODO_DISPATCH;
}

// Unless this is not the moment. Called on `cpu`, whose thread runs.
static void apply_all(struct control *c, struct cpu *cpu) {
    unsigned long flags = spin_lock(&c->lock);
    uint64_t now = arch_clock();
    bool wanted = c->cores[cpu->id].wanted == PHASE_CHANGE;

    if (wanted && is_quiet(cpu, now)) {
        cpu->entered = now;
        for (unsigned i = 0; i < c->change_count; i++) {
            struct control_change *change = &c->changes[i];
            if (!change->applied && change->vcpu->cpu == cpu) { apply(c, change, now); }
        }
        c->cores[cpu->id].wanted = PHASE_RESTORE; // of promises: shorter ones count now, too
        cpu_note_masked(cpu, arch_clock());
        c->stats.commit_max = MAX(c->stats.commit_max, arch_clock() - now);
    }
    spin_unlock(&c->lock, flags);
}

// Ticks that this core's thread has had, without what interrupted it.
static uint64_t thread_time(const struct cpu *cpu) {
    const struct sched_entity *thread = &cpu->thread.entity;
    unsigned long flags = arch_irq_save();
    uint64_t used = thread->stats.supplied, now = arch_clock();

    if (cpu->sched.running == thread && now > cpu->sched.run_start) { used += now - cpu->sched.run_start; }
    arch_irq_restore(flags);
    return used;
}

// A phase of this core, or one try at it. JOB_AGAIN: it goes on once the core has decided anew.
static enum job_result do_part(struct control *c, struct cpu *cpu, struct control_core *core) {
    switch (__atomic_load_n(&core->wanted, __ATOMIC_ACQUIRE)) {
    case PHASE_CHANGE: apply_all(c, cpu); return JOB_AGAIN;
    case PHASE_RESERVE: set_promises(c, true); return JOB_DONE;
    default: set_promises(c, false); return JOB_DONE;
    }
}

static enum job_result core_job(struct job *job) {
    struct control *c = control;
    struct cpu *cpu = this_cpu();
    struct control_core *core = container_of(job, struct control_core, job);
    uint64_t start = thread_time(cpu);

    if (__atomic_load_n(&core->wanted, __ATOMIC_ACQUIRE) == PHASE_NONE) {
        return JOB_DONE; // it took too long, and nobody waits any more
    }
    enum job_result result = do_part(c, cpu, core);
    core->spent += thread_time(cpu) - start;
    if (result == JOB_AGAIN) { return JOB_AGAIN; }
    c->stats.core_max = MAX(c->stats.core_max, core->spent);
    __atomic_store_n(&core->wanted, (uint8_t)PHASE_NONE, __ATOMIC_RELEASE);
    job_submit(c->cpu, &c->job);
    return JOB_DONE;
}

// ---- one core after the other -----------------------------------------------------------------------------

static enum job_result publish(struct control *c);
static enum job_result next_core(struct control *c);

// The cores get the promises back that they had.
static void restore(struct control *c) {
    c->phase = PHASE_RESTORE;
    c->core = 0;
    c->stage = next_core;
    c->change_count = 0;
    for (unsigned v = 0; v < vm_count; v++) {
        for (unsigned i = 0; i < vms[v]->vcpu_count; i++) { c->latency[v][i] = latency_now(vms[v], i); }
    }
}

// The core has not come to it. One that has no time to take its promises back has not come to give them, either.
static enum job_result out_of_patience(struct control *c) {
    unsigned long flags = spin_lock(&c->lock);
    bool late = c->cores[c->core].wanted == c->phase;

    if (late) { c->cores[c->core].wanted = PHASE_NONE; }
    spin_unlock(&c->lock, flags);
    if (late && c->phase == PHASE_RESTORE) {
        c->core++;
        c->stage = next_core;
    } else if (late) {
        format_string(c->text, sizeof(c->text), "core %u had no moment without reserved work to do in %lu s", c->core,
                      clock_ticks_to_ns_down(&clock_rate, c->patience) / 1000000000);
        restore(c);
    }
    return JOB_AGAIN;
}

static enum job_result wait_for_core(struct control *c) {
    unsigned wanted = __atomic_load_n(&c->cores[c->core].wanted, __ATOMIC_ACQUIRE);

    if (wanted != PHASE_NONE) {
        // What gives something up waits until that is over; and once the core has changed only its promises are left.
        bool for_good = c->request.operation == CONTROL_DESTROY || wanted != c->phase;
        if (arch_clock() >= c->give_up && !for_good) { return out_of_patience(c); }
        c->job.wake_at = for_good ? UINT64_MAX : c->give_up;
        return JOB_SLEEP;
    }
    c->core++;
    c->stage = next_core;
    return JOB_AGAIN;
}

// Is there anything to do there in this phase?
static bool has_part(struct control *c, unsigned core) {
    if ((c->concerned & BIT(core)) != 0) { return true; }
    for (unsigned i = 0; i < c->change_count; i++) {
        if (c->changes[i].vcpu->cpu == cpus[core]) { return true; }
    }
    return false;
}

static enum job_result next_core(struct control *c) {
    if (c->core == cpu_count && c->phase == PHASE_RESTORE) { return control_refuse(c, NULL); }
    if (c->core == cpu_count && c->phase == PHASE_CHANGE) {
        c->stage = publish;
        return JOB_AGAIN;
    }
    if (c->core == cpu_count) {
        c->core = 0;
        c->phase = PHASE_CHANGE;
    }
    if (!has_part(c, c->core)) {
        c->core++;
        return JOB_AGAIN;
    }
    struct control_core *core = &c->cores[c->core];
    core->job.run = core_job;
    if (c->phase == PHASE_RESERVE) { core->spent = 0; }
    c->give_up = arch_clock() + c->patience;
    __atomic_store_n(&core->wanted, c->phase, __ATOMIC_RELEASE);
    c->stage = wait_for_core;
    job_submit(cpus[c->core], &core->job);
    return JOB_AGAIN;
}

enum job_result control_commit(struct control *c) {
    c->core = 0;
    c->phase = PHASE_RESERVE;
    c->stage = next_core;
    return JOB_AGAIN;
}

// Whole again in one piece, on its new core.
void control_arrive(struct vcpu *vcpu) {
    struct cpu *cpu = vcpu->cpu;
    unsigned long flags = spin_lock(&vcpu->vm->lock);

    vcpu->comes = false;
    spin_unlock(&vcpu->vm->lock, flags);
    if (vcpu->state != VCPU_OFF && sched_add(&cpu->sched, &vcpu->entity) != SCHED_OK) {
        panic("core %u: more VCPUs than admission let in", cpu->id);
    }
    vcpu_take_over(vcpu);
    if (vcpu->state == VCPU_READY) { sched_wake(&cpu->sched, &vcpu->entity, arch_clock()); }
}

// ---- and all can see it -----------------------------------------------------------------------------------

static void publish_vcpu(struct control *c, const struct vm *vm, unsigned vcpu) {
    struct vcpu_desc *desc = &c->system->vms[vm->id].vcpus[vcpu];
    const struct control_change *change = control_change_of(c, vm, vcpu);
    unsigned core = control_core_of(c, vm, vcpu);

    if (change != NULL) {
        uint8_t written = desc->core; // that a core was given at boot still holds
        *desc = change->desc;
        desc->core = written;
    }
#if TAKT_ANALYSIS
    bool concerned = core != CORE_AUTO && (c->concerned & BIT(core)) != 0;
    uint64_t latency = c->latency[vm->id][vcpu], before = desc->latency;
    if (!concerned || !desc->reserved || c->system->smt) { return; }
    desc->latency = latency;
    if (latency != before || change != NULL) {
        log_line("%s: vcpu %u: on core %u, %u us of each %u us by %u us; latency at most %s us", vm->name, vcpu, core,
                 desc->budget_us, desc->period_us, desc->deadline_us,
                 latency != 0 ? format_thousandths(clock_ticks_to_ns_up(&clock_rate, latency)).text : "(undecided)");
    }
#else
    if (change != NULL && core != CORE_AUTO && desc->reserved) {
        log_line("%s: vcpu %u: on core %u, %u us of each %u us by %u us", vm->name, vcpu, core, desc->budget_us,
                 desc->period_us, desc->deadline_us);
    }
#endif
}

// Its jobs are done where its vcpu 0 is now.
static enum job_result start_vm(struct control *c) {
    struct vm *vm = vms[c->request.vm];

    if (!job_idle(&vm->job)) { return JOB_AGAIN; }
    vm->home = cpus[c->changes[0].to];
    __atomic_store_n(&vm->absent, false, __ATOMIC_RELEASE);
    if (vm_start(vm) != OK) { log_line("%s: is stopped: `start` it", vm->name); }
    return control_finish(c);
}

// A VM in each slice.
static enum job_result publish_vms(struct control *c) {
    const struct vm *vm = vms[c->vm];

    for (unsigned i = 0; i < vm->vcpu_count; i++) { publish_vcpu(c, vm, i); }
    if (++c->vm < vm_count) { return JOB_AGAIN; }
    c->stage = c->request.operation == CONTROL_CREATE ? start_vm : control_finish;
    return JOB_AGAIN;
}

static enum job_result publish(struct control *c) {
    for (unsigned i = 0; i < cpu_count; i++) {
        if ((c->concerned & BIT(i)) != 0) { c->system->cores[i] = c->work[i]; }
    }
    c->vm = 0;
    c->stage = publish_vms;
    return JOB_AGAIN;
}
