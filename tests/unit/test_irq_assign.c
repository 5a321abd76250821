// SPDX-License-Identifier: Apache-2.0
// Interrupts of assigned devices: kept apart by masking, and paid for by their owner.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/arm64/irq_assign.h"
#include "tests/unit/vgic_world.h"

enum { IRQ = 40, DISTANCE = 1000, COST = 70 };

static struct {
    struct gic_ops ops;
    bool enabled, edge, pending, steps;
    struct cpu *routed;
} device;

void gic_enable(unsigned irq, bool on) {
    assert_int_equal(irq, IRQ);
    device.enabled = on;
    host_clock += on ? 0 : COST; // the handler's own time
    if (device.steps) { world.core[0].entered = host_clock; }
}

void gic_configure(unsigned irq, bool edge) {
    assert_int_equal(irq, IRQ);
    device.edge = edge;
}

static void note_route(unsigned irq, struct cpu *cpu) {
    assert_int_equal(irq, IRQ);
    device.routed = cpu;
}

void gic_set_pending(unsigned irq, bool pending) {
    assert_int_equal(irq, IRQ);
    device.pending = pending;
}

// The device belongs to VCPU 0, on core 0. Who owns what does not change while the machine runs: one world for all tests.
static int group_setup(void **state) {
    (void)state;
    world_init(3, 4, 1, 32);
    device.ops = *gic;
    device.ops.route = note_route;
    gic = &device.ops;
    return 0;
}

static void given_away_once(void **state) {
    (void)state;
    assert_int_equal(arch_irq_assign(31, &world.vcpu[0], false, 0), ERR_RANGE);
    assert_int_equal(arch_irq_assign(64, &world.vcpu[0], false, 0), ERR_RANGE);
    assert_int_equal(arch_irq_assign(IRQ, &world.vcpu[0], true, DISTANCE), OK);
    assert_int_equal(arch_irq_assign(IRQ, &world.vcpu[0], true, DISTANCE), ERR_BUSY);
    assert_false(device.enabled);
    assert_true(device.edge);
    assert_ptr_equal(device.routed, &world.core[0]);
    assert_false(irq_forward(IRQ)); // its VM does not run
    assert_false(irq_forward(IRQ + 1));
}

static int setup(void **state) {
    (void)state;
    device.pending = true;
    world.core[0].late_limit = UINT64_MAX;
    arch_irq_switch(IRQ, true);
    assert_true(device.enabled);
    assert_false(device.pending);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arch_irq_switch(IRQ, false);
    assert_false(device.enabled);
    return 0;
}

static bool comes(void) {
    struct cpu *cpu = &world.core[0];

    cpu->entered = host_clock;
    cpu->todo = 0;
    return irq_forward(IRQ);
}

static void nobodys_once_it_is_off(void **state) {
    (void)state;
    arch_irq_switch(IRQ, false);
    assert_false(comes());
    assert_int_equal(world.core[0].todo, 0);
}

static void masked_until_its_distance_is_over(void **state) {
    struct cpu *cpu = &world.core[0];
    uint64_t came = host_clock;

    (void)state;
    assert_true(comes());
    assert_false(device.enabled);
    assert_true((cpu->todo & TODO_DISPATCH) != 0); // so that the timer is armed
    assert_int_equal(timer_queue_next(&cpu->timers, SCHED_NEVER), came + DISTANCE);
    assert_null(timer_queue_pop(&cpu->timers, came + DISTANCE - 1, SCHED_NEVER));
    struct timer_event *event = timer_queue_pop(&cpu->timers, came + DISTANCE, SCHED_NEVER);
    assert_non_null(event);
    event->fire(event, came + DISTANCE);
    assert_true(device.enabled);
    assert_ptr_equal(event->owner, &world.vcpu[0].entity);
}

static void switching_off_takes_the_timer_along(void **state) {
    (void)state;
    assert_true(comes());
    arch_irq_switch(IRQ, false);
    assert_int_equal(timer_queue_next(&world.core[0].timers, SCHED_NEVER), UINT64_MAX);
    assert_false(device.enabled);
}

// What it interrupts does not pay, the owner does, and the dispatcher looks at his budget.
static void its_owner_pays(void **state) {
    struct cpu *cpu = &world.core[0];
    struct sched_entity *owner = &world.vcpu[0].entity;

    (void)state;
    uint64_t began = cpu->sched.run_start, ticks = cpu->stats.irq_ticks;
    owner->stats.charged = 0;
    assert_true(comes());
    assert_int_equal(owner->stats.charged, COST);
    assert_int_equal(cpu->sched.run_start, began + COST);
    assert_int_equal(cpu->stats.irq_ticks, ticks + COST);
    cpu->late_limit = COST / 2; // beyond that the machine lost it
    owner->stats.charged = 0;
    assert_true(comes());
    assert_int_equal(owner->stats.charged, COST / 2);
    assert_true((cpu->todo & TODO_DISPATCH) != 0);
}

// Also what was done before the last of the steps in which it is brought to the owner: each begins the handler anew.
static void its_owner_pays_for_every_step(void **state) {
    struct sched_entity *owner = &world.vcpu[0].entity;

    (void)state;
    world.core[0].late_limit = UINT64_MAX;
    owner->stats.charged = 0;
    device.steps = true;
    assert_true(comes());
    device.steps = false;
    assert_int_equal(world.core[0].entered, host_clock);
    assert_int_equal(owner->stats.charged, COST);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_away_once),
        cmocka_unit_test_setup_teardown(nobodys_once_it_is_off, setup, teardown),
        cmocka_unit_test_setup_teardown(masked_until_its_distance_is_over, setup, teardown),
        cmocka_unit_test_setup_teardown(switching_off_takes_the_timer_along, setup, teardown),
        cmocka_unit_test_setup_teardown(its_owner_pays, setup, teardown),
        cmocka_unit_test_setup_teardown(its_owner_pays_for_every_step, setup, teardown),
    };

    return cmocka_run_group_tests(tests, group_setup, NULL);
}
