// SPDX-License-Identifier: Apache-2.0
// The life of a VM: loading, running, every way to end, what policy makes of it, and what it leaves behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/core_check.h"

// V has VCPUs on both cores and an image; W is a reservation beside V's first VCPU; X is best effort there.
enum { V, W, X, VMS, LOADED = 50000000 };
#define IMAGE_SIZE 10000
#define INITRD_GPA (WORLD_RAM_GPA + 0x40000)

static unsigned char image[IMAGE_SIZE];
static const char initrd[] = "an initrd";

static int setup(void **state) {
    struct vm_desc *vm;

    (void)state;
    world_reset(2);
    world.check = world_check;
    for (unsigned i = 0; i < IMAGE_SIZE; i++) { image[i] = (unsigned char)(i * 7 + 1); }
    vm = world_vm("v");
    world_best_effort(vm, 0);
    world_best_effort(vm, 1);
    vm->kernel = (struct blob){image, IMAGE_SIZE};
    vm->segments[0].size = IMAGE_SIZE;
    vm->initrd = (struct blob){initrd, sizeof(initrd)};
    vm->initrd_gpa = INITRD_GPA;
    world_reserved(world_vm("w"), 0, 200, 1000, 1000);
    world_best_effort(world_vm("x"), 0);
    world_create();
    host_cpu = cpus[0];
    return 0;
}

static struct vcpu *vcpu(unsigned vm) { return vms[vm]->vcpus[0]; }

static void until_state(unsigned vm, enum vm_state state) {
    uint64_t limit = host_clock + LOADED;

    while (vms[vm]->state != state) {
        WORLD_ASSERT(host_clock < limit);
        core_run(host_clock + US(10));
    }
}

static void until_current(const struct vcpu *wanted) {
    uint64_t limit = host_clock + LOADED;

    while (wanted->cpu->current != wanted) {
        WORLD_ASSERT(host_clock < limit);
        core_run(host_clock + US(10));
    }
}

static void boot(unsigned vm) {
    host_cpu = cpus[0];
    assert_int_equal(vm_start(vms[vm]), OK);
    until_state(vm, VM_RUNNING);
    until_current(vcpu(vm));
}

static void guest_ends(unsigned vm, enum vm_end how) {
    until_current(vcpu(vm));
    guest_end(vcpu(vm), how);
}

static unsigned char *ram(unsigned vm, gpa_t gpa) {
    return (unsigned char *)model_ram(vms[vm]->memory[0].pa) + (gpa - WORLD_RAM_GPA);
}

// ---- loading ----------------------------------------------------------------------------------------------

static void a_start_loads_and_enters(void **state) {
    (void)state;
    assert_int_equal(vm_start(vms[V]), OK);
    assert_int_equal(vms[V]->state, VM_LOADING);
    until_state(V, VM_RUNNING);
    until_current(vcpu(V));
    assert_true(vcpu(V)->arch.regs.elr == WORLD_RAM_GPA);
    assert_true(vcpu(V)->arch.regs.x[0] == vms[V]->desc->dtb_gpa);
    assert_false(vms[V]->vcpus[1]->on);
    assert_int_equal(vms[V]->running_vcpus, 1);
    assert_int_equal(vms[V]->end, VM_END_NONE);
    assert_int_equal(vms[V]->stats.starts, 1);
    assert_int_equal(world.resets, 1);
    assert_memory_equal(ram(V, WORLD_RAM_GPA), image, IMAGE_SIZE);
    assert_memory_equal(ram(V, INITRD_GPA), initrd, sizeof(initrd));
    assert_int_equal(ram(V, vms[V]->desc->dtb_gpa)[0], 0xd0);
    assert_int_equal(ram(V, vms[V]->desc->dtb_gpa)[15], 0x5a);
    assert_int_equal(ram(V, vms[V]->desc->dtb_gpa)[16], 0);
}

static void a_restart_leaves_nothing_of_the_former_life(void **state) {
    paddr_t pa;

    (void)state;
    boot(V);
    pa = vms[V]->memory[0].pa;
    memset(ram(V, WORLD_RAM_GPA), 0xee, WORLD_RAM_SIZE);
    guest_ends(V, VM_END_RESET);
    until_state(V, VM_LOADING);
    until_state(V, VM_RUNNING);
    assert_true(vms[V]->memory[0].pa == pa);
    assert_memory_equal(ram(V, WORLD_RAM_GPA), image, IMAGE_SIZE);
    for (unsigned i = 0; i < WORLD_RAM_SIZE; i++) {
        assert_int_not_equal(ram(V, WORLD_RAM_GPA)[i] == 0xee && i >= IMAGE_SIZE, 1);
    }
    // A guest that starts with its caches off reads and fetches the same.
    for (unsigned i = 0; i < WORLD_RAM_SIZE; i += 61) {
        assert_int_equal(model_read_uncached(pa + i), ram(V, WORLD_RAM_GPA)[i]);
        assert_int_equal(model_fetch(pa + i), ram(V, WORLD_RAM_GPA)[i]);
    }
    assert_int_equal(world.resets, 2);
}

static void loading_delays_no_reservation(void **state) {
    struct vcpu *w;

    (void)state;
    w = world_on(W, 0);
    host_cpu = cpus[0];
    assert_int_equal(vm_start(vms[V]), OK);
    for (unsigned i = 1; vms[V]->state != VM_RUNNING; i++) {
        uint64_t wake = host_clock + US(1000);
        guest_sleep(w, wake);
        core_run(wake);
        assert_true(guest_of(w)->taken_at == wake);
        assert_int_equal(guest_of(w)->taken[TIMER_IRQ], i);
    }
    assert_true(w->entity.stats.misses[SCHED_MISS_DISPATCH] == 0);
}

static void what_does_not_fit_is_not_started(void **state) {
    (void)state;
    world.system.vms[V].segments[0].gpa = WORLD_RAM_GPA + WORLD_RAM_SIZE - 4096;
    assert_int_equal(vm_start(vms[V]), OK);
    until_state(V, VM_STOPPED);
    assert_int_equal(vms[V]->end, VM_END_FAULT);
    assert_non_null(strstr(vms[V]->reason, "cannot be loaded"));
    assert_int_equal(vms[V]->running_vcpus, 0);
}

// ---- ending -----------------------------------------------------------------------------------------------

static void ending_leaves_the_cores_clean(void **state) {
    (void)state;
    boot(V);
    assert_int_equal(guest_cpu_on(vcpu(V), vms[V]->vcpus[1]), OK);
    core_settle();
    vms[V]->vcpus[1]->call_timer.fire = NULL;
    timer_queue_add(&cpus[1]->timers, &vms[V]->vcpus[1]->call_timer, host_clock + LOADED);
    guest_sleep(vms[V]->vcpus[1], host_clock + LOADED);
    guest_ends(V, VM_END_OFF);
    until_state(V, VM_STOPPED);
    core_run(host_clock + US(100));
    for (unsigned i = 0; i < 2; i++) {
        assert_null(cpus[i]->current);
        assert_null(cpus[i]->loaded);
        assert_int_equal(queue_count(&cpus[i]->timers), 0);
        assert_int_equal(cpus[i]->sched.population, 0);
        assert_null(cpus[i]->inbox.head);
        assert_true(world.core[i].timer == OFF);
    }
}

static void the_first_reason_counts(void **state) {
    (void)state;
    boot(V);
    core_enter(0);
    vm_end(vms[V], VM_END_FAULT, "first %u", 1u);
    vm_end(vms[V], VM_END_OFF, "second");
    core_leave();
    assert_int_equal(vms[V]->end, VM_END_FAULT);
    assert_string_equal(vms[V]->reason, "first 1");
    until_state(V, VM_STOPPED);
    assert_string_equal(vms[V]->reason, "first 1");
    assert_int_equal(vms[V]->stats.failures, 1);
}

static void an_end_is_for_running_vms_only(void **state) {
    (void)state;
    vm_end(vms[V], VM_END_FAULT, "stopped");
    assert_int_equal(vms[V]->state, VM_STOPPED);
    assert_int_equal(vm_start(vms[V]), OK);
    vm_end(vms[V], VM_END_FAULT, "loading");
    assert_int_equal(vms[V]->state, VM_LOADING);
    until_state(V, VM_RUNNING);
    assert_string_equal(vms[V]->reason, "");
}

static void the_last_vcpu_that_goes_off_ends_the_vm(void **state) {
    struct vcpu *second;

    (void)state;
    boot(V);
    second = vms[V]->vcpus[1];
    assert_int_equal(guest_cpu_on(vcpu(V), second), OK);
    core_settle();
    guest_off(vcpu(V));
    core_run(host_clock + US(1000));
    assert_int_equal(vms[V]->state, VM_RUNNING);
    assert_ptr_equal(cpus[1]->current, second);
    assert_int_equal(guest_cpu_on(second, vcpu(V)), OK); // the first one may come back
    core_settle();
    until_current(vcpu(V));
    guest_off(vcpu(V));
    guest_off(second);
    until_state(V, VM_STOPPED);
    assert_int_equal(vms[V]->end, VM_END_OFF);
    assert_int_equal(vms[V]->stats.failures, 0);
}

static void nothing_starts_in_a_vm_that_ends(void **state) {
    struct vcpu *second;

    (void)state;
    boot(V);
    second = vms[V]->vcpus[1];
    assert_int_equal(guest_cpu_on(vcpu(V), second), OK);
    core_settle();
    guest_off(vcpu(V));
    core_enter(0); // another core ends it, and before that is known the second VCPU starts the first one
    vm_end(vms[V], VM_END_FAULT, "as the test says");
    core_leave();
    assert_ptr_equal(cpus[1]->current, second);
    core_enter(1);
    assert_int_equal(vcpu_start(vcpu(V), WORLD_RAM_GPA, 0), ERR_BUSY);
    core_leave();
    until_state(V, VM_STOPPED);
    core_run(host_clock + US(1000));
    assert_int_equal(vms[V]->running_vcpus, 0);
    assert_null(cpus[0]->current);
}

// A VM may be ended between being declared running and its first VCPU being started: here by a device's pages.
static unsigned end_at_switch;

void arch_irq_switch(unsigned irq, bool on) {
    (void)irq;
    if (on && end_at_switch != 0) {
        end_at_switch = 0;
        world.claims++;
        vm_end(vms[V], VM_END_STOP, "in between");
    }
}

static void an_end_just_before_the_first_vcpu_is_an_end(void **state) {
    (void)state;
    world.system.vms[V].device_count = 1;
    world.system.vms[V].devices[0].irq_count = 1;
    end_at_switch = 1;
    assert_int_equal(vm_start(vms[V]), OK);
    for (unsigned i = 0; i < 1000 && end_at_switch != 0; i++) { core_run(host_clock + US(10)); }
    assert_int_equal(world.claims, 1);
    if (vms[V]->end == VM_END_STOP) {
        until_state(V, VM_STOPPED);
        assert_string_equal(vms[V]->reason, "in between");
        assert_int_equal(vms[V]->running_vcpus, 0);
    } else { // it was not running yet, so that it could not end
        until_state(V, VM_RUNNING);
    }
    core_run(host_clock + US(1000));
}

// ---- the operator -----------------------------------------------------------------------------------------

static void the_operator_in_every_state(void **state) {
    (void)state;
    assert_int_equal(vm_stop(vms[V]), ERR_BUSY); // stopped
    assert_int_equal(vm_start(vms[V]), OK);
    assert_int_equal(vm_start(vms[V]), ERR_BUSY); // loading
    assert_int_equal(vm_restart(vms[V]), ERR_BUSY);
    until_state(V, VM_RUNNING);
    until_current(vcpu(V));
    host_cpu = cpus[0];
    assert_int_equal(vm_start(vms[V]), ERR_BUSY); // running
    assert_int_equal(guest_cpu_on(vcpu(V), vms[V]->vcpus[1]), OK);
    core_settle();
    host_cpu = cpus[0];
    assert_int_equal(vm_stop(vms[V]), OK);
    assert_int_equal(vms[V]->state, VM_STOPPING);
    assert_int_equal(vm_start(vms[V]), ERR_BUSY); // stopping
    assert_int_equal(vm_stop(vms[V]), OK);        // asked for again
    assert_int_equal(vm_restart(vms[V]), ERR_BUSY);
    until_state(V, VM_STOPPED);
    assert_int_equal(vms[V]->end, VM_END_STOP);
    host_cpu = cpus[0];
    assert_int_equal(vm_restart(vms[V]), OK); // of a stopped VM: a start
    until_state(V, VM_RUNNING);
    until_current(vcpu(V));
    host_cpu = cpus[0];
    assert_int_equal(vm_restart(vms[V]), OK);
    until_state(V, VM_LOADING);
    until_state(V, VM_RUNNING);
    assert_int_equal(vms[V]->stats.starts, 3);
    assert_int_equal(vms[V]->stats.failures, 0);
}

// A stop that comes between two runs is kept.
static void a_vm_that_resets_for_ever_can_be_stopped(void **state) {
    (void)state;
    assert_int_equal(vm_start(vms[V]), OK);
    assert_int_equal(vm_stop(vms[V]), OK); // loading
    until_state(V, VM_STOPPED);
    assert_int_equal(vms[V]->end, VM_END_STOP);
    assert_int_equal(vms[V]->stats.starts, 0);
    host_cpu = cpus[0];
    assert_int_equal(vm_start(vms[V]), OK); // the wish is gone
    until_state(V, VM_RUNNING);
    until_current(vcpu(V));
    host_cpu = vcpu(V)->cpu;
    vm_end(vms[V], VM_END_RESET, "again");
    assert_int_equal(vms[V]->state, VM_STOPPING);
    assert_int_equal(vm_stop(vms[V]), OK);
    until_state(V, VM_STOPPED);
    assert_int_equal(vms[V]->end, VM_END_STOP);
    assert_string_equal(vms[V]->reason, "by the operator");
    assert_int_equal(vms[V]->stats.starts, 1);
}

static void a_vm_is_found_by_its_name(void **state) {
    (void)state;
    assert_ptr_equal(vm_find("w"), vms[W]);
    assert_null(vm_find("nobody"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_start_loads_and_enters, setup),
        cmocka_unit_test_setup(a_restart_leaves_nothing_of_the_former_life, setup),
        cmocka_unit_test_setup(loading_delays_no_reservation, setup),
        cmocka_unit_test_setup(what_does_not_fit_is_not_started, setup),
        cmocka_unit_test_setup(ending_leaves_the_cores_clean, setup),
        cmocka_unit_test_setup(the_first_reason_counts, setup),
        cmocka_unit_test_setup(an_end_is_for_running_vms_only, setup),
        cmocka_unit_test_setup(the_last_vcpu_that_goes_off_ends_the_vm, setup),
        cmocka_unit_test_setup(nothing_starts_in_a_vm_that_ends, setup),
        cmocka_unit_test_setup(an_end_just_before_the_first_vcpu_is_an_end, setup),
        cmocka_unit_test_setup(the_operator_in_every_state, setup),
        cmocka_unit_test_setup(a_vm_that_resets_for_ever_can_be_stopped, setup),
        cmocka_unit_test_setup(a_vm_is_found_by_its_name, setup),
    };
    return cmocka_run_group_tests_name("life of a VM", tests, NULL, NULL);
}
