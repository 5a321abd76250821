// SPDX-License-Identifier: Apache-2.0
// A VCPU in two pieces on two cores: it gets its whole budget beside full cores, is never on both, and what reaches it in
// any moment of a move is not lost. The machine of core_world.h stops it when it runs on two cores, or is loaded on one
// that it is not on; core_check.h looks at the rest after each handler.
#include "tests/unit/test_sched_support.h"

#include "tests/unit/core_check.h"

enum { SYSTEMS = 120, STEPS = 3000 };
enum { PERIOD = 10000, FIRST = 3400, FIRST_BY = 3400, REST = 2600, REST_BY = 6600 }; // us
enum { FULL0, FULL1, P, BEST, VMS };

static struct random rng;
static uint64_t start;

static int setup_costing(uint64_t move, uint32_t migration_ns) {
    static const char *const names[VMS] = {"full0", "full1", "p", "best"};
    static const unsigned us[4] = {FIRST, FIRST_BY, REST, REST_BY};

    world_reset(WORLD_CORES);
    world.check = world_check;
    world.system.migration_ns = migration_ns;
    world.cost.move = move;
    for (unsigned i = 0; i < VMS; i++) {
        struct vm_desc *vm = world_vm(names[i]);
        vm->restart = RESTART_ALWAYS;
        if (i == P) {
            world_split(vm, 0, 1, us, PERIOD);
            world_best_effort(vm, 2);
        } else if (i == BEST) {
            world_best_effort(vm, 2);
        } else {
            world_reserved(vm, i, 6500, PERIOD, PERIOD);
        }
    }
    world_create();
    core_run(US(3000));
    start = host_clock;
    return 0;
}

static int setup(void **state) {
    (void)state;
    return setup_costing(0, 0);
}

static uint64_t supplied(const struct vcpu *vcpu) {
    const struct sched_core *core = &vcpu->cpu->sched;
    uint64_t running = core->running == &vcpu->entity ? host_clock - core->run_start : 0;

    return vcpu->entity.stats.supplied + running;
}

static uint64_t misses(const struct vcpu *vcpu) { return vcpu->entity.stats.misses[SCHED_MISS_DISPATCH]; }

// ---- what it gets -----------------------------------------------------------------------------------------

static void beside_full_cores_it_gets_its_budget_in_each_period(void **state) {
    (void)state;
    struct vcpu *full0 = world_on(FULL0, 0), *full1 = world_on(FULL1, 0), *p = world_on(P, 0);

    for (unsigned period = 0; period < 200; period++) {
        uint64_t had = supplied(p), had0 = supplied(full0), had1 = supplied(full1);
        core_run(start + US(PERIOD) * (period + 1));
        assert_true(supplied(p) - had == US(FIRST + REST));
        assert_true(supplied(full0) - had0 >= US(6500) && supplied(full1) - had1 >= US(6500));
    }
    assert_true(misses(p) + misses(full0) + misses(full1) == 0);
    assert_int_equal(guest_of(p)->moves, 2 * 200);
}

// Each way takes 2 us at either end: admission has that in the pieces.
static void what_moves_take_is_in_its_pieces(void **state) {
    (void)state;
    setup_costing(US(2), 10000);
    struct vcpu *full0 = world_on(FULL0, 0), *full1 = world_on(FULL1, 0), *p = world_on(P, 0);

    for (unsigned period = 0; period < 100; period++) {
        uint64_t had = supplied(p), had0 = supplied(full0), had1 = supplied(full1);
        core_run(start + US(PERIOD) * (period + 1));
        assert_in_range(supplied(p) - had, US(FIRST + REST - 20), US(FIRST + REST));
        assert_true(supplied(full0) - had0 >= US(6500 - 5) && supplied(full1) - had1 >= US(6500 - 5));
    }
    assert_true(misses(p) + misses(full0) + misses(full1) == 0);
}

static void it_goes_when_its_first_piece_is_out_and_comes_back_with_its_refill(void **state) {
    (void)state;
    struct vcpu *p = world_on(P, 0);
    world_on(FULL0, 0);
    world_on(FULL1, 0);

    core_run(start + US(FIRST) - 1);
    assert_ptr_equal(p->cpu, cpus[0]);
    assert_ptr_equal(cpus[0]->current, p);
    core_run(start + US(FIRST));
    assert_ptr_equal(p->cpu, cpus[1]);
    assert_ptr_equal(cpus[1]->current, p);
    assert_true(p->entity.release + p->entity.deadline <= start + US(FIRST_BY + REST_BY));
    core_run(start + US(FIRST + REST));
    assert_ptr_not_equal(cpus[1]->current, p);
    core_run(start + US(PERIOD) - 1);
    assert_ptr_equal(p->cpu, cpus[1]);
    core_run(start + US(PERIOD));
    assert_ptr_equal(p->cpu, cpus[0]);
    assert_ptr_equal(cpus[0]->current, p);
    assert_true(p->entity.release == start + US(PERIOD));
}

static void one_that_waits_goes_back_with_its_timer(void **state) {
    (void)state;
    struct vcpu *p = world_on(P, 0);
    world_on(FULL0, 0);
    world_on(FULL1, 0);

    core_run(start + US(FIRST + 100));
    assert_ptr_equal(p->cpu, cpus[1]);
    guest_sleep(p, start + US(PERIOD + 500));
    core_run(start + US(PERIOD));
    assert_ptr_equal(p->cpu, cpus[0]);
    assert_int_equal(p->state, VCPU_BLOCKED);
    core_run(start + US(PERIOD + 500));
    assert_ptr_equal(cpus[0]->current, p);
    assert_true(guest_of(p)->taken_at == start + US(PERIOD + 500));
    assert_int_equal(guest_of(p)->taken[TIMER_IRQ], 1);
}

// It waits on the first core and its piece there is used up to the last tick: what wakes it makes it go at once.
static void woken_without_budget_it_runs_on_the_second_core(void **state) {
    (void)state;
    struct vcpu *p = world_on(P, 0);
    world_on(FULL0, 0);
    world_on(FULL1, 0);

    core_run(start + US(FIRST) - 1);
    core_enter(0);
    sched_charge(&cpus[0]->sched, &p->entity, 100);
    cpus[0]->entered = host_clock;
    vcpu_block(p);
    core_leave();
    core_run(start + US(FIRST + 50));
    core_interrupt(2, p);
    core_settle();
    assert_ptr_equal(p->cpu, cpus[1]);
    assert_ptr_equal(cpus[1]->current, p);
    assert_int_equal(guest_of(p)->taken[OTHER_IRQ], 1);
}

// Its timer waits behind more urgent work of the first core. The second one, on which it is let run, hears of it only then: its
// work there is due that much later, else it would take from others what they were promised.
static void what_waited_on_the_first_core_comes_to_the_second_when_it_goes(void **state) {
    (void)state;
    struct vcpu *p = world_on(P, 0);
    world_on(FULL0, 0);
    world_on(FULL1, 0);
    const uint64_t out = start + US(PERIOD + FIRST) - 1, expires = out + US(3600), free = out + US(6500);

    core_run(out);
    core_enter(0);
    sched_charge(&cpus[0]->sched, &p->entity, 100);
    cpus[0]->entered = host_clock;
    guest_of(p)->timer = expires;
    vcpu_block(p);
    core_leave();
    core_run(free - 1);
    assert_int_equal(p->state, VCPU_BLOCKED);
    core_run(free);
    assert_ptr_equal(cpus[1], p->cpu);
    assert_int_equal(p->state, VCPU_READY);
    assert_true(p->pieces->since == free);
}

// The second core hears of the refill late: a miss on the first one, which stood never still, is the machine's fault.
static void a_late_return_is_the_machines_fault(void **state) {
    (void)state;
    const struct vcpu *p = world_on(P, 0);
    struct vcpu *full0 = world_on(FULL0, 0);
    world_on(FULL1, 0);

    core_run(start + US(PERIOD + FIRST + 100));
    guest_sleep(full0, start + US(10 * PERIOD));
    core_run(start + US(2 * PERIOD) - 1);
    assert_ptr_equal(p->cpu, cpus[1]);
    host_clock++;
    world.late = US(150);
    core_step(1);
    core_run(start + US(3 * PERIOD));
    assert_int_equal(misses(p), 0);
    assert_int_equal(p->entity.stats.misses[SCHED_MISS_PLATFORM], 1);
}

static void a_guest_that_cuts_its_budget_moves_once_in_a_period(void **state) {
    (void)state;
    struct vcpu *p = world_on(P, 0);
    world_on(FULL0, 0);
    world_on(FULL1, 0);

    for (unsigned i = 0; i < 5; i++) { // five parts of its first piece, each with a refill of its own
        core_run(start + US(200 * i + 100));
        guest_sleep(p, start + US(200 * i + 200));
    }
    core_run(start + US(1000) * PERIOD / 10);
    assert_in_range(guest_of(p)->moves, 2 * 95, 2 * 101);
    assert_int_equal(misses(p), 0);
}

// ---- stopping ---------------------------------------------------------------------------------------------

static void assert_gone(const struct vcpu *p) {
    assert_int_equal(p->state, VCPU_OFF);
    assert_ptr_equal(p->cpu, cpus[0]);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(cpus[i]->sched.population, 1 + (cpus[i]->thread.awake ? 1 : 0));
    }
}

static void stopped_in_any_moment(void (*meanwhile)(void)) {
    for (unsigned at = 0; at <= PERIOD; at += 50) {
        setup_costing(at % 100 == 0 ? US(1) : 0, 0);
        host_meanwhile = meanwhile;
        struct vcpu *p = world_on(P, 0);
        world_on(FULL0, 0);
        world_on(FULL1, 0);
        core_run(start + US(PERIOD + at));
        core_enter(2);
        assert_int_equal(vm_stop(vms[P]), OK);
        core_leave();
        core_run(host_clock + US(2 * PERIOD));
        assert_int_equal(vms[P]->state, VM_STOPPED);
        assert_gone(p);
        core_enter(2);
        assert_int_equal(vm_start(vms[P]), OK);
        core_leave();
        core_run(host_clock + US(10 * PERIOD));
        assert_int_equal(vms[P]->state, VM_RUNNING);
        assert_int_not_equal(p->state, VCPU_OFF);
    }
}

static void it_can_be_stopped_in_any_moment_of_its_period(void **state) {
    (void)state;
    stopped_in_any_moment(NULL);
}

// It is handed over to its other core, which has it go off before the first one is through with its handler.
static void it_can_be_stopped_however_quick_the_other_core_is(void **state) {
    (void)state;
    stopped_in_any_moment(core_meanwhile);
}

static void it_can_go_off_on_either_core(void **state) {
    (void)state;
    for (unsigned core = 0; core < 2; core++) {
        setup(state);
        struct vcpu *p = world_on(P, 0);
        world_on(FULL0, 0);
        world_on(FULL1, 0);
        core_run(start + US(PERIOD + FIRST - 100 + 200 * core));
        assert_ptr_equal(p->cpu, cpus[core]);
        struct vcpu *other = world_on(P, 1);
        guest_off(p);
        core_run(host_clock + US(PERIOD));
        assert_gone(p);
        assert_int_equal(guest_cpu_on(other, p), OK);
        core_run(host_clock + US(PERIOD));
        assert_int_equal(p->state, VCPU_READY);
    }
}

// ---- in any order -----------------------------------------------------------------------------------------

static struct vcpu *any_vcpu(void) {
    const struct vm *vm = vms[random_in(&rng, 0, VMS - 1)];

    return random_in(&rng, 0, 1) ? vms[P]->vcpus[0] : vm->vcpus[random_in(&rng, 0, vm->vcpu_count - 1u)];
}

static void somebody_acts(unsigned core) {
    struct vcpu *vcpu = cpus[core]->current;
    uint64_t soon = host_clock + random_in(&rng, 0, random_in(&rng, 0, 1) ? 2000 : US(3000));

    switch (random_in(&rng, 0, 40)) {
    case 0:
        core_enter(core);
        (void)vm_stop(vms[P]);
        core_leave();
        break;
    case 1:
    case 2:
        core_enter(core);
        (void)vm_restart(vms[P]);
        core_leave();
        break;
    case 3:
        if (vcpu != NULL) { guest_off(vcpu); }
        break;
    case 4:
        if (vcpu != NULL) { guest_end(vcpu, VM_END_RESET); }
        break;
    case 5:
    case 6:
    case 7:
        if (vcpu != NULL) { guest_cpu_on(vcpu, vcpu->vm->vcpus[vcpu->vm->vcpu_count - 1u - vcpu->index]); }
        break;
    case 8:
    case 9:
    case 10:
    case 11:
    case 12:
        if (vcpu != NULL) { guest_sleep(vcpu, soon); }
        break;
    default: core_interrupt(core, any_vcpu());
    }
}

// What is due on the cores comes in any order, a handler at a time, with others' actions between.
static void everything_due(void) {
    unsigned quiet = 0;

    while (quiet != (1u << WORLD_CORES) - 1) {
        unsigned core = (unsigned)random_in(&rng, 0, WORLD_CORES - 1);
        bool acts = random_in(&rng, 0, 7) == 0;
        if (acts) { somebody_acts((unsigned)random_in(&rng, 0, WORLD_CORES - 1)); }
        quiet = core_step(core) || acts ? 0 : quiet | 1u << core;
    }
}

// Nothing is under way any more: nobody waits for what has come, unless it could not run anyway and its core knows of it;
// nobody runs without having seen it.
static void nothing_is_lost(void) {
    for (unsigned i = 0; i < VMS; i++) {
        for (unsigned n = 0; n < vms[i]->vcpu_count; n++) {
            const struct vcpu *vcpu = vms[i]->vcpus[n];
            const struct guest *guest = guest_of(vcpu);
            bool told = vcpu->in_inbox && !sched_remote_preempts(&vcpu->cpu->sched, &vcpu->entity, host_clock);
            assert_true(vcpu->state != VCPU_BLOCKED || (guest->pending & ~guest->active) == 0 || told);
            assert_true(vcpu->cpu->current != vcpu || (guest->pending & ~guest->active) == 0);
        }
    }
}

static void sometimes_meanwhile(void) {
    if (random_in(&rng, 0, 1)) { core_meanwhile(); }
}

static void in_any_order_nothing_is_lost(void **state) {
    uint64_t moves = 0;

    (void)state;
    rng = random_start("split VCPUs, handler by handler", 0x9d1e);
    for (unsigned i = 0; i < ROUNDS(SYSTEMS); i++) {
        setup_costing(random_in(&rng, 0, 1) ? random_in(&rng, 0, 3000) : 0, 6000);
        if (random_in(&rng, 0, 1)) { host_meanwhile = sometimes_meanwhile; }
        for (unsigned n = 0; n < VMS; n++) { world_on(n, 0); }
        for (unsigned n = 0; n < STEPS; n++) {
            uint64_t next = host_clock + US(5000);
            everything_due();
            nothing_is_lost();
            for (unsigned core = 0; core < WORLD_CORES; core++) { next = MIN(next, core_next(core)); }
            host_clock = MAX(host_clock, random_in(&rng, 0, 3) ? next : MIN(next, host_clock + US(100)));
        }
        moves += guest_of(vms[P]->vcpus[0])->moves;
        core_enter(2);
        (void)vm_stop(vms[P]);
        core_leave();
        core_run(host_clock + US(50 * PERIOD));
        assert_int_equal(vms[P]->state, VM_STOPPED);
        assert_ptr_equal(vms[P]->vcpus[0]->cpu, cpus[0]);
    }
    assert_true(moves > ROUNDS(SYSTEMS) * 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(beside_full_cores_it_gets_its_budget_in_each_period, setup),
        cmocka_unit_test(what_moves_take_is_in_its_pieces),
        cmocka_unit_test_setup(it_goes_when_its_first_piece_is_out_and_comes_back_with_its_refill, setup),
        cmocka_unit_test_setup(one_that_waits_goes_back_with_its_timer, setup),
        cmocka_unit_test_setup(woken_without_budget_it_runs_on_the_second_core, setup),
        cmocka_unit_test_setup(what_waited_on_the_first_core_comes_to_the_second_when_it_goes, setup),
        cmocka_unit_test_setup(a_late_return_is_the_machines_fault, setup),
        cmocka_unit_test_setup(a_guest_that_cuts_its_budget_moves_once_in_a_period, setup),
        cmocka_unit_test(it_can_be_stopped_in_any_moment_of_its_period),
        cmocka_unit_test(it_can_be_stopped_however_quick_the_other_core_is),
        cmocka_unit_test(it_can_go_off_on_either_core),
        cmocka_unit_test(in_any_order_nothing_is_lost),
    };
    return cmocka_run_group_tests_name("a VCPU in two pieces", tests, NULL, NULL);
}
