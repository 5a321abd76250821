// SPDX-License-Identifier: Apache-2.0
// Five VMs on two cores of core_world.h, and the means to change them: for the tests of part `control`. One program includes it once.
#ifndef TEST_CONTROL_WORLD_H
#define TEST_CONTROL_WORLD_H

#include "tests/unit/test_sched_support.h"

#include "kernel/control_plan.h"
#include "tests/unit/core_check.h"

enum { A, B, C, D, FULL, VMS };

static inline void describe_load(void) {
    struct system_desc *system = &world.system;

    system->masked_ns = 3000;
    system->injection_ns = 1500;
    for (unsigned v = 0; v < system->vm_count; v++) {
        struct vm_desc *vm = &system->vms[v];
        for (unsigned i = 0; i < vm->vcpu_count && !vm->on_demand; i++) {
            struct sched_request request = {.weight = vm->vcpus[i].weight, .vm = v};
            placement_enter(&system->cores[vm->vcpus[i].placed], &request, &vm->vcpus[i].task);
        }
    }
}

static inline int setup(void **state) {
    static const char *const names[VMS] = {"a", "b", "c", "d", "full"};

    (void)state;
    world_reset(2);
    world.check = world_check;
    for (unsigned i = 0; i < VMS; i++) {
        struct vm_desc *vm = world_vm(names[i]);
        vm->restart = RESTART_ALWAYS;
        if (i == A) { world_reserved(vm, 0, 200, 500, 1000); }
        if (i == B) { world_reserved(vm, 0, 3000, 10000, 10000); }
        if (i == C) { world_best_effort(vm, 0); }
        if (i == D) { world_reserved(vm, 0, 5000, 9000, 10000); }
        vm->vcpus[0].core = CORE_AUTO;
        if (i == FULL) { world_reserved(vm, 1, 10000, 10000, 10000); } // nobody else has a moment there
        vm->on_demand = i >= D;
    }
    describe_load();
    world_create();
    host_in_handler = true;
    if (control_init(&world.board, &world.system) != OK) { abort(); }
    host_in_handler = false;
    core_run(US(3000));
    world_on(A, 0);
    world_on(B, 0);
    world_on(C, 0);
    return 0;
}

static inline int try_to_ask(const struct control_request *request) {
    core_enter(0);
    int status = control_ask(request);
    core_leave();
    return status;
}

static inline void submit(struct control_request request) { assert_int_equal(try_to_ask(&request), OK); }

// Until it is decided and done; guests go on meanwhile.
static inline bool decided(void) {
    uint64_t done = control->stats.done, limit = host_clock + US(100000);

    while (control->stage != NULL && host_clock < limit) { core_run(host_clock + US(50)); }
    assert_null(control->stage);
    return control->stats.done > done;
}

static inline bool ask(struct control_request request) {
    submit(request);
    return decided();
}

static inline bool reserve(unsigned vm, uint32_t budget, uint32_t deadline, uint32_t period) {
    return ask((struct control_request){.operation = CONTROL_RESERVE,
                                        .vm = (uint8_t)vm,
                                        .budget_us = budget,
                                        .deadline_us = deadline,
                                        .period_us = period});
}

static inline bool move(unsigned vm, unsigned core) {
    return ask((struct control_request){.operation = CONTROL_MOVE, .vm = (uint8_t)vm, .core = (uint8_t)core});
}

static inline bool create(unsigned vm) {
    return ask((struct control_request){.operation = CONTROL_CREATE, .vm = (uint8_t)vm});
}

static inline bool destroy(unsigned vm) {
    return ask((struct control_request){.operation = CONTROL_DESTROY, .vm = (uint8_t)vm});
}

static inline struct vcpu *vcpu_of(unsigned vm) { return vms[vm]->vcpus[0]; }

static inline void nobody_missed(void) {
    for (unsigned i = 0; i < VMS; i++) { assert_int_equal(vcpu_of(i)->entity.stats.misses[SCHED_MISS_DISPATCH], 0); }
}

// What the loads, the descriptions and the entities say is the same.
static inline void all_agrees(void) {
    for (unsigned core = 0; core < cpu_count; core++) {
        const struct sched_core_load *load = &world.system.cores[core];
        unsigned members = 0, tasks = 0;
        for (unsigned i = 0; i < VMS; i++) {
            const struct vcpu_desc *desc = &world.system.vms[i].vcpus[0];
            const struct sched_entity *entity = &vcpu_of(i)->entity;
            if (vms[i]->absent || desc->placed != core) { continue; }
            members++;
            tasks += desc->reserved;
            assert_ptr_equal(vcpu_of(i)->cpu, cpus[core]);
            if (!desc->reserved) { continue; }
            assert_true(desc->task.budget == entity->budget && desc->task.deadline == entity->deadline &&
                        desc->task.period == entity->period);
            assert_true(desc->latency == vcpu_of(i)->promise.latency || desc->latency == 0);
        }
        assert_int_equal(load->member_count, members);
        assert_int_equal(load->task_count, tasks);
    }
}

#endif
