// SPDX-License-Identifier: Apache-2.0
// What boot loaders hand over: read right, and wrong in every way that it can be.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/boot_info.h"
#include "kernel/log.h"

enum { INFO = 0x1000, MAP = 0x1800, MODULES = 0x1c00, TEXT = 0x2f80, SIZE = 0x3000 };

static unsigned char memory[SIZE];
static unsigned tail; // where the next tag comes
static struct boot_info info;
static char said[LOG_LINE_MAX + 1];

static const void *map(void *context, paddr_t pa, size_t size) {
    (void)context;
    return pa < INFO || pa > SIZE || size > SIZE - pa ? NULL : memory + pa;
}

static const struct physical physical = {.map = map};

static void put(unsigned where, uint64_t value, unsigned size) { memcpy(memory + where, &value, size); }

static int parse(uint32_t magic) { return multiboot_parse(&physical, magic, INFO, &info); }

static void refused(uint32_t magic, int status, const char *message) {
    uint64_t cursor = 0;
    size_t length;

    assert_int_equal(parse(magic), status);
    while ((length = log_read(&cursor, said, sizeof(said) - 1)) != 0) { said[length] = '\0'; }
    assert_non_null(strstr(said, message));
}

static int setup(void **state) {
    (void)state;
    memset(memory, 0, sizeof(memory));
    tail = INFO + 8;
    return 0;
}

// ---- Multiboot 1 ------------------------------------------------------------------------------------------

static unsigned map_end;

static void entry(uint32_t length, uint64_t base, uint64_t size, uint32_t type) {
    put(map_end, length, 4);
    put(map_end + 4, base, 8);
    put(map_end + 12, size, 8);
    put(map_end + 20, type, 4);
    map_end += 4 + length;
    put(INFO + 44, map_end - MAP, 4);
}

static void module(unsigned i, uint32_t start, uint32_t end) {
    put(MODULES + 16 * i, start, 4);
    put(MODULES + 16 * i + 4, end, 4);
    put(INFO + 20, i + 1, 4);
}

static int setup_1(void **state) {
    setup(state);
    map_end = MAP;
    put(INFO, 1 << 2 | 1 << 3 | 1 << 6, 4);
    put(INFO + 16, TEXT, 4);
    put(INFO + 24, MODULES, 4);
    put(INFO + 48, MAP, 4);
    memcpy(memory + TEXT, "takt quiet", 11);
    entry(20, 0, 0x9fc00, BOOT_MEMORY_RAM);
    entry(24, 0x100000000ull, 0x40000000, BOOT_MEMORY_NVS); // a longer entry
    module(0, 0x200000, 0x234000);
    return 0;
}

static void multiboot_1(void **state) {
    (void)state;
    assert_int_equal(parse(MULTIBOOT1_MAGIC), OK);
    assert_int_equal(info.memory_count, 2);
    assert_true(info.memory[0].range.base == 0 && info.memory[0].range.size == 0x9fc00);
    assert_int_equal(info.memory[0].type, BOOT_MEMORY_RAM);
    assert_true(info.memory[1].range.base == 0x100000000ull && info.memory[1].range.size == 0x40000000);
    assert_int_equal(info.memory[1].type, BOOT_MEMORY_NVS);
    assert_true(info.system.base == 0x200000 && info.system.size == 0x34000);
    assert_true(info.rsdp == 0);
}

static void the_module_may_be_missing(void **state) {
    (void)state;
    put(INFO, 1 << 2 | 1 << 6, 4);
    put(INFO + 16, 0xfffff000, 4); // nobody reads the command line
    assert_int_equal(parse(MULTIBOOT1_MAGIC), OK);
    assert_true(info.system.size == 0);
}

static void the_map_without_end(void **state) {
    (void)state;
    put(MAP, 0, 4);
    refused(MULTIBOOT1_MAGIC, ERR_INVALID, "entry at this offset has no possible size; use another boot loader (0x0)");
    put(MAP, 1000, 4);
    refused(MULTIBOOT1_MAGIC, ERR_INVALID, "entry at this offset has no possible size; use another boot loader (0x0)");
    put(MAP, 20, 4);
    put(INFO + 44, 24 + 28 + 2, 4); // two bytes of another one
    refused(MULTIBOOT1_MAGIC, ERR_INVALID, "entry at this offset has no possible size; use another boot loader (0x34)");
}

static void more_than_one_module(void **state) {
    (void)state;
    module(1, 0x300000, 0x301000);
    refused(MULTIBOOT1_MAGIC, ERR_INVALID, "there is more than one module; load the system image alone (0x300000)");
    module(0, 0x300000, 0x300000);
    refused(MULTIBOOT1_MAGIC, ERR_INVALID, "the module is empty; load the system image (0x300000)");
}

static void pointers_to_nowhere(void **state) {
    (void)state;
    put(INFO + 24, 0x10, 4);
    refused(MULTIBOOT1_MAGIC, ERR_RANGE, "the list of modules is not in memory; use another boot loader (0x10)");
    put(INFO + 48, SIZE, 4);
    refused(MULTIBOOT1_MAGIC, ERR_RANGE, "the memory map is not in memory; use another boot loader (0x3000)");
    assert_int_equal(multiboot_parse(&physical, MULTIBOOT1_MAGIC, SIZE - 8, &info), ERR_RANGE);
    assert_int_equal(multiboot_parse(&physical, MULTIBOOT2_MAGIC, SIZE - 4, &info), ERR_RANGE);
}

static void no_memory_at_all(void **state) {
    (void)state;
    put(INFO, 1 << 3, 4);
    refused(MULTIBOOT1_MAGIC, ERR_NOT_FOUND, "no memory map");
    refused(0x1234, ERR_INVALID, "the number of no boot loader; start by Multiboot or UEFI (0x1234)");
}

static void impossible_memory(void **state) {
    (void)state;
    entry(20, 0xfffffffffffff000ull, 0x2000, BOOT_MEMORY_RAM);
    refused(MULTIBOOT1_MAGIC, ERR_INVALID,
            "goes around the end of all addresses; update the firmware (0xfffffffffffff000)");
    map_end = MAP;
    for (unsigned i = 0; i < BOOT_MEMORY_MAX + 1; i++) { entry(20, i * 0x1000ull, i == 3 ? 0 : 0x1000, 1); }
    assert_int_equal(parse(MULTIBOOT1_MAGIC), OK); // an empty range does not count
    assert_int_equal(info.memory_count, BOOT_MEMORY_MAX);
    entry(20, 0, 0x1000, BOOT_MEMORY_RAM);
    refused(MULTIBOOT1_MAGIC, ERR_INVALID, "more ranges than fit; update the firmware (0x80)");
}

// ---- Multiboot 2 ------------------------------------------------------------------------------------------

static unsigned tag(uint32_t type, uint32_t size) {
    unsigned here = tail;

    put(here, type, 4);
    put(here + 4, size, 4);
    tail += ALIGN_UP(size, 8u);
    put(INFO, tail - INFO, 4);
    return here;
}

static unsigned map_tag(uint32_t step) {
    unsigned here = tag(6, 16 + 2 * 24);

    put(here + 8, step, 4);
    put(here + 16, 0x100000, 8);
    put(here + 24, 0x3ff00000, 8);
    put(here + 32, BOOT_MEMORY_RAM, 4);
    put(here + 40, 0xfee00000, 8);
    put(here + 48, 0x1000, 8);
    put(here + 56, BOOT_MEMORY_RESERVED, 4);
    return here;
}

static void module_tag(uint32_t start, uint32_t end) {
    unsigned here = tag(3, 17);

    put(here + 8, start, 4);
    put(here + 12, end, 4);
}

static void multiboot_2(void **state) {
    (void)state;
    memcpy(memory + tag(1, 8 + 6) + 8, "quiet", 6);
    tag(4, 16); // basic memory information: not looked at
    module_tag(0x400000, 0x500000);
    map_tag(24);
    unsigned new = tag(15, 44), old = tag(14, 28);
    tag(0, 8);
    assert_int_equal(parse(MULTIBOOT2_MAGIC), OK);
    assert_int_equal(info.memory_count, 2);
    assert_true(info.memory[0].range.base == 0x100000 && info.memory[0].range.size == 0x3ff00000);
    assert_int_equal(info.memory[1].type, BOOT_MEMORY_RESERVED);
    assert_true(info.system.base == 0x400000 && info.system.size == 0x100000);
    assert_true(info.rsdp == new + 8 && old > new); // ACPI 2.0's, wherever the older one stands
}

static void the_older_pointer_will_do(void **state) {
    (void)state;
    unsigned old = tag(14, 28);
    map_tag(24);
    tag(0, 8);
    assert_int_equal(parse(MULTIBOOT2_MAGIC), OK);
    assert_true(info.rsdp == old + 8);
    assert_true(info.system.size == 0);
}

static void tags_that_lie(void **state) {
    (void)state;
    unsigned map = map_tag(8);
    tag(0, 8);
    refused(MULTIBOOT2_MAGIC, ERR_INVALID, "entries have too few bytes; use another boot loader (0x8)");
    put(map + 4, 8, 4); // no room for the entries' size
    refused(MULTIBOOT2_MAGIC, ERR_INVALID, "entries have too few bytes; use another boot loader (0x0)");
    put(map + 4, 4, 4);
    refused(MULTIBOOT2_MAGIC, ERR_INVALID,
            "the tag at this offset has no possible size; use another boot loader (0x8)");
    put(map + 4, 4000, 4);
    refused(MULTIBOOT2_MAGIC, ERR_INVALID,
            "the tag at this offset has no possible size; use another boot loader (0x8)");
    put(INFO, 0, 4);
    refused(MULTIBOOT2_MAGIC, ERR_INVALID, "no end tag within its bytes; use another boot loader (0x0)");
    put(INFO, 2 << 20, 4);
    refused(MULTIBOOT2_MAGIC, ERR_RANGE, "the information is not in memory; use another boot loader (0x1000)");
}

static void no_end_and_no_map(void **state) {
    (void)state;
    tag(3, 8); // too short to say anything
    refused(MULTIBOOT2_MAGIC, ERR_INVALID, "no end tag within its bytes; use another boot loader (0x10)");
    tag(0, 8);
    refused(MULTIBOOT2_MAGIC, ERR_NOT_FOUND, "no memory map");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(multiboot_1, setup_1),
        cmocka_unit_test_setup(the_module_may_be_missing, setup_1),
        cmocka_unit_test_setup(the_map_without_end, setup_1),
        cmocka_unit_test_setup(more_than_one_module, setup_1),
        cmocka_unit_test_setup(pointers_to_nowhere, setup_1),
        cmocka_unit_test_setup(no_memory_at_all, setup_1),
        cmocka_unit_test_setup(impossible_memory, setup_1),
        cmocka_unit_test_setup(multiboot_2, setup),
        cmocka_unit_test_setup(the_older_pointer_will_do, setup),
        cmocka_unit_test_setup(tags_that_lie, setup),
        cmocka_unit_test_setup(no_end_and_no_map, setup),
    };
    return cmocka_run_group_tests_name("multiboot", tests, NULL, NULL);
}
