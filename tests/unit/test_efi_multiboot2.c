// SPDX-License-Identifier: Apache-2.0
// The UEFI loader's half of Multiboot2: what a kernel's header may say, and that our own kernel understands what it is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/boot_info.h"
#include "tools/efi/multiboot2.h"

enum { SIZE = 0x3000, HEADER = 0x1000, HEADER_SIZE = 16 + 24 + 16 + 8, LOAD = 0x200000, ENTRY = LOAD + 0x1100 };
enum { MAGIC_AT = HEADER, LENGTH_AT = HEADER + 8, SUM_AT = HEADER + 12, ADDRESS_AT = HEADER + 16 };
enum { ENTRY_AT = ADDRESS_AT + 24, END_AT = ENTRY_AT + 16 };

static unsigned char file[SIZE];
static struct mb2_kernel kernel;

static void put(unsigned where, uint32_t value) { memcpy(file + where, &value, sizeof(value)); }

static void put_sum(void) {
    uint32_t words[3];

    memcpy(words, file + HEADER, sizeof(words));
    put(SUM_AT, 0 - words[0] - words[1] - words[2]);
}

static void put_words(unsigned where, const uint32_t *words, unsigned count) {
    memcpy(file + where, words, count * sizeof(*words));
}

static int setup(void **state) {
    (void)state;
    memset(file, 0, sizeof(file));
    put_words(HEADER, (const uint32_t[]){0xe85250d6u, 0, HEADER_SIZE}, 3);
    put_words(ADDRESS_AT, (const uint32_t[]){2, 24, LOAD + HEADER, LOAD, LOAD + 0x2000, LOAD + 0x5000}, 6);
    put_words(ENTRY_AT, (const uint32_t[]){3, 12, ENTRY, 0}, 4);
    put_words(END_AT, (const uint32_t[]){0, 8}, 2);
    put_sum();
    return 0;
}

static void taken(void) { assert_null(mb2_read_header(file, SIZE, &kernel)); }

static void refused(uint64_t size, const char *why) {
    const char *problem = mb2_read_header(file, size, &kernel);

    assert_non_null(problem);
    assert_non_null(strstr(problem, why));
}

static void a_kernel_lies_where_its_header_says(void **state) {
    (void)state;
    taken();
    assert_int_equal(kernel.offset, 0);
    assert_int_equal(kernel.file_size, 0x2000);
    assert_int_equal(kernel.memory_size, 0x5000);
    assert_int_equal(kernel.load, LOAD);
    assert_int_equal(kernel.entry, ENTRY - LOAD);
}

static void what_stands_before_the_load_address_is_left_out(void **state) {
    (void)state;
    put(ADDRESS_AT + 12, LOAD + 0x800);
    taken();
    assert_int_equal(kernel.offset, 0x800);
    assert_int_equal(kernel.file_size, 0x1800);
    assert_int_equal(kernel.load, LOAD + 0x800);
    assert_int_equal(kernel.entry, ENTRY - LOAD - 0x800);
}

static void addresses_have_defaults(void **state) {
    (void)state;
    put_words(ADDRESS_AT + 12, (const uint32_t[]){UINT32_MAX, 0, 0}, 3);
    taken();
    assert_int_equal(kernel.load, LOAD);
    assert_int_equal(kernel.file_size, SIZE);
    assert_int_equal(kernel.memory_size, SIZE);
    put(ADDRESS_AT + 8, HEADER - 8); // the beginning of the file would lie below address 0
    refused(SIZE, "contradict");
}

static void addresses_agree_with_each_other(void **state) {
    static const uint32_t wrong[][5] = {
        {LOAD + HEADER, LOAD + HEADER + 8, LOAD + 0x2000, 0, ENTRY}, // the header is not loaded
        {LOAD + HEADER, LOAD - 8, LOAD + 0x2000, 0, ENTRY},          // it would begin before the file
        {LOAD + HEADER, LOAD, LOAD + HEADER, 0, ENTRY},              // it ends before the header
        {LOAD + HEADER, LOAD, LOAD + 0x2000, LOAD + 0x1fff, ENTRY},  // the bss ends in it
        {LOAD + HEADER, LOAD, LOAD + 0x2000, 0, LOAD - 1},           // the entry
        {LOAD + HEADER, LOAD, LOAD + 0x2000, 0, LOAD + 0x2000},      // the entry
        {UINT32_MAX - HEADER, UINT32_MAX - 2 * HEADER, 0, 0, ENTRY}, // beyond 4 GiB
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        put_words(ADDRESS_AT + 8, wrong[i], 4);
        put(ENTRY_AT + 8, wrong[i][4]);
        refused(SIZE, "contradict");
    }
}

static void a_file_that_is_cut_off_is_refused(void **state) {
    (void)state;
    refused(0x1fff, "cut off");
    assert_null(mb2_read_header(file, 0x2000, &kernel));
    refused(HEADER + HEADER_SIZE - 1, "cut off");
    refused(HEADER + 15, "no Multiboot2 header");
    refused(0, "no Multiboot2 header");
}

static void a_header_is_what_adds_up_and_is_for_i386(void **state) {
    (void)state;
    put(SUM_AT, 1);
    refused(SIZE, "no Multiboot2 header");
    put(HEADER + 4, 4); // MIPS
    put_sum();
    refused(SIZE, "no Multiboot2 header");
}

static void every_tag_is_known_or_optional(void **state) {
    (void)state;
    put_words(END_AT, (const uint32_t[]){10, 24, 0, UINT32_MAX, MB2_ALIGN, 0, 0, 8}, 8);
    put(LENGTH_AT, HEADER_SIZE + 24);
    put_sum();
    taken();
    put(END_AT, 9 | 1 << 16);
    taken();
    put(END_AT, 9);
    refused(SIZE, "wants what this loader cannot do");
    put_words(END_AT, (const uint32_t[]){3, 8, 6, 8, 1, 8, 0, 8}, 8); // too short for what it is
    refused(SIZE, "wants what this loader cannot do");
}

static void tags_end_and_say_where_to_load_and_to_enter(void **state) {
    (void)state;
    put_words(END_AT, (const uint32_t[]){10, 8}, 2);
    refused(SIZE, "no end");
    put_words(END_AT, (const uint32_t[]){0, 7}, 2);
    refused(SIZE, "no end");
    put_words(END_AT, (const uint32_t[]){0, 16}, 2);
    refused(SIZE, "no end");
    put(LENGTH_AT, 8);
    put_sum();
    refused(SIZE, "no end");
    setup(NULL);
    put(ENTRY_AT, 10);
    refused(SIZE, "lacks address or entry");
    setup(NULL);
    put(ADDRESS_AT, 10);
    refused(SIZE, "lacks address or entry");
}

// ---- the information -------------------------------------------------------------------------------------------------

enum { INFO = 0x1000, ROOM = 256 };

static _Alignas(8) char info_bytes[ROOM];

static const void *map(void *context, paddr_t pa, size_t size) {
    (void)context;
    return pa < INFO || pa > INFO + ROOM || size > INFO + ROOM - pa ? NULL : info_bytes + (pa - INFO);
}

static void add(struct mb2_info *info, uint32_t type, const void *what, uint32_t size) {
    void *place = mb2_add(info, type, size);

    assert_non_null(place);
    memcpy(place, what, size);
}

static void our_own_kernel_reads_the_information(void **state) {
    static const struct physical physical = {.map = map};
    struct mb2_info info;
    struct boot_info read;

    (void)state;
    memset(info_bytes, 0xff, sizeof(info_bytes));
    mb2_begin(&info, info_bytes, sizeof(info_bytes));
    add(&info, MB2_MODULE, (const uint32_t[]){0x400000, 0x412345, 0}, 9);
    add(&info, MB2_COMMAND, "quiet", 6);
    uint32_t rsdp = info.used + 8;
    add(&info, MB2_RSDP_NEW, "RSD PTR ", 8);
    uint32_t before_map = info.used;
    for (unsigned tries = 1; tries <= 2; tries++) { // what is written last holds
        info.used = before_map;
        add(&info, MB2_MAP, (const uint32_t[]){24, 0, 0x1000, 0, 0x9f000, 0, tries, 0}, 32);
        mb2_end(&info);
        assert_int_equal(multiboot_parse(&physical, MULTIBOOT2_MAGIC, INFO, &read), OK);
        assert_int_equal(read.memory_count, 1);
        assert_int_equal(read.memory[0].type, tries);
        assert_int_equal(read.memory[0].range.base, 0x1000);
        assert_int_equal(read.memory[0].range.size, 0x9f000);
    }
    assert_int_equal(read.system.base, 0x400000);
    assert_int_equal(read.system.size, 0x12345);
    assert_int_equal(read.rsdp, INFO + rsdp);
}

static void the_end_always_has_room(void **state) {
    struct mb2_info info;

    (void)state;
    for (uint32_t room = 16; room <= 64; room += 8) {
        for (uint32_t size = 0; size <= 64; size++) {
            mb2_begin(&info, info_bytes, room);
            uint32_t wanted = 8 + 8 + ALIGN_UP(size, 8u) + 8;
            assert_int_equal(mb2_add(&info, MB2_COMMAND, size) != NULL, wanted <= room);
            assert_int_equal(info.used + 8, wanted <= room ? wanted : 16);
            assert_null(mb2_add(&info, MB2_COMMAND, UINT32_MAX));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_kernel_lies_where_its_header_says, setup),
        cmocka_unit_test_setup(what_stands_before_the_load_address_is_left_out, setup),
        cmocka_unit_test_setup(addresses_have_defaults, setup),
        cmocka_unit_test_setup(addresses_agree_with_each_other, setup),
        cmocka_unit_test_setup(a_file_that_is_cut_off_is_refused, setup),
        cmocka_unit_test_setup(a_header_is_what_adds_up_and_is_for_i386, setup),
        cmocka_unit_test_setup(every_tag_is_known_or_optional, setup),
        cmocka_unit_test_setup(tags_end_and_say_where_to_load_and_to_enter, setup),
        cmocka_unit_test(our_own_kernel_reads_the_information),
        cmocka_unit_test(the_end_always_has_room),
    };

    return cmocka_run_group_tests_name("efi_multiboot2", tests, NULL, NULL);
}
