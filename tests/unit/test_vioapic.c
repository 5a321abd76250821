// SPDX-License-Identifier: Apache-2.0
// The I/O APIC's model: its page, edges and levels, what leaves as a message, two cores at once.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/vioapic.h"

enum { INPUTS = 24, ID = 9, PIN = 5 };

static struct {
    struct vioapic apic;
    unsigned sent;
    struct vlapic_message last;
} world;

static struct vioapic *const apic = &world.apic;

static void pulse(unsigned gsi) {
    vioapic_set_line(apic, gsi, true);
    vioapic_set_line(apic, gsi, false);
}

static void deliver(void *context, const struct vlapic_message *message) {
    assert_ptr_equal(context, &world);
    assert_true(apic->lock.next != apic->lock.owner); // held
    world.sent++;
    world.last = *message;
}

static const struct vioapic_ops ops = {deliver};

static int setup(void **state) {
    (void)state;
    memset(&world, 0xaa, sizeof(world));
    assert_int_equal(vioapic_init(apic, INPUTS, ID, &ops, &world), OK);
    world.sent = 0;
    return 0;
}

static uint64_t reads(unsigned offset, unsigned size) {
    uint64_t value = 1;

    assert_int_equal(vioapic_mmio_read(apic, offset, size, &value), OK);
    return value;
}

static void writes(unsigned offset, unsigned size, uint64_t value) {
    assert_int_equal(vioapic_mmio_write(apic, offset, size, value), OK);
}

static uint32_t get(unsigned number) {
    writes(IOREGSEL, 4, number);
    return (uint32_t)reads(IOWIN, 4);
}

static void put(unsigned number, uint32_t value) {
    writes(IOREGSEL, 4, number);
    writes(IOWIN, 4, value);
}

static void put_entry(unsigned gsi, uint64_t entry) {
    put(IOREDTBL + gsi * 2, IOREDTBL_MASKED);
    put(IOREDTBL + gsi * 2 + 1, (uint32_t)(entry >> 32));
    put(IOREDTBL + gsi * 2, (uint32_t)entry);
}

static uint64_t get_entry(unsigned gsi) {
    return (uint64_t)get(IOREDTBL + gsi * 2 + 1) << 32 | get(IOREDTBL + gsi * 2);
}

static bool waits_for_eoi(unsigned gsi) { return (get_entry(gsi) & IOREDTBL_REMOTE_IRR) != 0; }

// How many messages left since this was last asked.
static unsigned sent(void) {
    unsigned count = world.sent;

    world.sent = 0;
    return count;
}

static uint64_t with_mode(unsigned mode) { return (uint64_t)mode << IOREDTBL_MODE_SHIFT; }

// ---- the page ---------------------------------------------------------------------------------------------

static void it_looks_like_an_io_apic(void **state) {
    (void)state;
    assert_int_equal(get(IOAPICID), ID << 24);
    assert_int_equal(get(IOAPICARB), ID << 24);
    assert_int_equal(get(IOAPICVER), 0x00170020);
    for (unsigned gsi = 0; gsi < INPUTS; gsi++) { assert_int_equal(get_entry(gsi), IOREDTBL_MASKED); }
    put(IOAPICID, 0xf3ffffff);
    assert_int_equal(get(IOAPICID), 3 << 24);
    put(IOAPICVER, 0);
    assert_int_equal(get(IOAPICVER), 0x00170020);
    put(3, 77);
    assert_int_equal(get(3), 0);
}

static void its_size_and_number_are_checked(void **state) {
    (void)state;
    assert_int_equal(vioapic_init(apic, 0, 0, &ops, &world), ERR_RANGE);
    assert_int_equal(vioapic_init(apic, VIOAPIC_INPUTS_MAX + 1, 0, &ops, &world), ERR_RANGE);
    assert_int_equal(vioapic_init(apic, 1, IOAPIC_ID_MAX + 1, &ops, &world), ERR_RANGE);
    assert_int_equal(get(IOAPICVER), 0x00170020);
    static const unsigned sizes[] = {1, 24, 48};
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        assert_int_equal(vioapic_init(apic, sizes[i], 0, &ops, &world), OK);
        assert_int_equal(get(IOAPICVER), (sizes[i] - 1) << 16 | 0x20);
        put_entry(sizes[i] - 1, 0x30);
        assert_int_equal(get_entry(sizes[i] - 1), 0x30);
        put_entry(sizes[i], 0x31);
        assert_int_equal(get_entry(sizes[i]), 0);
    }
    vioapic_set_line(apic, 47, true);
    assert_int_equal(sent(), 1);
    vioapic_set_line(apic, 48, true);
    vioapic_set_line(apic, UINT32_MAX, true);
    vioapic_set_line(apic, 48, true);
    assert_int_equal(sent(), 0);
    assert_int_equal(apic->lines, BIT(47));
}

static void an_entry_keeps_the_bits_it_has(void **state) {
    (void)state;
    put(IOREDTBL + PIN * 2 + 1, UINT32_MAX);
    put(IOREDTBL + PIN * 2, UINT32_MAX);
    assert_int_equal(get(IOREDTBL + PIN * 2 + 1), 0xff000000);
    assert_int_equal(get(IOREDTBL + PIN * 2), 0x0001afff); // not remote IRR, not delivery status
    put(IOREDTBL + PIN * 2, 0);
    assert_int_equal(get_entry(PIN), 0xff00000000000000);
}

static void only_some_accesses_mean_anything(void **state) {
    (void)state;
    put_entry(0, 0x1a0b3);
    writes(IOREGSEL, 1, IOREDTBL);
    assert_int_equal(reads(IOREGSEL, 1), IOREDTBL);
    assert_int_equal(reads(IOREGSEL, 8), IOREDTBL);
    writes(IOREGSEL, 2, 0xff00 | IOAPICVER);
    assert_int_equal(reads(IOREGSEL, 4), IOAPICVER);
    writes(IOREGSEL, 4, IOREDTBL);
    for (unsigned size = 1; size <= 8; size *= 2) {
        assert_int_equal(reads(IOWIN, size), size == 4 ? 0x1a0b3 : 0);
        if (size != 4) { writes(IOWIN, size, 0); }
        assert_int_equal(reads(IOWIN + 4, size), 0);
        writes(IOWIN + 4, size, 0);
        assert_int_equal(reads(IOAPIC_EOI, size), 0);
        assert_int_equal(reads(IOAPIC_SIZE - size, size), 0);
        writes(IOAPIC_SIZE - size, size, 0);
    }
    assert_int_equal(get_entry(0), 0x1a0b3);
}

// ---- edges ------------------------------------------------------------------------------------------------

static void an_edge_is_one_message(void **state) {
    (void)state;
    put_entry(PIN, 0x0300000000000000 | 0x45);
    vioapic_set_line(apic, PIN, true);
    assert_int_equal(sent(), 1);
    assert_int_equal(world.last.destination, 3);
    assert_int_equal(world.last.vector, 0x45);
    assert_int_equal(world.last.mode, APIC_MODE_FIXED);
    assert_int_equal(world.last.shorthand, APIC_SHORTHAND_NONE);
    assert_false(world.last.logical);
    assert_false(world.last.level);
    assert_false(waits_for_eoi(PIN));
    vioapic_set_line(apic, PIN, true);
    vioapic_eoi(apic, 0x45);
    vioapic_set_line(apic, PIN, false);
    assert_int_equal(sent(), 0);
    vioapic_set_line(apic, PIN, true);
    assert_int_equal(sent(), 1);
}

static void a_masked_edge_is_lost(void **state) {
    (void)state;
    put_entry(PIN, IOREDTBL_MASKED | 0x45);
    vioapic_set_line(apic, PIN, true);
    put_entry(PIN, 0x45);
    assert_int_equal(sent(), 0);
    vioapic_set_line(apic, PIN, false);
    vioapic_set_line(apic, PIN, true);
    assert_int_equal(sent(), 1);
}

static void every_field_goes_into_the_message(void **state) {
    static const bool leaves[8] = {[APIC_MODE_FIXED] = true, [APIC_MODE_LOWEST] = true, [APIC_MODE_SMI] = true,
                                   [APIC_MODE_NMI] = true,   [APIC_MODE_INIT] = true,   [APIC_MODE_EXTINT] = true};
    (void)state;
    for (unsigned mode = 0; mode < 8; mode++) {
        put_entry(PIN, 0xff00000000000000 | IOREDTBL_LOGICAL | IOREDTBL_POLARITY | with_mode(mode) | 0x9a);
        pulse(PIN);
        assert_int_equal(sent(), leaves[mode]);
        if (!leaves[mode]) { continue; }
        assert_int_equal(world.last.mode, mode);
        assert_int_equal(world.last.vector, 0x9a);
        assert_int_equal(world.last.destination, APIC_X2APIC_BROADCAST);
        assert_true(world.last.logical);
    }
}

// ---- levels -----------------------------------------------------------------------------------------------

static void a_level_waits_for_its_eoi(void **state) {
    (void)state;
    put_entry(PIN, IOREDTBL_LEVEL | 0x61);
    vioapic_set_line(apic, PIN, true);
    assert_int_equal(sent(), 1);
    assert_true(world.last.level);
    assert_true(waits_for_eoi(PIN));
    vioapic_set_line(apic, PIN, false);
    vioapic_set_line(apic, PIN, true);
    assert_int_equal(sent(), 0);
    vioapic_eoi(apic, 0x60); // another's
    assert_true(waits_for_eoi(PIN));
    vioapic_eoi(apic, 0x61); // still asserted: once more, and only once
    assert_int_equal(sent(), 1);
    assert_true(waits_for_eoi(PIN));
    vioapic_set_line(apic, PIN, false);
    writes(IOAPIC_EOI, 1, 0x61);
    writes(IOAPIC_EOI, 8, 0x61);
    writes(IOAPIC_EOI + 4, 4, 0x61);
    assert_true(waits_for_eoi(PIN));
    writes(IOAPIC_EOI, 4, 0x61);
    assert_int_equal(sent(), 0);
    assert_false(waits_for_eoi(PIN));
    vioapic_eoi(apic, 0x61);
    assert_int_equal(sent(), 0);
}

static void a_masked_level_comes_when_it_is_unmasked(void **state) {
    (void)state;
    put_entry(PIN, IOREDTBL_MASKED | IOREDTBL_LEVEL | 0x61);
    vioapic_set_line(apic, PIN, true);
    assert_int_equal(sent(), 0);
    put(IOREDTBL + PIN * 2, IOREDTBL_LEVEL | 0x61);
    assert_int_equal(sent(), 1);
    put(IOREDTBL + PIN * 2, IOREDTBL_MASKED | IOREDTBL_LEVEL | 0x61); // as Linux does around its EOI
    vioapic_eoi(apic, 0x61);
    assert_false(waits_for_eoi(PIN));
    assert_int_equal(sent(), 0);
    put(IOREDTBL + PIN * 2, IOREDTBL_LEVEL | 0x61);
    assert_int_equal(sent(), 1);
    vioapic_set_line(apic, PIN, false);
    vioapic_eoi(apic, 0x61);
    assert_int_equal(sent(), 0);
}

static void an_entry_as_edge_ends_the_wait(void **state) {
    (void)state;
    put_entry(PIN, IOREDTBL_LEVEL | 0x61);
    vioapic_set_line(apic, PIN, true);
    assert_int_equal(sent(), 1);
    put(IOREDTBL + PIN * 2, IOREDTBL_LEVEL | 0x62); // another vector: it still waits for the EOI
    assert_true(waits_for_eoi(PIN));
    vioapic_eoi(apic, 0x61);
    assert_true(waits_for_eoi(PIN));
    put(IOREDTBL + PIN * 2, IOREDTBL_MASKED | 0x62);
    assert_false(waits_for_eoi(PIN));
    put(IOREDTBL + PIN * 2, IOREDTBL_LEVEL | 0x62);
    assert_int_equal(sent(), 1);
    assert_int_equal(world.last.vector, 0x62);
    put(IOREDTBL + PIN * 2, IOREDTBL_LEVEL | with_mode(APIC_MODE_NMI));
    assert_false(waits_for_eoi(PIN));
    assert_int_equal(sent(), 0);
}

static void what_is_no_interrupt_by_vector_is_an_edge(void **state) {
    static const unsigned modes[] = {APIC_MODE_SMI, APIC_MODE_NMI, APIC_MODE_INIT, APIC_MODE_EXTINT};
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
        put_entry(PIN, IOREDTBL_LEVEL | with_mode(modes[i]) | 0x33);
        vioapic_set_line(apic, PIN, true);
        assert_int_equal(sent(), 1);
        assert_false(world.last.level);
        assert_false(waits_for_eoi(PIN));
        vioapic_eoi(apic, 0x33);
        assert_int_equal(sent(), 0);
        vioapic_set_line(apic, PIN, false);
    }
    put_entry(PIN, IOREDTBL_LEVEL | with_mode(APIC_MODE_LOWEST) | 0x33);
    pulse(PIN);
    assert_int_equal(sent(), 1);
    assert_true(world.last.level && waits_for_eoi(PIN));
}

// The most that one call can do.
static void an_eoi_delivers_each_input_once(void **state) {
    (void)state;
    for (unsigned gsi = 0; gsi < INPUTS; gsi++) {
        put_entry(gsi, IOREDTBL_LEVEL | 0x61);
        vioapic_set_line(apic, gsi, true);
    }
    assert_int_equal(sent(), INPUTS);
    vioapic_eoi(apic, 0x61);
    assert_int_equal(sent(), INPUTS);
    vioapic_set_line(apic, 3, false);
    vioapic_eoi(apic, 0x61);
    assert_int_equal(sent(), INPUTS - 1);
}

static void reset_is_power_on(void **state) {
    (void)state;
    put(IOAPICID, 1 << 24);
    put_entry(PIN, IOREDTBL_LEVEL | 0x61);
    vioapic_set_line(apic, PIN, true);
    assert_int_equal(sent(), 1);
    vioapic_reset(apic);
    assert_int_equal(reads(IOREGSEL, 1), 0);
    it_looks_like_an_io_apic(state);
    put_entry(PIN, IOREDTBL_LEVEL | 0x61);
    assert_int_equal(sent(), 0); // the line is not asserted any more
    vioapic_set_line(apic, PIN, true);
    assert_int_equal(sent(), 1);
}

// ---- with a local APIC ------------------------------------------------------------------------------------

static struct vlapic local;
static struct vlapic *const locals[] = {&local};

static void to_local(void *context, const struct vlapic_message *message) {
    (void)context;
    vlapic_deliver(locals, 1, NULL, message);
}

static void local_eoi(void *context, uint8_t vector) {
    (void)context;
    vioapic_eoi(apic, vector);
}

static void nothing(void *context) { (void)context; }

static uint64_t no_time(void *context) {
    (void)context;
    return 0;
}

static void take(unsigned vector) {
    assert_int_equal(vlapic_pending_vector(&local), vector);
    vlapic_accept(&local, vector);
}

// The way of a level interrupt, there and back, of two inputs that share a vector.
static void the_eoi_of_a_local_apic_comes_back(void **state) {
    static const struct vlapic_config config = {.least_period = 1};
    static const struct vlapic_ops local_ops = {.kick = nothing, .level_eoi = local_eoi, .now = no_time};
    static const struct vioapic_ops io_ops = {to_local};
    (void)state;
    assert_int_equal(vioapic_init(apic, INPUTS, ID, &io_ops, NULL), OK);
    assert_int_equal(vlapic_init(&local, 0, true, &config, &local_ops, NULL), OK);
    assert_int_equal(vlapic_mmio_write(&local, APIC_SVR << APIC_REGISTER_SHIFT, 4, APIC_SVR_ENABLE | 0xff), OK);
    put_entry(PIN, IOREDTBL_LEVEL | 0x61);
    put_entry(PIN + 1, IOREDTBL_LEVEL | 0x61);
    vioapic_set_line(apic, PIN, true);
    take(0x61);
    vioapic_set_line(apic, PIN + 1, true); // its turn comes in the same service
    vioapic_set_line(apic, PIN, false);
    vlapic_eoi(&local);
    take(0x61);
    assert_true(waits_for_eoi(PIN + 1) && !waits_for_eoi(PIN));
    vlapic_eoi(&local); // still asserted
    take(0x61);
    vioapic_set_line(apic, PIN + 1, false);
    vlapic_eoi(&local);
    assert_int_equal(vlapic_pending_vector(&local), VLAPIC_NONE);
    assert_false(waits_for_eoi(PIN) || waits_for_eoi(PIN + 1));
}

// ---- two cores --------------------------------------------------------------------------------------------

enum { ROUNDS = 20000 };

static void *toggle(void *gsi) {
    for (unsigned i = 0; i < ROUNDS; i++) {
        vioapic_set_line(apic, (unsigned)(uintptr_t)gsi, true);
        vioapic_set_line(apic, (unsigned)(uintptr_t)gsi, false);
    }
    return NULL;
}

// Every edge of both is a message, though they share the table.
static void two_cores_lose_nothing(void **state) {
    pthread_t other;
    (void)state;
    put_entry(0, 0x40);
    put_entry(1, 0x41);
    assert_int_equal(pthread_create(&other, NULL, toggle, (void *)1), 0);
    toggle((void *)0);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(sent(), 2 * ROUNDS);
    assert_int_equal(apic->lines, 0);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_looks_like_an_io_apic),
        TEST(its_size_and_number_are_checked),
        TEST(an_entry_keeps_the_bits_it_has),
        TEST(only_some_accesses_mean_anything),
        TEST(an_edge_is_one_message),
        TEST(a_masked_edge_is_lost),
        TEST(every_field_goes_into_the_message),
        TEST(a_level_waits_for_its_eoi),
        TEST(a_masked_level_comes_when_it_is_unmasked),
        TEST(an_entry_as_edge_ends_the_wait),
        TEST(what_is_no_interrupt_by_vector_is_an_edge),
        TEST(an_eoi_delivers_each_input_once),
        TEST(reset_is_power_on),
        TEST(the_eoi_of_a_local_apic_comes_back),
        TEST(two_cores_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
