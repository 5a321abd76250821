// SPDX-License-Identifier: Apache-2.0
// The latency promised to a VCPU in two pieces, held against its wake-ups on the machine of core_world.h, whichever core they
// find it on: kept beside two full cores, a breach when it lies, excused when a core of the two lost the time.
#include "tests/unit/test_sched_support.h"

#include "kernel/pieces.h"
#include "kernel/promise.h"
#include "sched/latency_split.h"
#include "tests/unit/core_check.h"

enum { PERIOD = 10000, FULL = 6500, FIRST = 3400, REST = 2600, REST_BY = 6600, WAKES = 4000 }; // us
enum { FULL0, FULL1, P, OWN = 0, LOST = 1 };

static struct random rng;
static struct vcpu *full0, *p;
static uint64_t start;

static uint64_t latency(void) {
    static struct sched_core_load loads[2];
    const struct sched_split split = {.load = {&loads[0], &loads[1]}, .index = {0, 0}};

    loads[0] = (struct sched_core_load){
        .task_count = 2, .tasks = {{US(FIRST), US(FIRST), US(PERIOD)}, {US(FULL), US(PERIOD), US(PERIOD)}}};
    loads[1] = (struct sched_core_load){
        .task_count = 2, .tasks = {{US(REST), US(REST_BY), US(PERIOD)}, {US(FULL), US(PERIOD), US(PERIOD)}}};
    return sched_split_latency(&split, 0);
}

static int setup(void **state) {
    static const unsigned us[4] = {FIRST, FIRST, REST, REST_BY};

    (void)state;
    world_reset(2);
    world.check = world_check;
    world_reserved(world_vm("full0"), 0, FULL, PERIOD, PERIOD);
    world_reserved(world_vm("full1"), 1, FULL, PERIOD, PERIOD);
    world_split(world_vm("p"), 0, 1, us, PERIOD);
    world.system.vms[P].vcpus[0].latency = latency();
    world_create();
    core_run(US(3000));
    start = host_clock;
    full0 = world_on(FULL0, 0);
    world_on(FULL1, 0);
    p = world_on(P, 0);
    return 0;
}

static int setup_emulated(void **state) {
    setup(state);
    world.emulated = true;
    return 0;
}

static void assert_promise(uint64_t checked, uint64_t own, uint64_t lost) {
    assert_int_equal(p->promise.checked, checked);
    assert_int_equal(p->promise.breaches[OWN], own);
    assert_int_equal(p->promise.breaches[LOST], lost);
}

// It sleeps and runs, mostly for as long as makes it run out of one piece or both; the others do now and then.
static void play(void) {
    rng = random_start("wake-ups of a VCPU in two pieces", 0x9c0de);
    for (unsigned i = 0; i < ROUNDS(WAKES); i++) {
        core_run(host_clock + random_in(&rng, 0, US(random_in(&rng, 0, 3) ? 4000 : 300)));
        for (unsigned n = 0; n < 2; n++) {
            struct vcpu *runs = cpus[n]->current;
            if (runs == NULL || (runs != p && random_in(&rng, 0, 5) != 0)) { continue; }
            guest_sleep(runs, host_clock + random_in(&rng, 0, US(5000)));
        }
    }
}

static void it_is_kept_wherever_a_wake_up_finds_it(void **state) {
    (void)state;
    play();
    assert_true(p->promise.checked > ROUNDS(WAKES) / 4 && p->pieces->moves > ROUNDS(WAKES) / 20);
    assert_promise(p->promise.checked, 0, 0);
    assert_int_equal(p->stats.lateness.count, p->stats.wakeups - (p->state == VCPU_READY));
}

static void one_that_lies_is_found(void **state) {
    (void)state;
    p->promise.latency = US(1000); // a full core has the other 6.5 ms
    play();
    assert_true(p->promise.breaches[OWN] > 0);
}

// Without budget in either piece: the whole of a period is within what it is promised then, a tick more is not.
static void sleep_without_budget(uint64_t later, bool lost) {
    core_run(start + US(FIRST + REST));
    assert_ptr_equal(p->cpu, cpus[1]);
    core_run(start + US(PERIOD + FIRST) - 1);
    assert_ptr_equal(cpus[0]->current, p);
    core_enter(0); // the first piece is used up to the last tick while it runs
    sched_charge(&cpus[0]->sched, &p->entity, 100);
    cpus[0]->entered = host_clock;
    guest_of(p)->timer = host_clock + US(50);
    vcpu_block(p);
    core_leave();
    core_run(host_clock + US(100));
    assert_ptr_equal(p->cpu, cpus[1]);
    p->promise.allowed = US(1);
    core_run(host_clock + US(2 * PERIOD));
    p->timer_late = p->promise.allowed + US(MAX(2 * (PERIOD - FIRST - REST), PERIOD)) + later;
    p->timer_measured = true;
    p->ready_since = p->promise.from;
    cpus[0]->sched.distortions = lost; // it is not on that one now
    cpus[0]->sched.distorted_at = p->promise.from;
    promise_check(p);
}

static void after_a_move_it_is_the_longest_time_with_or_without_budget(void **state) {
    uint64_t before;

    (void)state;
    sleep_without_budget(0, false);
    before = p->promise.checked;
    assert_promise(before, 0, 0);
    setup(state);
    sleep_without_budget(1, false);
    assert_promise(before, 1, 0);
    assert_int_equal(p->promise.worst, 1);
    setup(state);
    sleep_without_budget(1, true);
    assert_promise(before, 0, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_is_kept_wherever_a_wake_up_finds_it, setup),
        cmocka_unit_test_setup(it_is_kept_wherever_a_wake_up_finds_it, setup_emulated),
        cmocka_unit_test_setup(one_that_lies_is_found, setup),
        cmocka_unit_test_setup(one_that_lies_is_found, setup_emulated),
        cmocka_unit_test_setup(after_a_move_it_is_the_longest_time_with_or_without_budget, setup),
    };
    return cmocka_run_group_tests_name("promise, two pieces", tests, NULL, NULL);
}
