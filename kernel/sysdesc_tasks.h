// SPDX-License-Identifier: Apache-2.0
// Part `analysis` of the checker, for sysdesc_check.h: guests' tasks inside their reservations, latencies.
#ifndef KERNEL_SYSDESC_TASKS_H
#define KERNEL_SYSDESC_TASKS_H

#include "kernel/sysdesc.h"

struct schema;
struct sysdesc_check;

#if TAKT_ANALYSIS

struct task_node {
    uint32_t wcet_us, deadline_us, period_us;
    uint32_t unused; // of properties that only dtc wants
};
struct task_set { // of the VCPU that is being read
    bool given;   // there is a node
    bool bad;     // with mistakes of its own
    uint32_t count;
    struct task_node node;
    const char *names[SCHED_TASKS_MAX];
    struct sched_task set[SCHED_TASKS_MAX]; // microseconds
};

extern const struct schema sysdesc_tasks_schema; // below a vcpu
#define VCPU_CHILDREN .children = &sysdesc_tasks_schema, .child_count = 1

// A vcpu's node begins; it is over, and these are its tasks.
void sysdesc_begin_tasks(struct sysdesc_check *c);
void sysdesc_check_tasks(struct sysdesc_check *c, struct vcpu_desc *vcpu);
// What latency each VCPU is promised, once all are admitted; and how much memory the guests have, for the planner.
void sysdesc_promise(struct sysdesc_check *c);

#else

#define VCPU_CHILDREN .children = NULL
static inline void sysdesc_begin_tasks(UNUSED struct sysdesc_check *c) {}
static inline void sysdesc_check_tasks(UNUSED struct sysdesc_check *c, UNUSED const struct vcpu_desc *vcpu) {}
static inline void sysdesc_promise(UNUSED struct sysdesc_check *c) {}

#endif
#endif
