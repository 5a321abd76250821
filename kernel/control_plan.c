// SPDX-License-Identifier: Apache-2.0
// What a request means, and whether all cores can keep it. Nothing outside of `struct control` changes here.
#include "kernel/control_plan.h"
#include "kernel/arch.h"
#include "kernel/pieces.h"
#include "kernel/string.h"
#include "kernel/sysdesc_reclaim.h"
#include "kernel/sysdesc_split.h"
#include "sched/sched.h"

enum { STOP_POLL_NS = 1000000 };

static enum job_result go_on(struct control *c, control_stage_t stage) {
    c->stage = stage;
    return JOB_AGAIN;
}

// ---- who is where -----------------------------------------------------------------------------------------

struct control_change *control_change_of(struct control *c, const struct vm *vm, unsigned vcpu) {
    for (unsigned i = 0; i < c->change_count; i++) {
        if (c->changes[i].vcpu == vm->vcpus[vcpu]) { return &c->changes[i]; }
    }
    return NULL;
}

const struct vcpu_desc *control_desc_of(struct control *c, const struct vm *vm, unsigned vcpu) {
    const struct control_change *change = control_change_of(c, vm, vcpu);

    return change != NULL ? &change->desc : &vm->desc->vcpus[vcpu];
}

unsigned control_core_of(struct control *c, const struct vm *vm, unsigned vcpu) {
    const struct control_change *change = control_change_of(c, vm, vcpu);

    if (change != NULL) { return change->to; }
    return VM_ABSENT(vm) ? (unsigned)CORE_AUTO : vm->desc->vcpus[vcpu].placed;
}

// ---- what is asked ----------------------------------------------------------------------------------------

static bool in_pieces(const struct vcpu *vcpu) { return vcpu_moves(vcpu); }

static struct control_change *add_change(struct control *c, struct vcpu *vcpu, bool leaves, bool enters) {
    struct control_change *change = &c->changes[c->change_count++];
    const struct vcpu_desc *desc = &vcpu->vm->desc->vcpus[vcpu->index];

    *change = (struct control_change){.vcpu = vcpu, .desc = *desc, .from = CORE_AUTO, .to = CORE_AUTO};
    if (leaves) { change->from = desc->placed; }
    if (enters) { change->to = desc->placed; }
    return change;
}

// The rules of the description hold here, too.
static const char *wrong_reservation(const struct control_request *r) {
    if (r->budget_us < BUDGET_US_MIN || r->period_us > PERIOD_US_MAX) {
        return "a budget is 10 us at least, a period 10 s at most";
    }
    return r->budget_us <= r->deadline_us && r->deadline_us <= r->period_us
               ? NULL
               : "the budget is at most the deadline, and that at most the period";
}

static const char *prepare_reserve(struct control *c, struct vcpu *vcpu) {
    const struct control_request *r = &c->request;
    const struct vcpu_desc *now = &vcpu->vm->desc->vcpus[vcpu->index];
    struct control_change *change = add_change(c, vcpu, true, true);
    struct vcpu_desc *desc = &change->desc;

    if (!now->reserved) { return "the VCPU has no reservation"; }
#if TAKT_ANALYSIS
    if (now->has_tasks &&
        (r->budget_us < now->budget_us || r->deadline_us > now->deadline_us || r->period_us > now->period_us)) {
        return "its guest's tasks were checked against what it has: no smaller budget, later deadline or longer period";
    }
#endif
    desc->budget_us = r->budget_us;
    desc->deadline_us = r->deadline_us;
    desc->period_us = r->period_us;
    desc->core = desc->placed; // it is asked of this core alone
    sysdesc_set_task(&c->check, desc);
    return wrong_reservation(r);
}

static const char *prepare_move(struct control *c, struct vcpu *vcpu) {
    struct control_change *change = add_change(c, vcpu, true, true);

    if (vcpu->index == 0 && vcpu->vm->desc->irq_count != 0) { return "its devices interrupt the core that it is on"; }
    if (c->request.core == change->from) { return "it is on that core"; }
    if (c->system->smt) { return "with smt a core belongs to one VM"; }
    change->to = change->desc.placed = change->desc.core = c->request.core;
    return NULL;
}

static const char *prepare_vm(struct control *c, struct vm *vm) {
    bool create = c->request.operation == CONTROL_CREATE;

    if (create != VM_ABSENT(vm)) { return create ? "it is there already" : "it is not there"; }
    if (vm->desc->irq_count != 0) { return "it has devices, which interrupt where it was placed at boot"; }
    if (c->system->smt) { return "with smt a core belongs to one VM"; }
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        if (in_pieces(vm->vcpus[i])) { return "a VCPU of it is in two pieces"; }
        struct control_change *change = add_change(c, vm->vcpus[i], !create, false);
        if (create) { sysdesc_set_task(&c->check, &change->desc); }
    }
    return NULL;
}

static const char *prepare(struct control *c) {
    struct vm *vm = vms[c->request.vm];
    struct vcpu *vcpu = vm->vcpus[c->request.vcpu];

    c->change_count = 0;
    if (c->request.operation >= CONTROL_CREATE) { return prepare_vm(c, vm); }
    if (VM_ABSENT(vm)) { return "the VM is not there; create it first"; }
    if (in_pieces(vcpu)) { return "the VCPU is in two pieces"; }
    return c->request.operation == CONTROL_RESERVE ? prepare_reserve(c, vcpu) : prepare_move(c, vcpu);
}

static enum job_result take_picture(struct control *c);

// From when it is absent nothing starts it.
static enum job_result stop_vm(struct control *c) {
    struct vm *vm = vms[c->request.vm];
    uint64_t now = arch_clock();

    (void)vm_stop(vm); // it may have ended
    unsigned long flags = spin_lock(&vm->lock);
    vm->absent = vm->state == VM_STOPPED;
    spin_unlock(&vm->lock, flags);
    if (vm->absent) { return go_on(c, take_picture); }
    if (now >= c->give_up) { return control_refuse(c, "it was told to stop, and has not"); }
    c->job.wake_at = now + clock_ns_to_ticks_up(&clock_rate, STOP_POLL_NS);
    return JOB_SLEEP;
}

// The VM's own job does it.
static enum job_result live(struct control *c, int (*act)(struct vm *vm)) {
    return act(vms[c->request.vm]) == OK ? control_finish(c) : control_refuse(c, "not in the state that the VM is in");
}

// What a core promises holds for those alone that it had at boot.
static bool is_fixed(const struct control *c, unsigned core) {
    return sysdesc_reclaims(c->system, core) || sysdesc_has_piece(c->system, core);
}

static enum job_result refuse_fixed(struct control *c, unsigned core) {
    return control_refuse(c, "core %u stays as it was at boot, since %s", core,
                          sysdesc_reclaims(c->system, core) ? "somebody reclaims there"
                                                            : "it has a piece of a VCPU in two");
}

enum job_result control_prepare(struct control *c) {
    static int (*const acts[CONTROL_OPERATIONS])(struct vm *) = {
        [CONTROL_START] = vm_start, [CONTROL_STOP] = vm_stop, [CONTROL_RESTART] = vm_restart};

    if (acts[c->request.operation] != NULL) { return live(c, acts[c->request.operation]); }
    const char *why = prepare(c);

    if (why != NULL) { return control_refuse(c, "%s", why); }
    for (unsigned i = 0; i < c->change_count; i++) {
        unsigned from = c->changes[i].from;
        if (from != CORE_AUTO && is_fixed(c, from)) { return refuse_fixed(c, from); }
    }
    c->at = c->core = 0;
    c->concerned = 0;
    c->phase = PHASE_NONE;
    memset(c->latency, 0, sizeof(c->latency));
    c->give_up = arch_clock() + c->patience;
    return go_on(c, c->request.operation == CONTROL_DESTROY ? stop_vm : take_picture);
}

// ---- what the cores have ----------------------------------------------------------------------------------

// One of several equal ones is as good as the other.
static void take_out(struct sched_core_load *load, const struct vcpu_desc *desc, unsigned vm) {
    uint32_t i = 0;

    while (load->vm[i] != vm) { i++; }
    load->vm[i] = load->vm[--load->member_count];
    load->weight -= desc->weight;
    if (!desc->reserved) { return; }
    for (i = 0; memcmp(&load->tasks[i], &desc->task, sizeof(desc->task)) != 0;) { i++; }
    load->tasks[i] = load->tasks[--load->task_count];
}

static enum job_result place(struct control *c);

static enum job_result take_picture(struct control *c) {
    c->work[c->core] = c->system->cores[c->core];
    if (++c->core < cpu_count) { return JOB_AGAIN; }
    for (unsigned i = 0; i < c->change_count; i++) {
        const struct control_change *change = &c->changes[i];
        const struct vm *vm = change->vcpu->vm;
        if (change->from == CORE_AUTO) { continue; }
        take_out(&c->work[change->from], &vm->desc->vcpus[change->vcpu->index], vm->id);
        c->concerned |= (uint32_t)BIT(change->from);
    }
    return go_on(c, place);
}

// ---- the exact test ---------------------------------------------------------------------------------------

static enum job_result begin_latencies(struct control *c);
static enum job_result test(struct control *c);
static enum job_result begin_advice(struct control *c);

static struct sched_request request_of(const struct control_change *change) {
    return (struct sched_request){
        .task = change->desc.task,
        .weight = change->desc.weight,
        .vm = change->vcpu->vm->id,
        .core = change->desc.core == CORE_AUTO ? SCHED_CORE_AUTO : change->desc.core,
    };
}

static enum job_result placed(struct control *c, unsigned core) {
    struct control_change *change = &c->changes[c->at++];

    if (is_fixed(c, core)) { return refuse_fixed(c, core); }
    change->to = change->desc.placed = (uint8_t)core;
    c->concerned |= (uint32_t)BIT(core);
    return go_on(c, place);
}

// Nobody is tested: it takes what is left.
static enum job_result place_best_effort(struct control *c, const struct control_change *change) {
    struct sched_machine machine = {.cores = c->work, .core_count = cpu_count};
    struct sched_request request = request_of(change);

    if (sched_place_all(&machine, &request, &c->placement, 1) == 0) { return placed(c, (unsigned)c->placement.core); }
    sysdesc_refused(&c->check, &change->desc, &c->placement);
    return control_refuse(c, NULL);
}

static void begin_test(struct control *c, const struct sched_task *task) {
    struct sched_core_load *load = &c->work[c->core];

    load->tasks[load->task_count] = *task;
    sched_test_begin(&c->test, load->tasks, load->task_count + 1, load->sources, load->source_count);
}

static bool has_room(const struct sched_core_load *load) {
    return load->member_count < SCHED_MEMBERS_MAX && load->task_count < SCHED_TASKS_MAX;
}

// The next core to ask: the given one, or the least used of those that were not asked yet. False: none.
static bool next_core(struct control *c, const struct control_change *change) {
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < cpu_count; i++) {
        bool may =
            (change->desc.core == CORE_AUTO ? !is_fixed(c, i) : change->desc.core == i) && (c->tried & BIT(i)) == 0;
        uint64_t used = may && has_room(&c->work[i]) ? sched_core_utilisation(&c->work[i]) : UINT64_MAX;
        if (used < least) {
            least = used;
            c->core = i;
        }
    }
    if (least == UINT64_MAX) { return false; }
    c->tried |= (uint32_t)BIT(c->core);
    return true;
}

static enum job_result try_core(struct control *c) {
    const struct control_change *change = &c->changes[c->at];

    if (!next_core(c, change)) {
        bool none = c->tried == 0 && is_fixed(c, 0);
        return none ? refuse_fixed(c, 0) : go_on(c, begin_advice);
    }
    begin_test(c, &change->desc.task);
    return go_on(c, test);
}

static enum job_result place(struct control *c) {
    const struct control_change *change = &c->changes[c->at];

    if (c->at == c->change_count) { return go_on(c, begin_latencies); }
    if (c->request.operation == CONTROL_DESTROY) {
        c->at++;
        return JOB_AGAIN;
    }
    if (!change->desc.reserved) { return place_best_effort(c, change); }
    c->tried = 0;
    c->placement = (struct sched_placement){.core = -1};
    return go_on(c, try_core);
}

static enum job_result test(struct control *c) {
    const struct control_change *change = &c->changes[c->at];
    struct sched_placement *closest = &c->placement;

    if (!sched_test_step(&c->test)) { return JOB_AGAIN; }
    if (c->test.verdict.outcome == SCHED_ADMITTED) {
        struct sched_request request = request_of(change);
        placement_enter(&c->work[c->core], &request, &change->desc.task);
        return placed(c, c->core);
    }
    if (closest->core < 0 || c->test.verdict.excess < closest->verdict.excess) {
        closest->core = (int32_t)c->core;
        closest->verdict = c->test.verdict;
    }
    return go_on(c, try_core);
}

// ---- what would have fitted -------------------------------------------------------------------------------

static enum job_result advise(struct control *c) {
    if (!sched_test_step(&c->test)) { return JOB_AGAIN; }
    if (advice_learn(&c->advice, c->test.verdict.outcome == SCHED_ADMITTED)) {
        struct sched_task trial = advice_trial(&c->advice);
        begin_test(c, &trial);
        return JOB_AGAIN;
    }
    c->placement.largest_budget = c->advice.largest_budget;
    c->placement.smallest_period = c->advice.smallest_period;
    return go_on(c, begin_advice);
}

// Of one core after the other, of those that were asked.
static enum job_result begin_advice(struct control *c) {
    const struct control_change *change = &c->changes[c->at];
    const struct sched_task *task = &change->desc.task;

    for (c->core = 0; c->core < cpu_count && (c->tried & BIT(c->core)) == 0;) { c->core++; }
    if (c->core == cpu_count || c->placement.core < 0 || task->budget > task->deadline) {
        c->judged = true;
        sysdesc_refused(&c->check, &change->desc, &c->placement);
        return control_refuse(c, NULL);
    }
    c->tried &= ~(uint32_t)BIT(c->core);
    if (!has_room(&c->work[c->core])) { return JOB_AGAIN; }
    advice_begin(&c->advice, task, c->placement.largest_budget, c->placement.smallest_period);
    struct sched_task trial = advice_trial(&c->advice);
    begin_test(c, &trial);
    return go_on(c, advise);
}

// ---- the latencies of all on the cores that it concerns ----------------------------------------------------

#if TAKT_ANALYSIS
static enum job_result next_latency(struct control *c);

static bool is_concerned(struct control *c, const struct vm *vm, unsigned vcpu) {
    unsigned core = control_core_of(c, vm, vcpu);

    return core != CORE_AUTO && (c->concerned & BIT(core)) != 0 && control_desc_of(c, vm, vcpu)->reserved &&
           !in_pieces(vm->vcpus[vcpu]);
}

// Somebody who has a promise keeps one.
static enum job_result search(struct control *c) {
    const struct vm *vm = vms[c->vm];
    unsigned vcpu = c->vcpu;

    if (!sched_latency_step(&c->search)) { return JOB_AGAIN; }
    if (c->search.decided) {
        c->latency[c->vm][vcpu] = c->search.result.longest + c->injection;
    } else if (!VM_ABSENT(vm) && vm->desc->vcpus[vcpu].latency != 0) {
        c->judged = true;
        c->placement = (struct sched_placement){.core = -1, .verdict.outcome = SCHED_UNDECIDED};
        return control_refuse(c, "then the latency of vcpu %u of %s would not be decided within %u steps", vcpu,
                              vm->name, SCHED_LATENCY_STEPS_MAX);
    }
    c->vcpu++;
    return go_on(c, next_latency);
}

// The longest section on a core with interrupts masked: all VCPUs that a VM has there may leave in one.
static uint64_t masked_on(struct control *c, unsigned core) {
    unsigned most = 1;

    for (unsigned v = 0; v < vm_count; v++) {
        unsigned here = 0;
        for (unsigned i = 0; i < vms[v]->vcpu_count; i++) { here += control_core_of(c, vms[v], i) == core; }
        most = MAX(most, here);
    }
    return clock_ns_to_ticks_up(&clock_rate, c->system->masked_ns + (uint64_t)(most - 1) * c->system->masked_vcpu_ns);
}

static enum job_result next_latency(struct control *c) {
    const struct vm *vm = vms[c->vm];

    if (c->vcpu == vm->vcpu_count) {
        c->vcpu = 0;
        c->vm++;
        return c->vm == vm_count ? go_on(c, control_commit) : JOB_AGAIN;
    }
    if (!is_concerned(c, vm, c->vcpu)) {
        c->vcpu++;
        return JOB_AGAIN;
    }
    unsigned core = control_core_of(c, vm, c->vcpu);
    const struct sched_core_load *load = &c->work[core];
    const struct sched_task *task = &control_desc_of(c, vm, c->vcpu)->task;
    uint32_t i = 0;
    while (memcmp(&load->tasks[i], task, sizeof(*task)) != 0) { i++; }
    sched_latency_begin(&c->search, load->tasks, load->task_count, load->sources, load->source_count,
                        masked_on(c, core), i);
    return go_on(c, search);
}

static enum job_result begin_latencies(struct control *c) {
    c->vm = c->vcpu = 0;
    return go_on(c, c->system->smt ? control_commit : next_latency);
}
#else
static enum job_result begin_latencies(struct control *c) { return go_on(c, control_commit); }
#endif
