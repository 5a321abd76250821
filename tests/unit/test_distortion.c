// SPDX-License-Identifier: Apache-2.0
// What must not be taken for lost time, or for lateness.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/core_check.h"

enum { A, B, C };

static uint64_t start;

static int setup(void **state) {
    (void)state;
    world_reset(2);
    world_reserved(world_vm("a"), 0, 200, 500, 1000);
    world_reserved(world_vm("b"), 0, 3000, 10000, 10000);
    world_best_effort(world_vm("c"), 0);
    world_create();
    start = host_clock;
    return 0;
}

static void fired(struct timer_event *event, uint64_t now) {
    (void)now;
    arch_vcpu_inject(container_of(event, struct vcpu, call_timer), OTHER_IRQ);
}

// The hypervisor itself armed the timer to a moment that had passed: nobody lost any time.
static void an_own_event_that_waited_is_no_distortion(void **state) {
    struct vcpu *b;

    (void)state;
    world_on(C, 0);
    b = world_on(B, 0);
    core_enter(0);
    b->call_timer.fire = fired;
    b->call_timer.slack = 0;
    timer_queue_add(&cpus[0]->timers, &b->call_timer, start + US(60));
    cpus[0]->todo |= TODO_DISPATCH;
    core_leave();
    core_run(start + US(50));
    world_on(A, 0);
    core_run(start + US(400));
    assert_ptr_equal(cpus[0]->current, b);
    assert_int_equal(guest_of(b)->taken[OTHER_IRQ], 1);
    assert_true(guest_of(b)->taken_at == start + US(250));
    assert_true(cpus[0]->stats.timer.late_max == 0);
    assert_true(cpus[0]->sched.distortions == 0);
}

// Its handler was preempted before it reprogrammed the timer: that expiry had reached it long before.
static void one_expiry_is_one_sample_of_lateness(void **state) {
    struct vcpu *a;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    guest_sleep(a, start + US(100));
    guest_of(a)->keeps = true;
    core_run(start + US(1250));
    assert_ptr_equal(cpus[0]->current, a);
    guest_of(a)->timer = OFF;
    guest_of(a)->active = 0;
    guest_wait(a);
    assert_int_equal(guest_of(a)->taken[TIMER_IRQ], 1);
    assert_true(a->stats.lateness.count == 1);
    assert_true(a->stats.lateness.max == 0);
}

// The machine stopped the core in the middle of a handler that decides more than once: it lost time once.
static void one_loss_is_one_distortion(void **state) {
    (void)state;
    world_on(C, 0);
    core_enter(0);
    uint64_t lost = host_clock + 2 * cpus[0]->late_limit;
    cpu_check_time(cpus[0], lost);
    cpu_check_time(cpus[0], lost + 1);
    assert_true(cpus[0]->sched.distortions == 1);
    cpu_check_time(cpus[0], lost + 2 + cpus[0]->late_limit);
    assert_true(cpus[0]->sched.distortions == 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_own_event_that_waited_is_no_distortion, setup),
        cmocka_unit_test_setup(one_expiry_is_one_sample_of_lateness, setup),
        cmocka_unit_test_setup(one_loss_is_one_distortion, setup),
    };
    return cmocka_run_group_tests_name("distortion", tests, NULL, NULL);
}
