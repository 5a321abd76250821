// SPDX-License-Identifier: Apache-2.0
// What is said when the hypervisor finds its own bug.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/host/host.h"
#include "kernel/console.h"
#include "kernel/panic.h"

static char output[4096];
static size_t length;

static void put_now(char c) {
    if (length < sizeof(output) - 1) { output[length++] = c; }
}

static struct cpu others[2] = {{.id = 0, .online = true}, {.id = 1, .online = true}};
static size_t length_at_stop;

// Core 0 takes its interrupt at once, core 1 never does.
void arch_stop_others(void) {
    length_at_stop = length;
    others[0].online = false;
}

static const struct uart_ops uart = {.put_now = put_now};

static void provoke(bool condition) { ASSERT(condition); }

static void the_first_panic_says_all_and_the_second_its_reason(void **state) {
    static struct vm vm = {.name = "linux"};
    static struct vcpu vcpu = {.vm = &vm, .index = 3};

    (void)state;
    host_reset();
    console_uart = &uart;
    host_cpu->id = 2;
    host_cpu->current = &vcpu;
    host_cpu->online = true;
    cpus[0] = &others[0];
    cpus[1] = &others[1];
    cpus[2] = host_cpu;
    cpu_count = 3;
    length_at_stop = 1;
    provoke(true);
    assert_int_equal(length, 0);
    switch (HOST_CATCH()) {
    case 0: provoke(length == 1); break;
    case HOST_PARKED: break;
    default: fail();
    }
    assert_true(host_irqs_masked);
    assert_int_equal(length_at_stop, 0); // before the first word
    assert_non_null(strstr(output, "PANIC on core 2: tests/unit/test_panic.c"));
    assert_non_null(strstr(output, "condition"));
    assert_non_null(strstr(output, "VM linux, VCPU 3"));
    assert_null(strstr(output, "core 0 did not stop"));
    assert_non_null(strstr(output, "core 1 did not stop"));
    assert_null(strstr(output, "core 2 did not stop"));
    assert_true(host_cpu->online);

    length = 0;
    memset(output, 0, sizeof(output));
    switch (HOST_CATCH()) {
    case 0: panic("again, %u", 7u); break;
    case HOST_PARKED: break;
    default: fail();
    }
    assert_non_null(strstr(output, "again, 7"));
    assert_null(strstr(output, "VM linux"));
    assert_false(host_cpu->online); // whoever waits for it, waits no longer
}

static void a_core_that_another_stops_parks_without_a_word(void **state) {
    (void)state;
    host_reset();
    host_cpu->online = true;
    length = 0;
    switch (HOST_CATCH()) {
    case 0: panic_stop(); break;
    case HOST_PARKED: break;
    default: fail();
    }
    assert_false(host_cpu->online);
    assert_int_equal(length, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_panic_says_all_and_the_second_its_reason),
        cmocka_unit_test(a_core_that_another_stops_parks_without_a_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
