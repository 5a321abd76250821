// SPDX-License-Identifier: Apache-2.0
// From a timer's expiry to the guest that it makes run: when the hardware timer is armed, who is woken in which handler,
// who pays, and who owns its core.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/core_check.h"

// What the tests' VMs have, all on core 0: A is the urgent reservation, B the slow one, C and D are best effort.
enum { A, B, C, D, VMS };

static uint64_t start; // of the test, on the clock

static int setup(void **state) {
    static const char *const names[VMS] = {"a", "b", "c", "d"};

    (void)state;
    world_reset(2);
    world.check = world_check;
    for (unsigned i = 0; i < VMS; i++) {
        struct vm_desc *vm = world_vm(names[i]);
        switch (i) {
        case A: world_reserved(vm, 0, 200, 500, 1000); break;
        case B: world_reserved(vm, 0, 3000, 10000, 10000); break;
        default: world_best_effort(vm, 0); break;
        }
    }
    world_create();
    core_run(US(1000));
    start = host_clock;
    return 0;
}

static uint64_t timer(void) { return world.core[0].timer; }

static const struct vcpu *running(void) { return cpus[0]->current; }

// ---- expiry -----------------------------------------------------------------------------------------------

static void an_expiry_wakes_and_enters_in_its_own_handler(void **state) {
    struct vcpu *c, *a;

    (void)state;
    c = world_on(C, 0);
    a = world_on(A, 0);
    core_run(start + US(50));
    assert_ptr_equal(running(), a);
    guest_sleep(a, start + US(750));
    assert_ptr_equal(running(), c);
    assert_true(timer() == start + US(750));
    core_run(start + US(750) - 1);
    assert_ptr_equal(running(), c);
    uint64_t dispatches = cpus[0]->stats.dispatches;
    core_run(start + US(750));
    assert_ptr_equal(running(), a);
    assert_true(cpus[0]->stats.dispatches == dispatches + 1);
    assert_int_equal(guest_of(a)->taken[TIMER_IRQ], 1);
    assert_true(guest_of(a)->taken_at == start + US(750));
    // A's deadline counts from its expiry; what it has left of its budget is 150 us, with the rest back later.
    assert_true(a->entity.release == start + US(750));
    assert_true(a->entity.remaining == US(150));
    assert_true(timer() == start + US(750) + US(150));
    guest_wait(a);
    assert_true(a->stats.lateness.count == 1 && a->stats.lateness.max == 0);
}

static void what_expires_during_a_switch_is_seen_before_the_next_vcpu_is_loaded(void **state) {
    struct vcpu *a;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    core_run(start + US(50));
    assert_ptr_equal(running(), a);
    struct cpu_stats before = cpus[0]->stats;
    world.cost.save = US(3);
    guest_sleep(a, start + US(52));
    assert_ptr_equal(running(), a);
    assert_int_equal(guest_of(a)->taken[TIMER_IRQ], 1);
    assert_true(guest_of(a)->taken_at == start + US(53));
    assert_true(cpus[0]->stats.switches == before.switches + 1); // its own load; C has had none
    assert_true(cpus[0]->stats.timer.expiries == before.timer.expiries);
    assert_true(timer() == start + US(53) + US(150));
}

// C would have the core for 3 us, and loading it takes 2: it gets them. For 2 us it does not, and A is not late.
static void an_event_that_is_near_is_waited_for(void **state) {
    struct vcpu *a;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    cpus[0]->load_time = US(2);
    world.cost.resume = US(1) / 2;
    core_run(start + US(50));
    uint64_t switches = cpus[0]->stats.switches;
    guest_sleep(a, start + US(53));
    assert_true(cpus[0]->stats.switches == switches + 1);
    core_run(start + US(60));
    assert_ptr_equal(running(), a);
    switches = cpus[0]->stats.switches;
    guest_sleep(a, start + US(62));
    assert_ptr_equal(running(), a);
    assert_true(cpus[0]->stats.switches == switches + 1);
    assert_in_range(guest_of(a)->taken_at - start, US(62), US(62) + US(1));
}

// The timer's interrupt comes while C's are brought up to date: the same handler gives the core to A, and C has its own
// when it is back.
static void an_interrupt_that_waits_is_taken_on_the_way_out(void **state) {
    struct vcpu *a, *c;

    (void)state;
    c = world_on(C, 0);
    a = world_on(A, 0);
    core_run(start + US(50));
    guest_sleep(a, start + US(750));
    core_run(start + US(748));
    assert_ptr_equal(running(), c);
    world.cost.sync = US(3);
    core_enter(0);
    arch_vcpu_inject(c, OTHER_IRQ);
    core_leave();
    world.cost.sync = 0;
    assert_ptr_equal(running(), a);
    assert_int_equal(guest_of(a)->taken[TIMER_IRQ], 1);
    assert_int_equal(guest_of(c)->taken[OTHER_IRQ], 0);
    guest_wait(a);
    assert_ptr_equal(running(), c);
    assert_int_equal(guest_of(c)->taken[OTHER_IRQ], 1);
}

// B's expiry takes 3 us, and A's comes meanwhile: one decision sees both.
static void what_expires_while_another_fires_is_in_the_same_decision(void **state) {
    struct vcpu *a, *b;

    (void)state;
    world_on(C, 0);
    b = world_on(B, 0);
    a = world_on(A, 0);
    core_run(start + US(50));
    guest_sleep(a, start + US(2001));
    guest_sleep(b, start + US(2000));
    core_run(start + US(1999));
    struct cpu_stats before = cpus[0]->stats;
    world.cost.inject = US(3);
    core_run(start + US(2000));
    assert_ptr_equal(running(), a);
    assert_true(cpus[0]->stats.dispatches == before.dispatches + 1);
    assert_int_equal(guest_of(a)->taken[TIMER_IRQ], 1);
}

static unsigned fired_for_c;

static void fire_for_c(struct timer_event *event, uint64_t now) {
    (void)event, (void)now;
    fired_for_c++;
}

// Both have expired, C's first; that C loses the core to A does not wait for what C's has to do.
static void a_reservation_does_not_wait_for_best_effort_timers(void **state) {
    struct vcpu *a, *c;

    (void)state;
    c = world_on(C, 0);
    a = world_on(A, 0);
    core_run(start + US(50));
    guest_sleep(a, start + US(750));
    fired_for_c = 0;
    c->device_timer.fire = fire_for_c;
    c->device_timer.slack = vcpu_running_slack(c);
    timer_queue_add(&cpus[0]->timers, &c->device_timer, start + US(749));
    core_enter(0);
    cpus[0]->todo |= TODO_DISPATCH;
    core_leave();
    assert_true(timer() == start + US(749));
    world.late = US(2);
    core_run(start + US(751));
    assert_ptr_equal(running(), a);
    assert_int_equal(fired_for_c, 0);
    guest_wait(a);
    assert_ptr_equal(running(), c);
    assert_int_equal(fired_for_c, 1);
}

// Both have expired, B's first: that A gets the core does not wait for B, who is looked at when A has done.
static void of_timers_that_expired_together_the_urgent_one_fires_alone(void **state) {
    struct vcpu *a, *b;

    (void)state;
    world_on(C, 0);
    b = world_on(B, 0);
    a = world_on(A, 0);
    core_run(start + US(50));
    guest_sleep(a, start + US(2001));
    guest_sleep(b, start + US(2000));
    core_run(start + US(1999));
    world.late = US(3);
    core_run(start + US(2003));
    assert_ptr_equal(running(), a);
    assert_int_equal(b->state, VCPU_BLOCKED);
    guest_wait(a);
    assert_ptr_equal(running(), b);
    assert_true(b->entity.release == start + US(2000));
}

// Two VCPUs without a reservation have one to the same time.
static void set_best_effort_timers(void (*fire)(struct timer_event *event, uint64_t now), uint64_t when) {
    struct vcpu *owners[] = {world_on(C, 0), world_on(D, 0)};

    core_run(start + US(50));
    fired_for_c = 0;
    core_enter(0);
    for (unsigned i = 0; i < ARRAY_SIZE(owners); i++) {
        owners[i]->device_timer.fire = fire;
        owners[i]->device_timer.slack = TIMER_SLACK_BEST_EFFORT;
        timer_queue_add(&cpus[0]->timers, &owners[i]->device_timer, when);
    }
    cpus[0]->todo |= TODO_DISPATCH;
    core_leave();
}

static void fire_and_be_interrupted(struct timer_event *event, uint64_t now) {
    (void)event, (void)now;
    assert_false(host_irq_pending);
    host_irq_pending = world.core[0].ipi = fired_for_c++ == 0;
}

// However many VCPUs without a reservation have set one to the same time; and not the timer's own, which is there until it is
// set anew.
static void an_interrupt_does_not_wait_for_all_best_effort_timers(void **state) {
    (void)state;
    set_best_effort_timers(fire_and_be_interrupted, start + US(51));
    core_run(start + US(51));
    assert_int_equal(fired_for_c, 2);
    assert_false(world.core[0].ipi);
}

// What the machine lost until then is found before the timer, whose lateness says it, is set anew.
static void what_the_machine_lost_is_found_between_best_effort_timers(void **state) {
    (void)state;
    set_best_effort_timers(fire_for_c, start + US(51));
    world.late = 2 * cpus[0]->late_limit;
    core_run(start + US(51) + world.late);
    assert_int_equal(fired_for_c, 2);
    assert_int_equal(cpus[0]->sched.distortions, 1);
}

// An interrupt from another core for a VCPU that waits for its turn: nobody is told, and it is there when the turn comes.
static void an_interrupt_out_of_turn_disturbs_nobody(void **state) {
    struct vcpu *a, *c;

    (void)state;
    c = world_on(C, 0);
    a = world_on(A, 0);
    core_run(start + US(50));
    assert_ptr_equal(running(), a);
    unsigned ipis = world.core[0].ipis;
    core_interrupt(1, c);
    assert_int_equal(world.core[0].ipis, ipis);
    assert_int_equal(cpus[0]->todo_remote, 0);
    guest_sleep(a, start + US(750));
    assert_ptr_equal(running(), c);
    assert_int_equal(guest_of(c)->taken[OTHER_IRQ], 1);
}

// B has 2 us left when A's budget ends, and the switch takes longer: then nobody is to run, and nobody's frame is left.
static void a_budget_that_ends_during_a_switch_leaves_the_core_to_the_thread(void **state) {
    struct vcpu *a, *b;

    (void)state;
    b = world_on(B, 0);
    a = world_on(A, 0);
    core_run(start + US(10));
    guest_sleep(a, start + US(3008));
    assert_ptr_equal(running(), b);
    core_run(start + US(3100));
    assert_ptr_equal(running(), a);
    world.cost.save = US(3);
    core_run(start + US(3220));
    assert_null(running());
    assert_null(world.core[0].resumed);
}

// A wait that was not begun, since something came while the question was asked: what came is looked at on the way out.
static void what_comes_during_the_question_is_looked_at(void **state) {
    struct vcpu *a;

    (void)state;
    a = world_on(A, 0);
    core_enter(0);
    guest_of(a)->pending |= BIT(OTHER_IRQ);
    cpus[0]->todo = 0;
    vcpu_block(a);
    assert_ptr_equal(cpus[0]->current, a);
    assert_true((cpus[0]->todo & TODO_INTERRUPTS) != 0);
}

static void one_expiry_is_injected_once(void **state) {
    struct vcpu *c, *a;

    (void)state;
    c = world_on(C, 0);
    a = world_on(A, 0);
    guest_sleep(a, start + US(100));
    guest_of(a)->keeps = true; // its handler is preempted before it reprograms the timer
    core_run(start + US(150));
    assert_ptr_equal(running(), a);
    assert_int_equal(guest_of(a)->expired, 1);
    core_run(start + US(350)); // its budget ended meanwhile
    assert_ptr_equal(running(), c);
    core_run(start + US(1250));
    assert_ptr_equal(running(), a);
    assert_int_equal(guest_of(a)->expired, 1);
    assert_int_equal(guest_of(a)->taken[TIMER_IRQ], 1);
}

static void a_past_deadline_fires_at_once(void **state) {
    struct vcpu *c, *a;

    (void)state;
    c = world_on(C, 0);
    a = world_on(A, 0);
    core_run(start + US(10));
    guest_of(a)->deaf = true; // it passes unseen
    guest_of(a)->timer = start + US(20);
    core_run(start + US(30));
    guest_of(a)->deaf = false;
    guest_wait(a);
    core_settle();
    assert_ptr_equal(running(), a);
    assert_int_equal(guest_of(a)->taken[TIMER_IRQ], 1);
    guest_wait(a);
    assert_ptr_equal(running(), c);
    assert_true(a->stats.lateness.max == US(10));
}

static void the_timer_of_the_vcpu_that_runs_dispatches_nothing(void **state) {
    struct vcpu *a;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    guest_of(a)->timer = start + US(70);
    uint64_t dispatches = cpus[0]->stats.dispatches;
    core_run(start + US(100));
    assert_int_equal(guest_of(a)->taken[TIMER_IRQ], 1);
    assert_int_equal(guest_of(a)->expired, 0);
    assert_true(cpus[0]->stats.dispatches == dispatches);
}

static void a_preempted_vcpu_has_its_expiry_when_it_is_back(void **state) {
    struct vcpu *a, *c;

    (void)state;
    c = world_on(C, 0);
    a = world_on(A, 0);
    guest_sleep(a, start + US(100));
    guest_of(c)->timer = start + US(150);
    core_run(start + US(299));
    assert_ptr_equal(running(), a);
    assert_false(timer_queue_queued(&c->guest_timer));
    assert_int_equal(guest_of(c)->expired, 0);
    core_run(start + US(400)); // A's budget is spent
    assert_ptr_equal(running(), c);
    assert_int_equal(guest_of(c)->taken[TIMER_IRQ], 1);
    assert_true(guest_of(c)->taken_at == start + US(300));
    guest_wait(c);
    assert_true(c->stats.lateness.max == US(150));
}

// ---- the horizon rule -------------------------------------------------------------------------------------

static void a_best_effort_timer_does_not_interrupt_a_reservation(void **state) {
    struct vcpu *c, *d, *b;

    (void)state;
    c = world_on(C, 0);
    d = world_on(D, 0);
    guest_sleep(c, start + US(500));
    assert_ptr_equal(running(), d);
    assert_true(timer() == start + US(500));
    b = world_on(B, 0);
    assert_ptr_equal(running(), b);
    assert_true(timer() == start + US(3000)); // B's budget
    core_run(start + US(1000));
    guest_wait(b);
    // It is delivered in the very decision that ends the reservation's turn.
    assert_int_equal(guest_of(c)->expired, 1);
    assert_true(running() == c || running() == d);
}

static void a_later_deadline_does_not_interrupt_an_earlier_one(void **state) {
    struct vcpu *a, *b;

    (void)state;
    world_on(C, 0);
    b = world_on(B, 0);
    guest_sleep(b, start + US(100));
    a = world_on(A, 0);
    assert_ptr_equal(running(), a);
    assert_true(timer() == start + US(200)); // A's budget; B's deadline would be 10 ms after its timer
    core_run(start + US(200));
    assert_ptr_equal(running(), b);
    assert_true(guest_of(b)->taken_at == start + US(200));
    assert_true(b->entity.release == start + US(100)); // waiting in the queue moves no deadline
}

static void an_earlier_deadline_interrupts_a_later_one_exactly_then(void **state) {
    struct vcpu *a, *b;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    guest_sleep(a, start + US(1234) + 1);
    b = world_on(B, 0);
    assert_ptr_equal(running(), b);
    assert_true(timer() == start + US(1234) + 1);
    core_run(start + US(1234));
    assert_ptr_equal(running(), b);
    core_run(start + US(1234) + 1);
    assert_ptr_equal(running(), a);
    assert_true(guest_of(a)->taken_at == start + US(1234) + 1);
}

static void a_throttled_vcpus_timer_waits_for_its_refill(void **state) {
    struct vcpu *a, *c;

    (void)state;
    c = world_on(C, 0);
    a = world_on(A, 0);
    core_run(start + US(200) - 1);
    assert_ptr_equal(running(), a);
    // One tick of budget is left; it is spent on going to sleep.
    world.cost.attend = 1;
    guest_sleep(a, start + US(300));
    world.cost.attend = 0;
    assert_ptr_equal(running(), c);
    core_run(start + US(300));
    core_run(start + US(999));
    assert_true(a->guest_timer.when >= start + US(300));
    core_run(start + US(1001));
    assert_ptr_equal(running(), a);
    assert_int_equal(guest_of(a)->taken[TIMER_IRQ], 1);
}

static void a_refill_that_preempts_is_in_time(void **state) {
    struct vcpu *a, *b;

    (void)state;
    b = world_on(B, 0);
    a = world_on(A, 0);
    core_run(start + US(200)); // A has spent its budget
    assert_ptr_equal(running(), b);
    assert_true(timer() == start + US(1000)); // its refill is before B's budget ends
    core_run(start + US(1000));
    assert_ptr_equal(running(), a);
}

static void an_own_event_of_the_running_vcpu_is_in_time(void **state) {
    struct vcpu *b;

    (void)state;
    world_on(C, 0);
    b = world_on(B, 0);
    core_enter(0);
    b->call_timer.slack = 0;
    b->call_timer.fire = NULL;
    timer_queue_add(&cpus[0]->timers, &b->call_timer, start + US(77));
    cpus[0]->todo |= TODO_DISPATCH;
    core_leave();
    assert_true(timer() == start + US(77));
    timer_queue_remove(&cpus[0]->timers, &b->call_timer);
}

static void the_hardware_is_touched_on_change_only(void **state) {
    unsigned arms;

    (void)state;
    world_on(C, 0);
    world_on(B, 0);
    arms = world.core[0].arms;
    for (unsigned i = 0; i < 20; i++) {
        core_enter(0);
        cpus[0]->todo |= TODO_DISPATCH;
        core_leave();
    }
    assert_int_equal(world.core[0].arms, arms);
}

// ---- who pays ---------------------------------------------------------------------------------------------

static void an_event_is_paid_by_its_owner(void **state) {
    struct vcpu *a, *b;
    uint64_t supplied;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    guest_sleep(a, start + US(50));
    b = world_on(B, 0);
    core_run(start + US(49));
    supplied = b->entity.stats.supplied;
    world.cost.inject = US(3);
    core_run(start + US(53));
    assert_ptr_equal(running(), a);
    assert_true(a->entity.stats.charged == US(3));
    assert_true(cpus[0]->stats.irq_ticks == US(3));
    // B ran until A's timer and pays for nothing more.
    assert_true(b->entity.stats.supplied - supplied == US(50) - (host_clock - US(4) - start) ||
                b->entity.stats.supplied == US(50));
    assert_true(b->entity.stats.charged == 0);
    assert_true(a->entity.remaining <= US(200) - US(3));
}

static void an_owner_without_budget_pays_later(void **state) {
    struct vcpu *a, *b;

    (void)state;
    b = world_on(B, 0);
    a = world_on(A, 0);
    guest_of(a)->timer = OFF;
    core_run(start + US(190));
    guest_sleep(a, start + US(220));
    assert_ptr_equal(running(), b);
    world.cost.inject = US(30); // more than the 10 us that A has left
    core_run(start + US(260));
    assert_ptr_equal(running(), b);
    assert_true(a->entity.debt + a->entity.consumed >= US(20));
    assert_int_equal(a->entity.state, SCHED_THROTTLED);
}

// ---- the owner of a core ----------------------------------------------------------------------------------

static void a_vcpu_alone_owns_its_core(void **state) {
    struct vcpu *a;

    (void)state;
    a = world_on(A, 0);
    assert_false(guest_of(a)->traps_wfi);
    assert_true(timer() == OFF);
    core_run(start + US(5000)); // 25 times its budget
    assert_ptr_equal(running(), a);
    assert_true(a->entity.stats.exhaustions == 0);
    assert_int_equal(world.core[0].arms, 0);
}

static void company_ends_ownership_and_its_leaving_brings_it_back(void **state) {
    struct vcpu *a, *c;

    (void)state;
    a = world_on(A, 0);
    core_run(start + US(700));
    c = world_on(C, 0);
    assert_ptr_equal(running(), a);
    assert_true(guest_of(a)->traps_wfi);
    assert_true(timer() == start + US(900)); // a full budget from now on
    core_run(start + US(950));
    assert_ptr_equal(running(), c);
    assert_true(guest_of(c)->traps_wfi);
    vms[C]->state = VM_STOPPED; // so that nothing but its leaving happens
    guest_off(c);
    assert_int_equal(vms[C]->running_vcpus, 0);
    core_run(start + US(1200)); // the thread looked after its VM
    assert_ptr_equal(running(), a);
    assert_false(guest_of(a)->traps_wfi);
    assert_true(timer() == OFF);
    core_run(start + US(2950));
    assert_ptr_equal(running(), a);
}

static enum job_result some_work(struct job *job) {
    (void)job;
    return JOB_DONE;
}

static void the_thread_is_company(void **state) {
    static struct job job;
    struct vcpu *a;

    (void)state;
    job = (struct job){.run = some_work};
    a = world_on(A, 0);
    core_enter(0);
    job_submit(cpus[0], &job);
    core_leave();
    assert_true(guest_of(a)->traps_wfi);
    assert_true(timer() == start + US(200));
    core_run(start + US(250)); // its budget ends, the job runs, the thread leaves
    assert_ptr_equal(running(), a);
    assert_false(guest_of(a)->traps_wfi);
    assert_true(timer() == OFF);
}

// ---- distortion -------------------------------------------------------------------------------------------

static void a_late_interrupt_is_a_distortion(void **state) {
    struct vcpu *a, *b;

    (void)state;
    b = world_on(B, 0);
    a = world_on(A, 0);
    core_run(start + US(199));
    world.late = US(100); // the limit, still the hypervisor's own
    core_run(start + US(301));
    assert_true(cpus[0]->sched.distortions == 0);
    assert_ptr_equal(running(), b);
    core_run(start + US(999));
    assert_ptr_equal(running(), b);
    world.late = US(100) + 1;
    core_run(start + US(1102));
    assert_true(cpus[0]->sched.distortions == 1);
    assert_ptr_equal(running(), a);
    world.late = US(900); // A's activation is open, and gone before it had its budget
    core_run(start + US(3000));
    assert_true(cpus[0]->sched.distortions == 2);
    assert_true(a->entity.stats.misses[SCHED_MISS_DISPATCH] == 0);
    assert_true(b->entity.stats.misses[SCHED_MISS_DISPATCH] == 0);
}

static void a_miss_by_distortion_is_counted_as_such(void **state) {
    struct vcpu *a, *b;

    (void)state;
    b = world_on(B, 0);
    a = world_on(A, 0);
    guest_sleep(a, start + US(100));
    assert_ptr_equal(running(), b);
    world.late = US(700); // A's deadline is at 600
    core_run(start + US(1100));
    assert_true(cpus[0]->sched.distortions == 1);
    assert_true(a->entity.stats.misses[SCHED_MISS_PLATFORM] + a->entity.stats.misses[SCHED_MISS_BACKLOG] == 1);
    assert_true(a->entity.stats.misses[SCHED_MISS_DISPATCH] == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_expiry_wakes_and_enters_in_its_own_handler, setup),
        cmocka_unit_test_setup(what_expires_during_a_switch_is_seen_before_the_next_vcpu_is_loaded, setup),
        cmocka_unit_test_setup(an_event_that_is_near_is_waited_for, setup),
        cmocka_unit_test_setup(an_interrupt_that_waits_is_taken_on_the_way_out, setup),
        cmocka_unit_test_setup(what_expires_while_another_fires_is_in_the_same_decision, setup),
        cmocka_unit_test_setup(a_reservation_does_not_wait_for_best_effort_timers, setup),
        cmocka_unit_test_setup(of_timers_that_expired_together_the_urgent_one_fires_alone, setup),
        cmocka_unit_test_setup(an_interrupt_does_not_wait_for_all_best_effort_timers, setup),
        cmocka_unit_test_setup(what_the_machine_lost_is_found_between_best_effort_timers, setup),
        cmocka_unit_test_setup(an_interrupt_out_of_turn_disturbs_nobody, setup),
        cmocka_unit_test_setup(a_budget_that_ends_during_a_switch_leaves_the_core_to_the_thread, setup),
        cmocka_unit_test_setup(what_comes_during_the_question_is_looked_at, setup),
        cmocka_unit_test_setup(one_expiry_is_injected_once, setup),
        cmocka_unit_test_setup(a_past_deadline_fires_at_once, setup),
        cmocka_unit_test_setup(the_timer_of_the_vcpu_that_runs_dispatches_nothing, setup),
        cmocka_unit_test_setup(a_preempted_vcpu_has_its_expiry_when_it_is_back, setup),
        cmocka_unit_test_setup(a_best_effort_timer_does_not_interrupt_a_reservation, setup),
        cmocka_unit_test_setup(a_later_deadline_does_not_interrupt_an_earlier_one, setup),
        cmocka_unit_test_setup(an_earlier_deadline_interrupts_a_later_one_exactly_then, setup),
        cmocka_unit_test_setup(a_throttled_vcpus_timer_waits_for_its_refill, setup),
        cmocka_unit_test_setup(a_refill_that_preempts_is_in_time, setup),
        cmocka_unit_test_setup(an_own_event_of_the_running_vcpu_is_in_time, setup),
        cmocka_unit_test_setup(the_hardware_is_touched_on_change_only, setup),
        cmocka_unit_test_setup(an_event_is_paid_by_its_owner, setup),
        cmocka_unit_test_setup(an_owner_without_budget_pays_later, setup),
        cmocka_unit_test_setup(a_vcpu_alone_owns_its_core, setup),
        cmocka_unit_test_setup(company_ends_ownership_and_its_leaving_brings_it_back, setup),
        cmocka_unit_test_setup(the_thread_is_company, setup),
        cmocka_unit_test_setup(a_late_interrupt_is_a_distortion, setup),
        cmocka_unit_test_setup(a_miss_by_distortion_is_counted_as_such, setup),
    };
    return cmocka_run_group_tests_name("dispatch", tests, NULL, NULL);
}
