// SPDX-License-Identifier: Apache-2.0
// Who gets which physical memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/host/host.h"
#include "arch/host/model.h"
#include "kernel/board.h"
#include "kernel/memory.h"
#include "kernel/space.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)
#define RAM    MODEL_RAM_BASE

static struct range image, fdt; // what arch_boot_ranges says

void arch_boot_ranges(struct range *image_out, struct range *fdt_out) {
    *image_out = image;
    *fdt_out = fdt;
}

static int setup(void **state) {
    (void)state;
    image = (struct range){0, 0};
    fdt = (struct range){0, 0};
    host_reset();
    return 0;
}

static bool overlaps(paddr_t a, uint64_t a_size, struct range b) { return a < b.base + b.size && b.base < a + a_size; }

static void nothing_that_is_taken_is_given_away(void **state) {
    const struct board board = {
        .memory_count = 2,
        .memory = {{RAM, MIB(256)}, {RAM + MIB(512), MIB(256)}},
        .reserved_count = 3,
        .reserved = {{RAM + MIB(10) + 5, 10},    // inside one page
                     {RAM + MIB(255), MIB(300)}, // from one block into the other
                     {RAM + MIB(20) - 1, 2}},    // across a page boundary
        .initrd = {RAM + MIB(128) + 100, MIB(26) + 1},
    };
    struct memory_report report;
    paddr_t pa;
    unsigned pages = 0;

    (void)state;
    image = (struct range){RAM, KIB(128)};
    fdt = (struct range){RAM + MIB(154) + KIB(4), KIB(12)};
    assert_int_equal(memory_init(&board), OK);
    memory_report(&report);
    assert_int_equal(report.total, MIB(512));
    while (memory_alloc_guest(KIB(64), PAGE_SIZE, &pa) == OK) {
        for (unsigned i = 0; i < board.reserved_count; i++) { assert_false(overlaps(pa, KIB(64), board.reserved[i])); }
        assert_false(overlaps(pa, KIB(64), board.initrd));
        assert_false(overlaps(pa, KIB(64), image));
        assert_false(overlaps(pa, KIB(64), fdt));
        assert_false(overlaps(pa, KIB(64), (struct range){memory_pa(memory_alloc(1)), 1}));
        assert_true((pa >= RAM && pa + KIB(64) <= RAM + MIB(256)) ||
                    (pa >= RAM + MIB(512) && pa + KIB(64) <= RAM + MIB(768)));
        pages += 16;
    }
    uint64_t before = report.free;
    memory_report(&report);
    assert_int_equal(report.guests, pages * PAGE_SIZE);
    assert_int_equal(report.free, before - report.guests);
}

static void guests_memory_is_aligned_and_whole(void **state) {
    paddr_t a, b, c;

    (void)state;
    assert_int_equal(memory_alloc_guest(KIB(4), PAGE_SIZE, &a), OK);
    assert_int_equal(memory_alloc_guest(MIB(128), MIB(2), &b), OK);
    assert_int_equal(memory_alloc_guest(MIB(2) - KIB(4), PAGE_SIZE, &c), OK);
    assert_int_equal(a, RAM);
    assert_int_equal(b, RAM + MIB(2));
    assert_int_equal(c, RAM + KIB(4)); // the gap below is not lost
}

static void a_guest_gets_no_more_than_there_is(void **state) {
    struct memory_report report;
    paddr_t pa;

    (void)state;
    memory_report(&report);
    assert_int_equal(memory_alloc_guest(report.free + PAGE_SIZE, PAGE_SIZE, &pa), ERR_NO_MEMORY);
    assert_int_equal(memory_alloc_guest(PAGE_SIZE, GIB(2), &pa), ERR_NO_MEMORY);
    assert_int_equal(memory_alloc_guest(UINT64_MAX - PAGE_MASK, PAGE_SIZE, &pa), ERR_NO_MEMORY);
    assert_int_equal(memory_alloc_guest(PAGE_SIZE, BIT(63), &pa), ERR_NO_MEMORY);
    assert_int_equal(memory_alloc_guest(report.free, PAGE_SIZE, &pa), OK);
    assert_int_equal(memory_alloc_guest(PAGE_SIZE, PAGE_SIZE, &pa), ERR_NO_MEMORY);
    memory_report(&report);
    assert_int_equal(report.free, 0);
}

static void senseless_requests_are_refused(void **state) {
    paddr_t pa;

    (void)state;
    assert_int_equal(memory_alloc_guest(0, PAGE_SIZE, &pa), ERR_INVALID);
    assert_int_equal(memory_alloc_guest(100, PAGE_SIZE, &pa), ERR_INVALID);
    assert_int_equal(memory_alloc_guest(PAGE_SIZE, 64, &pa), ERR_INVALID);
    assert_int_equal(memory_alloc_guest(PAGE_SIZE, 3 * PAGE_SIZE, &pa), ERR_INVALID);
}

static void a_board_without_room_for_the_pool_is_refused(void **state) {
    struct board board = {.memory_count = 1, .memory = {{RAM, MIB(4)}}};

    (void)state;
    assert_int_equal(memory_init(&board), ERR_NO_MEMORY);
    board.memory[0].size = MIB(64);
    board.reserved_count = 1;
    board.reserved[0] = (struct range){0, UINT64_MAX}; // all there is
    assert_int_equal(memory_init(&board), ERR_NO_MEMORY);
    board.memory_count = 0;
    assert_int_equal(memory_init(&board), ERR_NO_MEMORY);
}

static void the_pool_is_zeroed_aligned_and_ends(void **state) {
    unsigned char *first = memory_alloc(1), *second = memory_alloc(65), *bytes;
    size_t total = 0;

    (void)state;
    memset(model_ram(RAM + MIB(1016)), 0xee, MIB(8)); // what the machine left there
    assert_int_equal((uintptr_t)first % 64, 0);
    assert_int_equal(second - first, 64);
    assert_int_equal(memory_pa(memory_alloc_pages(2)) % KIB(8), 0); // concatenated tables
    assert_int_equal(memory_pa(memory_alloc_pages(3)) % KIB(4), 0);
    while ((bytes = memory_alloc(1000)) != NULL) {
        for (unsigned i = 0; i < 1000; i++) { assert_int_equal(bytes[i], 0); }
        total += 1000;
    }
    assert_true(total > MIB(7));
    assert_null(memory_alloc(SIZE_MAX - 100));
    assert_null(memory_alloc(SIZE_MAX));
    assert_null(memory_alloc_pages(1u << 31));
}

static void addresses_translate_both_ways(void **state) {
    char *p = memory_alloc(10000);
    paddr_t pa = memory_pa(p + 77);

    (void)state;
    assert_ptr_equal(model_ram(pa), p + 77);
    assert_ptr_equal(memory_va(pa), p + 77);
    assert_int_equal(memory_pa(&image), (uintptr_t)&image); // the image's own, by the architecture
    assert_ptr_equal(memory_va((uintptr_t)&image), &image);
}

// More holes than the table holds: memory is lost, never given twice.
static void many_holes_do_no_harm(void **state) {
    paddr_t pa, last = 0;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(memory_alloc_guest(PAGE_SIZE, KIB(8), &pa), OK);
        assert_true(i == 0 || pa > last);
        last = pa;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_that_is_taken_is_given_away, setup),
        cmocka_unit_test_setup(guests_memory_is_aligned_and_whole, setup),
        cmocka_unit_test_setup(a_guest_gets_no_more_than_there_is, setup),
        cmocka_unit_test_setup(senseless_requests_are_refused, setup),
        cmocka_unit_test_setup(a_board_without_room_for_the_pool_is_refused, setup),
        cmocka_unit_test_setup(the_pool_is_zeroed_aligned_and_ends, setup),
        cmocka_unit_test_setup(addresses_translate_both_ways, setup),
        cmocka_unit_test_setup(many_holes_do_no_harm, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
