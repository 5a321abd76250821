// SPDX-License-Identifier: Apache-2.0
#include "console_fixture.h"

#define KEY "\x1d" // Ctrl-]

static int set_up(void **state) {
    (void)state;
    boot("alpha");
    return 0;
}

static int set_up_quiet(void **state) // the input is the monitor's, which says nothing
{
    (void)state;
    boot(NULL);
    run_console_for(100);
    console.out.open = NO_SOURCE; // as if its prompt were not there
    forget_output();
    return 0;
}

// ---- output -----------------------------------------------------------------------------------------------

static void lines_carry_their_source(void **state) {
    (void)state;
    say(0, CONSOLE_UART, "one\ntwo\r\n");
    say(1, CONSOLE_VIRTIO, "three\n");
    say(1, CONSOLE_UART, "four\n");
    say(0, CONSOLE_UART, "\n");
    run_console();
    assert_string_equal(uart.text, "[alpha] one\r\n[beta] four\r\n[beta:hvc0] three\r\n"
                                   "[alpha] two\r\n[alpha] \r\n");
}

static void a_prompt_shows_after_a_quiet_time(void **state) {
    (void)state;
    say(1, CONSOLE_UART, "login: ");
    run_console_for(19);
    assert_string_equal(uart.text, "");
    run_console_for(1);
    assert_string_equal(uart.text, "[beta] login: ");
    say(1, CONSOLE_UART, "root\n");
    run_console();
    assert_string_equal(uart.text, "[beta] login: root\r\n");
}

static void in_focus_every_character_shows_at_once(void **state) {
    (void)state;
    run_console_for(100);
    forget_output();
    say(0, CONSOLE_UART, "~ ");
    say(0, CONSOLE_UART, "# ");
    run_console();
    assert_string_equal(uart.text, "[alpha] ~ # ");
}

static void a_broken_line_is_ended_and_goes_on_under_its_name(void **state) {
    (void)state;
    say(0, CONSOLE_UART, "# ls");
    run_console_for(30);
    say(1, CONSOLE_UART, "noise\n");
    run_console();
    say(0, CONSOLE_UART, " -l\n");
    run_console();
    assert_string_equal(uart.text, "[alpha] # ls\r\n[beta] noise\r\n[alpha]+ -l\r\n");
}

// Its backspaces stop where the piece begins, and what begins over after a carriage return is no piece.
static void a_broken_line_keeps_its_prefix(void **state) {
    (void)state;
    say(0, CONSOLE_UART, "50%");
    run_console_for(30);
    say(1, CONSOLE_UART, "noise\n");
    run_console();
    say(0, CONSOLE_UART, "x\b\b\b\b\b\b\b\b\b[takt]");
    run_console_for(30);
    say(1, CONSOLE_UART, "more\n");
    run_console();
    say(0, CONSOLE_UART, "\r100%\n");
    run_console();
    assert_string_equal(uart.text, "[alpha] 50%\r\n[beta] noise\r\n[alpha]+x\b[takt]\r\n"
                                   "[beta] more\r\n[alpha] 100%\r\n");
}

static void a_source_without_line_ends_lets_others_in(void **state) {
    char flood[3000];

    (void)state;
    memset(flood, 'x', sizeof(flood) - 1);
    flood[sizeof(flood) - 1] = '\0';
    say(0, CONSOLE_UART, flood);
    say(1, CONSOLE_UART, "here\n");
    run_console_for(30);
    const char *here = strstr(uart.text, "\r\n[beta] here\r\n[alpha]+x");
    assert_non_null(here);
    assert_true(here - uart.text < 400);
}

static void escape_sequences_pass_only_in_focus(void **state) {
    static const char text[] = "\x1b[31mred\x1b[0m\x1b[6n \x1b]0;title\x07t\x1b(Bu\x1b[2Jv\x01\x7fw\n";

    (void)state;
    say(0, CONSOLE_UART, text);
    run_console();
    assert_string_equal(uart.text, "[alpha] red tuvw\r\n");
    type(KEY "1");
    forget_output();
    say(0, CONSOLE_UART, text);
    run_console();
    assert_non_null(strstr(uart.text, "\x1b[31mred\x1b[0m\x1b[6n \x1b]0;title\x07t\x1b(Bu\x1b[2Jv"));
}

// A sequence cut by a line's end hides nothing of the next line.
static void an_unfinished_sequence_ends_with_its_line(void **state) {
    (void)state;
    say(0, CONSOLE_UART, "a\x1b[3\nb\x1b]0;never ended\nc\x1b\nd\n");
    run_console();
    assert_string_equal(uart.text, "[alpha] a\r\n[alpha] b\r\n[alpha] c\r\n[alpha] d\r\n");
}

static void nobody_writes_over_the_prefix(void **state) {
    (void)state;
    say(0, CONSOLE_UART, "ab\b\b\b\b\b\b\b\b\b\b[takt] forged\n");
    say(0, CONSOLE_UART, "50%\r100%\r\r\n");
    say(0, CONSOLE_UART, "\r\r[takt] x\n");
    run_console();
    assert_string_equal(uart.text, "[alpha] ab\b\b[takt] forged\r\n"
                                   "[alpha] 50%\r[alpha] 100%\r\n"
                                   "[alpha] [takt] x\r\n");
}

static unsigned drained;
static bool on_drained(void *device) { return ++drained < *(unsigned *)device; }

static void a_full_ring_loses_nothing(void **state) {
    static unsigned one = 1;
    static const struct console_device device = {.drained = on_drained, .device = &one};
    char block[CONSOLE_RING_SIZE + 100];

    (void)state;
    drained = 0;
    console_vm_attach(&fake_vms[0], CONSOLE_UART, &device);
    for (size_t i = 0; i < sizeof(block); i++) { block[i] = i % 64 == 63 ? '\n' : (char)('a' + i % 26); }
    assert_int_equal(console_vm_write(&fake_vms[0], CONSOLE_UART, block, sizeof(block)), CONSOLE_RING_SIZE);
    assert_int_equal(console_ring_room(&console.sources[console_source_of(0, CONSOLE_UART)].ring), 0);
    assert_int_equal(console_ring_room(&console.sources[console_source_of(0, CONSOLE_VIRTIO)].ring), CONSOLE_RING_SIZE);
    assert_int_equal(drained, 0);
    run_console();
    assert_int_equal(drained, 1);
    assert_int_equal(console_ring_room(&console.sources[console_source_of(0, CONSOLE_UART)].ring), CONSOLE_RING_SIZE);
    assert_int_equal(say(0, CONSOLE_UART, "after\n"), 6);
    run_console();
    assert_int_equal(drained, 1);
    assert_int_equal(uart.length, 64 * (64 + 1 + 8) + 8 + 7);
}

static void a_device_with_more_to_do_is_called_again(void **state) {
    static unsigned times = 5;
    static const struct console_device device = {.drained = on_drained, .device = &times};
    char block[CONSOLE_RING_SIZE + 1];

    (void)state;
    drained = 0;
    memset(block, '\n', sizeof(block));
    console_vm_attach(&fake_vms[0], CONSOLE_UART, &device);
    console_vm_write(&fake_vms[0], CONSOLE_UART, block, sizeof(block));
    run_console();
    assert_int_equal(drained, times);
}

static void a_full_fifo_makes_the_job_sleep(void **state) {
    (void)state;
    uart.limited = true;
    uart.room = 16;
    say(0, CONSOLE_UART, "0123456789abcdef\n");
    run_console();
    assert_string_equal(uart.text, "[alpha] 01234567");
    assert_int_equal(console.job.wake_at, host_clock + MS);
    uart.room = 100;
    run_console();
    assert_string_equal(uart.text, "[alpha] 0123456789abcdef\r\n");
}

// ---- sources never mix ------------------------------------------------------------------------------------

enum { CHANNELS = 4, STREAM_MAX = 20000 };
static const char *const prefixes[CHANNELS] = {"[alpha]", "[alpha:hvc0]", "[beta]", "[beta:hvc0]"};
static char sent[CHANNELS][STREAM_MAX], seen[CHANNELS][STREAM_MAX];
static size_t sent_count[CHANNELS], seen_count[CHANNELS];
static bool begun[CHANNELS];

static void random_write(struct random *random) {
    unsigned channel = (unsigned)random_in(random, 0, CHANNELS - 1);
    char text[40] = {0};
    size_t size = random_in(random, 1, sizeof(text));

    for (size_t i = 0; i < size; i++) {
        text[i] = random_in(random, 0, 9) == 0 ? '\n' : (char)random_in(random, '!', 'z');
    }
    size = console_vm_write(&fake_vms[channel / 2], channel % 2, text, size);
    memcpy(sent[channel] + sent_count[channel], text, size);
    sent_count[channel] += size;
}

// A piece joins the line before it; any other line ends that one.
static void take_line(const char *line, size_t length) {
    for (unsigned i = 0; i < CHANNELS; i++) {
        size_t prefix = strlen(prefixes[i]);
        if (length > prefix && memcmp(line, prefixes[i], prefix) == 0) {
            if (line[prefix] == ' ' && begun[i]) { seen[i][seen_count[i]++] = '\n'; }
            assert_true(line[prefix] == ' ' || (line[prefix] == '+' && begun[i]));
            begun[i] = true;
            memcpy(seen[i] + seen_count[i], line + prefix + 1, length - prefix - 1);
            seen_count[i] += length - prefix - 1;
            return;
        }
    }
    assert_true(length >= 7 && memcmp(line, "[takt] ", 7) == 0);
    assert_memory_equal(line + 7, "tick", 4);
}

static void whatever_they_do_sources_never_mix(void **state) {
    struct random random = random_start("console", 3);

    (void)state;
    for (int round = 0; round < ROUNDS(64) + 4; round++) {
        set_up_quiet(NULL);
        memset(sent_count, 0, sizeof(sent_count));
        memset(seen_count, 0, sizeof(seen_count));
        memset(begun, 0, sizeof(begun));
        uart.limited = round % 2 == 0;
        for (int i = 0; i < 300; i++) {
            random_write(&random);
            if (random_in(&random, 0, 20) == 0) { log_line("tick %d", i); }
            uart.room = (unsigned)random_in(&random, 0, 64);
            if (random_in(&random, 0, 3) == 0) { run_console_for(random_in(&random, 0, 30)); }
        }
        uart.limited = false;
        run_console_for(100);
        for (char *line = uart.text, *end; *line != '\0'; line = end + 2) {
            end = strstr(line, "\r\n");
            if (end == NULL) { // the last may be open
                take_line(line, strlen(line));
                break;
            }
            take_line(line, (size_t)(end - line));
        }
        for (unsigned i = 0; i < CHANNELS; i++) {
            bool ended = sent_count[i] > 0 && sent[i][sent_count[i] - 1] == '\n';
            assert_int_equal(seen_count[i] + ended, sent_count[i]);
            assert_memory_equal(seen[i], sent[i], seen_count[i]);
        }
    }
}

// ---- the log ----------------------------------------------------------------------------------------------

static void the_log_goes_straight_until_the_job_runs(void **state) {
    (void)state;
    boot("alpha");
    log_direct(0); // as another test may have left the log
    forget_output();
    log_line("%s %d", "early", 1);
    assert_string_equal(uart.text, "[takt] early 1\r\n");
    assert_null(console.cpu->thread.head); // no sooner than boot says so
    console_wake();
    assert_ptr_equal(console.cpu->thread.head, &console.job);
    run_console();
    forget_output();
    log_line("later");
    assert_string_equal(uart.text, "");
    run_console();
    assert_string_equal(uart.text, "[takt] later\r\n");
}

static void a_long_message_is_cut(void **state) {
    char text[LOG_LINE_MAX + 100];

    (void)state;
    memset(text, 'm', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_line("%s", text);
    run_console();
    assert_int_equal(uart.length, 7 + LOG_LINE_MAX - 1 + 2);
}

static void the_oldest_messages_are_overwritten_whole(void **state) {
    char chunk[LOG_LINE_MAX];
    uint64_t cursor = 0;
    int first = -1, next;

    (void)state;
    for (int i = 0; i < 1000; i++) { log_line("message number %d", i); }
    for (size_t size; (size = log_read(&cursor, chunk, sizeof(chunk) - 1)) > 0;) {
        chunk[size] = '\0';
        assert_int_equal(sscanf(chunk, "message number %d", &next), 1);
        first = first < 0 ? next : first;
    }
    assert_in_range(first, 700, 990);
    assert_non_null(strstr(chunk, "message number 999\n"));
}

static void a_panic_prints_what_was_still_waiting(void **state) {
    (void)state;
    say(0, CONSOLE_UART, "half a line");
    run_console_for(30);
    log_line("first");
    console.job.run(&console.job); // takes it, prints a part
    log_line("second");
    console_panic_begin();
    log_line("third");
    assert_non_null(strstr(uart.text, "half a line\r\n[takt] first\r\n"));
    assert_non_null(strstr(uart.text, "[takt] second\r\n[takt] third\r\n"));
}

// ---- input ------------------------------------------------------------------------------------------------

static char got[2][600];
static size_t got_count[2], accepts[2];

static size_t on_input(void *device, const char *data, size_t size) {
    size_t i = *(unsigned *)device, taken = MIN(size, accepts[i]);

    memcpy(got[i] + got_count[i], data, taken);
    got_count[i] += taken;
    got[i][got_count[i]] = '\0';
    return taken;
}

// Both channels of alpha listen.
static void listen(void) {
    static unsigned index[2] = {0, 1};

    for (unsigned i = 0; i < 2; i++) {
        got_count[i] = 0;
        got[i][0] = '\0';
        accepts[i] = SIZE_MAX;
        console_vm_attach(&fake_vms[0], i, &(struct console_device){.input = on_input, .device = &index[i]});
    }
    run_console_for(30);
}

static void keys_go_to_the_vm_in_focus(void **state) {
    (void)state;
    listen();
    assert_non_null(strstr(uart.text, "-- input goes to alpha (Ctrl-] h for help) --\r\n"));
    type("ls\r");
    assert_string_equal(got[0], "ls\r");
    type(KEY "2no" KEY "1yes");
    assert_string_equal(got[0], "ls\ryes");
    assert_non_null(strstr(uart.text, "-- input goes to beta "));
}

static void keys_follow_the_channel_that_spoke_last(void **state) {
    (void)state;
    listen();
    say(0, CONSOLE_VIRTIO, "# ");
    type("a");
    say(0, CONSOLE_UART, "\n");
    type("b\r"); // the line was begun where the prompt is
    type("c");
    assert_string_equal(got[0], "c");
    assert_string_equal(got[1], "ab\r");
}

static void the_escape_key_reaches_everything(void **state) {
    (void)state;
    listen();
    type(KEY KEY);
    assert_string_equal(got[0], KEY);
    forget_output();
    type(KEY "n");
    assert_non_null(strstr(uart.text, "input goes to beta"));
    type(KEY "n");
    assert_non_null(strstr(uart.text, "input goes to the monitor"));
    assert_string_equal(uart.text + uart.length - 6, "takt> ");
    forget_output();
    type(KEY "n");
    assert_non_null(strstr(uart.text, "input goes to alpha"));
    type(KEY "p");
    assert_int_equal(console.in.focus, FOCUS_MONITOR);
    type(KEY "p");
    assert_int_equal(console.in.focus, 1);
    type(KEY "0");
    assert_int_equal(console.in.focus, FOCUS_MONITOR);
    forget_output();
    type(KEY "9"); // no such VM
    assert_int_equal(console.in.focus, FOCUS_MONITOR);
    assert_non_null(strstr(uart.text, "Ctrl-] and then:"));
    type(KEY "h");
    type(KEY "?");
    assert_int_equal(console.in.focus, FOCUS_MONITOR);
    assert_string_equal(got[0], KEY);
}

static void keys_wait_for_a_slow_guest(void **state) {
    char text[401];

    (void)state;
    listen();
    for (size_t i = 0; i < 400; i++) { text[i] = (char)('a' + i % 26); }
    text[400] = '\0';
    accepts[0] = 1; // a key each millisecond
    uart.typed = text;
    console_uart_interrupt();
    run_console_for(10);
    assert_in_range(got_count[0], 5, 30);
    assert_true(*uart.typed != '\0'); // the rest waits in the UART
    accepts[0] = 16;
    run_console_for(400);
    assert_string_equal(got[0], text);
}

static void a_guest_that_never_listens_does_not_block_the_escape_key(void **state) {
    char text[320];

    (void)state;
    listen();
    accepts[0] = 0;
    memset(text, 'x', sizeof(text));
    memcpy(text + sizeof(text) - 3, KEY "m", 3);
    uart.typed = text;
    console_uart_interrupt();
    run_console_for(900);
    assert_int_equal(console.in.focus, 0);
    run_console_for(200);
    assert_int_equal(console.in.focus, FOCUS_MONITOR);
}

static void a_vm_without_a_console_swallows_keys(void **state) {
    (void)state;
    run_console_for(30);
    type("lost");
    assert_int_equal(console.in.pending_count, 0);
}

static void receive_interrupts_keep_their_distance(void **state) {
    (void)state;
    listen();
    assert_true(uart.rx_open);
    uart.rx_opened = 0;
    uart.typed = "a";
    console_uart_interrupt();
    assert_false(uart.rx_open);
    run_console();
    assert_string_equal(got[0], "a"); // at once
    assert_false(uart.rx_open);
    uart.typed = "b"; // comes in meanwhile, without an interrupt
    host_clock += MS - 1;
    run_console();
    assert_false(uart.rx_open);
    host_clock += 1;
    run_console();
    assert_true(uart.rx_open);
    assert_int_equal(uart.rx_opened, 1);
    assert_string_equal(got[0], "ab");
}

// ---- its place --------------------------------------------------------------------------------------------

static void the_job_lives_on_the_least_reserved_core(void **state) {
    (void)state;
    assert_ptr_equal(console.cpu, cpus[1]);
    describe();
    system_desc.cores[1].tasks[0] = (struct sched_task){400, 1000, 1000};
    system_desc.cores[1].task_count = 1;
    assert_int_equal(console_init(&system_desc), OK);
    assert_ptr_equal(console.cpu, cpus[0]);
}

static void without_a_uart_there_is_no_console(void **state) {
    (void)state;
    console_uart = NULL;
    assert_int_equal(console_init(&system_desc), ERR_NOT_FOUND);
    log_direct(0);
    log_line("kept");
    console_uart = &fake_uart;
    log_line("shown");
    assert_non_null(strstr(uart.text, "[takt] kept\r\n[takt] shown\r\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_log_goes_straight_until_the_job_runs, set_up),
        cmocka_unit_test_setup(lines_carry_their_source, set_up_quiet),
        cmocka_unit_test_setup(a_prompt_shows_after_a_quiet_time, set_up_quiet),
        cmocka_unit_test_setup(in_focus_every_character_shows_at_once, set_up),
        cmocka_unit_test_setup(a_broken_line_is_ended_and_goes_on_under_its_name, set_up_quiet),
        cmocka_unit_test_setup(a_broken_line_keeps_its_prefix, set_up_quiet),
        cmocka_unit_test_setup(a_source_without_line_ends_lets_others_in, set_up_quiet),
        cmocka_unit_test_setup(escape_sequences_pass_only_in_focus, set_up_quiet),
        cmocka_unit_test_setup(an_unfinished_sequence_ends_with_its_line, set_up_quiet),
        cmocka_unit_test_setup(nobody_writes_over_the_prefix, set_up_quiet),
        cmocka_unit_test_setup(a_full_ring_loses_nothing, set_up_quiet),
        cmocka_unit_test_setup(a_device_with_more_to_do_is_called_again, set_up_quiet),
        cmocka_unit_test_setup(a_full_fifo_makes_the_job_sleep, set_up_quiet),
        cmocka_unit_test(whatever_they_do_sources_never_mix),
        cmocka_unit_test_setup(a_long_message_is_cut, set_up_quiet),
        cmocka_unit_test_setup(the_oldest_messages_are_overwritten_whole, set_up_quiet),
        cmocka_unit_test_setup(keys_go_to_the_vm_in_focus, set_up),
        cmocka_unit_test_setup(keys_follow_the_channel_that_spoke_last, set_up),
        cmocka_unit_test_setup(the_escape_key_reaches_everything, set_up),
        cmocka_unit_test_setup(keys_wait_for_a_slow_guest, set_up),
        cmocka_unit_test_setup(a_guest_that_never_listens_does_not_block_the_escape_key, set_up),
        cmocka_unit_test_setup(a_vm_without_a_console_swallows_keys, set_up),
        cmocka_unit_test_setup(receive_interrupts_keep_their_distance, set_up),
        cmocka_unit_test_setup(the_job_lives_on_the_least_reserved_core, set_up),
        cmocka_unit_test_setup(a_panic_prints_what_was_still_waiting, set_up_quiet),
        cmocka_unit_test_setup(without_a_uart_there_is_no_console, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
