// SPDX-License-Identifier: Apache-2.0
// Changes while it runs, on the machine of core_world.h: the real dispatcher, jobs and VCPUs. Guests block and wake as they
// like meanwhile, and nobody misses; what is refused changes nothing; what is admitted is what the system then is.
#include "tests/unit/test_sched_support.h"

#include "kernel/control_plan.h"
#include "takt/hypercall.h"
#include "tests/unit/core_check.h"

enum { A, B, C, D, FULL, VMS };

static struct random rng;

static void describe_load(void) {
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

static int setup(void **state) {
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

static int try_to_ask(const struct control_request *request) {
    core_enter(0);
    int status = control_ask(request);
    core_leave();
    return status;
}

static void submit(struct control_request request) { assert_int_equal(try_to_ask(&request), OK); }

// Until it is decided and done; guests go on meanwhile.
static bool decided(void) {
    uint64_t done = control->stats.done, limit = host_clock + US(100000);

    while (control->stage != NULL && host_clock < limit) { core_run(host_clock + US(50)); }
    assert_null(control->stage);
    return control->stats.done > done;
}

static bool ask(struct control_request request) {
    submit(request);
    return decided();
}

static bool reserve(unsigned vm, uint32_t budget, uint32_t deadline, uint32_t period) {
    return ask((struct control_request){.operation = CONTROL_RESERVE,
                                        .vm = (uint8_t)vm,
                                        .budget_us = budget,
                                        .deadline_us = deadline,
                                        .period_us = period});
}

static bool move(unsigned vm, unsigned core) {
    return ask((struct control_request){.operation = CONTROL_MOVE, .vm = (uint8_t)vm, .core = (uint8_t)core});
}

static bool create(unsigned vm) {
    return ask((struct control_request){.operation = CONTROL_CREATE, .vm = (uint8_t)vm});
}

static bool destroy(unsigned vm) {
    return ask((struct control_request){.operation = CONTROL_DESTROY, .vm = (uint8_t)vm});
}

static struct vcpu *vcpu_of(unsigned vm) { return vms[vm]->vcpus[0]; }

static void nobody_missed(void) {
    for (unsigned i = 0; i < VMS; i++) { assert_int_equal(vcpu_of(i)->entity.stats.misses[SCHED_MISS_DISPATCH], 0); }
}

// What the loads, the descriptions and the entities say is the same.
static void all_agrees(void) {
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

// ---- by hypercall -----------------------------------------------------------------------------------------

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
        cmocka_unit_test_setup(one_is_worked_off_at_a_time_and_one_waits, setup),
        cmocka_unit_test_setup(a_vcpu_moves_and_comes_back, setup),
        cmocka_unit_test_setup(a_vm_comes_and_goes, setup),
        cmocka_unit_test_setup(a_core_without_a_moment_refuses, setup),
        cmocka_unit_test_setup(a_controller_asks_and_is_told, setup),
        cmocka_unit_test_setup(calls_without_sense_are_refused, setup),
        cmocka_unit_test_setup(lives_are_asked_for_too, setup),
        cmocka_unit_test_setup(nobody_misses_whatever_is_asked, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
