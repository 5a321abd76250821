// SPDX-License-Identifier: Apache-2.0
#include "console_fixture.h"

#include "kernel/boot.h"
#include "kernel/report.h"

static const struct boot_times times = {.entered = 1000, .checked = 501000, .hashing = 123456};
static struct board board;

static int set_up(void **state) {
    (void)state;
    boot(NULL);
    log_direct(0); // the report is printed while booting
    board = (struct board){
        .model = "test,board",
        .cpu_count = 2,
        .cpu_total = 2,
        .memory_count = 1,
        .memory = {{0x40000000, 1ull << 30}},
        .initrd = {0x48000000, 4096},
    };
    forget_output();
    return 0;
}

static void assert_line(const char *line) {
    char whole[200];

    snprintf(whole, sizeof(whole), "\r\n[takt] %s\r\n", line);
    if (strstr(uart.text, whole) == NULL) { fail_msg("no line '%s' in:\n%s", line, uart.text); }
}

static void it_says_who_got_what(void **state) {
    (void)state;
    report_system(&board, &system_desc, &times);
    assert_memory_equal(uart.text, "[takt] Takt on test,board: 2 cores, counter 1000000000 Hz", 56);
    assert_line("boot: system checked after 500.000 us, of which hashing took 123.456 us");
    assert_line("  board                   0x0040000000..0x007fffffff 1048576 KiB");
    assert_line("  beta                    0x0048000000..0x004fffffff  131072 KiB, seen at 0x40000000");
    assert_line("core vm                      vcpu utilisation budget-us period-us deadline-us "
                "blackout-us  latency-us   always-us");
    assert_line("   0 alpha                      0       20.0%       200      1000         500"
                "        1100       4.300    1104.300");
    assert_line("   0 beta                       0  best effort, weight 100");
    assert_line("   1 beta                       1  best effort, weight 100  owns the core");
    assert_line("   0 all, with overhead                 20.0%");
    assert_line("admission: one exact test takes up to 0 ns: core 0, 1 reservations, 0 steps"); // here the clock stands
    assert_null(strstr(uart.text, "warning"));
    assert_true(uart.length < 3072);
}

static void a_wait_for_budget_is_a_period_where_the_blackout_is_shorter(void **state) {
    (void)state;
    system_desc.vms[0].vcpus[0].budget_us = 400;
    report_system(&board, &system_desc, &times);
    assert_line("   0 alpha                      0       40.0%       400      1000         500"
                "         700       4.300    1004.300");
    forget_output();
    system_desc.vms[0].vcpus[0].latency = 0;
    report_system(&board, &system_desc, &times);
    assert_line("   0 alpha                      0       40.0%       400      1000         500"
                "         700   undecided   undecided");
}

static void warnings_name_what_they_are_about(void **state) {
    (void)state;
    system_desc.deterministic = true;
    system_desc.vms[1].device_count = 1;
    system_desc.vms[1].devices[0] = (struct device_desc){.path = "/dma@1000", .unprotected_dma = true};
    board.cpu_total = 12;
    report_system(&board, &system_desc, &times);
    assert_line("warning: `deterministic`: the guests' seeds are fixed and known; for tests only");
    assert_line("warning: beta: `unprotected-dma`: /dma@1000 can reach all memory");
    assert_line("warning: 2 of the board's 12 cores are used: that is the limit");
}

static void with_smt_no_bound_is_promised(void **state) {
    (void)state;
    board.thread_count = 2;
    report_system(&board, &system_desc, &times);
    assert_line("cores: 2 further threads of them stay unused, as without `smt`");
    assert_memory_equal(uart.text, "[takt] Takt on test,board: 2 cores", 34);
    assert_null(strstr(uart.text, "withdrawn"));
    forget_output();
    system_desc.smt = true;
    report_system(&board, &system_desc, &times);
    assert_memory_equal(uart.text, "[takt] Takt on test,board: 4 cores", 34);
    assert_line("admitted, but no bound holds: a core's threads slow each other as they like (`smt`)");
    assert_line("   0 alpha                      0       20.0%       200      1000         500"
                "   withdrawn   withdrawn   withdrawn");
    assert_null(strstr(uart.text, "unused"));
    assert_null(strstr(uart.text, "every budget"));
}

static void a_split_vcpu_stands_on_both_cores(void **state) {
    struct vcpu_desc *alpha = &system_desc.vms[0].vcpus[0];

    (void)state;
    alpha->second = 1;
    alpha->pieces[0] = (struct sched_task){120500, 121250, 1000000};
    alpha->pieces[1] = (struct sched_task){80500, 378750, 1000000};
    report_system(&board, &system_desc, &times);
    assert_line("   0 alpha                      0       20.0%       200      1000         500"
                "        1100       4.300    1104.300");
    assert_line("   0 alpha                      0       12.0%   120.500      1000     121.250"
                "              piece 1 of 2, with overhead");
    assert_line("   1 alpha                      0        8.0%    80.500      1000     378.750"
                "              piece 2 of 2, with overhead");
    assert_null(strstr(uart.text, "   1 beta                       0"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_says_who_got_what, set_up),
        cmocka_unit_test_setup(a_split_vcpu_stands_on_both_cores, set_up),
        cmocka_unit_test_setup(a_wait_for_budget_is_a_period_where_the_blackout_is_shorter, set_up),
        cmocka_unit_test_setup(warnings_name_what_they_are_about, set_up),
        cmocka_unit_test_setup(with_smt_no_bound_is_promised, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
