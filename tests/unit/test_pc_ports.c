// SPDX-License-Identifier: Apache-2.0
// The ports of a PC: the table, and each device behind it, with a clock that the test sets.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/pc_ports.h"

// Ticks of 2 GHz; a clock of the 8254 is 1676.19 of them.
#define CLOCK_HZ 2000000000ull

static struct {
    struct pc_ports ports;
    uint64_t now, seconds;
    unsigned resets, offs;
    bool full; // the test's own device has no room
    uint8_t own[16];
    unsigned own_writes;
} world;

static struct pc_ports *const ports = &world.ports;

static bool is_locked(void) { return ports->lock.next != ports->lock.owner; }

static uint64_t now(void *context) {
    assert_ptr_equal(context, &world);
    return world.now;
}

static uint64_t seconds(void *context) {
    assert_ptr_equal(context, &world);
    return world.seconds;
}

static void reset(void *context) {
    assert_ptr_equal(context, &world);
    assert_false(is_locked());
    world.resets++;
}

static void off(void *context) {
    assert_ptr_equal(context, &world);
    assert_false(is_locked());
    world.offs++;
}

static const struct pc_ports_ops ops = {now, seconds, reset, off};

static int setup(void **state) {
    (void)state;
    memset(&world, 0x55, sizeof(world));
    world.now = CLOCK_HZ;
    world.resets = world.offs = world.own_writes = 0;
    world.full = false;
    assert_int_equal(pc_ports_init(ports, CLOCK_HZ, &ops, &world), OK);
    return 0;
}

static uint32_t in(uint16_t port, unsigned size) {
    uint32_t value = pc_ports_read(ports, port, size);

    assert_false(is_locked());
    return value;
}

static uint8_t inb(uint16_t port) { return (uint8_t)in(port, 1); }

static void out(uint16_t port, unsigned size, uint32_t value) {
    assert_int_equal(pc_ports_write(ports, port, size, value), OK);
    assert_false(is_locked());
}

static void outb(uint16_t port, uint8_t value) { out(port, 1, value); }

static void pass(uint64_t clocks) { world.now += (clocks * CLOCK_HZ + VPIT_HZ - 1) / VPIT_HZ; }

// ---- the table --------------------------------------------------------------------------------------------

static uint8_t own_read(void *device, unsigned offset) {
    assert_ptr_equal(device, world.own);
    return world.own[offset];
}

static int own_write(void *device, unsigned offset, uint8_t value) {
    assert_ptr_equal(device, world.own);
    assert_false(is_locked());
    world.own_writes++;
    if (world.full && offset == 1) { return ERR_BUSY; }
    world.own[offset] = value;
    return OK;
}

static const struct port_ops own_ops = {own_read, own_write};

static int add(uint16_t first, uint16_t count) { return pc_ports_add(ports, first, count, &own_ops, world.own); }

static void the_clock_has_bounds(void **state) {
    (void)state;
    assert_int_equal(pc_ports_init(ports, PC_CLOCK_HZ_MIN - 1, &ops, NULL), ERR_RANGE);
    assert_int_equal(pc_ports_init(ports, PC_CLOCK_HZ_MAX + 1, &ops, NULL), ERR_RANGE);
    assert_int_equal(ports->pit.clock_hz, CLOCK_HZ);
    assert_int_equal(pc_ports_init(ports, PC_CLOCK_HZ_MIN, &ops, &world), OK);
    assert_int_equal(pc_ports_init(ports, PC_CLOCK_HZ_MAX, &ops, &world), OK);
}

static void nobody_answers_with_ones(void **state) {
    (void)state;
    assert_int_equal(in(0x2f8, 1), 0xff);
    assert_int_equal(in(0x2f8, 2), 0xffff);
    assert_int_equal(in(0x2f8, 4), 0xffffffff);
    out(0x2f8, 4, 0x12345678);
    assert_int_equal(in(0xffff, 4), 0xffffffff); // the last port, and three behind it
    out(0xffff, 2, 0);
    assert_int_equal(in(0x0000, 1), 0xff);
    static const uint16_t ignored[] = {0x60, 0x64, 0x80, 0xed, 0xcfa, 0xcfb, 0xcfc, 0xcff, 0x70};
    for (unsigned i = 0; i < ARRAY_SIZE(ignored); i++) {
        outb(ignored[i], 0x5a);
        assert_int_equal(inb(ignored[i]), 0xff);
    }
}

static void each_device_has_its_ports_only(void **state) {
    static const uint16_t free[] = {0x1f, 0x22, 0x3f, 0x44, 0x5f, 0x60, 0x62,  0x63,  0x65,  0x6f, 0x72,
                                    0x7f, 0x81, 0x9f, 0xa2, 0xec, 0xee, 0x5ff, 0x602, 0xcf7, 0xd00};
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(free); i++) {
        outb(free[i], 0);
        assert_int_equal(inb(free[i]), 0xff);
    }
}

static void a_device_can_be_added(void **state) {
    (void)state;
    assert_int_equal(add(0x3f8, 8), OK);
    out(0x3f8, 1, 0xa1);
    out(0x3fe, 2, 0xc3b2);
    assert_int_equal(in(0x3f8, 1), 0xa1);
    assert_int_equal(in(0x3fe, 2), 0xc3b2);
    assert_int_equal(world.own[6], 0xb2);
    assert_int_equal(in(0x3ff, 4), 0xffffffc3); // one of its bytes, three of nobody's
    out(0x3f6, 4, 0x44332211);
    assert_int_equal(world.own[0], 0x33);
    assert_int_equal(world.own[1], 0x44);
}

static void what_is_full_stops_the_access(void **state) {
    (void)state;
    assert_int_equal(add(0x3f8, 8), OK);
    memset(world.own, 0, sizeof(world.own));
    world.full = true;
    assert_int_equal(pc_ports_write(ports, 0x3f9, 1, 7), ERR_BUSY);
    assert_int_equal(pc_ports_write(ports, 0x3f8, 4, 0x04030201), ERR_BUSY);
    assert_int_equal(world.own[0], 1);
    assert_int_equal(world.own[1], 0);
    assert_int_equal(world.own[2], 0); // not reached
    assert_int_equal(world.own_writes, 3);
}

static void only_free_ports_can_be_added(void **state) {
    (void)state;
    assert_int_equal(add(0x3f8, 0), ERR_RANGE);
    assert_int_equal(add(0xfff9, 8), ERR_RANGE);
    assert_int_equal(add(0x40, 1), ERR_BUSY);
    assert_int_equal(add(0x3f, 2), ERR_BUSY);
    assert_int_equal(add(0x43, 2), ERR_BUSY);
    assert_int_equal(add(0, UINT16_MAX), ERR_BUSY);
    assert_int_equal(add(0xfff8, 8), OK);
    assert_int_equal(add(0xffff, 1), ERR_BUSY);
    for (uint16_t port = 0x1000; ports->count < PC_PORT_ROWS_MAX; port += 0x10) { assert_int_equal(add(port, 8), OK); }
    assert_int_equal(add(0x3f8, 8), ERR_NO_MEMORY);
}

// ---- 8259 -------------------------------------------------------------------------------------------------

static void a_pic_keeps_its_mask(void **state) {
    static const uint16_t bases[] = {0x20, 0xa0};
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bases); i++) {
        outb(bases[i] + 1, 0xfb);
        assert_int_equal(inb(bases[i] + 1), 0xfb);
        outb(bases[i], 0x11); // ICW1, and the three words that it announces
        outb(bases[i] + 1, 0x20);
        outb(bases[i] + 1, 0x04);
        outb(bases[i] + 1, 0x01);
        outb(bases[i] + 1, 0xa5);
        assert_int_equal(inb(bases[i] + 1), 0xa5);
        outb(bases[i], 0x0b); // OCW3: ISR
        assert_int_equal(inb(bases[i]), 0);
        outb(bases[i], 0x20); // EOI
        assert_int_equal(inb(bases[i] + 1), 0xa5);
    }
    assert_int_equal(inb(0x21), 0xa5);
    pc_ports_reset(ports);
    assert_int_equal(inb(0x21), 0);
}

// ---- 8254 -------------------------------------------------------------------------------------------------

static unsigned count_of(unsigned channel) {
    unsigned low = inb((uint16_t)(0x40 + channel));

    return low | (unsigned)inb((uint16_t)(0x40 + channel)) << 8;
}

static unsigned latched(unsigned channel) {
    outb(0x43, (uint8_t)(channel << 6));
    return count_of(channel);
}

static void load(unsigned channel, unsigned mode, unsigned count) {
    outb(0x43, (uint8_t)(channel << 6 | 3 << 4 | mode << 1));
    outb((uint16_t)(0x40 + channel), (uint8_t)count);
    outb((uint16_t)(0x40 + channel), (uint8_t)(count >> 8));
}

static bool speaker_out(void) { return (inb(0x61) & 0x20) != 0; }

// As Linux does: gate on, mode 0, and look until the output rises.
static void a_calibration_loop_ends_on_time(void **state) {
    (void)state;
    outb(0x61, (uint8_t)((inb(0x61) & ~0x02) | 0x01));
    uint64_t start = world.now;
    load(2, 0, 11932); // 10 ms
    while (!speaker_out()) { world.now += 1000; }
    assert_in_range(world.now - start, CLOCK_HZ / 100, CLOCK_HZ / 100 + 3000);
    pass(100);
    assert_true(speaker_out());
    load(2, 0, 2);
    assert_false(speaker_out());
    outb(0x43, 0xb0); // with no count yet
    assert_false(speaker_out());
    assert_int_equal(count_of(2), 0);
    outb(0x42, 5);
    outb(0x42, 0);
    pass(5);
    assert_true(speaker_out());
}

// And its quick way: the counter's high byte, unlatched.
static void an_unlatched_count_falls(void **state) {
    unsigned before = 0xff;
    (void)state;
    outb(0x61, 1);
    load(2, 0, 0xffff);
    for (unsigned i = 0; i < 200; i++) {
        pass(256);
        inb(0x42);
        unsigned high = inb(0x42);
        assert_int_equal(high, before - 1);
        before = high;
    }
}

// As GRUB does: the count first, then the gate.
static void the_gate_starts_the_count(void **state) {
    (void)state;
    load(2, 0, 1000);
    pass(700);
    outb(0x61, 1);
    assert_int_equal(latched(2), 1000);
    pass(400);
    assert_int_equal(latched(2), 600);
    outb(0x61, 1); // no edge
    assert_int_equal(latched(2), 600);
    assert_false(speaker_out());
    pass(600);
    assert_true(speaker_out());
}

static void every_mode_counts(void **state) {
    (void)state;
    for (unsigned mode = 0; mode < 8; mode++) {
        bool periodic = (mode & 2) != 0;

        load(2, mode, 10);
        assert_int_equal(latched(2), 10);
        assert_int_equal(speaker_out(), periodic);
        pass(9);
        assert_int_equal(latched(2), 1);
        pass(2);
        assert_int_equal(latched(2), periodic ? 9 : 0xffff);
        assert_true(speaker_out());
    }
}

static void channel_0_runs_from_the_start(void **state) {
    (void)state;
    unsigned before = latched(0);
    pass(100);
    assert_int_equal(latched(0), (uint16_t)(before - 100));
    load(0, 2, 5000);
    outb(0x40, 7000 & 0xff); // the next count, by the same control word
    outb(0x40, 7000 >> 8);
    assert_int_equal(latched(0), 7000);
    outb(0x43, 0x30); // as Linux stops it
    outb(0x40, 0);
    outb(0x40, 0);
    pass(UINT16_MAX);
    assert_int_equal(latched(0), 1);
}

static void a_byte_alone_can_be_accessed(void **state) {
    (void)state;
    outb(0x43, 0x14); // channel 0, low byte, mode 2
    outb(0x40, 200);
    pass(10);
    assert_int_equal(inb(0x40), 190);
    assert_int_equal(inb(0x40), 190);
    outb(0x43, 0x24); // high byte
    outb(0x40, 2);
    pass(1);
    assert_int_equal(inb(0x40), 1);
    outb(0x40, 0); // is 65536
    assert_int_equal(inb(0x40), 0);
}

static void what_is_latched_stays(void **state) {
    (void)state;
    load(0, 2, 5000);
    outb(0x43, 0x00);
    pass(100);
    outb(0x43, 0x00); // the first latch counts
    assert_int_equal(inb(0x40), 5000 & 0xff);
    pass(100);
    assert_int_equal(inb(0x40), 5000 >> 8);
    assert_int_equal(count_of(0), 4800);
    outb(0x43, 0xc2); // the read-back command is ignored
    assert_int_equal(inb(0x40), 4800 & 0xff);
    assert_int_equal(inb(0x40), 4800 >> 8);
    outb(0x43, 0x00);
    outb(0x43, 0x34); // a control word ends the latch
    assert_int_equal(count_of(0), 0);
    assert_int_equal(inb(0x43), 0xff);
}

static void the_refresh_bit_toggles(void **state) {
    unsigned toggles = 0;
    (void)state;
    outb(0x61, 0xff);
    assert_int_equal(inb(0x61) & 0xcf, 0x0f);
    uint8_t before = inb(0x61);
    for (unsigned i = 0; i < 1800; i++) {
        pass(1);
        toggles += ((inb(0x61) ^ before) & 0x10) != 0;
        before = inb(0x61);
    }
    assert_in_range(toggles, 99, 101);
}

// ---- real-time clock --------------------------------------------------------------------------------------

static uint8_t cmos(uint8_t index) {
    outb(0x70, index);
    return inb(0x71);
}

static void shows(uint64_t at, unsigned century, unsigned year, unsigned month, unsigned day, unsigned week_day) {
    world.seconds = at;
    assert_int_equal(cmos(VRTC_CENTURY), century);
    assert_int_equal(cmos(9), year);
    assert_int_equal(cmos(8), month);
    assert_int_equal(cmos(7), day);
    assert_int_equal(cmos(6), week_day);
}

static void dates_are_right(void **state) {
    (void)state;
    shows(0, 0x19, 0x70, 0x01, 0x01, 5);
    shows(951782400, 0x20, 0x00, 0x02, 0x29, 3); // 2000-02-29
    shows(951782400 + 86400, 0x20, 0x00, 0x03, 0x01, 4);
    shows(1772236800, 0x20, 0x26, 0x02, 0x28, 7);
    shows(1772236800 + 86400, 0x20, 0x26, 0x03, 0x01, 1);
    shows(1767225599, 0x20, 0x25, 0x12, 0x31, 4);
    shows(4107456000, 0x21, 0x00, 0x02, 0x28, 1); // 2100-02-28
}

// Against a calendar that counts day by day.
static void every_day_follows_the_last(void **state) {
    static const unsigned lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint64_t at = 12345;
    (void)state;
    for (unsigned year = 1970; year < 2100; year++) {
        for (unsigned month = 0; month < 12; month++) {
            unsigned length = lengths[month] + (month == 1 && year % 4 == 0);
            for (unsigned day = 1; day <= length; day++, at += 86400) {
                world.seconds = at;
                assert_int_equal(cmos(9), year % 100 / 10 * 16 + year % 10);
                assert_int_equal(cmos(8), (month + 1) / 10 * 16 + (month + 1) % 10);
                assert_int_equal(cmos(7), day / 10 * 16 + day % 10);
            }
        }
    }
}

static void the_time_is_in_bcd(void **state) {
    (void)state;
    world.seconds = 20ull * 86400 + 23 * 3600 + 59 * 60 + 48;
    assert_int_equal(cmos(0x80 | 0), 0x48); // NMIs off
    assert_int_equal(cmos(2), 0x59);
    assert_int_equal(cmos(4), 0x23);
    assert_int_equal(cmos(0x0a), 0x26);
    assert_int_equal(cmos(0x0b), 0x02);
    assert_int_equal(cmos(0x0c), 0);
    assert_int_equal(cmos(0x0d), 0x80);
    assert_int_equal(cmos(1), 0);
    assert_int_equal(cmos(0x0f), 0);
    assert_int_equal(in(0x70, 1), 0xff);
    outb(0x70, 0);
    outb(0x71, 0x12);
    assert_int_equal(inb(0x71), 0x48);
    out(0x70, 2, 0xff04);
    assert_int_equal(inb(0x71), 0x23);
}

static void a_reading_is_of_one_moment(void **state) {
    (void)state;
    world.seconds = 86399;
    assert_int_equal(cmos(0x0a) & 0x80, 0); // no update is under way
    assert_int_equal(cmos(0), 0x59);
    world.seconds++;
    assert_int_equal(cmos(2), 0x59);
    assert_int_equal(cmos(4), 0x23);
    assert_int_equal(cmos(7), 0x01);
    world.seconds++; // who takes longer, or asked for nothing, sees the time that is
    assert_int_equal(cmos(7), 0x02);
    assert_int_equal(cmos(0), 0x01);
    cmos(0x0a);
    world.seconds = 500; // the machine's clock was set back
    assert_int_equal(cmos(2), 0x08);
}

// ---- PCI, reset, power ------------------------------------------------------------------------------------

static void there_is_no_pci_device(void **state) {
    (void)state;
    assert_int_equal(in(0xcf8, 4), 0);
    outb(0xcfb, 1); // as Linux asks for the mechanism
    out(0xcf8, 4, 0x80000000);
    assert_int_equal(in(0xcf8, 4), 0x80000000);
    assert_int_equal(in(0xcfc, 4), 0xffffffff);
    assert_int_equal(in(0xcfe, 2), 0xffff);
    out(0xcfc, 4, 0);
    out(0xcf8, 4, 0xffffffff);
    assert_int_equal(in(0xcf8, 4), 0x80fffffc);
    outb(0xcf8, 0);
    assert_int_equal(in(0xcf8, 4), 0x80fffffc);
    assert_int_equal(world.resets, 0);
    pc_ports_reset(ports);
    assert_int_equal(in(0xcf8, 4), 0);
}

static void a_guest_can_reset(void **state) {
    (void)state;
    outb(0x64, 0xd1);
    outb(0x60, 0xfe);
    assert_int_equal(world.resets, 0);
    outb(0x64, 0xfe);
    assert_int_equal(world.resets, 1);
    outb(PC_RESET_CONTROL, 0x02);
    assert_int_equal(inb(PC_RESET_CONTROL), 0);
    assert_int_equal(world.resets, 1);
    outb(PC_RESET_CONTROL, PC_RESET_VALUE);
    assert_int_equal(world.resets, 2);
    out(0xcf8, 2, 0x0e00);
    assert_int_equal(world.resets, 3);
    assert_int_equal(world.offs, 0);
}

static void a_guest_can_switch_off(void **state) {
    (void)state;
    outb(PC_SLEEP_STATUS, 0x80);
    assert_int_equal(inb(PC_SLEEP_STATUS), 0);
    outb(PC_SLEEP_CONTROL, PC_SLEEP_TYPE_S5 << 2);
    assert_int_equal(world.offs, 0);
    assert_int_equal(inb(PC_SLEEP_CONTROL), 0);
    for (unsigned type = 0; type < 8; type++) {
        outb(PC_SLEEP_CONTROL, (uint8_t)(type << 2 | 0x20));
        assert_int_equal(world.offs, type == PC_SLEEP_TYPE_S5);
        world.offs = 0;
    }
    outb(PC_SLEEP_STATUS, PC_SLEEP_TYPE_S5 << 2 | 0x20);
    assert_int_equal(world.offs + world.resets, 0);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_clock_has_bounds),
        TEST(nobody_answers_with_ones),
        TEST(each_device_has_its_ports_only),
        TEST(a_device_can_be_added),
        TEST(what_is_full_stops_the_access),
        TEST(only_free_ports_can_be_added),
        TEST(a_pic_keeps_its_mask),
        TEST(a_calibration_loop_ends_on_time),
        TEST(an_unlatched_count_falls),
        TEST(the_gate_starts_the_count),
        TEST(every_mode_counts),
        TEST(channel_0_runs_from_the_start),
        TEST(a_byte_alone_can_be_accessed),
        TEST(what_is_latched_stays),
        TEST(the_refresh_bit_toggles),
        TEST(dates_are_right),
        TEST(every_day_follows_the_last),
        TEST(the_time_is_in_bcd),
        TEST(a_reading_is_of_one_moment),
        TEST(there_is_no_pci_device),
        TEST(a_guest_can_reset),
        TEST(a_guest_can_switch_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
