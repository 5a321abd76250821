// SPDX-License-Identifier: Apache-2.0
// The trace: rings that wrap, readers that are overtaken, and what the dispatcher's decisions leave in it.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/hypercall.h"
#include "kernel/trace.h"
#include "takt/hypercall.h"
#include "tests/unit/core_check.h"

enum { A, B, C, VMS, RECORDS = 64 };

static uint64_t start;

static struct trace_ring *ring(void) { return cpus[0]->trace; }

static int make(uint32_t records, bool on) {
    static const char *const names[VMS] = {"a", "b", "c"};

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
    world.system.trace_records = records;
    world.system.trace = on;
    world_create();
    int status = trace_init(&world.system);
    for (unsigned i = 0; i < 2; i++) { core_trap(i); } // as a core enters what it runs
    core_run(US(1000));
    start = host_clock;
    return status;
}

static int setup(void **state) {
    (void)state;
    return make(RECORDS, true);
}

// The n-th record from `from` on of this kind.
static struct trace_record find(uint64_t from, enum trace_kind kind, unsigned n) {
    struct trace_record record;

    for (uint64_t i = from; trace_read(ring(), i, &record); i++) {
        if (record.kind == kind && n-- == 0) { return record; }
    }
    fail_msg("no record of kind %u", (unsigned)kind);
    return record;
}

static unsigned count(uint64_t from, enum trace_kind kind) {
    struct trace_record record;
    unsigned found = 0;

    for (uint64_t i = from; trace_read(ring(), i, &record); i++) { found += record.kind == kind; }
    return found;
}

// ---- the ring ---------------------------------------------------------------------------------------------

static void a_ring_wraps_and_shows_what_is_left(void **state) {
    struct trace_record record;
    uint64_t first = ring()->head;

    (void)state;
    host_cpu = cpus[0];
    for (uint64_t i = 0; i < 3 * RECORDS; i++) {
        host_clock = start + i;
        trace_write(cpus[0], TRACE_MARK, vms[A]->vcpus[0], (uint32_t)i, ~i);
    }
    uint64_t head = first + 3 * RECORDS;
    assert_true(ring()->head == head);
    assert_false(trace_read(ring(), head, &record));
    for (uint64_t i = 0; i < head; i++) {
        // The oldest of a full ring may be in the making: it is not shown either.
        assert_int_equal(trace_read(ring(), i, &record), head - i < RECORDS);
        if (head - i < RECORDS) {
            assert_true(record.time == start + i - first && record.value == ~(i - first));
            assert_int_equal(record.detail, i - first);
            assert_int_equal(record.kind, TRACE_MARK);
            assert_int_equal(record.who, A * MAX_VCPUS);
            assert_int_equal(record.other, TRACE_NOBODY);
        }
    }
}

static void records_are_rounded_up_to_a_power_of_two(void **state) {
    (void)state;
    assert_int_equal(make(65, false), OK);
    assert_int_equal(ring()->mask, 127);
    assert_int_equal(make(64, false), OK);
    assert_int_equal(ring()->mask, 63);
}

static void without_records_there_is_no_ring(void **state) {
    (void)state;
    assert_int_equal(make(0, false), OK);
    assert_null(ring());
    assert_int_equal(trace_switch(true), ERR_UNSUPPORTED);
    world_on(A, 0);
    core_run(start + US(5000));
    assert_int_equal(cpus[0]->todo & TODO_TRACE, 0);
}

// A writer that goes round all the time and a reader that is overtaken: it misses records, and sees none that never was.
enum { WRITTEN = 2000000 };

static void *write_many(void *argument) {
    struct cpu *cpu = argument;

    for (uint64_t i = 0; i < WRITTEN; i++) {
        trace_write(cpu, (enum trace_kind)(1 + i % (TRACE_KINDS - 1)), NULL, (uint32_t)(i * 3), i * 7);
    }
    return NULL;
}

static void a_reader_never_sees_half_a_record(void **state) {
    struct trace_record record;
    uint64_t first = ring()->head, seen = 0, lost = 0;
    pthread_t writer;

    (void)state;
    assert_int_equal(pthread_create(&writer, NULL, write_many, cpus[0]), 0);
    for (uint64_t i = first; i < first + WRITTEN;) {
        uint64_t head = __atomic_load_n(&ring()->head, __ATOMIC_ACQUIRE), n = i - first;
        if (i >= head) { continue; }
        if (trace_read(ring(), i, &record)) {
            assert_true(record.value == n * 7);
            assert_int_equal(record.detail, (uint32_t)(n * 3));
            assert_int_equal(record.kind, 1 + n % (TRACE_KINDS - 1));
            seen++;
        } else {
            lost++;
        }
        i++;
    }
    pthread_join(writer, NULL);
    assert_true(seen + lost == WRITTEN && seen > 0);
}

// ---- on and off -------------------------------------------------------------------------------------------

static void off_writes_nothing(void **state) {
    (void)state;
    make(RECORDS, false);
    world_on(C, 0);
    struct vcpu *a = world_on(A, 0);
    core_run(start + US(50));
    guest_sleep(a, start + US(700));
    core_run(start + US(2000));
    assert_true(ring()->head == 0);
    assert_int_equal(cpus[0]->todo & TODO_TRACE, 0);
}

static void it_is_switched_on_every_core(void **state) {
    (void)state;
    make(RECORDS, false);
    world_on(C, 0);
    core_run(start + US(50));
    host_cpu = cpus[1];
    assert_int_equal(trace_switch(true), OK);
    assert_true(world.core[0].ipi); // the other core would not look for long
    core_run(start + US(100));
    core_trap(1);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(cpus[i]->todo & TODO_TRACE, TODO_TRACE);
        assert_true(cpus[i]->trace->head >= 1);
        assert_int_equal(cpus[i]->trace->records[0].kind, TRACE_ON);
    }
    assert_int_equal(find(0, TRACE_DISPATCH, 0).who, C * MAX_VCPUS); // who runs already
    assert_int_equal(count(0, TRACE_WAKE) + count(0, TRACE_EXIT), 0);
    host_cpu = cpus[1];
    trace_switch(false);
    core_run(start + US(200));
    uint64_t head = ring()->head;
    assert_int_equal(ring()->records[head - 1].kind, TRACE_OFF);
    world_on(A, 0);
    core_run(start + US(900));
    assert_true(ring()->head == head);
}

// ---- what is in it ----------------------------------------------------------------------------------------

static void a_wake_up_is_told_with_its_cause_and_its_budget(void **state) {
    struct vcpu *a;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    core_run(start + US(50));
    guest_sleep(a, start + US(750));
    core_run(start + US(749));
    uint64_t from = ring()->head;
    struct trace_record record = find(0, TRACE_BLOCK, 0);
    assert_int_equal(record.who, A * MAX_VCPUS);
    assert_true(record.value == start + US(50));
    core_run(start + US(750));
    record = find(from, TRACE_WAKE, 0);
    assert_int_equal(record.who, A * MAX_VCPUS);
    assert_int_equal(record.detail, TRACE_BY_TIMER);
    assert_true(record.value == start + US(750));
    record = find(from, TRACE_ACTIVATION, 0);
    assert_true(record.detail == US(150) && record.value == start + US(750));
    record = find(from, TRACE_DISPATCH, 0);
    assert_true(record.who == A * MAX_VCPUS && record.other == C * MAX_VCPUS);
    assert_true(record.value == start + US(750) + US(500));
    record = find(from, TRACE_INJECT, 0);
    assert_true(record.detail == TRACE_OWN_TIMER && record.who == A * MAX_VCPUS && record.value == 0);
    // An interrupt wakes it next.
    guest_wait(a);
    from = ring()->head;
    core_interrupt(1, a);
    core_run(start + US(760));
    assert_int_equal(find(from, TRACE_WAKE, 0).detail, TRACE_BY_INTERRUPT);
}

static void budgets_end_and_come_back(void **state) {
    (void)state;
    world_on(C, 0);
    world_on(A, 0);
    core_run(start + US(1500));
    struct trace_record record = find(0, TRACE_EXHAUSTED, 0);
    assert_int_equal(record.who, A * MAX_VCPUS);
    assert_true(record.time == start + US(200) && record.value == start + US(1000));
    record = find(0, TRACE_ACTIVATION, 1); // the first was that of its start
    assert_true(record.time == start + US(1000) && record.value == start + US(1000) && record.detail == US(200));
    assert_int_equal(count(0, TRACE_MISS), 0);
}

static void vcpus_come_and_go(void **state) {
    struct vcpu *c;

    (void)state;
    world_on(A, 0);
    c = world_on(C, 0);
    core_run(start + US(300));
    assert_int_equal(count(0, TRACE_START), 2);
    assert_int_equal(find(0, TRACE_START, 1).who, C * MAX_VCPUS);
    assert_ptr_equal(cpus[0]->current, c);
    guest_end(c, VM_END_OFF);
    struct trace_record record = find(0, TRACE_STOP, 0);
    assert_true(record.who == C * MAX_VCPUS && record.detail == VM_END_OFF);
    record = find(0, TRACE_DISPATCH, count(0, TRACE_DISPATCH) - 1);
    assert_int_not_equal(record.who, C * MAX_VCPUS);
}

static void what_happened_before_is_not_told_with_a_start(void **state) {
    struct vcpu *a;

    (void)state;
    make(RECORDS, false);
    world_on(C, 0);
    a = world_on(A, 0);
    core_run(start + US(50));
    guest_sleep(a, start + US(300));
    core_run(start + US(300)); // it has woken once
    assert_ptr_equal(cpus[0]->current, a);
    guest_off(a);
    host_cpu = cpus[1];
    trace_switch(true);
    core_run(start + US(5000));
    vms[A]->desc = &world.system.vms[A];
    world_on(A, 0);
    core_run(start + US(5100));
    assert_int_equal(count(0, TRACE_START), 1);
    assert_int_equal(count(0, TRACE_WAKE), 0);
    assert_int_equal(find(0, TRACE_ACTIVATION, 0).who, A * MAX_VCPUS);
}

static void exits_are_told_by_reason(void **state) {
    struct vcpu *c;

    (void)state;
    c = world_on(C, 0);
    core_run(start + US(10));
    uint64_t from = ring()->head;
    core_enter(0);
    c->stats.exits[EXIT_SYSREG]++;
    core_leave();
    core_run(start + US(20));
    struct trace_record record = find(from, TRACE_EXIT, 0);
    assert_true(record.who == C * MAX_VCPUS && record.detail == EXIT_SYSREG);
    assert_int_equal(count(from, TRACE_EXIT), 1);
}

static void a_mark_is_the_guests_value(void **state) {
    uint64_t x[4] = {TAKT_HC_MARK, 0x123456789abcdef0};
    struct vcpu *c = world_on(C, 0);

    (void)state;
    core_run(start + US(10));
    core_enter(0);
    assert_int_equal(hypercalls[TAKT_HC_MARK - TAKT_HC_BASE](c, x), 0);
    core_leave();
    struct trace_record record = find(0, TRACE_MARK, 0);
    assert_true(record.who == C * MAX_VCPUS && record.value == 0x123456789abcdef0);
}

static void time_that_the_machine_lost_is_told(void **state) {
    (void)state;
    world_on(A, 0);
    world_on(B, 0);
    world.late = US(5000);
    core_run(start + US(8000));
    assert_int_equal(count(0, TRACE_DISTORTION), 1);
    assert_int_equal(cpus[0]->sched.distortions, 1);
}

static void a_timer_that_comes_later_than_promised_is_told(void **state) {
    struct vcpu *a;

    (void)state;
    world_on(C, 0);
    a = world_on(A, 0);
    a->promise.latency = US(1);
    world.cost.inject = cpus[0]->stats.masked_max = US(3);
    guest_sleep(a, start + US(2000));
    core_run(start + US(2050));
    guest_wait(a);
    struct trace_record record = find(0, TRACE_LATE, 0);
    assert_true(record.who == A * MAX_VCPUS && record.detail == 0 && record.value == US(2));
    assert_int_equal(count(0, TRACE_LATE), 1);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_ring_wraps_and_shows_what_is_left),
        TEST(records_are_rounded_up_to_a_power_of_two),
        TEST(without_records_there_is_no_ring),
        TEST(a_reader_never_sees_half_a_record),
        TEST(off_writes_nothing),
        TEST(it_is_switched_on_every_core),
        TEST(a_wake_up_is_told_with_its_cause_and_its_budget),
        TEST(budgets_end_and_come_back),
        TEST(vcpus_come_and_go),
        TEST(what_happened_before_is_not_told_with_a_start),
        TEST(exits_are_told_by_reason),
        TEST(a_mark_is_the_guests_value),
        TEST(time_that_the_machine_lost_is_told),
        TEST(a_timer_that_comes_later_than_promised_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
