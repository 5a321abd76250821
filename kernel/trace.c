// SPDX-License-Identifier: Apache-2.0
// Writing and reading rings. A writer that is about to overwrite a record has published before that it is: `head` counts the
// records that are written, and the one at `head` may be in the making.
#include "kernel/trace.h"

#include "kernel/arch.h"
#include "kernel/memory.h"
#include "kernel/string.h"

// ---- one ring ---------------------------------------------------------------------------------------------

static uint8_t number_of(const struct vcpu *vcpu) {
    return vcpu == NULL ? (uint8_t)TRACE_NOBODY : (uint8_t)(vcpu->vm->id * MAX_VCPUS + vcpu->index);
}

static void put(struct trace_ring *ring, const struct trace_record *record) {
    uint64_t head = ring->head;
    struct trace_record *slot = &ring->records[head & ring->mask];

    __atomic_thread_fence(
        __ATOMIC_RELEASE); // `head`, which says that this slot's record is gone, is seen before its new content
    __atomic_store_n(&slot->time, record->time, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->value, record->value, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->detail, record->detail, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->kind, record->kind, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->who, record->who, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->other, record->other, __ATOMIC_RELAXED);
    __atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
}

bool trace_read(const struct trace_ring *ring, uint64_t index, struct trace_record *out) {
    const struct trace_record *slot = &ring->records[index & ring->mask];

    if (index >= __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE)) { return false; }
    out->time = __atomic_load_n(&slot->time, __ATOMIC_RELAXED);
    out->value = __atomic_load_n(&slot->value, __ATOMIC_RELAXED);
    out->detail = __atomic_load_n(&slot->detail, __ATOMIC_RELAXED);
    out->kind = __atomic_load_n(&slot->kind, __ATOMIC_RELAXED);
    out->who = __atomic_load_n(&slot->who, __ATOMIC_RELAXED);
    out->other = __atomic_load_n(&slot->other, __ATOMIC_RELAXED);
    out->unused = 0;
    __atomic_thread_fence(__ATOMIC_ACQUIRE); // what was read is not newer than the `head` read now
    return __atomic_load_n(&ring->head, __ATOMIC_RELAXED) - index <= ring->mask;
}

void trace_write(struct cpu *cpu, enum trace_kind kind, const struct vcpu *who, uint32_t detail, uint64_t value) {
    put(cpu->trace, &(struct trace_record){
                        .time = arch_clock(),
                        .value = value,
                        .detail = detail,
                        .kind = (uint8_t)kind,
                        .who = number_of(who),
                        .other = TRACE_NOBODY,
                    });
}

// ---- what has changed -------------------------------------------------------------------------------------

static uint64_t misses_of(const struct vcpu *vcpu) {
    const uint64_t *misses = vcpu->entity.stats.misses;

    return misses[SCHED_MISS_DISPATCH] + misses[SCHED_MISS_PLATFORM] + misses[SCHED_MISS_BACKLOG];
}

// From here on the trace says this of it.
static void note(struct vcpu *vcpu) {
    vcpu->traced.wakeups = vcpu->stats.wakeups;
    vcpu->traced.activations = vcpu->entity.stats.activations;
    vcpu->traced.exhaustions = vcpu->entity.stats.exhaustions;
    vcpu->traced.misses = misses_of(vcpu);
    vcpu->traced.runnable = vcpu->state == VCPU_READY;
}

// Its timer is what the next entry delivers, or the one since it blocked has delivered.
static enum trace_cause cause_of(const struct vcpu *vcpu) {
    return vcpu->timer_due != 0 || vcpu->timer_measured ? TRACE_BY_TIMER : TRACE_BY_INTERRUPT;
}

static void look_at(struct cpu *cpu, struct vcpu *vcpu) {
    const struct sched_entity *e = &vcpu->entity;
    bool woke = vcpu->stats.wakeups != vcpu->traced.wakeups, runs = vcpu->state == VCPU_READY;

    if (misses_of(vcpu) != vcpu->traced.misses) { trace_write(cpu, TRACE_MISS, vcpu, cpu->sched.behind, 0); }
    if (e->stats.exhaustions != vcpu->traced.exhaustions) {
        trace_write(cpu, TRACE_EXHAUSTED, vcpu, 0, sched_eligible_at(e, 0));
    }
    if (vcpu->traced.runnable && (woke || !runs)) { trace_write(cpu, TRACE_BLOCK, vcpu, 0, cpu->entered); }
    if (woke && runs) { trace_write(cpu, TRACE_WAKE, vcpu, cause_of(vcpu), vcpu->ready_since); }
    if (e->stats.activations != vcpu->traced.activations && e->state == SCHED_READY) {
        trace_write(cpu, TRACE_ACTIVATION, vcpu, (uint32_t)MIN(e->remaining, (uint64_t)UINT32_MAX), e->release);
    }
    note(vcpu);
}

void trace_start(struct cpu *cpu, struct vcpu *vcpu) {
    note(vcpu);
    trace_write(cpu, TRACE_START, vcpu, 0, 0);
}

static void look_at_exits(struct cpu *cpu, const struct vcpu *vcpu) {
    uint64_t *seen = cpu->trace->exits;

    for (unsigned i = 0; vcpu != NULL && i < EXIT_REASONS; i++) {
        if (vcpu->stats.exits[i] == seen[i]) { continue; }
        seen[i] = vcpu->stats.exits[i];
        trace_write(cpu, TRACE_EXIT, vcpu, i, cpu->entered);
    }
}

static void look_at_core(struct cpu *cpu) {
    struct trace_ring *ring = cpu->trace;
    struct vcpu *next = cpu->current;
    bool thread = next == NULL && cpu->sched.running == &cpu->thread.entity;
    uint8_t who = thread ? (uint8_t)TRACE_THREAD : number_of(next);

    if (who == ring->who && cpu->sched.current_deadline == ring->deadline) { return; }
    put(ring, &(struct trace_record){
                  .time = arch_clock(),
                  .value = cpu->sched.current_deadline,
                  .detail = (uint32_t)cpu->stats.irq_ticks,
                  .kind = TRACE_DISPATCH,
                  .who = who,
                  .other = ring->who,
              });
    ring->who = who;
    ring->deadline = cpu->sched.current_deadline;
    if (next != NULL && next != ring->running) {
        memcpy(ring->exits, next->stats.exits, sizeof(ring->exits));
        if (next->timer_measured) { trace_write(cpu, TRACE_INJECT, next, TRACE_OWN_TIMER, next->timer_late); }
    }
    ring->running = next;
}

void trace_look(struct cpu *cpu) {
    const struct sched_core *core = &cpu->sched;

    if (core->distortions != cpu->trace->distortions) {
        trace_write(cpu, TRACE_DISTORTION, NULL, 0, core->distorted_at);
        cpu->trace->distortions = core->distortions;
    }
    look_at_exits(cpu, cpu->trace->running);
    for (unsigned i = 0; i < core->population; i++) {
        struct vcpu *vcpu = vcpu_of_entity(cpu, core->member[i]);
        if (vcpu != NULL) { look_at(cpu, vcpu); }
    }
    look_at_core(cpu);
}

// ---- on and off -------------------------------------------------------------------------------------------

void trace_follow(struct cpu *cpu) {
    struct trace_ring *ring = cpu->trace;

    if (ring == NULL || __atomic_load_n(&ring->wanted, __ATOMIC_RELAXED) == trace_is_on(cpu)) { return; }
    if (trace_is_on(cpu)) {
        trace_write(cpu, TRACE_OFF, NULL, 0, 0);
        cpu->todo &= ~(uint32_t)TODO_TRACE;
        return;
    }
    for (unsigned i = 0; i < cpu->sched.population; i++) {
        struct vcpu *vcpu = vcpu_of_entity(cpu, cpu->sched.member[i]);
        if (vcpu != NULL) { note(vcpu); }
    }
    ring->running = NULL;
    ring->who = TRACE_NOBODY;
    ring->deadline = 0; // nobody's: the next look records who runs
    ring->distortions = cpu->sched.distortions;
    trace_write(cpu, TRACE_ON, NULL, 0, 0);
    cpu->todo |= TODO_TRACE;
}

int trace_init(const struct system_desc *desc) {
    uint32_t records = 1;

    if (desc->trace_records == 0) { return OK; }
    while (records < desc->trace_records) { records *= 2; }
    for (unsigned i = 0; i < cpu_count; i++) {
        struct trace_ring *ring = memory_alloc(sizeof(*ring) + records * sizeof(ring->records[0]));
        if (ring == NULL) { return ERR_NO_MEMORY; }
        ring->mask = records - 1;
        cpus[i]->trace = ring;
    }
    return desc->trace ? trace_switch(true) : OK;
}

int trace_switch(bool on) {
    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i]->trace == NULL) { return ERR_UNSUPPORTED; }
        __atomic_store_n(&cpus[i]->trace->wanted, on, __ATOMIC_RELAXED);
        unsigned long flags = arch_irq_save();
        cpu_notify(cpus[i], TODO_INBOX, cpus[i] != this_cpu());
        arch_irq_restore(flags);
    }
    return OK;
}
