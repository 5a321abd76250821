// SPDX-License-Identifier: Apache-2.0
// Changes while it runs, on the machine of core_world.h: the real dispatcher, jobs and VCPUs. Guests block and wake as they
// like meanwhile, and nobody misses; what is refused changes nothing; what is admitted is what the system then is.
#include "tests/unit/control_world.h"

static struct random rng;

// ---- one by one -------------------------------------------------------------------------------------------

static void a_reservation_changes(void **state) {
    (void)state;
    assert_true(reserve(B, 6000, 9000, 10000));
    assert_int_equal(world.system.vms[B].vcpus[0].budget_us, 6000);
    assert_true(vcpu_of(B)->entity.budget == US(6000) && vcpu_of(B)->entity.deadline == US(9000));
    assert_true(world.system.vms[A].vcpus[0].latency != 0 &&
                vcpu_of(A)->promise.latency == world.system.vms[A].vcpus[0].latency);
    uint64_t before = vcpu_of(B)->entity.stats.supplied;
    core_run(host_clock + US(100000));
    assert_in_range(vcpu_of(B)->entity.stats.supplied - before, US(54000), US(66000));
    assert_true(reserve(B, 1000, 20000, 20000));
    all_agrees();
    nobody_missed();
}

static void a_refusal_says_why_and_changes_nothing(void **state) {
    (void)state;
    static struct system_desc before;

    before = world.system;
    struct sched_entity a = vcpu_of(A)->entity, b = vcpu_of(B)->entity;
    assert_false(reserve(B, 9000, 10000, 10000));
    assert_non_null(strstr(control->text, "core 0 cannot keep it: within "));
    assert_non_null(strstr(control->text, "budget-us at most 8000, or period-us at least "));
    before.scratch = world.system.scratch; // of nobody
    assert_memory_equal(&before, &world.system, sizeof(before));
    assert_true(vcpu_of(A)->entity.budget == a.budget && vcpu_of(B)->entity.budget == b.budget);
    assert_true(vcpu_of(B)->promise.latency == UINT64_MAX);
    assert_int_equal(control->stats.refused, 1);
    assert_false(reserve(C, 100, 1000, 1000));
    assert_string_equal(control->text, "the VCPU has no reservation");
    assert_false(reserve(B, 9, 1000, 1000));
    assert_false(reserve(B, 100, 1000, 999));
    assert_false(reserve(B, 100, 10000001, 10000001));
    assert_false(move(A, 0));
    assert_false(create(A));
    assert_false(destroy(D));
    assert_false(reserve(D, 10, 100, 100));
    all_agrees();
    assert_int_equal(try_to_ask(&(struct control_request){.vm = VMS}), ERR_RANGE);
    assert_int_equal(try_to_ask(&(struct control_request){.vcpu = 1}), ERR_RANGE);
    assert_int_equal(try_to_ask(&(struct control_request){.core = 2}), ERR_RANGE);
}

// Who reclaims, or is in two pieces, counts on those that its cores had at boot.
static void core_0_is_fixed(void) {
    assert_false(reserve(B, 100, 10000, 10000));
    assert_non_null(strstr(control->text, "core 0 stays as it was at boot, since "));
    assert_false(move(C, 1));
    assert_false(destroy(B)); // it goes on
    assert_true(vms[B]->state == VM_RUNNING && !vms[B]->absent);
    assert_int_equal(control->stats.done, 0);
    assert_true(create(D));
    assert_int_equal(world.system.vms[D].vcpus[0].placed, 1); // the only one that may change
    assert_false(move(D, 0));
    assert_non_null(strstr(control->text, "core 0 stays as it was at boot, since "));
    all_agrees();
    core_run(host_clock + US(100000));
    nobody_missed();
}

static void a_core_where_somebody_reclaims_stays(void **state) {
    (void)state;
    world.system.vms[A].vcpus[0].reclaim = true;
    core_0_is_fixed();
    assert_true(destroy(D));
    world.system.vms[FULL].vcpus[0].reclaim = true; // of core 1: none is left
    assert_false(create(D));
    assert_non_null(strstr(control->text, "core 0 stays as it was at boot, since somebody reclaims there"));
}

static void a_core_with_a_piece_stays(void **state) {
    (void)state;
    world.system.vms[A].vcpus[0].second = 0; // its two cores are one here
    core_0_is_fixed();
}

static void one_is_worked_off_at_a_time_and_one_waits(void **state) {
    (void)state;
    struct control_request request = {.operation = CONTROL_MOVE, .vm = B, .core = 1},
                           back = {.operation = CONTROL_MOVE, .vm = B};

    submit(request);
    submit(back);
    assert_int_equal(try_to_ask(&request), ERR_BUSY);
    decided();
    assert_int_equal(control->stats.done, 2);
    assert_ptr_equal(vcpu_of(B)->cpu, cpus[0]);
    all_agrees();
}

static void a_vcpu_moves_and_comes_back(void **state) {
    (void)state;
    assert_true(move(B, 1));
    core_run(host_clock + US(20000));
    assert_ptr_equal(vcpu_of(B)->cpu, cpus[1]);
    assert_ptr_equal(vcpu_of(B)->entity.core, &cpus[1]->sched);
    assert_true(move(C, 1));
    all_agrees();
    while (vcpu_of(B)->cpu->current != vcpu_of(B)) { core_run(host_clock + US(10)); }
    guest_sleep(vcpu_of(B), host_clock + US(30000)); // it goes while it waits
    assert_true(move(B, 0));
    uint64_t due = guest_of(vcpu_of(B))->timer;
    core_run(due + US(3000));
    assert_int_equal(guest_of(vcpu_of(B))->taken[TIMER_IRQ], 1);
    all_agrees();
    nobody_missed();
}

static void a_vm_comes_and_goes(void **state) {
    (void)state;
    assert_int_equal(vm_start(vms[D]), ERR_BUSY);
    assert_true(create(D));
    core_run(host_clock + US(100000));
    assert_int_equal(vms[D]->state, VM_RUNNING);
    assert_int_equal(world.system.vms[D].vcpus[0].placed, 1); // the least used core
    all_agrees();
    assert_false(create(D));
    assert_true(destroy(D));
    assert_int_equal(vms[D]->state, VM_STOPPED);
    assert_int_equal(vm_start(vms[D]), ERR_BUSY);
    assert_int_equal(world.system.cores[1].task_count, 0);
    all_agrees();
    assert_true(reserve(B, 7000, 10000, 10000));
    assert_true(move(B, 1));
    assert_true(create(D)); // beside a now
    assert_int_equal(world.system.vms[D].vcpus[0].placed, 0);
    core_run(host_clock + US(100000));
    assert_true(destroy(A));
    all_agrees();
    nobody_missed();
}

// Its reservations leave a core nothing: it never comes to its part. All is as before.
static void a_core_without_a_moment_refuses(void **state) {
    (void)state;
    uint64_t latency = vcpu_of(A)->promise.latency;

    world_on(FULL, 0); // admission does not know of it
    control->patience = US(5000);
    assert_false(move(B, 1));
    assert_non_null(strstr(control->text, "core 1 had no moment without reserved work to do"));
    assert_ptr_equal(vcpu_of(B)->cpu, cpus[0]);
    all_agrees();
    assert_true(vcpu_of(A)->promise.latency == MAX(latency, 0));
    assert_false(move(B, 1)); // it still has the first one's part before it
    assert_true(reserve(B, 2000, 10000, 10000));
    all_agrees();
}

// ---- everything at once -----------------------------------------------------------------------------------

static void guest_does_something(unsigned vm) {
    struct vcpu *vcpu = vcpu_of(vm);

    if (vcpu->cpu->current == vcpu && random_in(&rng, 0, 1) == 0) {
        guest_sleep(vcpu, host_clock + random_in(&rng, 1, US(3000)));
    } else if (vms[vm]->state == VM_RUNNING && random_in(&rng, 0, 3) == 0) {
        core_interrupt((unsigned)random_in(&rng, 0, 1), vcpu);
    }
}

static struct control_request random_request(void) {
    uint32_t period = (uint32_t)random_in(&rng, 3, 30) * 500;
    uint32_t deadline = random_in(&rng, 0, 1) == 0 ? period : (uint32_t)random_in(&rng, period / 2, period);

    return (struct control_request){.operation = (uint8_t)random_in(&rng, CONTROL_RESERVE, CONTROL_DESTROY),
                                    .vm = (uint8_t)random_in(&rng, 0, VMS - 1),
                                    .core = (uint8_t)random_in(&rng, 0, 1),
                                    .budget_us = (uint32_t)random_in(&rng, 10, deadline),
                                    .deadline_us = deadline,
                                    .period_us = period};
}

static void nobody_misses_whatever_is_asked(void **state) {
    uint64_t done = 0, refused = 0;

    (void)state;
    rng = random_start("requests at any time", 0xc0);
    for (unsigned round = 0; round < ROUNDS(64); round++) {
        setup(NULL);
        for (unsigned step = 0; step < 3000; step++) {
            struct control_request request = random_request();
            if (random_in(&rng, 0, 3) == 0) { (void)try_to_ask(&request); }
            guest_does_something((unsigned)random_in(&rng, 0, VMS - 1));
            core_run(host_clock + random_in(&rng, 1, US(700)));
            nobody_missed();
        }
        while (control->stage != NULL) { core_run(host_clock + US(100)); }
        core_run(host_clock + US(1000));
        all_agrees();
        done += control->stats.done;
        refused += control->stats.refused;
    }
    printf("             %llu done, %llu refused\n", (unsigned long long)done, (unsigned long long)refused);
    assert_true(done > ROUNDS(64) * 50 && refused > ROUNDS(64) * 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_reservation_changes, setup),
        cmocka_unit_test_setup(a_refusal_says_why_and_changes_nothing, setup),
        cmocka_unit_test_setup(a_core_where_somebody_reclaims_stays, setup),
        cmocka_unit_test_setup(a_core_with_a_piece_stays, setup),
        cmocka_unit_test_setup(one_is_worked_off_at_a_time_and_one_waits, setup),
        cmocka_unit_test_setup(a_vcpu_moves_and_comes_back, setup),
        cmocka_unit_test_setup(a_vm_comes_and_goes, setup),
        cmocka_unit_test_setup(a_core_without_a_moment_refuses, setup),
        cmocka_unit_test_setup(nobody_misses_whatever_is_asked, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
