// SPDX-License-Identifier: Apache-2.0
// The latency that was promised, held against the wake-ups of VCPUs on the machine of core_world.h: kept when the constants
// are true, a breach when one lies or interrupts are masked too long, excused when the machine lost the time. All of it for
// a timer that the hardware has while the VCPU runs, and for one that is emulated (a local APIC's) and always an event.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/promise.h"
#include "sched/latency.h"
#include "tests/unit/core_check.h"

enum { A, B, C, OWN = 0, LOST = 1, INJECTION_NS = 4000, MASKED_NS = 10000 };

static const struct sched_task tasks[] = {{US(200), US(500), US(1000)}, {US(3000), US(10000), US(10000)}};
static uint64_t start, log_start;
static char log_text[65536];

static int setup(void **state) {
    (void)state;
    world_reset(1);
    world.check = world_check;
    world_reserved(world_vm("a"), 0, 200, 500, 1000);
    world_reserved(world_vm("b"), 0, 3000, 10000, 10000);
    world_best_effort(world_vm("c"), 0);
    for (unsigned i = A; i <= B; i++) {
        struct sched_latency latency;
        assert_true(sched_start_latency(tasks, 2, NULL, 0, MASKED_NS, i, &latency));
        world.system.vms[i].vcpus[0].latency = latency.longest + INJECTION_NS;
    }
    world_create();
    start = host_clock;
    while (log_read(&log_start, log_text, sizeof(log_text)) != 0) {}
    return 0;
}

static int setup_emulated(void **state) {
    setup(state);
    world.emulated = true;
    return 0;
}

static unsigned times_logged(const char *text) {
    uint64_t cursor = log_start;
    unsigned count = 0;

    log_text[log_read(&cursor, log_text, sizeof(log_text) - 1)] = '\0';
    for (const char *at = log_text; (at = strstr(at, text)) != NULL; at++) { count++; }
    return count;
}

// `a` sleeps until then and is back; whoever else wants the core has it meanwhile.
static void sleep_and_run(struct vcpu *vcpu, uint64_t until, uint64_t later) {
    guest_sleep(vcpu, until);
    core_run(later);
    guest_wait(vcpu); // what was late is counted when it leaves
}

static void assert_promise(const struct vcpu *vcpu, uint64_t checked, uint64_t own, uint64_t lost) {
    assert_int_equal(vcpu->promise.checked, checked);
    assert_int_equal(vcpu->promise.breaches[OWN], own);
    assert_int_equal(vcpu->promise.breaches[LOST], lost);
}

static void true_constants_are_kept(void **state) {
    struct vcpu *a, *b;

    (void)state;
    world_on(C, 0);
    b = world_on(B, 0);
    a = world_on(A, 0);
    world.cost.inject = INJECTION_NS / 2;
    for (unsigned i = 1; i <= 50; i++) {
        uint64_t now = start + i * US(1000);
        guest_sleep(a, now + US(i)); // b has the core then, or is preempted
        core_run(now + US(i) + US(5));
        assert_ptr_equal(cpus[0]->current, a);
    }
    guest_wait(a);
    core_run(host_clock + US(20)); // and b is back in its own time
    assert_promise(a, 50, 0, 0);
    assert_promise(b, 0, 0, 0);
    assert_int_equal(times_logged("later than its promise"), 0);
}

static void an_injection_that_takes_longer_than_the_board_says_is_a_breach(void **state) {
    struct vcpu *a;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    a->promise.latency = MASKED_NS + INJECTION_NS; // as nobody else is admitted
    uint64_t promised = a->promise.latency;
    world.cost.inject = cpus[0]->stats.masked_max = promised + 1;
    sleep_and_run(a, start + US(2000), start + US(2050));
    assert_promise(a, 1, 1, 0);
    assert_int_equal(a->promise.worst, 1);
    assert_int_equal(times_logged("a: vcpu 0: a timer came 0.001 us later than its promise of"), 1);
    assert_int_equal(times_logged("by no fault of the machine that is known"), 1);
    core_interrupt(0, a);
    guest_sleep(a, start + US(4000)); // counted each time, said once
    core_run(start + US(4050));
    guest_wait(a);
    assert_promise(a, 2, 2, 0);
    assert_int_equal(times_logged("later than its promise"), 1);
}

// Too little for the scheduler to call it lost time, but later than any masked section was long.
static void a_timer_interrupt_that_comes_late_is_the_machine_s(void **state) {
    struct vcpu *a;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    a->promise.latency = MASKED_NS + INJECTION_NS;
    cpus[0]->stats.masked_max = MASKED_NS;
    guest_sleep(a, start + US(3000));
    core_run(start + US(2999));
    world.late = US(40);
    core_run(start + US(3060));
    guest_wait(a);
    assert_int_equal(cpus[0]->sched.distortions, 0);
    assert_promise(a, 1, 0, 1);
    assert_int_equal(a->promise.worst, US(40) - MASKED_NS - INJECTION_NS);
}

// Somebody else's handler keeps interrupts masked for so long, from before the expiry on.
static void mask(struct vcpu *a, uint64_t length) {
    guest_sleep(a, start + US(2000));
    core_run(start + US(1999));
    core_enter(0);
    host_clock += length;
    cpu_note_masked(cpus[0], host_clock);
    core_leave();
    core_run(start + US(2100));
    guest_wait(a);
}

static void a_section_masked_for_too_long_is_a_breach(void **state) {
    struct vcpu *a;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    a->promise.latency = MASKED_NS + INJECTION_NS; // as nobody else is admitted
    mask(a, US(60));
    assert_promise(a, 1, 1, 0);
    assert_int_equal(a->promise.worst, US(59) - MASKED_NS - INJECTION_NS);
}

static void one_within_the_board_s_constant_is_none(void **state) {
    struct vcpu *a;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    a->promise.latency = MASKED_NS + INJECTION_NS;
    mask(a, MASKED_NS);
    assert_promise(a, 1, 0, 0);
}

static void what_the_machine_lost_is_counted_apart(void **state) {
    struct vcpu *a;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    a->promise.latency = MASKED_NS + INJECTION_NS;
    mask(a, US(300));
    assert_int_equal(cpus[0]->sched.distortions, 1);
    assert_promise(a, 1, 0, 1);
    assert_int_equal(times_logged("after the machine lost time"), 1);
    core_interrupt(0, a); // the next one is its own again
    guest_sleep(a, start + US(4000));
    world.cost.inject = cpus[0]->stats.masked_max = US(40);
    core_run(start + US(4050));
    guest_wait(a);
    assert_promise(a, 2, 1, 1);
    assert_int_equal(times_logged("later than its promise"), 2);
}

// Its timer expires when it has no budget: the time until there is some is not held against the promise, the rest is.
static void a_wait_for_budget_is_no_breach(void **state) {
    struct vcpu *a;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    core_run(start + US(199));
    host_clock += US(1);
    guest_sleep(a, start + US(210));
    core_run(start + US(1100));
    assert_ptr_equal(cpus[0]->current, a);
    guest_wait(a);
    assert_true(a->stats.lateness.max == US(790));
    assert_promise(a, 1, 0, 0);
}

// It wanted the core anyhow when its timer expired: that is no wake-up.
static void an_expiry_out_of_turn_is_not_checked(void **state) {
    struct vcpu *a, *b;

    (void)state;
    world_on(C, 0);
    b = world_on(B, 0);
    b->promise.latency = US(1);
    guest_set_timer(b, start + US(100));
    a = world_on(A, 0);
    core_run(start + US(300));
    assert_ptr_equal(cpus[0]->current, b);
    guest_wait(b);
    assert_true(b->stats.lateness.max == (world.emulated ? 0 : US(100))); // an event of who runs already
    assert_promise(a, 0, 0, 0);
    assert_promise(b, 0, 0, 0);
}

static void best_effort_is_promised_nothing(void **state) {
    struct vcpu *c;

    (void)state;
    c = world_on(C, 0);
    assert_true(c->promise.latency == UINT64_MAX);
    guest_set_timer(c, start + US(10));
    world_on(A, 0);
    core_run(start + US(400));
    guest_sleep(c, start + US(450));
    core_run(start + US(1300));
    guest_wait(c);
    assert_int_equal(c->promise.breaches[OWN] + c->promise.breaches[LOST], 0);
}

// B's expires while `a` is more urgent, and nobody looks: what it gets is what it would have got at once.
static void who_is_looked_at_late_is_woken_as_of_the_expiry(void **state) {
    struct vcpu *a, *b;

    (void)state;
    b = world_on(B, 0);
    a = world_on(A, 0);
    guest_sleep(a, start + US(1000));
    core_run(start + US(10));
    guest_sleep(b, start + US(1050));
    core_run(start + US(1100));
    assert_ptr_equal(cpus[0]->current, a);
    core_run(start + US(1300)); // its budget has ended
    assert_ptr_equal(cpus[0]->current, b);
    assert_true(b->ready_since == start + US(1050) && b->entity.release == start + US(1050));
    assert_true(cpus[0]->sched.current_deadline == start + US(1050) + US(10000));
    guest_wait(b);
    assert_true(b->stats.lateness.max == US(150));
    assert_promise(b, 1, 0, 0);
}

// Where an interrupt that is not let in does not end a wait, something else does, and how late that is says nothing of us.
static void who_does_not_take_its_timer_was_not_late(void **state) {
    struct vcpu *a;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    guest_of(a)->active = BIT(APIC_IRQ);
    guest_sleep(a, start + US(2000));
    core_run(start + US(5000));
    core_interrupt(0, a);
    core_run(start + US(5010));
    assert_ptr_equal(cpus[0]->current, a);
    guest_wait(a);
    assert_int_equal(a->stats.lateness.count, 0);
    assert_promise(a, 0, 0, 0);
}

#define ALL(setup)                                                                                     \
    cmocka_unit_test_setup(true_constants_are_kept, setup),                                            \
        cmocka_unit_test_setup(an_injection_that_takes_longer_than_the_board_says_is_a_breach, setup), \
        cmocka_unit_test_setup(a_timer_interrupt_that_comes_late_is_the_machine_s, setup),             \
        cmocka_unit_test_setup(a_section_masked_for_too_long_is_a_breach, setup),                      \
        cmocka_unit_test_setup(one_within_the_board_s_constant_is_none, setup),                        \
        cmocka_unit_test_setup(what_the_machine_lost_is_counted_apart, setup),                         \
        cmocka_unit_test_setup(a_wait_for_budget_is_no_breach, setup),                                 \
        cmocka_unit_test_setup(an_expiry_out_of_turn_is_not_checked, setup),                           \
        cmocka_unit_test_setup(best_effort_is_promised_nothing, setup),                                \
        cmocka_unit_test_setup(who_is_looked_at_late_is_woken_as_of_the_expiry, setup)

int main(void) {
    const struct CMUnitTest of_the_hardware[] = {ALL(setup)},
                            of_an_emulated[] = {
                                ALL(setup_emulated),
                                cmocka_unit_test_setup(who_does_not_take_its_timer_was_not_late, setup_emulated)};

    return cmocka_run_group_tests_name("promise", of_the_hardware, NULL, NULL) +
           cmocka_run_group_tests_name("promise, emulated timer", of_an_emulated, NULL, NULL);
}
