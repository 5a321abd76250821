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

static uint8_t number_of_entity(const struct cpu *cpu, struct sched_entity *entity) {
    return entity == &cpu->thread.entity ? (uint8_t)TRACE_THREAD : number_of(vcpu_of_entity(cpu, entity));
}

static void put(struct trace_ring *ring, const struct trace_record *record) {
    uint64_t head = ring->head;
    struct trace_record *slot = &ring->records[head & ring->mask];

    __atomic_thread_fence(
        __ATOMIC_RELEASE); // `head`, which says that this slot's record is gone, is seen before its new content
    __atomic_store_n(&slot->time, record->time, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->value, record->value, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->detail, record->detail, __ATOMIC_RELAXED);
    __atomic_store_n((uint32_t *)(void *)&slot->kind, *(const uint32_t *)(const void *)&record->kind, __ATOMIC_RELAXED);
    __atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
}

bool trace_read(const struct trace_ring *ring, uint64_t index, struct trace_record *out) {
    const struct trace_record *slot = &ring->records[index & ring->mask];

    if (index >= __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE)) { return false; }
    out->time = __atomic_load_n(&slot->time, __ATOMIC_RELAXED);
    out->value = __atomic_load_n(&slot->value, __ATOMIC_RELAXED);
    out->detail = __atomic_load_n(&slot->detail, __ATOMIC_RELAXED);
    *(uint32_t *)(void *)&out->kind = __atomic_load_n((const uint32_t *)(const void *)&slot->kind, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_ACQUIRE); // what was read is not newer than the `head` read now
    return __atomic_load_n(&ring->head, __ATOMIC_RELAXED) - index <= ring->mask;
}

// ---- hooks ------------------------------------------------------------------------------------------------

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

static void count_exits_of(struct trace_ring *ring, const struct vcpu *vcpu) {
    ring->counted = vcpu;
    if (vcpu != NULL) { memcpy(ring->exits, vcpu->stats.exits, sizeof(ring->exits)); }
}

void trace_decision_on(struct cpu *cpu, const struct sched_decision *decision) {
    struct trace_ring *ring = cpu->trace;

    if (decision->run == ring->running && decision->deadline == ring->deadline) { return; }
    put(ring, &(struct trace_record){
                  .time = arch_clock(),
                  .value = decision->deadline,
                  .detail = (uint32_t)cpu->stats.irq_ticks,
                  .kind = TRACE_DISPATCH,
                  .who = number_of_entity(cpu, decision->run),
                  .other = number_of_entity(cpu, ring->running),
              });
    ring->running = decision->run;
    ring->deadline = decision->deadline;
    if (ring->counted != cpu->loaded) { count_exits_of(ring, cpu->loaded); }
}

void trace_stopped_on(struct cpu *cpu, enum trace_kind kind, const struct vcpu *who, uint32_t detail) {
    trace_write(cpu, kind, who, kind == TRACE_BLOCK ? (uint32_t)cpu->stats.irq_ticks : detail, 0);
    if (cpu->trace->running == &who->entity) { cpu->trace->running = NULL; }
}

// Who left the guest is loaded still: nobody is loaded before the decision that follows.
void trace_exits_on(struct cpu *cpu) {
    struct trace_ring *ring = cpu->trace;
    const struct vcpu *vcpu = cpu->loaded;

    if (vcpu == NULL || vcpu != ring->counted) { return; }
    for (unsigned i = 0; i < EXIT_REASONS; i++) {
        if (vcpu->stats.exits[i] == ring->exits[i]) { continue; }
        ring->exits[i] = vcpu->stats.exits[i];
        trace_write(cpu, TRACE_EXIT, vcpu, i, cpu->entered);
    }
}

static void observe(struct sched_core *core, struct sched_entity *entity, enum sched_event event) {
    struct cpu *cpu = container_of(core, struct cpu, sched);
    const struct vcpu *vcpu = container_of(entity, struct vcpu, entity);

    switch (event) {
    case SCHED_ACTIVATION:
        trace_write(cpu, TRACE_ACTIVATION, vcpu, (uint32_t)MIN(entity->remaining, (uint64_t)UINT32_MAX),
                    entity->release);
        return;
    case SCHED_EXHAUSTED: trace_write(cpu, TRACE_EXHAUSTED, vcpu, 0, sched_eligible_at(entity, 0)); return;
    case SCHED_MISS: trace_write(cpu, TRACE_MISS, vcpu, core->behind, entity->release + entity->deadline); return;
    }
}

// ---- on and off -------------------------------------------------------------------------------------------

void trace_follow(struct cpu *cpu) {
    struct trace_ring *ring = cpu->trace;

    if (ring == NULL || __atomic_load_n(&ring->wanted, __ATOMIC_RELAXED) == trace_is_on(cpu)) { return; }
    if (trace_is_on(cpu)) {
        trace_write(cpu, TRACE_OFF, NULL, 0, 0);
        cpu->todo &= ~(uint32_t)TODO_TRACE;
        cpu->sched.observe = NULL;
        return;
    }
    ring->running = NULL;
    ring->deadline = 0; // of nobody: the next decision is recorded whatever it is
    ring->counted = NULL;
    trace_write(cpu, TRACE_ON, NULL, 0, 0);
    cpu->todo |= TODO_TRACE | TODO_DISPATCH;
    cpu->sched.observe = observe;
}

int trace_init(const struct system_desc *desc) {
    uint32_t records = 1;

    if (desc->trace_records == 0) { return OK; }
    while (records < desc->trace_records) { records *= 2; }
    for (unsigned i = 0; i < cpu_count; i++) {
        struct trace_ring *ring = memory_alloc(sizeof(*ring) + records * sizeof(ring->records[0]));
        if (ring == NULL) { return ERR_NO_MEMORY; }
        ring->mask = records - 1;
        ring->wanted = desc->trace;
        cpus[i]->trace = ring;
        trace_follow(cpus[i]);
    }
    return OK;
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
