// SPDX-License-Identifier: Apache-2.0
// Part `analysis` of the checker: whether the tasks that a guest says it has fit into its reservation, and what latency the
// system as admitted promises to each reserved VCPU.
#include "kernel/sysdesc_reclaim.h"
#include "kernel/sysdesc_schema.h"
#include "sched/latency.h"
#include "sched/latency_reclaim.h"
#include "sched/latency_split.h"
#include "sched/supply.h"

#define FIELD(type, member) .offset = offsetof(struct type, member)

// ---- tasks { task@N { ... }; } ----------------------------------------------------------------------------

enum { TASK_WCET, TASK_DEADLINE, TASK_PERIOD };

static const struct property task_properties[] = {
    [TASK_WCET] = {"wcet-us", CELL, true, FIELD(task_node, wcet_us), .min = 1, .max = PERIOD_US_MAX},
    [TASK_DEADLINE] = {"deadline-us", CELL, false, FIELD(task_node, deadline_us), .min = 1, .max = PERIOD_US_MAX},
    [TASK_PERIOD] = {"period-us", CELL, true, FIELD(task_node, period_us), .min = 1, .max = PERIOD_US_MAX},
    {"reg", CELL, false, FIELD(task_node, unused), .min = 0, .max = UINT32_MAX}, // dtc wants it
};

static const struct property tasks_properties[] = {
    {"#address-cells", CELL, false, FIELD(task_node, unused), .min = 1, .max = 1},
    {"#size-cells", CELL, false, FIELD(task_node, unused), .min = 0, .max = 0},
};

void sysdesc_begin_tasks(struct sysdesc_check *c) { c->tasks = (struct task_set){0}; }

static void *enter_tasks(struct sysdesc_check *c) {
    c->tasks.given = true;
    return &c->tasks.node;
}

static void *enter_task(struct sysdesc_check *c) {
    c->tasks.node = (struct task_node){0};
    if (c->tasks.count == SCHED_TASKS_MAX) {
        sysdesc_mistake(c, NULL, "describe several of them as one", "more than %u tasks", SCHED_TASKS_MAX);
        c->tasks.bad = true;
        return NULL;
    }
    c->tasks.names[c->tasks.count] = c->tree.name;
    return &c->tasks.node;
}

static void leave_task(struct sysdesc_check *c) {
    struct task_node *task = &c->tasks.node;

    if ((c->seen & BIT(TASK_DEADLINE)) == 0) { task->deadline_us = task->period_us; }
    if (task->wcet_us == 0 || task->deadline_us == 0 || task->period_us == 0) {
        c->tasks.bad = true; // told
    } else if (task->wcet_us > task->deadline_us) {
        sysdesc_mistake(c, "wcet-us", sysdesc_remedy(c, "at most %u", task->deadline_us), "%u is more than %s, %u",
                        task->wcet_us, (c->seen & BIT(TASK_DEADLINE)) != 0 ? "deadline-us" : "period-us",
                        task->deadline_us);
        c->tasks.bad = true;
    }
    c->tasks.set[c->tasks.count++] = (struct sched_task){task->wcet_us, task->deadline_us, task->period_us};
}

static const struct schema tasks_children[] = {
    {"task@", .properties = task_properties, .property_count = ARRAY_SIZE(task_properties), .enter = enter_task,
     .leave = leave_task},
};
const struct schema sysdesc_tasks_schema = {"tasks",
                                            .properties = tasks_properties,
                                            .property_count = ARRAY_SIZE(tasks_properties),
                                            .children = tasks_children,
                                            .child_count = ARRAY_SIZE(tasks_children),
                                            .enter = enter_tasks};

// ---- inside the reservation -------------------------------------------------------------------------------

// The task whose deadline the instant is.
static const char *task_due(const struct sysdesc_check *c, uint64_t at) {
    uint32_t i = 0;

    while (i + 1 < c->tasks.count &&
           (at < c->tasks.set[i].deadline || (at - c->tasks.set[i].deadline) % c->tasks.set[i].period != 0)) {
        i++;
    }
    return c->tasks.names[i];
}

static void refuse_tasks(struct sysdesc_check *c, const struct sched_task *reservation,
                         const struct sched_verdict *verdict) {
    uint64_t least = sched_supply_least_budget(reservation, c->tasks.set, c->tasks.count);
    const char *remedy = "a shorter period-us of the vcpu, or less to do: no budget-us is enough";

    if (least != 0) { remedy = sysdesc_remedy(c, "budget-us of the vcpu at least %lu", least); }
    if (verdict->outcome == SCHED_UNDECIDED) {
        sysdesc_mistake(c, NULL, remedy, "not decided within %u steps", SCHED_QPA_STEPS_MAX);
        return;
    }
    sysdesc_enter(c, task_due(c, verdict->at));
    sysdesc_mistake(c, NULL, remedy, "within %lu us the tasks can want %lu us, the reservation has %lu us for sure",
                    verdict->at, verdict->demand, verdict->demand - verdict->excess);
}

void sysdesc_check_tasks(struct sysdesc_check *c, struct vcpu_desc *vcpu) {
    size_t outside = c->path_length;
    struct sched_task reservation = {vcpu->budget_us, vcpu->deadline_us, vcpu->period_us};
    struct sched_verdict verdict;

    vcpu->has_tasks = c->tasks.given;
    if (!c->tasks.given || c->tasks.bad) { return; }
    sysdesc_enter(c, "tasks");
    if (c->tasks.count == 0) {
        sysdesc_mistake(c, NULL, "add task@0 { wcet-us = <...>; period-us = <...>; };", "has no task");
    } else if (!vcpu->reserved) {
        sysdesc_mistake(c, NULL, "give the vcpu budget-us and period-us, or remove its tasks",
                        "nothing is promised to a VCPU without a reservation");
    } else if (reservation.budget != 0 && reservation.budget <= reservation.deadline &&
               reservation.deadline <= reservation.period) { // else told
        struct sched_supply supply = sched_supply_waking(&reservation);
        if (sched_supply_fits(&supply, c->tasks.set, c->tasks.count, &verdict) != SCHED_ADMITTED) {
            refuse_tasks(c, &reservation, &verdict);
        }
    }
    sysdesc_leave(c, outside);
}

// ---- latency ----------------------------------------------------------------------------------------------

// Equal ones wait equally long. The core's count of them: it is none of them.
static uint32_t index_of(const struct sched_core_load *load, const struct sched_task *task) {
    uint32_t i = 0;

    while (i < load->task_count && memcmp(&load->tasks[i], task, sizeof(*task)) != 0) { i++; }
    return i;
}

static bool start_latency(const struct sysdesc_check *c, const struct vcpu_desc *vcpu, uint64_t masked,
                          uint64_t *longest) {
    const struct sched_core_load *load = &c->sys->cores[vcpu->placed];
    uint32_t index = index_of(load, &vcpu->task);
    struct sched_latency latency;

#if TAKT_RECLAIM
    if (index < load->task_count && sysdesc_reclaims(c->sys, vcpu->placed)) {
        *longest =
            sched_reclaim_latency(load->tasks, load->task_count, load->sources, load->source_count, masked, index);
        return true;
    }
#endif
    if (index == load->task_count || !sched_start_latency(load->tasks, load->task_count, load->sources,
                                                          load->source_count, masked, index, &latency)) {
        return false;
    }
    *longest = latency.longest;
    return true;
}

static bool is_on(const struct vcpu_desc *vcpu, unsigned core) {
#if TAKT_SPLIT
    if (vcpu->second == core) { return true; }
#endif
    return vcpu->placed == core;
}

// The longest section on a core with interrupts masked: all VCPUs that a VM has there may leave in one.
static uint64_t masked_on(const struct sysdesc_check *c, unsigned core) {
    unsigned most = 1;

    for (unsigned v = 0; v < c->sys->vm_count; v++) {
        const struct vm_desc *vm = &c->sys->vms[v];
        unsigned here = 0;
        for (unsigned i = 0; i < vm->vcpu_count; i++) { here += is_on(&vm->vcpus[i], core); }
        most = MAX(most, here);
    }
    return clock_ns_to_ticks_up(&c->rate, c->sys->masked_ns + (uint64_t)(most - 1) * c->sys->masked_vcpu_ns);
}

static uint64_t latency_of(const struct sysdesc_check *c, const struct vcpu_desc *vcpu) {
    uint64_t masked = masked_on(c, vcpu->placed), longest;
    uint64_t injection =
        clock_ns_to_ticks_up(&c->rate, (uint64_t)c->sys->injection_ns + MIN(c->board->overhead_ns, OVERHEAD_NS_MAX));

#if TAKT_SPLIT
    if (vcpu->second != CORE_AUTO) {
        struct sched_split split = {.load = {&c->sys->cores[vcpu->placed], &c->sys->cores[vcpu->second]},
                                    .migration = clock_ns_to_ticks_up(&c->rate, c->sys->migration_ns)};
        for (unsigned i = 0; i < 2; i++) { split.index[i] = index_of(split.load[i], &vcpu->pieces[i]); }
        return sched_split_latency(&split, MAX(masked, masked_on(c, vcpu->second))) + injection;
    }
#endif
    return start_latency(c, vcpu, masked, &longest) ? longest + injection : 0;
}

void sysdesc_promise(struct sysdesc_check *c) {
    for (unsigned v = 0; v < c->sys->vm_count; v++) {
        const struct vm_desc *vm = &c->sys->vms[v];
        for (unsigned i = 0; i < vm->memory_count; i++) { c->sys->memory_guests += vm->memory[i].size; }
    }
    if (c->sink->count != 0 || c->sys->smt) { return; }
    for (unsigned v = 0; v < c->sys->vm_count; v++) {
        for (unsigned i = 0; i < c->sys->vms[v].vcpu_count; i++) {
            struct vcpu_desc *vcpu = &c->sys->vms[v].vcpus[i];
            if (vcpu->reserved) { vcpu->latency = latency_of(c, vcpu); }
        }
    }
}
