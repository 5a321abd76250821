// SPDX-License-Identifier: Apache-2.0
// The virtio console as its driver sees it: set-up, both queues, and queues that make no sense.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/virtual.h"
#include "kernel/guest_mem.h"
#include "kernel/guest_platform.h"
#include "tests/unit/device_world.h"

enum {
    DEVICE_FEATURES = 0x10,
    DEVICE_FEATURES_SEL = 0x14,
    DRIVER_FEATURES = 0x20,
    DRIVER_FEATURES_SEL = 0x24,
    QUEUE_SEL = 0x30,
    QUEUE_NUM_MAX = 0x34,
    QUEUE_NUM = 0x38,
    QUEUE_READY = 0x44,
    QUEUE_NOTIFY = 0x50,
    INTERRUPT_STATUS = 0x60,
    INTERRUPT_ACK = 0x64,
    STATUS = 0x70,
    QUEUE_DESC = 0x80,
    QUEUE_DRIVER = 0x90,
    QUEUE_DEVICE = 0xa0,
};
enum { STATUS_INIT = 3, STATUS_FEATURES_OK = 8, STATUS_DRIVER_OK = 4, STATUS_NEEDS_RESET = 0x40 };
enum { RECEIVE, TRANSMIT, SIZE = 8, NEXT = 1, WRITE = 2, INDIRECT = 4 };

#define QUEUE_GPA(q)  (WORLD_RAM_GPA + 0x1000 * (q))
#define DESC_GPA(q)   QUEUE_GPA(q)
#define AVAIL_GPA(q)  (QUEUE_GPA(q) + 0x400)
#define USED_GPA(q)   (QUEUE_GPA(q) + 0x800)
#define BUFFER_GPA(n) (WORLD_RAM_GPA + 0x10000 + 0x4000 * (n))

static uint32_t reads(uint64_t offset) { return device_read(virt_platform.virtio_base + offset); }

static void writes(uint64_t offset, uint32_t value) { device_write(virt_platform.virtio_base + offset, value); }

static void poke(gpa_t gpa, uint64_t value, unsigned size) {
    assert_int_equal(guest_write(&world.vm, gpa, &value, size), OK);
}

static uint64_t peek(gpa_t gpa, unsigned size) {
    uint64_t value = 0;

    assert_int_equal(guest_read(&world.vm, gpa, &value, size), OK);
    return value;
}

static void put_desc(unsigned q, unsigned i, gpa_t gpa, uint32_t size, uint16_t flags, uint16_t next) {
    poke(DESC_GPA(q) + 16 * i, gpa, 8);
    poke(DESC_GPA(q) + 16 * i + 8, size, 4);
    poke(DESC_GPA(q) + 16 * i + 12, flags, 2);
    poke(DESC_GPA(q) + 16 * i + 14, next, 2);
}

static void offer(unsigned q, uint16_t head) {
    uint16_t index = (uint16_t)peek(AVAIL_GPA(q) + 2, 2);

    poke(AVAIL_GPA(q) + 4 + 2 * (index % SIZE), head, 2);
    poke(AVAIL_GPA(q) + 2, (uint16_t)(index + 1), 2);
}

static unsigned used_count(unsigned q) { return (unsigned)peek(USED_GPA(q) + 2, 2); }

static void set_queue(unsigned q) {
    writes(QUEUE_SEL, q);
    assert_int_equal(reads(QUEUE_NUM_MAX), 64);
    writes(QUEUE_NUM, SIZE);
    writes(QUEUE_DESC, (uint32_t)DESC_GPA(q));
    writes(QUEUE_DESC + 4, 0);
    writes(QUEUE_DRIVER, (uint32_t)AVAIL_GPA(q));
    writes(QUEUE_DEVICE, (uint32_t)USED_GPA(q));
    writes(QUEUE_READY, 1);
}

static void set_driver(void) {
    writes(STATUS, STATUS_INIT);
    writes(DRIVER_FEATURES_SEL, 1);
    writes(DRIVER_FEATURES, 1);
    writes(STATUS, STATUS_INIT | STATUS_FEATURES_OK);
    assert_int_equal(reads(STATUS), STATUS_INIT | STATUS_FEATURES_OK);
    set_queue(RECEIVE);
    set_queue(TRANSMIT);
    writes(STATUS, STATUS_INIT | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
}

static int setup(void **state) {
    (void)state;
    device_world_init(&virtio_console_device);
    set_driver();
    return 0;
}

static void expect_output(const char *text) {
    char out[CONSOLE_RING_SIZE];
    size_t count = device_output(CONSOLE_VIRTIO, out, sizeof(out));

    assert_int_equal(count, strlen(text));
    assert_memory_equal(out, text, count);
}

static void expect_broken(void) {
    assert_true((reads(STATUS) & STATUS_NEEDS_RESET) != 0);
    assert_true((reads(INTERRUPT_STATUS) & 2) != 0);
    assert_true(world.level);
    writes(STATUS, 0);
    assert_int_equal(reads(STATUS), 0);
    assert_false(world.level);
}

static void it_looks_like_a_console(void **state) {
    (void)state;
    assert_int_equal(reads(0), 0x74726976);
    assert_int_equal(reads(4), 2);
    assert_int_equal(reads(8), 3);
    writes(DEVICE_FEATURES_SEL, 0);
    assert_int_equal(reads(DEVICE_FEATURES), 0);
    writes(DEVICE_FEATURES_SEL, 1);
    assert_int_equal(reads(DEVICE_FEATURES), 1);
    writes(DEVICE_FEATURES_SEL, 2);
    assert_int_equal(reads(DEVICE_FEATURES), 0);
    writes(QUEUE_SEL, 2);
    assert_int_equal(reads(QUEUE_NUM_MAX), 0);
    writes(QUEUE_READY, 1);
    assert_int_equal(reads(QUEUE_READY), 0);
    assert_int_equal(reads(0xb0), 0xffffffff); // no shared memory
    assert_int_equal(reads(0x100), 0);
    assert_int_equal(device_access(virt_platform.virtio_base, 1, false, 0), 0);
}

static void features_must_be_those_offered(void **state) {
    (void)state;
    writes(STATUS, 0);
    writes(STATUS, STATUS_INIT | STATUS_FEATURES_OK); // without VERSION_1
    assert_int_equal(reads(STATUS), STATUS_INIT);
    writes(DRIVER_FEATURES_SEL, 1);
    writes(DRIVER_FEATURES, 1);
    writes(DRIVER_FEATURES_SEL, 0);
    writes(DRIVER_FEATURES, 2); // multiport
    writes(STATUS, STATUS_INIT | STATUS_FEATURES_OK);
    assert_int_equal(reads(STATUS), STATUS_INIT);
}

static void a_chain_is_sent_and_returned(void **state) {
    (void)state;
    poke(BUFFER_GPA(0), 0x6f6c6c6568, 5); // "hello"
    poke(BUFFER_GPA(1), 0x0a21, 2);       // "!\n"
    put_desc(TRANSMIT, 3, BUFFER_GPA(0), 5, NEXT, 6);
    put_desc(TRANSMIT, 6, BUFFER_GPA(1), 2, 0, 0);
    offer(TRANSMIT, 3);
    writes(QUEUE_NOTIFY, TRANSMIT);
    expect_output("hello!\n");
    assert_int_equal(used_count(TRANSMIT), 1);
    assert_int_equal(peek(USED_GPA(TRANSMIT) + 4, 4), 3);
    assert_int_equal(peek(USED_GPA(TRANSMIT) + 8, 4), 0);
    assert_int_equal(reads(INTERRUPT_STATUS), 1);
    assert_true(world.level);
    assert_int_equal(world.line, VIRTIO_CONSOLE_IRQ);
    writes(INTERRUPT_ACK, 1);
    assert_false(world.level);
}

static void no_interrupt_when_none_is_wanted(void **state) {
    (void)state;
    poke(AVAIL_GPA(TRANSMIT), 1, 2);
    put_desc(TRANSMIT, 0, BUFFER_GPA(0), 1, 0, 0);
    offer(TRANSMIT, 0);
    writes(QUEUE_NOTIFY, TRANSMIT);
    assert_int_equal(used_count(TRANSMIT), 1);
    assert_int_equal(reads(INTERRUPT_STATUS), 0);
}

static int notify_once(void) {
    struct mmio_access access = {.value = TRANSMIT, .size = 4, .write = true};

    return device_trap(virt_platform.virtio_base + QUEUE_NOTIFY, &access);
}

static uint32_t ring_used(void) { return console_ring_used(&device_source(CONSOLE_VIRTIO)->ring); }

// However long what is offered: a trap makes at most two accesses to the guest's memory and moves 16 characters.
static void a_trap_does_one_short_step(void **state) {
    unsigned traps = 1;
    (void)state;
    for (unsigned i = 0; i < SIZE; i++) {
        put_desc(TRANSMIT, i, BUFFER_GPA(0), 100, i + 1 < SIZE ? NEXT : 0, (uint16_t)(i + 1));
    }
    for (unsigned i = 0; i < SIZE; i++) { offer(TRANSMIT, 0); }
    for (uint32_t before = 0; notify_once() == ERR_BUSY; before = ring_used(), traps++) {
        assert_true(ring_used() - before <= 16);
    }
    assert_int_equal(world.most_accesses, 2);
    assert_true(traps > CONSOLE_RING_SIZE / 16); // then the ring is full
    assert_int_equal(ring_used(), CONSOLE_RING_SIZE);
}

static void what_a_reset_breaks_off_is_over(void **state) {
    (void)state;
    put_desc(TRANSMIT, 0, BUFFER_GPA(0), 100, 0, 0);
    offer(TRANSMIT, 0);
    for (unsigned i = 0; i < 4; i++) { assert_int_equal(notify_once(), ERR_BUSY); }
    virtio_console_device.reset(&world.vm, world.state);
    assert_int_equal(notify_once(), OK);
    assert_int_equal(ring_used(), 16);
    assert_int_equal(used_count(TRANSMIT), 0);
    poke(AVAIL_GPA(TRANSMIT) + 2, 0, 2);
    set_driver();
    assert_int_equal(notify_once(), OK);
    assert_false(device_drained(CONSOLE_VIRTIO));
}

static void what_does_not_fit_follows_in_slices(void **state) {
    char out[CONSOLE_RING_SIZE];
    unsigned slices = 1;
    (void)state;
    for (unsigned i = 0; i < 6000; i++) { poke(BUFFER_GPA(0) + i, 'a' + i % 26, 1); }
    put_desc(TRANSMIT, 0, BUFFER_GPA(0), 6000, 0, 0);
    offer(TRANSMIT, 0);
    writes(QUEUE_NOTIFY, TRANSMIT);
    assert_int_equal(used_count(TRANSMIT), 0); // the ring is full
    assert_false(device_drained(CONSOLE_VIRTIO));
    assert_int_equal(device_output(CONSOLE_VIRTIO, out, sizeof(out)), CONSOLE_RING_SIZE);
    assert_int_equal(out[4095], 'a' + 4095 % 26);
    world.accesses = 0;
    for (; device_drained(CONSOLE_VIRTIO); slices++) {
        assert_true(world.accesses <= 8 * 2);
        world.accesses = 0;
    }
    assert_true(slices >= (6000 - CONSOLE_RING_SIZE) / (8 * 16));
    assert_int_equal(used_count(TRANSMIT), 1);
    assert_int_equal(device_output(CONSOLE_VIRTIO, out, sizeof(out)), 6000 - CONSOLE_RING_SIZE);
    assert_int_equal(out[0], 'a' + 4096 % 26);
}

static void input_fills_one_chain_at_a_time(void **state) {
    (void)state;
    assert_int_equal(device_input(CONSOLE_VIRTIO, "abc", 3), 0); // nothing offered
    put_desc(RECEIVE, 0, BUFFER_GPA(0), 2, WRITE | NEXT, 1);
    put_desc(RECEIVE, 1, BUFFER_GPA(1), 64, WRITE, 0);
    put_desc(RECEIVE, 2, BUFFER_GPA(2), 4, WRITE, 0);
    offer(RECEIVE, 0);
    offer(RECEIVE, 2);
    assert_int_equal(device_input(CONSOLE_VIRTIO, "abc", 3), 3);
    assert_int_equal(peek(BUFFER_GPA(0), 2), 'a' | 'b' << 8);
    assert_int_equal(peek(BUFFER_GPA(1), 1), 'c');
    assert_int_equal(used_count(RECEIVE), 1);
    assert_int_equal(peek(USED_GPA(RECEIVE) + 8, 4), 3);
    assert_true(world.level);
    assert_int_equal(device_input(CONSOLE_VIRTIO, "defghi", 6), 4);
    assert_int_equal(used_count(RECEIVE), 2);
    assert_int_equal(peek(BUFFER_GPA(2), 4), 'd' | 'e' << 8 | 'f' << 16 | 'g' << 24);
    assert_int_equal(device_input(CONSOLE_VIRTIO, "hi", 2), 0);
}

// A chain of tiny pieces goes back before its end: the rest of what was typed takes the next one.
static void input_for_one_chain_is_bounded(void **state) {
    enum { MANY = 32, PIECES = 17 };
    (void)state;
    writes(QUEUE_SEL, RECEIVE);
    writes(QUEUE_READY, 0);
    writes(QUEUE_NUM, MANY);
    writes(QUEUE_READY, 1);
    for (unsigned i = 0; i < MANY; i++) { put_desc(RECEIVE, i, BUFFER_GPA(0) + i, 1, WRITE | NEXT, (uint16_t)(i + 1)); }
    poke(AVAIL_GPA(RECEIVE) + 2, 1, 2);
    assert_int_equal(device_input(CONSOLE_VIRTIO, "abcdefghijklmnopqrstuvwxyz", 26), PIECES - 1);
    assert_int_equal(used_count(RECEIVE), 1);
    assert_int_equal(peek(USED_GPA(RECEIVE) + 8, 4), PIECES - 1);
    assert_int_equal(peek(BUFFER_GPA(0) + PIECES - 2, 2), 'a' + PIECES - 2);
    assert_true(world.level);
    assert_int_equal(device_input(CONSOLE_VIRTIO, "qrst", 4), 0);
}

static void nothing_happens_before_driver_ok(void **state) {
    (void)state;
    writes(STATUS, 0);
    assert_int_equal(reads(QUEUE_READY), 0);
    put_desc(TRANSMIT, 0, BUFFER_GPA(0), 1, 0, 0);
    offer(TRANSMIT, 0);
    writes(QUEUE_NOTIFY, TRANSMIT);
    writes(QUEUE_NOTIFY, RECEIVE);
    writes(QUEUE_NOTIFY, 77);
    assert_int_equal(used_count(TRANSMIT), 0);
    assert_int_equal(device_input(CONSOLE_VIRTIO, "x", 1), 0);
    assert_int_equal(reads(STATUS), 0);
}

static void a_bad_queue_stops_the_device_only(void **state) {
    static const struct {
        gpa_t gpa;
        uint32_t size;
        uint16_t flags, next, head, offered;
    } cases[] = {
        {BUFFER_GPA(0), 1, WRITE, 0, 0, 1},    // for the device to write
        {BUFFER_GPA(0), 1, INDIRECT, 0, 0, 1}, // not offered
        {BUFFER_GPA(0), 1, NEXT, SIZE, 0, 1},  // beyond the table
        {BUFFER_GPA(0), 1, NEXT, 0, 0, 1},     // a loop
        {BUFFER_GPA(0), 0, NEXT, 0, 0, 1},     // an empty one
        {0x09000000, 1, 0, 0, 0, 1},           // no RAM
        {WORLD_RAM_GPA + WORLD_RAM_SIZE - 4, 8, 0, 0, 0, 1},
        {UINT64_MAX - 1, 8, 0, 0, 0, 1},       // wraps
        {BUFFER_GPA(0), 1, 0, 0, SIZE, 1},     // no such head
        {BUFFER_GPA(0), 1, 0, 0, 0, SIZE + 1}, // more than there is
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        device_world_init(&virtio_console_device);
        set_driver();
        put_desc(TRANSMIT, 0, cases[i].gpa, cases[i].size, cases[i].flags, cases[i].next);
        poke(AVAIL_GPA(TRANSMIT) + 4, cases[i].head, 2);
        poke(AVAIL_GPA(TRANSMIT) + 2, cases[i].offered, 2);
        writes(QUEUE_NOTIFY, TRANSMIT);
        expect_broken();
        writes(QUEUE_NOTIFY, TRANSMIT);
    }
}

static void a_bad_receive_queue_stops_the_device_only(void **state) {
    (void)state;
    put_desc(RECEIVE, 0, BUFFER_GPA(0), 8, 0, 0); // not for the device to write
    offer(RECEIVE, 0);
    assert_int_equal(device_input(CONSOLE_VIRTIO, "x", 1), 0);
    expect_broken();
    set_driver();
    put_desc(RECEIVE, 0, 0x1000, 8, WRITE, 0);
    poke(AVAIL_GPA(RECEIVE) + 2, 1, 2);
    assert_int_equal(device_input(CONSOLE_VIRTIO, "x", 1), 0);
    expect_broken();
}

static void a_queue_must_be_well_formed(void **state) {
    static const struct {
        uint32_t num, desc, driver, device;
    } cases[] = {
        {0, 0, 0, 0}, {3, 0, 0, 0}, {128, 0, 0, 0}, {8, 8, 0, 0}, {8, 0, 1, 0}, {8, 0, 0, 2},
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        writes(STATUS, 0);
        writes(QUEUE_SEL, TRANSMIT);
        writes(QUEUE_NUM, cases[i].num);
        writes(QUEUE_DESC, cases[i].desc);
        writes(QUEUE_DRIVER, cases[i].driver);
        writes(QUEUE_DEVICE, cases[i].device);
        writes(QUEUE_READY, 1);
        expect_broken();
    }
    set_queue(TRANSMIT);
    writes(QUEUE_NUM, 3); // a live queue does not change
    assert_int_equal(reads(QUEUE_READY), 1);
    writes(QUEUE_READY, 0);
    assert_int_equal(reads(QUEUE_READY), 0);
}

static void rings_outside_of_ram_stop_the_device_only(void **state) {
    (void)state;
    writes(STATUS, 0);
    set_driver();
    writes(QUEUE_SEL, TRANSMIT);
    writes(QUEUE_READY, 0);
    writes(QUEUE_DEVICE + 4, 1); // used ring beyond 4 GiB
    writes(QUEUE_READY, 1);
    put_desc(TRANSMIT, 0, BUFFER_GPA(0), 1, 0, 0);
    offer(TRANSMIT, 0);
    writes(QUEUE_NOTIFY, TRANSMIT);
    expect_broken();
}

#define TEST(f) cmocka_unit_test_setup(f, setup)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_looks_like_a_console),
        TEST(features_must_be_those_offered),
        TEST(a_chain_is_sent_and_returned),
        TEST(no_interrupt_when_none_is_wanted),
        TEST(a_trap_does_one_short_step),
        TEST(what_a_reset_breaks_off_is_over),
        TEST(what_does_not_fit_follows_in_slices),
        TEST(input_fills_one_chain_at_a_time),
        TEST(input_for_one_chain_is_bounded),
        TEST(nothing_happens_before_driver_ok),
        TEST(a_bad_queue_stops_the_device_only),
        TEST(a_bad_receive_queue_stops_the_device_only),
        TEST(a_queue_must_be_well_formed),
        TEST(rings_outside_of_ram_stop_the_device_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
