// SPDX-License-Identifier: Apache-2.0
// The guest's 16550A, register by register, with a console that the test fills and empties.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/v16550.h"
#include "drivers/virtual.h"
#include "tests/unit/device_world.h"

enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR, THR = RBR, DLL = RBR, DLM = IER, FCR = IIR };
enum { RDI = 1, THRI = 2, RLSI = 4, DLAB = 0x80, LOOP = 0x10, IDLE = 0x60, DR = 0x01, OE = 0x02 };
enum { NONE = 0x1, TX = 0x2, RX = 0x4, LINE = 0x6, TIMEOUT = 0xc };

static struct {
    unsigned count, first;
    const struct port_ops *ops;
    void *device;
    int status;
} ports;

int arch_vm_add_ports(struct vm *vm, uint16_t first, uint16_t count, const struct port_ops *ops, void *device) {
    assert_ptr_equal(vm, &world.vm);
    ports.first = first;
    ports.count = count;
    ports.ops = ops;
    ports.device = device;
    return ports.status;
}

static int setup(void **state) {
    (void)state;
    memset(&ports, 0, sizeof(ports));
    device_world_init(&v16550_device);
    return 0;
}

static uint8_t reads(unsigned offset) {
    uint8_t value = ports.ops->read(ports.device, offset);

    assert_false(host_irqs_masked);
    return value;
}

static int try_write(unsigned offset, uint8_t value) {
    host_in_handler = true;
    int status = ports.ops->write(ports.device, offset, value);
    host_in_handler = false;
    assert_false(host_irqs_masked);
    return status;
}

static void writes(unsigned offset, uint8_t value) { assert_int_equal(try_write(offset, value), OK); }

static void outputs(const char *expected) {
    char out[64] = {0};

    assert_int_equal(device_output(CONSOLE_UART, out, sizeof(out) - 1), strlen(expected));
    assert_string_equal(out, expected);
}

// What a kernel's handler sees and takes.
static void next_is(uint8_t iir) {
    assert_int_equal(world.level, iir != NONE);
    assert_int_equal(reads(IIR) & 0x3f, iir);
}

static void type(const char *text) { assert_int_equal(device_input(CONSOLE_UART, text, strlen(text)), strlen(text)); }

// ---- registers --------------------------------------------------------------------------------------------

static void it_is_com1(void **state) {
    (void)state;
    assert_int_equal(ports.first, V16550_PORT);
    assert_int_equal(ports.count, 8);
    assert_int_equal(v16550_device.irq, 4);
    static const uint8_t values[8] = {0, 0, NONE, 0, 0, IDLE, 0xb0, 0};
    for (unsigned i = 0; i < 8; i++) { assert_int_equal(reads(i), values[i]); }
    assert_false(world.level);
}

static void registers_keep_the_bits_they_have(void **state) {
    static const uint8_t bits[8] = {[IER] = 0x0f, [LCR] = 0x7f, [MCR] = 0x1f, [SCR] = 0xff};
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        if (bits[i] == 0) { continue; }
        writes(i, 0xff & ~(i == LCR ? DLAB : 0));
        assert_int_equal(reads(i), bits[i]);
        writes(i, 0);
        assert_int_equal(reads(i), 0);
    }
    writes(LSR, 0);
    assert_int_equal(reads(LSR), IDLE);
    writes(MSR, 0);
    assert_int_equal(reads(MSR) & 0xf0, 0xb0);
}

static void the_divisor_has_registers_of_its_own(void **state) {
    (void)state;
    writes(IER, 5);
    writes(LCR, DLAB | 3);
    writes(DLL, 0x34);
    writes(DLM, 0x12);
    assert_int_equal(reads(DLL), 0x34);
    assert_int_equal(reads(DLM), 0x12);
    assert_int_equal(reads(LCR), DLAB | 3);
    writes(LCR, 3);
    assert_int_equal(reads(IER), 5);
    assert_int_equal(reads(RBR), 0);
    outputs("");
}

// The steps of Linux 6.1's autoconfig() and autoconfig_16550a() that decide.
static void linux_takes_it_for_a_16550a(void **state) {
    (void)state;
    writes(IER, 0);
    assert_int_equal(reads(IER) & 0xf, 0);
    writes(IER, 0xf);
    assert_int_equal(reads(IER) & 0xf, 0xf);
    writes(IER, 0);
    writes(MCR, LOOP | 0x0a);
    assert_int_equal(reads(MSR) & 0xf0, 0x90);
    writes(MCR, 0);
    writes(LCR, 0xbf); // EFR of others is where IIR is
    writes(FCR, 0);
    writes(LCR, 0);
    writes(FCR, 0x01);
    assert_int_equal(reads(IIR) >> 6, 3);
    writes(LCR, 0x80);
    assert_int_not_equal(reads(IIR), 0);
    writes(LCR, 0);
    writes(FCR, 0x21); // no 64-byte FIFO
    assert_int_equal(reads(IIR) >> 5, 6);
    writes(LCR, 0x80);
    writes(FCR, 0x21);
    assert_int_equal(reads(IIR) >> 5, 6);
    writes(LCR, 0);
    writes(IER, 0x40); // no XScale
    assert_int_equal(reads(IER), 0);
    writes(FCR, 0);
    assert_int_equal(reads(IIR) >> 6, 0);
}

// And of serial8250_do_startup(): each time that it is allowed, the interrupt for THR comes at once.
static void linux_finds_no_bug_in_its_thr_interrupt(void **state) {
    (void)state;
    writes(FCR, 0x07);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(reads(LSR), IDLE);
        writes(IER, THRI);
        next_is(TX);
        next_is(NONE);
        writes(IER, 0);
    }
    writes(IER, THRI);
    writes(IER, THRI | RDI); // allowed already: it still waits
    assert_true(world.level);
    writes(IER, 0);
    assert_false(world.level);
}

// Told of once, it does not come back by itself.
static void an_empty_thr_interrupts_once(void **state) {
    (void)state;
    writes(FCR, 0x01);
    writes(IER, THRI);
    next_is(TX);
    writes(IER, THRI | RDI);
    writes(FCR, 0x07);
    next_is(NONE);
    writes(FCR, 0x00);
    next_is(NONE);
    device_drained(CONSOLE_UART);
    next_is(NONE);
}

// ---- sending ----------------------------------------------------------------------------------------------

static void output_goes_to_the_console(void **state) {
    (void)state;
    writes(IER, THRI);
    next_is(TX);
    for (const char *c = "hello"; *c != '\0'; c++) {
        writes(THR, (uint8_t)*c);
        next_is(TX);
        assert_int_equal(reads(LSR), IDLE);
    }
    next_is(NONE);
    outputs("hello");
}

// For an edge-triggered input: who writes without having looked at IIR gets an edge, too.
static void each_character_is_an_edge(void **state) {
    (void)state;
    writes(IER, THRI);
    assert_true(world.level);
    unsigned before = world.level_changes;
    writes(THR, 'a');
    assert_int_equal(world.level_changes - before, 2);
    assert_true(world.level);
    outputs("a");
}

static void a_full_console_fills_the_fifo(void **state) {
    (void)state;
    writes(FCR, 0x01);
    writes(IER, THRI);
    next_is(TX);
    device_room(CONSOLE_UART, 1);
    writes(THR, '+');
    next_is(TX);
    for (unsigned i = 0; i < 16; i++) {
        writes(THR, (uint8_t)('a' + i));
        assert_int_equal(reads(LSR), 0);
        next_is(NONE);
    }
    assert_int_equal(try_write(THR, 'q'), ERR_BUSY); // not taken: the guest tries again
    assert_int_equal(try_write(THR, 'q'), ERR_BUSY);
    writes(IER, 0); // allowed while THR is not empty: nothing yet
    writes(IER, THRI);
    next_is(NONE);
    assert_false(device_drained(CONSOLE_UART)); // still no room
    next_is(NONE);
    device_room(CONSOLE_UART, 10);
    device_drained(CONSOLE_UART);
    assert_int_equal(reads(LSR), 0);
    next_is(NONE);
    writes(THR, 'q'); // in its turn
    device_room(CONSOLE_UART, CONSOLE_RING_SIZE);
    device_drained(CONSOLE_UART);
    next_is(TX);
    assert_int_equal(reads(LSR), IDLE);
    outputs("klmnopq");
    device_drained(CONSOLE_UART);
    outputs("");
}

static void without_fifos_there_is_room_for_one(void **state) {
    (void)state;
    device_room(CONSOLE_UART, 0);
    writes(THR, 'a');
    assert_int_equal(reads(LSR), 0);
    assert_int_equal(try_write(THR, 'b'), ERR_BUSY);
    device_room(CONSOLE_UART, CONSOLE_RING_SIZE);
    device_drained(CONSOLE_UART);
    writes(THR, 'b');
    outputs("ab");
}

static void a_guest_can_drop_what_it_sent(void **state) {
    (void)state;
    writes(FCR, 0x01);
    writes(IER, THRI);
    next_is(TX);
    device_room(CONSOLE_UART, 0);
    writes(THR, 'a');
    writes(FCR, 0x05);
    assert_int_equal(reads(LSR), IDLE);
    next_is(TX);
    writes(THR, 'b');
    writes(FCR, 0x00); // off: both are empty
    assert_int_equal(reads(LSR), IDLE);
    device_room(CONSOLE_UART, CONSOLE_RING_SIZE);
    device_drained(CONSOLE_UART);
    outputs("");
}

// ---- receiving --------------------------------------------------------------------------------------------

static void input_waits_in_the_fifo(void **state) {
    (void)state;
    writes(FCR, 0x81); // 8 characters
    writes(IER, RDI);
    next_is(NONE);
    type("0123456");
    next_is(TIMEOUT);
    type("7");
    next_is(RX);
    assert_int_equal(device_input(CONSOLE_UART, "89abcdefgh", 10), 8);
    assert_int_equal(device_input(CONSOLE_UART, "gh", 2), 0);
    for (unsigned i = 0; i < 16; i++) {
        next_is(16 - i >= 8 ? RX : TIMEOUT);
        assert_int_equal(reads(LSR), IDLE | DR);
        assert_int_equal(reads(RBR), "0123456789abcdef"[i]);
    }
    next_is(NONE);
    assert_int_equal(reads(LSR), IDLE);
    assert_int_equal(reads(RBR), 0);
}

static void the_trigger_level_is_the_guests(void **state) {
    static const uint8_t levels[] = {1, 4, 8, 14};
    (void)state;
    writes(IER, RDI);
    for (unsigned i = 0; i < 4; i++) {
        writes(FCR, (uint8_t)(i << 6 | 0x03));
        next_is(NONE); // emptied
        for (unsigned n = 1; n <= 16; n++) {
            type("x");
            next_is(n >= levels[i] ? RX : TIMEOUT);
        }
    }
}

static void without_fifos_one_character_waits(void **state) {
    (void)state;
    writes(IER, RDI);
    assert_int_equal(device_input(CONSOLE_UART, "abc", 3), 1);
    next_is(RX);
    assert_int_equal(reads(RBR), 'a');
    next_is(NONE);
    type("b");
    writes(FCR, 0x06); // means nothing without its enable bit
    assert_int_equal(reads(RBR), 'b');
    type("c");
    writes(FCR, 0x01);
    assert_int_equal(reads(LSR), IDLE);
}

// ---- loop-back, modem -------------------------------------------------------------------------------------

static void a_loop_hears_itself(void **state) {
    (void)state;
    writes(FCR, 0x01);
    writes(MCR, LOOP);
    assert_int_equal(device_input(CONSOLE_UART, "x", 1), 0); // it waits outside
    writes(IER, RDI | RLSI);
    for (unsigned i = 0; i < 16; i++) { writes(THR, (uint8_t)('a' + i)); }
    next_is(RX);
    writes(THR, '!');
    next_is(LINE);
    assert_int_equal(reads(LSR), IDLE | OE | DR);
    next_is(RX);
    for (unsigned i = 0; i < 16; i++) { assert_int_equal(reads(RBR), 'a' + i); }
    next_is(NONE);
    writes(MCR, 0);
    type("x");
    assert_int_equal(reads(RBR), 'x');
    outputs("");
}

static void the_modem_lines_change_in_a_loop_only(void **state) {
    static const uint8_t of_mcr[16] = {0x00, 0x20, 0x10, 0x30, 0x40, 0x60, 0x50, 0x70,
                                       0x80, 0xa0, 0x90, 0xb0, 0xc0, 0xe0, 0xd0, 0xf0};
    (void)state;
    for (uint8_t i = 0; i < 16; i++) {
        writes(MCR, i);
        assert_int_equal(reads(MSR), 0xb0);
        writes(MCR, LOOP | i);
        assert_int_equal(reads(MSR), of_mcr[i]);
    }
}

static void interrupts_come_by_priority(void **state) {
    (void)state;
    writes(IER, 0xf);
    writes(MCR, LOOP);
    writes(THR, 'a');
    writes(THR, 'b'); // lost: no FIFO
    next_is(LINE);
    next_is(LINE);
    assert_int_equal(reads(LSR), IDLE | OE | DR);
    next_is(RX);
    assert_int_equal(reads(RBR), 'a');
    next_is(TX);
    next_is(NONE);
}

// ---- life -------------------------------------------------------------------------------------------------

static void reset_forgets_everything(void **state) {
    (void)state;
    writes(IER, 0xf);
    writes(FCR, 0x01);
    writes(LCR, 0x13);
    writes(SCR, 0x77);
    type("abc");
    device_room(CONSOLE_UART, 0);
    writes(THR, 'z');
    v16550_device.reset(&world.vm, world.state);
    world.level = false; // the interrupt controller is reset with it
    static const uint8_t values[8] = {0, 0, NONE, 0, 0, IDLE, 0xb0, 0};
    for (unsigned i = 0; i < 8; i++) { assert_int_equal(reads(i), values[i]); }
    device_room(CONSOLE_UART, CONSOLE_RING_SIZE);
    device_drained(CONSOLE_UART);
    outputs("");
    writes(IER, THRI);
    assert_int_equal(world.line, V16550_IRQ);
    next_is(TX);
}

static void a_vm_without_one_has_none(void **state) {
    void *none = NULL;
    (void)state;
    memset(&ports, 0, sizeof(ports));
    world.desc.vpl011 = false;
    assert_int_equal(v16550_device.create(&world.vm, &none), OK);
    assert_null(none);
    assert_int_equal(ports.count, 0);
}

static void ports_that_are_taken_are_an_error(void **state) {
    void *another = NULL;
    (void)state;
    ports.status = ERR_BUSY;
    assert_int_equal(v16550_device.create(&world.vm, &another), ERR_BUSY);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_is_com1),
        TEST(registers_keep_the_bits_they_have),
        TEST(the_divisor_has_registers_of_its_own),
        TEST(linux_takes_it_for_a_16550a),
        TEST(linux_finds_no_bug_in_its_thr_interrupt),
        TEST(an_empty_thr_interrupts_once),
        TEST(output_goes_to_the_console),
        TEST(each_character_is_an_edge),
        TEST(a_full_console_fills_the_fifo),
        TEST(without_fifos_there_is_room_for_one),
        TEST(a_guest_can_drop_what_it_sent),
        TEST(input_waits_in_the_fifo),
        TEST(the_trigger_level_is_the_guests),
        TEST(without_fifos_one_character_waits),
        TEST(a_loop_hears_itself),
        TEST(the_modem_lines_change_in_a_loop_only),
        TEST(interrupts_come_by_priority),
        TEST(reset_forgets_everything),
        TEST(a_vm_without_one_has_none),
        TEST(ports_that_are_taken_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
