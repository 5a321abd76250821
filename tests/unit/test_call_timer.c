// SPDX-License-Identifier: Apache-2.0
// The hypercall timers on the dispatcher: each expiry once, never early, of several slots; who is woken, as of when; and
// whom they leave alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/core_check.h"

// What the tests' VMs have, all on core 0: A is the urgent reservation, B the slow one, C is best effort, and
// D another reservation.
enum { A, B, C, D, VMS };
enum { FIRST_IRQ = 20, DISTANCE_US = 50 };

static uint64_t start; // of the test, on the clock

static int setup(void **state) {
    static const char *const names[VMS] = {"a", "b", "c", "d"};

    (void)state;
    world_reset(2);
    world.check = world_check;
    for (unsigned i = 0; i < VMS; i++) {
        struct vm_desc *vm = world_vm(names[i]);
        vm->timer_distance_us = DISTANCE_US;
        switch (i) {
        case A: world_reserved(vm, 0, 200, 500, 1000); break;
        case D: world_reserved(vm, 0, 300, 600, 10000); break;
        case B: world_reserved(vm, 0, 3000, 10000, 10000); break;
        default: world_best_effort(vm, 0); break;
        }
    }
    world_create();
    core_run(US(1000));
    start = host_clock;
    return 0;
}

static const struct vcpu *running(void) { return cpus[0]->current; }

static unsigned taken(const struct vcpu *vcpu, unsigned slot) { return guest_of(vcpu)->taken[FIRST_IRQ + slot]; }

// The calls, by the VCPU that runs. Each slot has an interrupt of its own.
static uint64_t set(struct vcpu *vcpu, unsigned slot, uint64_t expiry) {
    uint64_t x[4] = {0, slot, expiry, FIRST_IRQ + slot};

    WORLD_ASSERT(vcpu->cpu->current == vcpu);
    core_enter(0);
    assert_true(call_timer_set(vcpu, x) == TAKT_HC_OK);
    core_leave();
    return x[1];
}

static bool cancel(struct vcpu *vcpu, unsigned slot) {
    uint64_t x[4] = {0, slot};

    core_enter(0);
    assert_true(call_timer_cancel(vcpu, x) == TAKT_HC_OK);
    core_leave();
    return x[1] == 1;
}

static void assert_report(struct vcpu *vcpu, unsigned slot, uint64_t armed, uint64_t fired, uint64_t late) {
    uint64_t x[4] = {0, slot};

    assert_true(call_timer_report(vcpu, x) == TAKT_HC_OK);
    assert_true(x[1] == armed);
    assert_true(x[2] == fired);
    assert_true(x[3] == late);
}

// ---- slots ------------------------------------------------------------------------------------------------

static void each_slot_expires_once_in_its_time(void **state) {
    static const unsigned due_us[TAKT_HC_TIMER_SLOTS] = {700, 100, 900, 300};
    struct vcpu *c = world_on(C, 0);

    (void)state;
    for (unsigned i = 0; i < TAKT_HC_TIMER_SLOTS; i++) { set(c, i, start + US(due_us[i])); }
    assert_int_equal(queue_count(&cpus[0]->timers), 1);
    for (unsigned us = 1; us <= 1000; us++) {
        core_run(start + US(us) - 1);
        for (unsigned i = 0; i < TAKT_HC_TIMER_SLOTS; i++) { assert_int_equal(taken(c, i), due_us[i] < us); }
        core_run(start + US(us));
        for (unsigned i = 0; i < TAKT_HC_TIMER_SLOTS; i++) { assert_int_equal(taken(c, i), due_us[i] <= us); }
    }
    core_run(start + US(50000));
    for (unsigned i = 0; i < TAKT_HC_TIMER_SLOTS; i++) {
        assert_int_equal(taken(c, i), 1);
        assert_report(c, i, 0, start + US(due_us[i]), 0);
        assert_report(c, i, 0, start + US(due_us[i]), 0); // asking changes nothing
    }
}

static void a_report_tells_what_is_left(void **state) {
    struct vcpu *c = world_on(C, 0);

    (void)state;
    set(c, 1, start + US(400));
    guest_wait(c);
    core_run(start + US(100));
    core_interrupt(1, c);
    assert_report(c, 1, start + US(400), 0, 0);
    core_run(start + US(400));
    set(c, 1, start + US(900));
    assert_report(c, 1, start + US(900), start + US(400), 0);
}

static void what_is_due_together_comes_together(void **state) {
    struct vcpu *c = world_on(C, 0);

    (void)state;
    world_on(B, 0);
    core_run(start + US(3100)); // C is not alone, and B has no budget left
    for (unsigned i = 0; i < TAKT_HC_TIMER_SLOTS; i++) { set(c, i, start + US(4000)); }
    uint64_t expiries = cpus[0]->stats.timer.expiries;
    core_run(start + US(4000));
    for (unsigned i = 0; i < TAKT_HC_TIMER_SLOTS; i++) { assert_int_equal(taken(c, i), 1); }
    assert_true(cpus[0]->stats.timer.expiries <= expiries + 2); // the other one: turns of best effort
}

static void the_distance_is_of_all_slots_together(void **state) {
    struct vcpu *c = world_on(C, 0);

    (void)state;
    set(c, 0, start + US(100));
    set(c, 1, start + US(110));
    set(c, 2, start + US(200));
    core_run(start + US(150) - 1);
    assert_int_equal(taken(c, 0), 1);
    assert_int_equal(taken(c, 1), 0);
    core_run(start + US(150));
    assert_int_equal(taken(c, 1), 1);
    assert_report(c, 1, 0, start + US(110), US(40));
    core_run(start + US(200)); // on time again
    assert_int_equal(taken(c, 2), 1);
    assert_report(c, 2, 0, start + US(200), 0);
    assert_true(set(c, 3, start) == start + US(250)); // nor nearer to now
}

static void what_is_cancelled_or_replaced_does_not_come(void **state) {
    struct vcpu *c = world_on(C, 0);

    (void)state;
    set(c, 0, start + US(100));
    set(c, 1, start + US(200));
    set(c, 2, start + US(300));
    assert_true(cancel(c, 0));
    assert_false(cancel(c, 0));
    set(c, 2, start + US(600));
    core_run(start + US(599));
    assert_int_equal(taken(c, 0) + taken(c, 2), 0);
    assert_int_equal(taken(c, 1), 1);
    core_run(start + US(600));
    assert_int_equal(taken(c, 2), 1);
    assert_false(cancel(c, 2));
    assert_int_equal(queue_count(&cpus[0]->timers), 0);
}

// ---- the VCPU that waits ----------------------------------------------------------------------------------

// A's wake-up would get a later deadline than B has: it waits, and is a wake-up of its time all the same.
static void a_wake_up_that_waited_has_the_deadline_of_its_time(void **state) {
    struct vcpu *d, *a = world_on(A, 0);

    (void)state;
    world_on(C, 0);
    set(a, 0, start + US(150));
    set(a, 1, start + US(200));
    guest_wait(a);
    d = world_on(D, 0);
    core_run(start + US(250));
    assert_ptr_equal(running(), d); // its deadline is at 600
    assert_int_equal(a->state, VCPU_BLOCKED);
    guest_sleep(d, start + US(90000));
    assert_ptr_equal(running(), a);
    assert_int_equal(taken(a, 0), 1);
    assert_int_equal(taken(a, 1), 1);
    assert_true(a->entity.release == start + US(150));
    assert_report(a, 0, 0, start + US(150), US(100));
}

// An interrupt that the guest does not take does not wake it, and does not stand in the way of another one.
static void only_what_it_takes_wakes_it(void **state) {
    struct vcpu *c = world_on(C, 0), *a = world_on(A, 0);

    (void)state;
    guest_of(a)->active = BIT(FIRST_IRQ);
    set(a, 0, start + US(300));
    set(a, 1, start + US(600));
    guest_wait(a);
    core_run(start + US(400));
    assert_ptr_equal(running(), c);
    assert_int_equal(a->state, VCPU_BLOCKED);
    core_run(start + US(600));
    assert_ptr_equal(running(), a);
    assert_int_equal(taken(a, 1), 1);
}

static void without_budget_they_wait_for_it(void **state) {
    struct vcpu *a;

    (void)state;
    world_on(B, 0);
    a = world_on(A, 0);
    core_run(start + US(190));
    set(a, 0, start + US(240));
    set(a, 1, start + US(900));
    core_run(start + US(195));
    guest_wait(a);
    core_run(start + US(240));
    assert_int_equal(taken(a, 0), 1); // 5 us are left
    core_run(start + US(245));
    assert_ptr_not_equal(running(), a);
    core_run(start + US(999));
    assert_int_equal(taken(a, 1), 0); // out of its turn: not delivered, and B not interrupted
    core_run(start + US(1000));
    assert_ptr_equal(running(), a);
    assert_int_equal(taken(a, 1), 1);
}

// ---- others -----------------------------------------------------------------------------------------------

static void a_reservation_is_not_interrupted_for_best_effort(void **state) {
    struct vcpu *c = world_on(C, 0), *b;

    (void)state;
    set(c, 0, start + US(100));
    set(c, 1, start + US(500));
    guest_wait(c);
    b = world_on(B, 0);
    world_on(A, 0);
    core_run(start + US(250)); // A has no budget left
    assert_ptr_equal(running(), b);
    uint64_t expiries = cpus[0]->stats.timer.expiries;
    core_run(start + US(990));
    assert_true(cpus[0]->stats.timer.expiries == expiries);
    assert_int_equal(taken(c, 0) + taken(c, 1), 0);
    guest_sleep(b, start + US(90000));
    core_run(start + US(999));
    assert_int_equal(taken(c, 0), 1);
    assert_int_equal(taken(c, 1), 1);
}

static void nothing_is_left_when_it_is_off(void **state) {
    struct vcpu *c = world_on(C, 0), *b = world_on(B, 0);

    (void)state;
    assert_ptr_equal(running(), b);
    set(b, 0, start + US(100));
    set(b, 1, start + US(2000));
    core_run(start + US(150));
    guest_off(b);
    assert_ptr_equal(running(), c);
    assert_int_equal(queue_count(&cpus[0]->timers), 0);
    for (unsigned i = 0; i < TAKT_HC_TIMER_SLOTS; i++) { assert_report(b, i, 0, 0, 0); }
}

// The expiry finds that the VM is to end.
static void an_end_that_the_expiry_meets(void **state) {
    struct vcpu *a = world_on(A, 0);

    (void)state;
    world_on(C, 0);
    for (unsigned i = 0; i < TAKT_HC_TIMER_SLOTS; i++) { set(a, i, start + US(100 + 100 * i)); }
    guest_wait(a);
    a->stop = true;
    uint64_t wakeups = a->stats.wakeups;
    core_run(start + US(1000));
    assert_int_equal(a->state, VCPU_OFF);
    assert_true(a->stats.wakeups == wakeups);
    assert_int_equal(a->vm->running_vcpus, 0);
    assert_false(timer_queue_queued(&a->call_timer));
}

#define TEST(f) cmocka_unit_test_setup(f, setup)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_slot_expires_once_in_its_time),
        TEST(a_report_tells_what_is_left),
        TEST(what_is_due_together_comes_together),
        TEST(the_distance_is_of_all_slots_together),
        TEST(what_is_cancelled_or_replaced_does_not_come),
        TEST(a_wake_up_that_waited_has_the_deadline_of_its_time),
        TEST(only_what_it_takes_wakes_it),
        TEST(without_budget_they_wait_for_it),
        TEST(a_reservation_is_not_interrupted_for_best_effort),
        TEST(nothing_is_left_when_it_is_off),
        TEST(an_end_that_the_expiry_meets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
