// SPDX-License-Identifier: Apache-2.0
// The checked way to guest memory: what it refuses, and that it moves exactly what it should.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/host/host.h"
#include "arch/host/model.h"
#include "kernel/guest_mem.h"
#include "kernel/space.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define PA     (MODEL_RAM_BASE + MIB(8))

static struct vm vm;
static unsigned windows[SPACE_WINDOWS]; // opened
static unsigned open_windows;

void *window_map(unsigned slot, paddr_t pa) {
    assert_int_equal(open_windows, 0);
    assert_int_equal(pa % WINDOW_SIZE, 0);
    windows[slot]++;
    open_windows++;
    return model_ram(pa);
}

void window_unmap(unsigned slot) {
    (void)slot;
    open_windows--;
}

// Two blocks of RAM with a hole between them, each at odds with the windows' alignment.
static int setup(void **state) {
    (void)state;
    host_reset();
    memset(windows, 0, sizeof(windows));
    memset(&vm, 0, sizeof(vm));
    vm.memory_count = 2;
    vm.memory[0] = (struct vm_memory){0x40000000, PA, MIB(4)};
    vm.memory[1] = (struct vm_memory){0x80000000, PA + MIB(8) + KIB(4), MIB(6)};
    return 0;
}

static void only_ram_of_the_vm_is_ram(void **state) {
    static const struct {
        gpa_t gpa;
        uint64_t size;
        bool ram;
    } cases[] = {
        {0x40000000, 1, true},
        {0x40000000, MIB(4), true},
        {0x40000000 + MIB(4) - 1, 1, true},
        {0x40000000 + MIB(4), 0, true}, // nothing, right behind the end
        {0x40000000 + MIB(4), 1, false},
        {0x40000000 + MIB(4) - 1, 2, false},
        {0x3fffffff, 1, false},
        {0x3fffffff, 2, false},
        {0, UINT64_MAX, false},
        {UINT64_MAX, 1, false},
        {UINT64_MAX - 3, 8, false}, // wraps
        {0x40000000, UINT64_MAX, false},
        {0x80000000, MIB(6), true},
        {0x80000000, MIB(6) + 1, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(guest_is_ram(&vm, cases[i].gpa, cases[i].size), cases[i].ram);
    }
}

static void what_is_refused_moves_nothing(void **state) {
    unsigned char buffer[16], before[16];
    gpa_t end = 0x40000000 + MIB(4);

    (void)state;
    memset(buffer, 0x5a, sizeof(buffer));
    memcpy(before, buffer, sizeof(buffer));
    assert_int_equal(guest_read(&vm, end - 8, buffer, 16), ERR_RANGE);
    assert_memory_equal(buffer, before, 16);
    assert_int_equal(guest_write(&vm, end - 8, buffer, 16), ERR_RANGE);
    assert_int_equal(guest_zero(&vm, end - 8, 16), ERR_RANGE);
    assert_int_equal(guest_write_image(&vm, end - 8, buffer, 16), ERR_RANGE);
    for (unsigned i = 1; i <= 8; i++) { assert_int_equal(*(unsigned char *)model_ram(PA + MIB(4) - i), 0); }
    assert_int_equal(windows[0] + windows[1], 0);
}

static void moves_exactly_what_it_should(void **state) {
    static const gpa_t places[] = {0x40000000, 0x40000001, 0x40000000 + MIB(2) - 100, 0x40000000 + MIB(4) - 4000,
                                   0x80000000 + MIB(4) - KIB(4) - 7};
    static const size_t sizes[] = {1, 7, 64, 200, 4000};
    unsigned char out[4096], in[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(out); i++) { out[i] = (unsigned char)(i * 31 + 7); }
    for (size_t p = 0; p < ARRAY_SIZE(places); p++) {
        for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
            const struct vm_memory *block = &vm.memory[places[p] >= 0x80000000];
            unsigned char *ram = model_ram(block->pa);
            uint64_t offset = places[p] - block->gpa;

            memset(ram, 0xcc, block->size);
            assert_int_equal(guest_write(&vm, places[p], out, sizes[s]), OK);
            assert_memory_equal(ram + offset, out, sizes[s]);
            assert_true(offset == 0 || ram[offset - 1] == 0xcc);
            assert_true(offset + sizes[s] == block->size || ram[offset + sizes[s]] == 0xcc);
            memset(in, 0, sizeof(in));
            assert_int_equal(guest_read(&vm, places[p], in, sizes[s]), OK);
            assert_memory_equal(in, out, sizes[s]);
            assert_int_equal(in[sizes[s]], 0);
            assert_int_equal(guest_zero(&vm, places[p], sizes[s]), OK);
            assert_true(ram[offset] == 0 && ram[offset + sizes[s] - 1] == 0);
            assert_true(offset + sizes[s] == block->size || ram[offset + sizes[s]] == 0xcc);
            assert_int_equal(open_windows, 0);
        }
    }
}

static void a_handler_uses_its_own_window_and_is_bounded(void **state) {
    static unsigned char buffer[KIB(8)];

    (void)state;
    assert_int_equal(guest_read(&vm, 0x40000000, buffer, KIB(8)), OK); // a thread may
    assert_int_equal(windows[WINDOW_THREAD], 1);
    host_in_handler = true;
    assert_int_equal(guest_read(&vm, 0x40000000, buffer, KIB(4) + 1), ERR_RANGE);
    assert_int_equal(guest_read(&vm, 0x40000000, buffer, KIB(4)), OK);
    assert_int_equal(windows[WINDOW_HANDLER], 1);
    assert_int_equal(windows[WINDOW_THREAD], 1);
}

// A guest starts with its caches off.
static void an_image_and_a_scrub_reach_memory(void **state) {
    static unsigned char image[KIB(4)];
    gpa_t gpa = 0x40000000 + MIB(2) - 999;
    paddr_t pa = PA + MIB(2) - 999;

    (void)state;
    memset(image, 0x77, sizeof(image));
    assert_int_equal(guest_write_image(&vm, gpa, image, sizeof(image)), OK);
    for (unsigned i = 0; i < sizeof(image); i++) { assert_int_equal(model_read_uncached(pa + i), 0x77); }
    assert_int_equal(guest_zero(&vm, gpa, sizeof(image)), OK);
    for (unsigned i = 0; i < sizeof(image); i++) {
        assert_int_equal(model_read_uncached(pa + i), 0); // no secret of a former life
    }
    assert_int_equal(guest_write(&vm, gpa, image, 100), OK); // plain data stays in the cache
    assert_int_equal(model_read_uncached(pa), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(only_ram_of_the_vm_is_ram, setup),
        cmocka_unit_test_setup(what_is_refused_moves_nothing, setup),
        cmocka_unit_test_setup(moves_exactly_what_it_should, setup),
        cmocka_unit_test_setup(a_handler_uses_its_own_window_and_is_bounded, setup),
        cmocka_unit_test_setup(an_image_and_a_scrub_reach_memory, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
