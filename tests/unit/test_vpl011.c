// SPDX-License-Identifier: Apache-2.0
// The guest's PL011, register by register, with a console that the test fills and empties.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/virtual.h"
#include "tests/unit/device_world.h"

enum {
    DR = 0x00,
    FR = 0x18,
    IBRD = 0x24,
    LCR_H = 0x2c,
    CR = 0x30,
    IFLS = 0x34,
    IMSC = 0x38,
    RIS = 0x3c,
    MIS = 0x40,
    ICR = 0x44,
    ID = 0xfe0,
};
enum { FR_RXFE = 1 << 4, FR_TXFF = 1 << 5, FR_RXFF = 1 << 6, FR_TXFE = 1 << 7 };
enum { INT_RX = 1 << 4, INT_TX = 1 << 5, INT_RT = 1 << 6, FEN = 1 << 4 };

static int setup(void **state) {
    (void)state;
    device_world_init(&vpl011_device);
    return 0;
}

static uint32_t reads(uint64_t offset) { return device_read(VPL011_BASE + offset); }

static void writes(uint64_t offset, uint32_t value) { device_write(VPL011_BASE + offset, value); }

static void it_looks_like_a_pl011(void **state) {
    static const uint8_t id[] = {0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
    (void)state;
    for (unsigned i = 0; i < sizeof(id); i++) { assert_int_equal(reads(ID + 4 * i), id[i]); }
    assert_int_equal(reads(FR), FR_TXFE | FR_RXFE);
    assert_int_equal(reads(CR), 0x300);
    assert_int_equal(reads(IFLS), 0x12);
    assert_int_equal(reads(RIS), 0);
}

static void registers_keep_the_bits_they_have(void **state) {
    (void)state;
    writes(IBRD, 0x12345);
    assert_int_equal(reads(IBRD), 0x2345);
    writes(IMSC, 0xffffffff);
    assert_int_equal(reads(IMSC), 0x7ff);
    writes(FR, 0xff);
    assert_int_equal(reads(FR), FR_TXFE | FR_RXFE);
    writes(ID, 0xff);
    assert_int_equal(reads(ID), 0x11);
    assert_int_equal(reads(0x100), 0);
    assert_int_equal(device_access(VPL011_BASE + 2, 2, false, 0), 0);
}

static void output_goes_to_the_console(void **state) {
    (void)state;
    for (const char *c = "hello"; *c != '\0'; c++) { writes(DR, (uint8_t)*c); }
    char out[8] = {0};
    assert_int_equal(device_output(CONSOLE_UART, out, sizeof(out)), 5);
    assert_memory_equal(out, "hello", 5);
    assert_int_equal(reads(RIS), INT_TX);
    assert_false(world.level);
    writes(IMSC, INT_TX);
    assert_true(world.level);
    assert_int_equal(reads(MIS), INT_TX);
    writes(ICR, INT_TX);
    assert_false(world.level);
}

static void a_full_console_holds_one_character(void **state) {
    (void)state;
    char out[8] = {0};

    writes(IMSC, INT_TX);
    device_room(CONSOLE_UART, 1);
    writes(DR, 'a');
    writes(ICR, INT_TX);
    assert_int_equal(reads(FR) & (FR_TXFF | FR_TXFE), FR_TXFE);
    writes(DR, 'b'); // no room: held
    assert_int_equal(reads(FR) & (FR_TXFF | FR_TXFE), FR_TXFF);
    assert_false(world.level);
    writes(DR, 'c'); // against FR: lost, as with the device
    device_drained(CONSOLE_UART);
    assert_false(world.level); // still no room
    device_room(CONSOLE_UART, CONSOLE_RING_SIZE);
    device_drained(CONSOLE_UART);
    assert_true(world.level); // there is room again
    assert_int_equal(reads(FR) & (FR_TXFF | FR_TXFE), FR_TXFE);
    assert_int_equal(device_output(CONSOLE_UART, out, sizeof(out)), 1);
    assert_int_equal(out[0], 'b');
    device_drained(CONSOLE_UART);
    assert_int_equal(device_output(CONSOLE_UART, out, sizeof(out)), 0);
}

// What the console has got since the ring was left with `room`; what lay in it before is skipped.
static size_t arrived(char *out, uint32_t room) {
    static char all[CONSOLE_RING_SIZE];
    size_t before = CONSOLE_RING_SIZE - room, count = device_output(CONSOLE_UART, all, sizeof(all)) - before;

    memcpy(out, all + before, count);
    return count;
}

// As Linux' driver does: a transmit interrupt says that half of the FIFO is free, so 16 characters follow unasked.
static void a_transmit_interrupt_means_room_for_half_the_fifo(void **state) {
    enum { ROOM = 7, WANTED = 200 };
    char out[WANTED + CONSOLE_RING_SIZE];
    size_t sent = 0, seen = 0;
    (void)state;

    writes(LCR_H, FEN);
    for (unsigned round = 0; round < WANTED && sent < WANTED; round++) {
        device_room(CONSOLE_UART, ROOM);
        if (round == 0) { writes(DR, (uint32_t)sent++); }
        writes(IMSC, INT_TX);
        assert_true(world.level);
        while (world.level && sent < WANTED) {
            for (unsigned i = 0; i < 16; i++) { writes(DR, (uint32_t)sent++); }
        }
        seen += arrived(out + seen, ROOM);
        device_drained(CONSOLE_UART);
        seen += arrived(out + seen, CONSOLE_RING_SIZE);
    }
    assert_int_equal(seen, sent);
    for (size_t i = 0; i < seen; i++) { assert_int_equal((uint8_t)out[i], i); }
    assert_int_equal(reads(FR) & (FR_TXFF | FR_TXFE), FR_TXFE);
}

static void input_waits_in_the_fifo(void **state) {
    char typed[40];
    (void)state;
    memset(typed, 'x', sizeof(typed));
    typed[0] = 'y';
    writes(IMSC, INT_RX | INT_RT);
    assert_int_equal(device_input(CONSOLE_UART, typed, 0), 0);
    assert_false(world.level);
    assert_int_equal(device_input(CONSOLE_UART, typed, sizeof(typed)), 32);
    assert_int_equal(device_input(CONSOLE_UART, typed, 1), 0);
    assert_true(world.level);
    assert_int_equal(reads(FR) & (FR_RXFF | FR_RXFE), FR_RXFF);
    assert_int_equal(reads(DR), 'y');
    assert_int_equal(reads(FR) & (FR_RXFF | FR_RXFE), 0);
    for (unsigned i = 0; i < 31; i++) {
        assert_true(world.level);
        assert_int_equal(reads(DR), 'x');
    }
    assert_false(world.level);
    assert_int_equal(reads(FR) & (FR_RXFF | FR_RXFE), FR_RXFE);
    assert_int_equal(reads(DR), 0);
}

static void the_trigger_level_counts_with_fifos_on(void **state) {
    (void)state;
    writes(LCR_H, FEN); // level: half of 32
    assert_int_equal(device_input(CONSOLE_UART, "0123456789abcde", 15), 15);
    assert_int_equal(reads(RIS), INT_RT);
    assert_int_equal(device_input(CONSOLE_UART, "f", 1), 1);
    assert_int_equal(reads(RIS), INT_RT | INT_RX);
    writes(IFLS, 4 << 3); // 7/8
    assert_int_equal(reads(RIS), INT_RT);
    writes(LCR_H, 0);
    assert_int_equal(reads(RIS), INT_RT | INT_RX);
}

static void reset_forgets_everything(void **state) {
    (void)state;
    writes(IMSC, 0x7ff);
    assert_int_equal(device_input(CONSOLE_UART, "abc", 3), 3);
    device_room(CONSOLE_UART, 0);
    writes(DR, 'z');
    vpl011_device.reset(&world.vm, world.state);
    assert_int_equal(reads(FR), FR_TXFE | FR_RXFE);
    assert_int_equal(reads(IMSC), 0);
    assert_int_equal(reads(RIS), 0);
}

static void a_vm_without_one_has_none(void **state) {
    void *none = NULL;
    (void)state;
    world.desc.vpl011 = false;
    world.vm.mmio.count = 0;
    assert_int_equal(vpl011_device.create(&world.vm, &none), OK);
    assert_null(none);
    assert_int_equal(world.vm.mmio.count, 0);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_looks_like_a_pl011),
        TEST(registers_keep_the_bits_they_have),
        TEST(output_goes_to_the_console),
        TEST(a_full_console_holds_one_character),
        TEST(a_transmit_interrupt_means_room_for_half_the_fifo),
        TEST(input_waits_in_the_fifo),
        TEST(the_trigger_level_counts_with_fifos_on),
        TEST(reset_forgets_everything),
        TEST(a_vm_without_one_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
