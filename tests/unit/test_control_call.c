// SPDX-License-Identifier: Apache-2.0
// What a controller VM may ask by hypercall, and what it is told.
#include "tests/unit/control_world.h"

#include "takt/control.h"

bool arch_vcpu_interrupt_free(const struct vcpu *vcpu, unsigned id) {
    (void)vcpu;
    return id == OTHER_IRQ;
}

static int64_t call(int64_t (*function)(struct vcpu *, uint64_t *), uint64_t *x, uint64_t a, uint64_t b, uint64_t c) {
    x[1] = a;
    x[2] = b;
    x[3] = c;
    core_enter(vcpu_of(A)->cpu->id);
    int64_t status = function(vcpu_of(A), x);
    core_leave();
    return status;
}

#define WHAT(operation, vm) ((operation) | (uint64_t)(vm) << 8 | (uint64_t)OTHER_IRQ << 24)

static void a_controller_asks_and_is_told(void **state) {
    (void)state;
    uint64_t x[4];

    assert_int_equal(call(call_control, x, WHAT(TAKT_CONTROL_CREATE, D), 0, 0), TAKT_HC_DENIED);
    world.system.vms[A].controller = true;
    assert_int_equal(call(call_control_result, x, 0, 0, 0), TAKT_HC_INVALID);
    assert_int_equal(call(call_control, x, WHAT(TAKT_CONTROL_RESERVE, B), 6000 | 9000ull << 32, 10000), TAKT_HC_OK);
    assert_int_equal(x[1], 1);
    assert_int_equal(call(call_control_result, x, 1, 0, 0), TAKT_HC_BUSY);
    assert_int_equal(call(call_control, x, WHAT(TAKT_CONTROL_CREATE, D), 0, 0), TAKT_HC_BUSY);
    assert_true(decided());
    core_run(host_clock + US(2000)); // it has budget again by then
    assert_int_equal(guest_of(vcpu_of(A))->taken[OTHER_IRQ], 1);
    assert_int_equal(call(call_control_result, x, 1, 0, 0), TAKT_HC_OK);
    assert_true(x[1] == TAKT_CONTROL_DONE && x[2] == 0 && x[3] == world.system.vms[B].vcpus[0].latency);
    assert_int_equal(call(call_control_list, x, B, 2, 0), TAKT_HC_OK);
    assert_true(x[1] == (6000 | 9000ull << 32) && x[2] == 10000);
    assert_int_equal(call(call_control, x, WHAT(TAKT_CONTROL_RESERVE, B), 9000 | 10000ull << 32, 10000), TAKT_HC_OK);
    assert_false(decided());
    assert_int_equal(call(call_control_result, x, 1, 0, 0), TAKT_HC_INVALID); // that was the last one's ticket
    assert_int_equal(call(call_control_result, x, 2, 0, 0), TAKT_HC_OK);
    assert_int_equal(x[1], TAKT_CONTROL_REFUSED);
    assert_int_equal(call(call_control_result, x, 2, 1, 0), TAKT_HC_OK);
    assert_true(x[2] - x[1] == x[3] && x[3] > 0);
    assert_int_equal(call(call_control_result, x, 2, 2, 0), TAKT_HC_OK);
    assert_true(x[1] == 8000 && x[2] > 10000);
    assert_int_equal(call(call_control_result, x, 2, 3, 0), TAKT_HC_INVALID);
}

static void calls_without_sense_are_refused(void **state) {
    (void)state;
    uint64_t x[4];

    world.system.vms[A].controller = true;
    static const uint64_t bad[][3] = {
        {WHAT(CONTROL_OPERATIONS, B), 0, 0},
        {WHAT(TAKT_CONTROL_STOP, VMS), 0, 0},
        {WHAT(TAKT_CONTROL_STOP, B), 1, 0},
        {WHAT(TAKT_CONTROL_STOP, B), 0, 1},
        {WHAT(TAKT_CONTROL_MOVE, B), 2, 0},
        {WHAT(TAKT_CONTROL_MOVE, B), MAX_CORES, 0},
        {WHAT(TAKT_CONTROL_MOVE, B), 1, 1},
        {WHAT(TAKT_CONTROL_MOVE, B) | 1ull << 32, 1, 0},
        {WHAT(TAKT_CONTROL_STOP, B) | 1 << 16, 0, 0},
        {WHAT(TAKT_CONTROL_STOP, B) | 1 << 24, 0, 0},
        {WHAT(TAKT_CONTROL_RESERVE, B), 1 | 1ull << 32, 1ull << 32},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(call(call_control, x, bad[i][0], bad[i][1], bad[i][2]), TAKT_HC_INVALID);
        assert_true(x[1] == bad[i][0]);
    }
    assert_null(control->stage);
    assert_int_equal(call(call_control_list, x, VMS, 0, 0), TAKT_HC_INVALID);
    assert_int_equal(call(call_control_list, x, A, 3, 0), TAKT_HC_INVALID);
    assert_int_equal(call(call_control_list, x, D, 0, 0), TAKT_HC_OK);
    assert_true(x[1] == TAKT_CONTROL_ABSENT && x[2] == 1 && x[3] == 0);
    assert_int_equal(call(call_control_list, x, FULL, 1, 0), TAKT_HC_OK);
    assert_string_equal((const char *)&x[1], "full");
}

static void lives_are_asked_for_too(void **state) {
    (void)state;
    uint64_t x[4];

    world.system.vms[A].controller = true;
    world.system.vms[B].restart = RESTART_NEVER;
    static const struct {
        unsigned operation, outcome, then;
    } steps[] = {{TAKT_CONTROL_STOP, TAKT_CONTROL_DONE, VM_STOPPED},
                 {TAKT_CONTROL_STOP, TAKT_CONTROL_SENSELESS, VM_STOPPED},
                 {TAKT_CONTROL_START, TAKT_CONTROL_DONE, VM_RUNNING},
                 {TAKT_CONTROL_START, TAKT_CONTROL_SENSELESS, VM_RUNNING},
                 {TAKT_CONTROL_RESTART, TAKT_CONTROL_DONE, VM_RUNNING}};
    for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
        assert_int_equal(call(call_control, x, WHAT(steps[i].operation, B) & 0xffff, 0, 0), TAKT_HC_OK);
        assert_int_equal(x[1], i + 1);
        (void)decided();
        core_run(host_clock + US(20000));
        assert_int_equal(call(call_control_result, x, i + 1, 0, 0), TAKT_HC_OK);
        assert_int_equal(x[1], steps[i].outcome);
        assert_int_equal(vms[B]->state, steps[i].then);
    }
    assert_int_equal(guest_of(vcpu_of(A))->taken[OTHER_IRQ], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_controller_asks_and_is_told, setup),
        cmocka_unit_test_setup(calls_without_sense_are_refused, setup),
        cmocka_unit_test_setup(lives_are_asked_for_too, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
