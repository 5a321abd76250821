// SPDX-License-Identifier: Apache-2.0
// What a VM with `controller` in its description may ask; the contract is include/takt/control.h. A call notes what is asked,
// or reads a few words: the work is the job's. Whoever asks is told once, and only in the life in which it asked.
#include "kernel/arch.h"
#include "kernel/control_plan.h"
#include "kernel/string.h"
#include "takt/control.h"

_Static_assert(TAKT_CONTROL_STOPPED == VM_STOPPED && TAKT_CONTROL_LOADING == VM_LOADING &&
                   TAKT_CONTROL_RUNNING == VM_RUNNING && TAKT_CONTROL_STOPPING == VM_STOPPING,
               "the contract's numbers of states");
_Static_assert(TAKT_CONTROL_RESERVE == CONTROL_RESERVE && TAKT_CONTROL_RESTART == CONTROL_RESTART,
               "the contract's numbers of operations");
_Static_assert(MAX_NAME <= 3 * sizeof(uint64_t), "a name fits into the registers of an answer");

static uint64_t to_ns(uint64_t ticks) { return clock_ticks_to_ns_up(&clock_rate, ticks); }

// ---- asking -----------------------------------------------------------------------------------------------

static bool well_formed(const struct control_request *r, const uint64_t *x) {
    bool reserve = r->operation == CONTROL_RESERVE, move = r->operation == CONTROL_MOVE;

    return x[1] >> 32 == 0 && r->operation < CONTROL_OPERATIONS && (reserve || x[3] == 0) && x[3] <= UINT32_MAX &&
           (reserve || x[2] == 0 || (move && x[2] < MAX_CORES));
}

int64_t call_control(struct vcpu *vcpu, uint64_t *x) {
    struct control_request request = {
        .operation = (uint8_t)x[1],
        .vm = (uint8_t)(x[1] >> 8),
        .vcpu = (uint8_t)(x[1] >> 16),
        .core = (uint8_t)(x[2] % MAX_CORES),
        .budget_us = (uint32_t)x[2],
        .deadline_us = (uint32_t)(x[2] >> 32),
        .period_us = (uint32_t)x[3],
        .asker = vcpu,
        .interrupt = (uint8_t)(x[1] >> 24),
        .life = vcpu->vm->stats.starts,
    };

    if (!vcpu->vm->desc->controller) { return TAKT_HC_DENIED; }
    if (request.operation != CONTROL_MOVE) { request.core = 0; }
    if (!well_formed(&request, x) || (request.interrupt != 0 && !arch_vcpu_interrupt_free(vcpu, request.interrupt))) {
        return TAKT_HC_INVALID;
    }
    int status = control_ask(&request);
    if (status != OK) { return status == ERR_BUSY ? TAKT_HC_BUSY : TAKT_HC_INVALID; }
    x[1] = control->results[vcpu->vm->id].ticket;
    return TAKT_HC_OK;
}

// Under the lock: its asker's results are of this request from now on.
void control_note_begin(struct control *c, const struct control_request *request) {
    if (request->asker != NULL) {
        struct control_result *result = &c->results[request->asker->vm->id];
        *result = (struct control_result){.ticket = result->ticket + 1};
    }
}

static void fill(struct control *c, struct control_result *result, bool done) {
    const struct sched_verdict *verdict = &c->placement.verdict;
    const struct vm *vm = vms[c->request.vm];

    result->outcome = done ? TAKT_CONTROL_DONE : TAKT_CONTROL_SENSELESS;
    if (done && c->request.operation <= CONTROL_MOVE) {
        result->core = vm->desc->vcpus[c->request.vcpu].placed;
        result->latency = c->latency[vm->id][c->request.vcpu];
    }
    if (done || !c->judged) { return; }
    result->outcome = verdict->outcome == SCHED_UNDECIDED ? TAKT_CONTROL_UNDECIDED : TAKT_CONTROL_REFUSED;
    result->core = (uint8_t)MAX(c->placement.core, 0);
    result->at = verdict->at;
    result->demand = verdict->demand;
    result->excess = verdict->excess;
    uint64_t overhead = clock_ns_to_ticks_up(&clock_rate, c->system->overhead_ns), budget = c->placement.largest_budget;
    result->largest_budget = budget > overhead ? budget - overhead : 0;
    result->smallest_period = c->placement.smallest_period;
}

// Thread context.
void control_note_end(struct control *c, bool done) {
    struct vcpu *asker = c->request.asker;

    if (asker == NULL) { return; }
    struct vm *vm = asker->vm;
    unsigned long flags = spin_lock(&c->lock);
    struct control_result *result = &c->results[vm->id];
    fill(c, result, done);
    __atomic_store_n(&result->decided, true, __ATOMIC_RELEASE);
    spin_unlock(&c->lock, flags);
    flags = arch_irq_save();
    this_cpu()->entered = arch_clock(); // of what the injection measures
    if (c->request.interrupt != 0 && vm->state == VM_RUNNING && vm->stats.starts == c->request.life) {
        arch_vcpu_inject(asker, c->request.interrupt);
    }
    arch_irq_restore(flags);
}

// ---- what came of it --------------------------------------------------------------------------------------

int64_t call_control_result(struct vcpu *vcpu, uint64_t *x) {
    const struct control_result *result;
    uint64_t page = x[2];

    if (!vcpu->vm->desc->controller) { return TAKT_HC_DENIED; }
    result = &control->results[vcpu->vm->id];
    if (x[1] == 0 || x[1] != result->ticket || page > 2) { return TAKT_HC_INVALID; }
    if (!__atomic_load_n(&result->decided, __ATOMIC_ACQUIRE)) { return TAKT_HC_BUSY; }
    if (page == 0) {
        x[1] = result->outcome;
        x[2] = result->core;
        x[3] = to_ns(result->latency);
    } else if (page == 1) {
        x[1] = to_ns(result->at);
        x[2] = to_ns(result->demand);
        x[3] = to_ns(result->excess);
    } else {
        x[1] = clock_ticks_to_ns_down(&clock_rate, result->largest_budget) / 1000;
        x[2] = (to_ns(result->smallest_period) + 999) / 1000;
        x[3] = 0;
    }
    return TAKT_HC_OK;
}

static void tell_vcpu(const struct vcpu_desc *desc, uint64_t *x) {
    x[1] = desc->budget_us | (uint64_t)desc->deadline_us << 32;
    x[2] = desc->period_us | (uint64_t)desc->placed << 32;
#if TAKT_ANALYSIS
    x[3] = to_ns(desc->latency);
#else
    x[3] = 0;
#endif
}

int64_t call_control_list(struct vcpu *vcpu, uint64_t *x) {
    uint64_t page = x[2];

    if (!vcpu->vm->desc->controller) { return TAKT_HC_DENIED; }
    if (x[1] >= vm_count || page >= 2u + vms[x[1]]->vcpu_count) { return TAKT_HC_INVALID; }
    const struct vm *vm = vms[x[1]];
    if (page == 0) {
        x[1] = VM_ABSENT(vm) ? TAKT_CONTROL_ABSENT : vm->state;
        x[2] = vm->vcpu_count;
        x[3] = vm->stats.starts;
    } else if (page == 1) {
        x[1] = x[2] = x[3] = 0;
        memcpy(&x[1], vm->name, strlen(vm->name));
    } else {
        tell_vcpu(&vm->desc->vcpus[page - 2], x);
    }
    return TAKT_HC_OK;
}
