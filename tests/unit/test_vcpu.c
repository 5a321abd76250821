// SPDX-License-Identifier: Apache-2.0
// VCPUs that wait, are kicked from their own and from other cores, start and leave.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/core_check.h"

// Core 0: A, the urgent reservation, B, the slow one, and best-effort C. Core 1: best-effort D. E is C's second VCPU.
enum { A, B, C, D, VMS, SECOND = 1, FULL_VMS = 4 };

static uint64_t start; // of the test, on the clock

static int setup(void **state) {
    struct vm_desc *vm;

    (void)state;
    world_reset(2);
    world.check = world_check;
    world_reserved(world_vm("a"), 0, 200, 500, 1000);
    world_reserved(world_vm("b"), 0, 3000, 10000, 10000);
    vm = world_vm("c");
    world_best_effort(vm, 0);
    world_best_effort(vm, 1);
    world_best_effort(world_vm("d"), 1);
    world_create();
    start = host_clock;
    return 0;
}

static const struct vcpu *running(unsigned core) { return cpus[core]->current; }

// ---- waiting and waking -----------------------------------------------------------------------------------

static void waiting_with_an_interrupt_pending_is_no_waiting(void **state) {
    struct vcpu *c, *a;

    (void)state;
    c = world_on(C, 0);
    a = world_on(A, 0);
    guest_of(a)->deaf = true;
    core_interrupt(0, a);
    guest_wait(a);
    assert_ptr_equal(running(0), a);
    assert_int_equal(a->state, VCPU_READY);
    assert_int_equal(guest_of(c)->taken[OTHER_IRQ], 0);
}

static void a_kick_on_its_own_core_wakes_at_once(void **state) {
    struct vcpu *a, *c;

    (void)state;
    c = world_on(C, 0);
    a = world_on(A, 0);
    guest_wait(a);
    core_run(start + US(600));
    assert_ptr_equal(running(0), c);
    core_interrupt(0, a);
    assert_ptr_equal(running(0), a);
    assert_true(a->entity.release == start + US(600));
    assert_int_equal(guest_of(a)->taken[OTHER_IRQ], 1);
    assert_true(a->stats.wakeups == 1);
    assert_int_equal(world.core[0].ipis, 0);
    assert_true(c->entity.stats.supplied == US(600));
}

static void a_kick_of_the_vcpu_that_runs_reaches_its_interrupts(void **state) {
    struct vcpu *a;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    core_interrupt(0, a);
    assert_int_equal(guest_of(a)->taken[OTHER_IRQ], 1);
    core_interrupt(1, a);
    assert_int_equal(world.core[0].ipis, 1);
    core_settle();
    assert_int_equal(guest_of(a)->taken[OTHER_IRQ], 2);
}

static void a_kick_of_a_preempted_vcpu_waits_for_its_turn(void **state) {
    struct vcpu *a, *b;

    (void)state;
    b = world_on(B, 0);
    a = world_on(A, 0);
    core_interrupt(0, b);
    core_interrupt(1, b);
    assert_ptr_equal(running(0), a);
    assert_int_equal(world.core[0].ipis, 0);
    core_run(start + US(250));
    assert_ptr_equal(running(0), b);
    assert_int_equal(guest_of(b)->taken[OTHER_IRQ], 1); // both are one: an edge
}

static void time_without_the_core_is_stolen(void **state) {
    struct vcpu *b, *a;

    (void)state;
    b = world_on(B, 0);
    core_run(start + US(100));
    assert_true(b->stolen == 0);
    a = world_on(A, 0);
    core_run(start + US(300));
    assert_ptr_equal(running(0), b);
    assert_true(b->stolen == US(200));
    guest_sleep(b, start + US(800)); // waiting is not
    core_run(start + US(900));
    assert_true(b->stolen == US(200));
    assert_true(a->stolen == 0);
}

// ---- from core to core ------------------------------------------------------------------------------------

static void an_idle_core_is_interrupted_for_anybody(void **state) {
    struct vcpu *c, *d;

    (void)state;
    d = world_on(D, 0);
    world_on(B, 0);
    c = world_on(C, 0);
    core_run(start + US(3000));
    assert_ptr_equal(running(0), c);
    guest_wait(c);
    assert_null(running(0));
    core_enter(1);
    arch_vcpu_inject(c, OTHER_IRQ);
    core_leave();
    assert_ptr_equal(running(1), d);
    assert_int_equal(world.core[0].ipis, 1);
    core_settle();
    assert_ptr_equal(running(0), c);
    assert_int_equal(guest_of(c)->taken[OTHER_IRQ], 1);
}

static void a_reservation_is_interrupted_for_earlier_deadlines_only(void **state) {
    struct vcpu *a, *b, *c;

    (void)state;
    c = world_on(C, 0);
    a = world_on(A, 0);
    guest_wait(a);
    guest_wait(c);
    b = world_on(B, 0);
    assert_ptr_equal(running(0), b);
    core_interrupt(1, c); // best effort: a bit
    assert_int_equal(world.core[0].ipis, 0);
    assert_true(cpus[0]->todo_remote == TODO_INBOX);
    core_run(start + US(100));
    assert_int_equal(c->state, VCPU_BLOCKED);
    core_interrupt(1, a); // would preempt: an interrupt, for both
    assert_int_equal(world.core[0].ipis, 1);
    core_settle();
    assert_ptr_equal(running(0), a);
    assert_int_equal(c->state, VCPU_READY);
    assert_true(a->entity.release == start + US(100));
}

static void a_bit_is_seen_when_the_reservation_waits(void **state) {
    struct vcpu *b, *c;

    (void)state;
    c = world_on(C, 0);
    guest_wait(c); // untrapped: it owns the core
    b = world_on(B, 0);
    guest_wait(b);
    guest_wait(c);
    core_interrupt(0, b);
    assert_ptr_equal(running(0), b);
    core_interrupt(1, c);
    assert_int_equal(world.core[0].ipis, 0);
    guest_wait(b);
    assert_ptr_equal(running(0), c);
    assert_int_equal(guest_of(c)->taken[OTHER_IRQ], 1);
}

static void a_second_kick_merges(void **state) {
    struct vcpu *a, *b;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    guest_wait(a);
    b = world_on(B, 0);
    guest_wait(b);
    core_interrupt(1, a);
    core_interrupt(1, b);
    core_interrupt(1, a);
    assert_int_equal(world.core[0].ipis, 1);
    assert_true(cpus[1]->stats.ipis_sent == 1);
    assert_true(cpus[1]->stats.ipis_saved == 2);
    core_settle();
    assert_ptr_equal(running(0), a);
    assert_int_equal(b->state, VCPU_READY);
    assert_null(cpus[0]->inbox.head);
    core_interrupt(1, a); // and the next one is a new one
    assert_int_equal(world.core[0].ipis, 2);
}

static void the_inbox_has_room_for_a_whole_core(void **state) {
    static const char *const names[FULL_VMS] = {"p", "q", "r", "s"};

    (void)state;
    world_reset(2);
    world.check = world_check;
    for (unsigned i = 0; i < FULL_VMS; i++) {
        struct vm_desc *vm = world_vm(names[i]);
        for (unsigned n = 0; n < MAX_VCPUS; n++) { world_best_effort(vm, 0); }
    }
    world_create();
    for (unsigned i = 0; i < FULL_VMS * MAX_VCPUS; i++) { world_on(i / MAX_VCPUS, i % MAX_VCPUS); }
    while (running(0) != NULL) { guest_wait(cpus[0]->current); }
    for (unsigned i = 0; i < FULL_VMS * MAX_VCPUS; i++) { core_interrupt(1, vms[i / MAX_VCPUS]->vcpus[i % MAX_VCPUS]); }
    assert_int_equal(world.core[0].ipis, 1);
    core_settle();
    for (unsigned i = 0; i < FULL_VMS * MAX_VCPUS; i++) {
        assert_int_equal(vms[i / MAX_VCPUS]->vcpus[i % MAX_VCPUS]->state, VCPU_READY);
    }
}

// ---- starting and leaving ---------------------------------------------------------------------------------

static void a_vcpu_starts_another_on_its_core(void **state) {
    struct vcpu *c, *e;

    (void)state;
    c = world_on(C, 0);
    world_on(D, 0);
    e = vms[C]->vcpus[SECOND];
    assert_int_equal(guest_cpu_on(c, e), OK);
    assert_true(e->on && e->start_pending);
    assert_int_equal(vms[C]->running_vcpus, 2);
    assert_int_equal(guest_cpu_on(c, e), ERR_BUSY); // on its way
    core_settle();
    assert_int_equal(e->state, VCPU_READY);
    assert_false(e->start_pending);
    assert_true(e->arch.regs.elr == WORLD_RAM_GPA + 0x100 && e->arch.regs.x[0] == 7);
    assert_int_equal(guest_cpu_on(c, e), ERR_BUSY); // on
    assert_int_equal(guest_cpu_on(c, c), ERR_BUSY);
    assert_int_equal(vms[C]->running_vcpus, 2);
}

static void what_left_starts_afresh(void **state) {
    struct vcpu *c, *e;

    (void)state;
    c = world_on(C, 0);
    world_on(D, 0);
    e = vms[C]->vcpus[SECOND];
    assert_int_equal(guest_cpu_on(c, e), OK);
    core_run(start + US(4000));
    while (running(1) != e) { core_run(host_clock + US(500)); }
    guest_of(e)->timer = OFF;
    e->call_timer.fire = NULL;
    timer_queue_add(&cpus[1]->timers, &e->call_timer, host_clock + US(100000));
    guest_off(e);
    assert_int_equal(e->state, VCPU_OFF);
    assert_ptr_not_equal(running(1), e);
    assert_ptr_not_equal(cpus[1]->loaded, e);
    assert_int_equal(queue_count(&cpus[1]->timers), 0);
    assert_int_equal(vms[C]->running_vcpus, 1);
    assert_int_equal(vms[C]->state, VM_RUNNING);
    assert_int_equal(guest_cpu_on(c, e), OK);
    core_settle();
    assert_int_equal(e->state, VCPU_READY);
    assert_true(e->stolen == 0);
}

static void a_kick_of_a_vcpu_that_is_off_does_nothing(void **state) {
    struct vcpu *e;

    (void)state;
    world_on(C, 0);
    e = vms[C]->vcpus[SECOND];
    core_interrupt(0, e);
    core_settle();
    assert_int_equal(e->state, VCPU_OFF);
    assert_null(running(1));
}

// Its core takes the old start off its inbox only after it was told to stop: it must never run.
static void a_start_that_is_stopped_on_its_way_never_runs(void **state) {
    struct vcpu *c, *e;

    (void)state;
    c = world_on(C, 0);
    e = vms[C]->vcpus[SECOND];
    assert_int_equal(guest_cpu_on(c, e), OK);
    guest_end(c, VM_END_OFF);
    assert_int_equal(vms[C]->running_vcpus, 1);
    core_settle();
    assert_int_equal(e->state, VCPU_OFF);
    assert_false(e->start_pending);
    assert_int_equal(vms[C]->running_vcpus, 0);
}

static void a_waiting_vcpu_leaves_with_its_timers(void **state) {
    struct vcpu *a;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    guest_sleep(a, start + US(5000));
    assert_true(timer_queue_queued(&a->guest_timer));
    core_enter(1);
    vm_end(vms[A], VM_END_STOP, "as the test says");
    core_leave();
    core_settle();
    assert_int_equal(a->state, VCPU_OFF);
    assert_false(timer_queue_queued(&a->guest_timer));
    assert_int_equal(queue_count(&cpus[0]->timers), 0);
}

static void what_admission_counted_is_what_is_enforced(void **state) {
    struct vcpu vcpu = {0};
    const struct vcpu_desc desc = {.reserved = true, .task = {US(100) + 1500, US(300), US(500)}};
    const struct vcpu_desc impossible = {.reserved = true, .task = {US(400), US(300), US(500)}};

    (void)state;
    assert_int_equal(vcpu_init(&vcpu, vms[A], 0, &desc, cpus[0]), OK);
    assert_true(vcpu.entity.budget == US(100) + 1500);
    assert_true(vcpu.entity.deadline == US(300) && vcpu.entity.period == US(500));
    assert_true(vcpu_timer_slack(&vcpu) == US(300));
    assert_true(vcpu_timer_slack(vms[C]->vcpus[0]) == TIMER_SLACK_BEST_EFFORT);
    assert_int_equal(vcpu_init(&vcpu, vms[A], 0, &impossible, cpus[0]), ERR_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(waiting_with_an_interrupt_pending_is_no_waiting, setup),
        cmocka_unit_test_setup(a_kick_on_its_own_core_wakes_at_once, setup),
        cmocka_unit_test_setup(a_kick_of_the_vcpu_that_runs_reaches_its_interrupts, setup),
        cmocka_unit_test_setup(a_kick_of_a_preempted_vcpu_waits_for_its_turn, setup),
        cmocka_unit_test_setup(time_without_the_core_is_stolen, setup),
        cmocka_unit_test_setup(an_idle_core_is_interrupted_for_anybody, setup),
        cmocka_unit_test_setup(a_reservation_is_interrupted_for_earlier_deadlines_only, setup),
        cmocka_unit_test_setup(a_bit_is_seen_when_the_reservation_waits, setup),
        cmocka_unit_test_setup(a_second_kick_merges, setup),
        cmocka_unit_test_setup(the_inbox_has_room_for_a_whole_core, setup),
        cmocka_unit_test_setup(a_vcpu_starts_another_on_its_core, setup),
        cmocka_unit_test_setup(what_left_starts_afresh, setup),
        cmocka_unit_test_setup(a_kick_of_a_vcpu_that_is_off_does_nothing, setup),
        cmocka_unit_test_setup(a_start_that_is_stopped_on_its_way_never_runs, setup),
        cmocka_unit_test_setup(a_waiting_vcpu_leaves_with_its_timers, setup),
        cmocka_unit_test_setup(what_admission_counted_is_what_is_enforced, setup),
    };
    return cmocka_run_group_tests_name("vcpu", tests, NULL, NULL);
}
