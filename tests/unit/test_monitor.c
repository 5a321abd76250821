// SPDX-License-Identifier: Apache-2.0
#include "console_fixture.h"

#include "kernel/memory.h"
#include "kernel/monitor_commands.h"
#include "kernel/trace.h"

static int set_up(void **state) {
    (void)state;
    boot(NULL);
    run_console_for(30);
    forget_output();
    return 0;
}

// Types a command; returns its answer without echo and without the prompt that ends it.
static char *ask(const char *command) {
    static char line[100];
    size_t echo = strlen(command) + 2;

    forget_output();
    snprintf(line, sizeof(line), "%s\r", command);
    type(line);
    assert_memory_equal(uart.text, command, echo - 2);
    assert_memory_equal(uart.text + echo - 2, "\r\n", 2);
    assert_true(uart.length >= echo + 6);
    assert_string_equal(uart.text + uart.length - 6, "takt> ");
    uart.text[uart.length - 6] = '\0';
    return uart.text + echo;
}

// The n-th line of an answer, cut out of it.
static const char *line_of(const char *answer, unsigned n) {
    static char line[384];

    for (; n > 0; n--) {
        answer = strstr(answer, "\r\n");
        assert_non_null(answer);
        answer += 2;
    }
    size_t length = strcspn(answer, "\r");
    assert_true(length < sizeof(line));
    memcpy(line, answer, length);
    line[length] = '\0';
    return line;
}

// Words of a line; every row of a table has as many as its header.
static unsigned words(const char *line) {
    unsigned count = 0;

    for (const char *p = line; *p != '\0'; p++) { count += *p != ' ' && (p == line || p[-1] == ' '); }
    return count;
}

static unsigned lines(const char *text) {
    unsigned count = 0;

    for (; (text = strstr(text, "\r\n")) != NULL; text += 2) { count++; }
    return count;
}

static void assert_table(const char *answer, unsigned rows) {
    unsigned columns = words(line_of(answer, 0));

    assert_int_equal(lines(answer), rows + 1);
    for (unsigned i = 1; i <= rows; i++) { assert_int_equal(words(line_of(answer, i)), columns); }
}

// ---- the line editor --------------------------------------------------------------------------------------

static void keys_are_echoed_and_can_be_erased(void **state) {
    (void)state;
    type("vmx\x7f\b");
    assert_string_equal(uart.text, "vmx\b \b\b \b");
    type("\x15");
    assert_string_equal(uart.text, "vmx\b \b\b \b\b \b");
    type("\x7f\x7f");
    assert_string_equal(uart.text, "vmx\b \b\b \b\b \b");
    forget_output();
    type("abc\x03");
    assert_string_equal(uart.text, "abc^C\r\ntakt> ");
}

static void function_keys_mean_nothing(void **state) {
    (void)state;
    type("a\x1b[A\x1b[3~\x1bOPb\t");
    assert_string_equal(uart.text, "ab");
}

static void a_line_has_an_end(void **state) {
    char keys[130];

    (void)state;
    memset(keys, 'k', sizeof(keys) - 1);
    keys[sizeof(keys) - 1] = '\0';
    type(keys);
    assert_int_equal(uart.length, MONITOR_LINE - 1);
}

static void output_of_others_does_not_hide_what_is_typed(void **state) {
    (void)state;
    type("vm");
    say(0, CONSOLE_UART, "noise\n");
    run_console_for(120);
    assert_string_equal(uart.text, "vm\r\n[alpha] noise\r\ntakt> vm");
    say(0, CONSOLE_UART, "more\n");
    run_console();
    type("s"); // before the quiet time is over
    assert_string_equal(uart.text + uart.length - 9, "takt> vms");
    assert_null(strstr(ask(""), "no command"));
}

static void wrong_commands_are_explained(void **state) {
    (void)state;
    assert_string_equal(ask("frob"), "no command 'frob'; `help` lists them\r\n");
    assert_string_equal(ask("stop"), "stop needs NAME: the name of a VM; `vms` lists them\r\n");
    assert_string_equal(ask("  stop   gamma  "), "no VM 'gamma'; `vms` lists them\r\n");
    assert_string_equal(ask(""), "");
    assert_string_equal(ask("   "), "");
    assert_string_equal(ask("a b c d e"), "no command 'a'; `help` lists them\r\n");
}

// ---- commands ---------------------------------------------------------------------------------------------

static void help_names_every_command(void **state) {
    static const char *const names[] = {"help ",    "vms ",    "cpus ",   "vcpus ", "exits ",  "timers ", "misses ",
                                        "promises", "memory",  "log ",    "trace ", "stop ",   "start ",  "restart",
                                        "create",   "destroy", "reserve", "move ",  "changes", "reset ",  "quit "};
    const char *answer = ask("help");

    (void)state;
    assert_int_equal(lines(answer), ARRAY_SIZE(names));
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        assert_memory_equal(line_of(answer, i), names[i], strlen(names[i]));
    }
}

static void vms_are_listed_with_number_name_and_state(void **state) {
    const char *answer;

    (void)state;
    fake_vms[0].state = VM_RUNNING;
    fake_vms[0].stats.starts = 3;
    fake_vms[0].restarts = 2;
    fake_vms[1].end = VM_END_FAULT;
    strcpy(fake_vms[1].reason, "VCPU 0: wrote where it must not");
    answer = ask("vms");
    assert_int_equal(lines(answer), 3);
    assert_string_equal(line_of(answer, 1), " 1 alpha                   running       3        2"
                                            "     1         64 -");
    assert_string_equal(line_of(answer, 2), " 2 beta                    failed        0        0"
                                            "     2        128 VCPU 0: wrote where it must not");
    fake_vms[1].end = VM_END_OFF;
    assert_non_null(strstr(ask("vms"), " off "));
    fake_vms[1].end = VM_END_STOP;
    assert_non_null(strstr(ask("vms"), " stopped "));
}

static void cores_show_promised_and_used_time(void **state) {
    const char *answer;

    (void)state;
    ask("cpus");
    cpus[0]->stats.idle_ticks += 75 * MS;
    cpus[1]->stats.idle_since = host_clock - 50 * MS; // idle now, since the last answer
    host_clock += 50 * MS;
    sched_add(&cpus[0]->sched, &fake_vcpus[0].entity);
    answer = ask("cpus"); // 100 ms after the last, by the time that `type` takes
    assert_table(answer, 2);
    assert_string_equal(line_of(answer, 0), "core promised   used used-boot   idle interrupt-us masked-max-ns  switches"
                                            "      ipis lost owner");
    assert_memory_equal(line_of(answer, 1), "   0    20.1%  25.0%", 20);
    assert_non_null(strstr(line_of(answer, 1), " alpha/0"));
    assert_memory_equal(line_of(answer, 2), "   1     0.0%   0.0%", 20);
    assert_non_null(strstr(line_of(answer, 2), " -"));
}

static void vcpus_show_what_they_used(void **state) {
    const char *answer;

    (void)state;
    ask("vcpus");
    fake_vcpus[0].entity.stats.supplied = 20 * MS;
    fake_vcpus[0].entity.stats.charged = 5 * MS;
    fake_vcpus[0].entity.stats.exhaustions = 7;
    host_clock += 50 * MS;
    cpus[1]->sched.running = &fake_vcpus[2].entity; // for the 100 ms that pass
    cpus[1]->sched.run_start = host_clock - 50 * MS;
    answer = ask("vcpus");
    assert_table(answer, 3);
    assert_string_equal(line_of(answer, 1), "alpha                      0    0 off         200      1000         500"
                                            "      0  25.0%        25         7      0        0        0");
    assert_memory_equal(line_of(answer, 3), "beta                       1    1 off ", 38);
    assert_non_null(strstr(line_of(answer, 3), " 50.0%        50 "));
}

static void timers_show_lateness_in_nanoseconds(void **state) {
    const char *answer;

    (void)state;
    for (uint64_t i = 1; i <= 100; i++) { histogram_add(&fake_vcpus[1].stats.lateness, i * 100); }
    answer = ask("timers");
    assert_table(answer, 3);
    assert_string_equal(line_of(answer, 2), "beta                       0       100        100"
                                            "       5050      10000      10000");
    assert_string_equal(line_of(answer, 3), "beta                       1         0          0"
                                            "          0          0          0");
}

static void misses_are_summed_by_cause(void **state) {
    uint64_t *misses = fake_vcpus[0].entity.stats.misses;
    const char *answer;

    (void)state;
    fake_vcpus[0].entity.stats.activations = 1000;
    misses[SCHED_MISS_DISPATCH] = 1;
    misses[SCHED_MISS_PLATFORM] = 2;
    misses[SCHED_MISS_BACKLOG] = 3;
    answer = ask("misses");
    assert_int_equal(lines(answer), 3); // best effort has no budget to miss
    assert_string_equal(line_of(answer, 1), "alpha                      0        1000        1"
                                            "        5");
    assert_string_equal(line_of(answer, 2), "misses: 1 own, 5 platform");
}

static void promises_stand_beside_what_was_late(void **state) {
    const char *answer;

    (void)state;
    answer = ask("promises");
    assert_int_equal(lines(answer), 2); // best effort has none
    assert_string_equal(line_of(answer, 1), "alpha                      0        4300         0         0"
                                            "         0            0");
    fake_vcpus[0].promise = (struct vcpu_promise){.latency = 1500, .checked = 1000, .breaches = {2, 3}, .worst = 77};
    answer = ask("promises");
    assert_int_equal(lines(answer), 2);
    assert_string_equal(line_of(answer, 1), "alpha                      0        1500      1000         2"
                                            "         3           77");
}

static void exits_are_counted_by_reason(void **state) {
    const char *answer;

    (void)state;
    fake_vcpus[0].stats.exits[EXIT_MMIO] = 5;
    fake_vcpus[1].stats.exits[EXIT_WAIT] = 6;
    fake_vcpus[2].stats.exits[EXIT_WAIT] = 7;
    answer = ask("exits");
    assert_table(answer, 2);
    assert_string_equal(line_of(answer, 1), "alpha                   mmio                 5");
    assert_string_equal(line_of(answer, 2), "beta                    wait                13");
    assert_table(ask("exits beta"), 1);
    assert_table(ask("exits gamma"), 0);
}

static void a_trace_is_switched_and_dumped(void **state) {
    static struct {
        struct trace_ring ring;
        struct trace_record records[8];
    } memory[2];

    (void)state;
    assert_non_null(strstr(ask("trace on"), "give the system `trace-records`"));
    for (unsigned i = 0; i < 2; i++) {
        memset(&memory[i], 0, sizeof(memory[i]));
        memory[i].ring.mask = 7;
        cpus[i]->trace = &memory[i].ring;
    }
    assert_table(ask("trace"), 2);
    assert_string_equal(ask("trace on"), "trace is on\r\n");
    assert_true(memory[0].ring.wanted && memory[1].ring.wanted);
    assert_true((cpus[1]->todo_remote & (TODO_INBOX | TODO_KICKED)) == (TODO_INBOX | TODO_KICKED));
    assert_non_null(strstr(ask("trace dunp"), "does not know 'dunp': it is on, off, dump"));
    for (unsigned i = 0; i < 10; i++) { trace_write(cpus[0], TRACE_MARK, vms[0]->vcpus[0], i, 0xabc); }
    // Seven of ten are left, in two lines; nothing of the second core.
    const char *answer = ask("trace dump");
    assert_string_equal(line_of(answer, 0), "trace-begin 1 1000000000 2");
    assert_string_equal(line_of(answer, 1), "trace-vcpu 0 alpha 0 0 200 500 1000");
    assert_string_equal(line_of(answer, 3), "trace-vcpu 9 beta 1 1 0 0 0");
    assert_memory_equal(line_of(answer, 4), "t0 ", 3);
    assert_int_equal(words(line_of(answer, 4)), 6);
    assert_string_equal(line_of(answer, 4) + 3 + 16, strstr(line_of(answer, 4), "0000000000000abc000000030d00ff00"));
    assert_int_equal(words(line_of(answer, 5)), 3);
    assert_string_equal(line_of(answer, 6), "trace-core 0 10 3");
    assert_string_equal(line_of(answer, 7), "trace-core 1 0 0");
    assert_string_equal(line_of(answer, 8), "trace-end");
    assert_int_equal(lines(answer), 9);
    assert_string_equal(ask("trace off"), "trace is off\r\n");
    assert_false(memory[0].ring.wanted || memory[1].ring.wanted);
}

// The lines of a dump come whole, whatever a guest prints meanwhile.
static void a_dump_is_not_cut_by_guests(void **state) {
    static struct {
        struct trace_ring ring;
        struct trace_record records[64];
    } memory[2];
    unsigned records = 0, said = 0;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        memset(&memory[i], 0, sizeof(memory[i]));
        memory[i].ring.mask = 63;
        cpus[i]->trace = &memory[i].ring;
    }
    for (unsigned i = 0; i < 63; i++) { trace_write(cpus[0], TRACE_MARK, vms[0]->vcpus[0], i, 0xabc); }
    forget_output();
    uart.limited = true;
    uart.typed = "trace dump\r";
    console_uart_interrupt();
    for (int i = 0; i < 1000; i++) {
        if (i % 8 == 0) { say(0, CONSOLE_UART, "in between\n"); }
        uart.room = 16;
        run_console_for(1);
    }
    assert_non_null(strstr(uart.text, "\r\ntrace-end\r\n"));
    for (const char *line = uart.text; line != NULL; line = strstr(line, "\r\n")) {
        line += line[0] == '\r' ? 2 : 0;
        said += strncmp(line, "[alpha] in between", 18) == 0;
        if (strncmp(line, "t0 ", 3) == 0) {
            assert_int_equal((strcspn(line, "\r") - 2) % 49, 0);
            records += (unsigned)(strcspn(line, "\r") - 2) / 49;
        }
    }
    assert_int_equal(records, 63);
    assert_true(said > 20);
}

static void memory_and_log_are_shown(void **state) {
    struct memory_report report;
    const char *answer;

    (void)state;
    memory_report(&report);
    answer = ask("memory");
    assert_table(answer, 1);
    assert_int_equal(strtoull(line_of(answer, 1), NULL, 10), report.total >> 10);
    log_line("something happened");
    run_console_for(120);
    assert_non_null(strstr(ask("log"), "something happened\r\n"));
}

static void a_vm_can_be_stopped_and_only_when_it_runs(void **state) {
    (void)state;
    assert_string_equal(ask("stop alpha"), "alpha: not now, it is stopped\r\n");
    fake_vms[0].state = VM_RUNNING;
    assert_string_equal(ask("stop alpha"), "alpha: is being stopped\r\n");
    assert_int_equal(fake_vms[0].state, VM_STOPPING);
    assert_int_equal(fake_vms[0].end, VM_END_STOP);
    assert_string_equal(ask("restart alpha"), "alpha: not now, it is stopping\r\n");
    assert_string_equal(ask("start alpha"), "alpha: not now, it is stopping\r\n");
    fake_vms[1].state = VM_RUNNING;
    assert_string_equal(ask("restart beta"), "beta: is being restarted\r\n");
    assert_int_equal(fake_vms[1].end, VM_END_RESTART);
}

static void ends_the_machine(const char *line, enum host_end expected) {
    int end;

    set_up(NULL);
    end = HOST_CATCH();
    if (end == HOST_RUNNING) {
        type(line);
        fail();
    }
    assert_int_equal(end, expected);
    assert_non_null(strstr(uart.text, " the machine"));
    assert_string_equal(uart.text + uart.length - 2, "\r\n");
}

static void the_machine_ends_after_the_last_line_is_out(void **state) {
    (void)state;
    ends_the_machine("quit\r", HOST_OFF);
    ends_the_machine("reset\r", HOST_RESET);
}

// ---- slices -----------------------------------------------------------------------------------------------

static void a_long_answer_waits_for_room(void **state) {
    (void)state;
    for (int i = 0; i < 60; i++) { log_line("a message of some length, so that the log nearly fills the ring: %d", i); }
    run_console_for(100);
    forget_output();
    uart.limited = true;
    uart.room = 0;
    uart.typed = "log\r";
    console_uart_interrupt();
    run_console_for(5);
    assert_true(console_monitor_room() < 3 * LOG_LINE_MAX);
    say(0, CONSOLE_UART, "in between\n");
    for (int i = 0; i < 2000; i++) {
        uart.room = 16;
        run_console_for(1);
    }
    assert_in_range(lines(uart.text), 50, 66);
    assert_non_null(strstr(uart.text, "\r\n[alpha] in between\r\n"));
    assert_non_null(strstr(uart.text, "ring: 59\r\n"));
    assert_string_equal(uart.text + uart.length - 6, "takt> ");
}

static void a_long_answer_can_be_interrupted(void **state) {
    (void)state;
    for (int i = 0; i < 200; i++) {
        log_line("a message of some length, so that the log nearly fills the ring: %d", i);
    }
    run_console_for(100);
    forget_output();
    uart.limited = true;
    uart.room = 0;
    type("log\r");
    assert_true(monitor_busy());
    type("\x03");
    assert_false(monitor_busy());
    uart.limited = false;
    run_console_for(100);
    assert_in_range(lines(uart.text), 20, 60);
    assert_string_equal(uart.text + uart.length - 6, "takt> ");
}

// Keys typed during an answer are not lost.
static void typing_ahead_works(void **state) {
    (void)state;
    type("misses\rmemory\r");
    const char *misses = strstr(uart.text, "misses: 0 own");
    const char *memory = strstr(uart.text, "total-KiB");
    assert_non_null(misses);
    assert_non_null(memory);
    assert_true(misses < memory);
}

static void a_fresh_prompt_comes_with_the_focus(void **state) {
    (void)state;
    type("half");
    type("\x1d"
         "1");
    type("\x1d"
         "m");
    assert_string_equal(uart.text + uart.length - 8, "\r\ntakt> ");
    assert_string_equal(ask("frob"), "no command 'frob'; `help` lists them\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(keys_are_echoed_and_can_be_erased, set_up),
        cmocka_unit_test_setup(function_keys_mean_nothing, set_up),
        cmocka_unit_test_setup(a_line_has_an_end, set_up),
        cmocka_unit_test_setup(output_of_others_does_not_hide_what_is_typed, set_up),
        cmocka_unit_test_setup(wrong_commands_are_explained, set_up),
        cmocka_unit_test_setup(help_names_every_command, set_up),
        cmocka_unit_test_setup(vms_are_listed_with_number_name_and_state, set_up),
        cmocka_unit_test_setup(cores_show_promised_and_used_time, set_up),
        cmocka_unit_test_setup(vcpus_show_what_they_used, set_up),
        cmocka_unit_test_setup(timers_show_lateness_in_nanoseconds, set_up),
        cmocka_unit_test_setup(misses_are_summed_by_cause, set_up),
        cmocka_unit_test_setup(promises_stand_beside_what_was_late, set_up),
        cmocka_unit_test_setup(exits_are_counted_by_reason, set_up),
        cmocka_unit_test_setup(a_trace_is_switched_and_dumped, set_up),
        cmocka_unit_test_setup(a_dump_is_not_cut_by_guests, set_up),
        cmocka_unit_test_setup(memory_and_log_are_shown, set_up),
        cmocka_unit_test_setup(a_vm_can_be_stopped_and_only_when_it_runs, set_up),
        cmocka_unit_test_setup(the_machine_ends_after_the_last_line_is_out, set_up),
        cmocka_unit_test_setup(a_long_answer_waits_for_room, set_up),
        cmocka_unit_test_setup(a_long_answer_can_be_interrupted, set_up),
        cmocka_unit_test_setup(typing_ahead_works, set_up),
        cmocka_unit_test_setup(a_fresh_prompt_comes_with_the_focus, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
