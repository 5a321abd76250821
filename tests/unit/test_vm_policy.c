// SPDX-License-Identifier: Apache-2.0
// What follows the end of a VM: its restart policy and limit, and what a restart may not change for anybody else.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/core_check.h"

// V restarts by policy, W and X are reservations beside it, Y is best effort there.
enum { V, W, X, Y, VMS, WAIT = 100000000 };

static int setup(void **state) {
    (void)state;
    world_reset(2);
    world.check = world_check;
    world_best_effort(world_vm("v"), 0);
    world_reserved(world_vm("w"), 0, 200, 1000, 1000);
    world_reserved(world_vm("x"), 0, 300, 3000, 3000);
    world_best_effort(world_vm("y"), 0);
    world_create();
    host_cpu = cpus[0];
    return 0;
}

static struct vcpu *vcpu(unsigned vm) { return vms[vm]->vcpus[0]; }

static void until_running(unsigned vm) {
    uint64_t limit = host_clock + WAIT;

    while (vms[vm]->state != VM_RUNNING || vcpu(vm)->cpu->current != vcpu(vm)) {
        WORLD_ASSERT(host_clock < limit);
        core_run(host_clock + US(10));
    }
}

static void start(unsigned vm) {
    host_cpu = cpus[0];
    assert_int_equal(vm_start(vms[vm]), OK);
    until_running(vm);
}

// True: it booted again; false: it stays stopped.
static bool back_after(enum vm_end end) {
    uint64_t starts = vms[V]->stats.starts;

    until_running(V);
    guest_end(vcpu(V), end);
    core_run(host_clock + US(20000));
    if (vms[V]->state == VM_STOPPED) {
        assert_true(vms[V]->stats.starts == starts);
        return false;
    }
    until_running(V);
    assert_true(vms[V]->stats.starts == starts + 1);
    return true;
}

static void the_policy_says_what_follows(void **state) {
    static const struct {
        enum restart_policy policy;
        bool off, fault;
    } rows[] = {{RESTART_NEVER, false, false}, {RESTART_ON_FAILURE, false, true}, {RESTART_ALWAYS, true, true}};

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        setup(state);
        world.system.vms[V].restart = rows[i].policy;
        world.system.vms[V].restart_limit = 10;
        start(V);
        assert_true(back_after(VM_END_RESET));
        assert_int_equal(back_after(VM_END_OFF), rows[i].off);
        if (vms[V]->state == VM_STOPPED) { start(V); }
        assert_int_equal(back_after(VM_END_FAULT), rows[i].fault);
        if (vms[V]->state == VM_STOPPED) { start(V); }
        assert_false(back_after(VM_END_STOP));
        assert_int_equal(vms[V]->stats.failures, 1);
    }
}

static void a_limit_ends_it(void **state) {
    (void)state;
    world.system.vms[V].restart = RESTART_ON_FAILURE;
    world.system.vms[V].restart_limit = 3;
    start(V);
    for (unsigned i = 1; i <= 3; i++) {
        assert_true(back_after(VM_END_FAULT));
        assert_int_equal(vms[V]->restarts, i);
        assert_true(back_after(VM_END_RESET)); // which counts for nothing
        assert_int_equal(vms[V]->restarts, i);
    }
    assert_false(back_after(VM_END_FAULT));
    assert_int_equal(vms[V]->stats.failures, 4);
    start(V); // the operator gives it another go
    assert_int_equal(vms[V]->restarts, 0);
    assert_true(back_after(VM_END_FAULT));
    assert_true(back_after(VM_END_RESTART)); // and so does a restart
    assert_int_equal(vms[V]->restarts, 0);
}

static void all_off_is_powered_off(void **state) {
    (void)state;
    world.system.vms[V].restart = RESTART_ON_FAILURE;
    world.system.vms[V].restart_limit = 3;
    start(V);
    guest_off(vcpu(V));
    core_run(host_clock + US(20000));
    assert_int_equal(vms[V]->state, VM_STOPPED);
    assert_string_equal(vms[V]->reason, "all its VCPUs are off");
}

// ---- the neighbours ---------------------------------------------------------------------------------------

// A server keeps its refills: a VM that resets itself as fast as it can never has more than its budget in any period.
static void a_restart_doubles_no_budget(void **state) {
    enum { PERIOD = 1000000, BUDGET = 200000, HISTORY = 4000 };
    static struct {
        uint64_t at, supplied;
    } history[HISTORY];
    unsigned count = 0;

    (void)state;
    world_on(Y, 0);
    world_on(X, 0);
    start(W);
    for (unsigned round = 0; round < 40; round++) {
        uint64_t used = US(20) + US(13) * (round % 13);
        uint64_t from = vcpu(W)->entity.stats.supplied;
        while (vcpu(W)->entity.stats.supplied - from < used && count < HISTORY) {
            core_run(host_clock + US(20));
            core_enter(0); // so that what ran is accounted
            cpus[0]->todo |= TODO_DISPATCH;
            core_leave();
            history[count].at = host_clock;
            history[count++].supplied = vcpu(W)->entity.stats.supplied;
        }
        until_running(W);
        guest_end(vcpu(W), VM_END_RESET);
        until_running(W);
    }
    assert_true(vms[W]->stats.starts > 20);
    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = i; k < count && history[k].at - history[i].at <= PERIOD; k++) {
            // Any window of a period holds the end of one activation and the begin of the next at most.
            assert_true(history[k].supplied - history[i].supplied <= 2 * BUDGET);
            assert_true(history[k].at - history[i].at > PERIOD - 2 * BUDGET ||
                        history[k].supplied - history[i].supplied <= BUDGET + US(20));
        }
    }
}

static void a_crashing_neighbour_is_not_noticed(void **state) {
    uint64_t wake;

    (void)state;
    world.system.vms[V].restart = RESTART_ALWAYS;
    world.system.vms[V].restart_limit = 1000;
    world_on(Y, 0);
    world_on(W, 0);
    world_on(X, 0);
    host_cpu = cpus[0];
    assert_int_equal(vm_start(vms[V]), OK);
    core_settle();
    for (unsigned i = 0; i < 300; i++) {
        while (cpus[0]->current != vcpu(W)) { core_run(host_clock + US(1)); }
        wake = host_clock + US(700) + US(i);
        guest_sleep(vcpu(W), wake);
        core_run(wake - US(2));
        if (cpus[0]->current == vcpu(V)) { guest_end(vcpu(V), VM_END_FAULT); }
        core_run(wake);
        assert_ptr_equal(cpus[0]->current, vcpu(W));
        assert_true(guest_of(vcpu(W))->taken_at == wake);
    }
    assert_true(vms[V]->stats.failures > 3);
    assert_true(vcpu(W)->entity.stats.misses[SCHED_MISS_DISPATCH] == 0);
    assert_true(vcpu(X)->entity.stats.misses[SCHED_MISS_DISPATCH] == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_policy_says_what_follows, setup),
        cmocka_unit_test_setup(a_limit_ends_it, setup),
        cmocka_unit_test_setup(all_off_is_powered_off, setup),
        cmocka_unit_test_setup(a_restart_doubles_no_budget, setup),
        cmocka_unit_test_setup(a_crashing_neighbour_is_not_noticed, setup),
    };
    return cmocka_run_group_tests_name("restart policy", tests, NULL, NULL);
}
