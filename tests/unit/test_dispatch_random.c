// SPDX-License-Identifier: Apache-2.0
// Random lives on three cores: VMs that sleep, wake each other, start and stop their VCPUs, crash and are operated on, at
// random moments. After each handler core_check.h looks at everything; here is what holds over time.
#include "tests/unit/test_sched_support.h"

#include "tests/unit/core_check.h"

enum { SYSTEMS = 48, STEPS = 4000, STEPS_QUIET = 1000, VMS = 7, SPLIT = 6, LONG = 400000000 };

static struct random rng;
static bool quiet; // no handler takes time and no interrupt is late: nobody may miss anything

// Two reservations on each core, feasible whatever they do (sum of Q/D is 0.75), and best effort on all. A VM of two VCPUs
// in two pieces each, with 0.12 of two cores, so that it is 0.99 at most.
static void split(struct vm_desc *vm, unsigned core) {
    unsigned deadline = (unsigned)random_in(&rng, 100, 1000);
    const unsigned us[4] = {deadline * 12 / 100, deadline, deadline * 24 / 100, 2 * deadline};

    if (core < 2) {
        world_split(vm, core, (core + 1 + (unsigned)random_in(&rng, 0, 1)) % WORLD_CORES, us, 4 * deadline);
    }
}

static void build(void) {
    static const char *const names[VMS] = {"r0", "r1", "r2", "s", "b0", "b1", "p"};
    static const enum restart_policy policies[] = {RESTART_NEVER, RESTART_ON_FAILURE, RESTART_ALWAYS};

    world_reset(WORLD_CORES);
    for (unsigned i = 0; i < VMS; i++) {
        struct vm_desc *vm = world_vm(names[i]);
        vm->restart = policies[random_in(&rng, 0, 2)];
        vm->restart_limit = (uint32_t)random_in(&rng, 0, 5);
        for (unsigned core = 0; core < WORLD_CORES; core++) {
            if (i < 3 && core == i) {
                unsigned deadline = (unsigned)random_in(&rng, 200, 1000);
                world_reserved(vm, core, deadline / 4, deadline, deadline + 300);
                world_best_effort(vm, (core + 1) % WORLD_CORES);
            } else if (i == 3) {
                unsigned deadline = (unsigned)random_in(&rng, 1000, 5000);
                world_reserved(vm, core, deadline / 2, deadline, deadline);
            } else if (i == SPLIT) {
                split(vm, core);
            } else if (i > 3) {
                world_best_effort(vm, core);
            }
        }
    }
    world_create();
    world.check = world_check;
}

static struct vcpu *any_vcpu(void) {
    const struct vm *vm = vms[random_in(&rng, 0, VMS - 1)];

    return vm->vcpus[random_in(&rng, 0, vm->vcpu_count - 1u)];
}

static uint64_t soon(void) {
    static const uint64_t scales[] = {10, 1000, 100000, 3000000};

    return host_clock + random_in(&rng, 0, scales[random_in(&rng, 0, 3)]);
}

// ---- what can happen --------------------------------------------------------------------------------------

static void set_call_timer(struct vcpu *vcpu) {
    uint64_t slot = random_in(&rng, 0, TAKT_HC_TIMER_SLOTS - 1);
    uint64_t x[4] = {0, slot, soon() - arch_vcpu_clock_offset(vcpu), OTHER_IRQ};

    core_enter(vcpu->cpu->id);
    WORLD_ASSERT(call_timer_set(vcpu, x) == TAKT_HC_OK);
    x[1] = (slot + 1) % TAKT_HC_TIMER_SLOTS;
    WORLD_ASSERT(random_in(&rng, 0, 3) != 0 || call_timer_cancel(vcpu, x) == TAKT_HC_OK);
    core_leave();
}

static void end_handler(struct vcpu *vcpu) {
    guest_of(vcpu)->active = 0;
    guest_of(vcpu)->keeps = random_in(&rng, 0, 1);
    guest_of(vcpu)->timer = random_in(&rng, 0, 1) ? soon() : OFF;
}

static void guest_acts(struct vcpu *vcpu) {
    static const enum vm_end ends[] = {VM_END_OFF, VM_END_RESET, VM_END_FAULT};
    struct vm *vm = vcpu->vm;

    switch (random_in(&rng, 0, 19)) {
    case 0: guest_end(vcpu, ends[random_in(&rng, 0, 2)]); break;
    case 1: guest_off(vcpu); break;
    case 2:
    case 3:
    case 4: guest_cpu_on(vcpu, vm->vcpus[random_in(&rng, 0, vm->vcpu_count - 1u)]); break;
    case 5:
    case 6: set_call_timer(vcpu); break;
    case 7:
    case 8: end_handler(vcpu); break;
    case 9:
    case 10: guest_wait(vcpu); break;
    case 11:
    case 12: core_interrupt(vcpu->cpu->id, any_vcpu()); break;
    default: guest_sleep(vcpu, soon()); break;
    }
}

static void operator_acts(void) {
    static int (*const actions[])(struct vm *vm) = {vm_start, vm_start, vm_start, vm_stop, vm_restart};
    struct vm *vm = vms[random_in(&rng, 0, VMS - 1)];
    enum vm_state before = (enum vm_state)vm->state;
    unsigned action = (unsigned)random_in(&rng, 0, ARRAY_SIZE(actions) - 1);
    bool stops = actions[action] == vm_stop, starts = actions[action] == vm_start;

    core_enter((unsigned)random_in(&rng, 0, WORLD_CORES - 1));
    int status = actions[action](vm);
    core_leave();
    WORLD_ASSERT(before != VM_STOPPED || status == (stops ? ERR_BUSY : OK));
    WORLD_ASSERT(before != VM_RUNNING || status == (starts ? ERR_BUSY : OK));
    WORLD_ASSERT(before == VM_STOPPED || before == VM_RUNNING || status == (stops ? OK : ERR_BUSY));
}

static void step(void) {
    unsigned core = (unsigned)random_in(&rng, 0, WORLD_CORES - 1);
    struct vcpu *vcpu = cpus[core]->current;

    if (!quiet) {
        world.cost.inject = random_in(&rng, 0, 3) == 0 ? random_in(&rng, 0, 2000) : 0;
        world.cost.attend = random_in(&rng, 0, 3) == 0 ? random_in(&rng, 0, 500) : 0;
        world.cost.move = random_in(&rng, 0, 3) == 0 ? random_in(&rng, 0, 2000) : 0;
        world.late = random_in(&rng, 0, 200) == 0 ? US(random_in(&rng, 0, 500)) : 0;
    }
    switch (random_in(&rng, 0, 9)) {
    case 0: operator_acts(); break;
    case 1: core_interrupt(core, any_vcpu()); break;
    case 2:
    case 3:
    case 4: core_run(soon()); break;
    case 5: core_step(core); break;
    default:
        if (vcpu != NULL) { guest_acts(vcpu); }
    }
}

// ---- what holds over time ---------------------------------------------------------------------------------

static void every_vm_gets_where_it_goes(void) {
    uint64_t limit = host_clock + LONG;

    for (unsigned i = 0; i < VMS; i++) {
        while (vms[i]->state == VM_LOADING || vms[i]->state == VM_STOPPING) {
            WORLD_ASSERT(host_clock < limit);
            core_run(host_clock + US(1000));
        }
    }
}

static void all_can_be_stopped(void) {
    world.cost.inject = world.cost.attend = world.cost.move = world.late = 0;
    for (unsigned i = 0; i < VMS; i++) {
        every_vm_gets_where_it_goes();
        core_enter(0);
        (void)vm_stop(vms[i]);
        core_leave();
    }
    every_vm_gets_where_it_goes();
    core_run(host_clock + US(1000));
    for (unsigned i = 0; i < WORLD_CORES; i++) {
        WORLD_ASSERT(cpus[i]->current == NULL && cpus[i]->loaded == NULL);
        WORLD_ASSERT(timer_queue_empty(&cpus[i]->timers) && cpus[i]->sched.population == 0);
        WORLD_ASSERT(world.core[i].timer == OFF);
    }
}

static void nobody_missed(void) {
    for (unsigned i = 0; i < VMS; i++) {
        for (unsigned n = 0; n < vms[i]->vcpu_count; n++) {
            const struct sched_stats *stats = &vms[i]->vcpus[n]->entity.stats;
            for (unsigned cause = 0; cause < SCHED_MISS_CAUSES; cause++) {
                WORLD_ASSERT(!quiet || stats->misses[cause] == 0);
            }
        }
    }
}

static void sometimes_meanwhile(void) {
    if (random_in(&rng, 0, 1)) { core_meanwhile(); }
}

static void live(uint64_t seed) {
    rng = random_start(quiet ? "lives in which handlers take no time" : "lives", seed);
    for (unsigned i = 0; i < ROUNDS(SYSTEMS); i++) {
        build();
        if (random_in(&rng, 0, 1)) { host_meanwhile = sometimes_meanwhile; }
        for (unsigned n = 0; n < (quiet ? STEPS_QUIET : STEPS); n++) {
            step();
            nobody_missed();
        }
        all_can_be_stopped();
    }
}

static void random_lives(void **state) {
    (void)state;
    quiet = false;
    live(0x7a6b);
}

static void random_lives_without_a_miss(void **state) {
    (void)state;
    quiet = true;
    live(0x51e9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_lives),
        cmocka_unit_test(random_lives_without_a_miss),
    };
    return cmocka_run_group_tests_name("random lives of VMs", tests, NULL, NULL);
}
