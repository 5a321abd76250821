// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>
#include <cmocka.h>

#include "helpers/system_image.h"
#include "kernel/board.h"
#include "kernel/log.h"
#include "kernel/tree.h"

static uint64_t storage[TREE_MAX / 8];
static void *const fdt = storage;
static struct board board;

static int fresh(void **state) {
    (void)state;
    make_board_tree(fdt, TREE_MAX);
    assert_int_equal(fdt_open_into(fdt, fdt, TREE_MAX), 0);
    return 0;
}

static int node(const char *path) {
    int offset = fdt_path_offset(fdt, path);

    assert_true(offset >= 0);
    return offset;
}

static int add(const char *parent, const char *name) {
    int offset = fdt_add_subnode(fdt, node(parent), name);

    assert_true(offset >= 0);
    return offset;
}

static void set_cells(int at, const char *name, const uint32_t *values, unsigned count) {
    uint32_t big[8];

    for (unsigned i = 0; i < count; i++) { big[i] = cpu_to_fdt32(values[i]); }
    assert_int_equal(fdt_setprop(fdt, at, name, big, (int)(count * 4)), 0);
}
#define SET(at, name, ...) \
    set_cells(at, name, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void good_board_is_read(void **state) {
    (void)state;
    assert_int_equal(board_parse(fdt, &board), OK);
    assert_ptr_equal(board.fdt, fdt);
    assert_string_equal(board.model, "test board");
    assert_int_equal(board.cpu_count, 4);
    assert_int_equal(board.cpu_total, 4);
    assert_int_equal(board.cpus[3].hwid, 3);
    assert_int_equal(board.memory_count, 1);
    assert_int_equal(board.memory[0].base, 0x40000000);
    assert_int_equal(board.memory[0].size, 0x40000000);
    assert_int_equal(board.reserved_count, 0);
    assert_int_equal(board.initrd.size, 0);
    assert_false(board.has_seed);
}

static void what_the_boot_loader_left_is_read(void **state) {
    static const uint8_t seed[40] = {1, 2, 3, 4, 5, 6, 7, 8, 9, [39] = 0xff};

    (void)state;
    SET(node("/chosen"), "linux,initrd-start", 0, 0x48000000);
    SET(node("/chosen"), "linux,initrd-end", 0x48000123);
    assert_int_equal(fdt_setprop(fdt, node("/chosen"), "rng-seed", seed, sizeof(seed)), 0);
    SET(node("/chosen"), "kaslr-seed", 0, 0x80);
    assert_int_equal(board_parse(fdt, &board), OK);
    assert_int_equal(board.initrd.base, 0x48000000);
    assert_int_equal(board.initrd.size, 0x123);
    assert_true(board.has_seed);
    // Byte 7 of the kaslr-seed, 0x80, is mixed into byte 7 of the rng-seed.
    assert_int_equal(board.seed[0], 0x8807060504030201);
    assert_int_equal(board.seed[1], 9);
}

static void what_boot_measured_is_read(void **state) {
    (void)state;
    assert_int_equal(board_parse(fdt, &board), OK);
    assert_int_equal(board.overhead_ns, 0);
    SET(0, "takt,overhead-ns", 2468);
    assert_int_equal(board_parse(fdt, &board), OK);
    assert_int_equal(board.overhead_ns, 2468);
    SET(0, "takt,overhead-ns", 1, 2);
    assert_int_equal(board_parse(fdt, &board), OK);
    assert_int_equal(board.overhead_ns, 0);
}

static void malformed_chosen_is_ignored(void **state) {
    (void)state;
    SET(node("/chosen"), "linux,initrd-start", 1, 2, 3);
    SET(node("/chosen"), "linux,initrd-end", 1, 2, 3);
    assert_int_equal(fdt_setprop(fdt, 0, "model", "abc", 3), 0);
    assert_int_equal(board_parse(fdt, &board), OK);
    assert_int_equal(board.initrd.size, 0);
    assert_string_equal(board.model, "");
}

static void cores_that_are_off_do_not_count(void **state) {
    (void)state;
    assert_int_equal(fdt_setprop_string(fdt, node("/cpus/cpu@1"), "status", "disabled"), 0);
    assert_int_equal(fdt_setprop_string(fdt, node("/cpus/cpu@2"), "status", "okay"), 0);
    add("/cpus", "l2-cache0");
    assert_int_equal(board_parse(fdt, &board), OK);
    assert_int_equal(board.cpu_total, 3);
    assert_int_equal(board.cpus[1].hwid, 2);
}

static void more_cores_than_we_use_are_counted(void **state) {
    (void)state;
    for (uint32_t i = 4; i < 12; i++) {
        char name[] = "cpu@a";
        name[4] = (char)('a' + i);
        SET(add("/cpus", name), "reg", i);
    }
    assert_int_equal(board_parse(fdt, &board), OK);
    assert_int_equal(board.cpu_total, 12);
    assert_int_equal(board.cpu_count, MAX_CORES);
}

// The specification's 3.8.1: a core's reg has one id for each of its threads.
static void threads_stand_behind_the_cores(void **state) {
    (void)state;
    SET(node("/cpus/cpu@0"), "reg", 0, 10, 20);
    SET(node("/cpus/cpu@2"), "reg", 2, 12);
    assert_int_equal(board_parse(fdt, &board), OK);
    assert_int_equal(board.cpu_count, 4);
    assert_int_equal(board.cpu_total, 4);
    assert_int_equal(board.thread_count, 3);
    static const struct board_cpu expected[] = {{0, 0}, {1, 1}, {2, 2}, {3, 3}, {10, 0}, {20, 0}, {12, 2}};
    for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_int_equal(board.cpus[i].hwid, expected[i].hwid);
        assert_int_equal(board.cpus[i].core, expected[i].core);
    }
}

static void threads_have_the_room_that_cores_leave(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 12; i++) {
        char name[] = "cpu@a", path[] = "/cpus/cpu@0";
        name[4] = (char)('a' + i);
        path[10] = (char)('0' + i);
        SET(i < 4 ? node(path) : add("/cpus", name), "reg", i, i + 100);
    }
    assert_int_equal(board_parse(fdt, &board), OK);
    assert_int_equal(board.cpu_total, 12);
    assert_int_equal(board.cpu_count, MAX_CORES);
    for (unsigned i = 0; i < MAX_CORES; i++) {
        assert_true(board.cpus[i].hwid < 100); // the cores alone
        assert_int_equal(board.cpus[i].core, i);
    }
}

static void memory_and_reservations_are_collected(void **state) {
    int at;

    (void)state;
    at = add("/", "memory@100000000");
    assert_int_equal(fdt_setprop_string(fdt, at, "device_type", "memory"), 0);
    SET(at, "reg", 1, 0, 0, 0x10000000, 0, 0, 0, 0);
    at = add("/", "memory@200000000");
    assert_int_equal(fdt_setprop_string(fdt, at, "device_type", "memory"), 0);
    SET(at, "reg", 2, 0, 0, 0x10000000);
    assert_int_equal(fdt_setprop_string(fdt, at, "status", "reserved"), 0);
    SET(add("/", "memory-controller@1"), "reg", 0, 1, 0, 1);
    at = add("/", "reserved-memory");
    SET(at, "#address-cells", 1);
    SET(at, "#size-cells", 1);
    SET(add("/reserved-memory", "secure@50000000"), "reg", 0x50000000, 0x1000, 0x51000000, 0x2000);
    add("/reserved-memory", "dynamic");
    assert_int_equal(fdt_add_mem_rsv(fdt, 0x60000000, 0x3000), 0);
    assert_int_equal(board_parse(fdt, &board), OK);
    assert_int_equal(board.memory_count, 2);
    assert_int_equal(board.reserved_count, 3);
    assert_int_equal(board.reserved[0].base, 0x60000000);
    assert_int_equal(board.reserved[2].base, 0x51000000);
    assert_int_equal(board.reserved[2].size, 0x2000);
}

static void refused(void) { assert_int_equal(board_parse(fdt, &board), ERR_CORRUPT); }

static void boards_without_cores_or_memory_are_refused(void **state) {
    (void)state;
    assert_int_equal(fdt_del_node(fdt, node("/cpus")), 0);
    refused();
    fresh(state);
    assert_int_equal(fdt_del_node(fdt, node("/memory@40000000")), 0);
    refused();
    fresh(state);
    assert_int_equal(fdt_setprop(fdt, node("/cpus/cpu@1"), "reg", "", 0), 0);
    refused();
}

static void memory_is(uint32_t high, uint32_t base, uint32_t size) {
    static unsigned number;
    char name[16];

    snprintf(name, sizeof(name), "memory@%x", number++);
    int at = add("/", name);
    assert_int_equal(fdt_setprop_string(fdt, at, "device_type", "memory"), 0);
    SET(at, "reg", high, base, 0, size);
}

// The tree's own block is from 0x40000000 to 0x7fffffff.
static void memory_that_touches_is_one(void **state) {
    (void)state;
    memory_is(0, 0x20000000, 0x1000);
    memory_is(0, 0x20002000, 0x1000);
    memory_is(0, 0x80000000, 0x1000); // above it
    memory_is(0, 0x3ffff000, 0x2000); // across its beginning
    memory_is(0, 0x50000000, 0x1000); // inside
    memory_is(0xffffffff, 0xfffff000, 0x1000);
    assert_int_equal(board_parse(fdt, &board), OK);
    assert_int_equal(board.memory_count, 4);
    memory_is(0, 0x20001000, 0x1000); // between two
    assert_int_equal(board_parse(fdt, &board), OK);
    assert_int_equal(board.memory_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct range *r = &board.memory[i];
        assert_int_equal(r->size, r->base == 0x20000000 ? 0x3000 : r->base == 0x3ffff000 ? 0x40002000 : 0x1000);
    }
}

static void the_smallest_of_too_much_memory_is_left_out(void **state) {
    static char said[4096];
    uint64_t sum = 0, cursor = 0;
    size_t length;

    (void)state;
    memory_is(5, 0, 0x1000);
    for (uint32_t i = 0; i < MAX_BOARD_MEMORY; i++) { memory_is(4, i << 24, 0x2000); }
    memory_is(6, 0, 0x1000);
    assert_int_equal(board_parse(fdt, &board), OK);
    assert_int_equal(board.memory_count, MAX_BOARD_MEMORY);
    for (unsigned i = 0; i < MAX_BOARD_MEMORY; i++) {
        assert_true(board.memory[i].size >= 0x2000);
        sum += board.memory[i].size;
    }
    assert_int_equal(sum, 0x40000000 + (MAX_BOARD_MEMORY - 1) * 0x2000);
    while ((length = log_read(&cursor, said, sizeof(said) - 1)) != 0) { said[length] = '\0'; }
    assert_non_null(strstr(said, "/memory:reg: too many ranges; the smallest, 16 KiB, stay unused"));
}

static void too_much_of_anything_is_refused(void **state) {
    (void)state;
    for (unsigned i = 0; i <= MAX_BOARD_RESERVED; i++) { assert_int_equal(fdt_add_mem_rsv(fdt, i << 12, 0x1000), 0); }
    refused();
    fresh(state);
    SET(node("/memory@40000000"), "reg", 0xffffffff, 0xfffff000, 0, 0x2000);
    refused();
}

// Each way in which bytes are no tree; tree_check and board_parse agree.
static void what_is_no_tree_is_refused(void **state) {
    static const struct {
        unsigned offset;
        uint32_t value;
    } damages[] = {
        {0, 0},   {4, 0x80000000}, {8, 2},           {8, 0x7fffffff},  {8, 4},  {12, 4}, {12, 0x7ffffff0},
        {20, 16}, {24, 18},        {32, 0x7fffffff}, {36, 0x7fffffff}, {36, 0}, {36, 8},
    };

    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        uint32_t value = cpu_to_fdt32(damages[i].value);
        fresh(state);
        assert_int_equal(tree_check(fdt, TREE_MAX), OK);
        memcpy((char *)fdt + damages[i].offset, &value, 4);
        assert_int_equal(tree_check(fdt, TREE_MAX), ERR_CORRUPT);
        refused();
    }
    fresh(state);
    assert_int_equal(tree_check((char *)fdt + 4, TREE_MAX - 4), ERR_CORRUPT);
    assert_int_equal(tree_check(fdt, 39), ERR_CORRUPT);
    assert_int_equal(tree_check(fdt, fdt_totalsize(fdt) - 1), ERR_CORRUPT);
}

// The structure block by hand: what libfdt would not write.
static void structure_is(const uint32_t *tags, unsigned count, int result) {
    static uint32_t tree[64];
    struct fdt_header *header = (struct fdt_header *)tree;
    uint64_t aligned[32];

    memset(tree, 0, sizeof(tree));
    for (unsigned i = 0; i < count; i++) { tree[12 + i] = cpu_to_fdt32(tags[i]); }
    memcpy((char *)tree + 200, "name", 5);
    header->magic = cpu_to_fdt32(FDT_MAGIC);
    header->totalsize = cpu_to_fdt32(sizeof(tree));
    header->off_dt_struct = cpu_to_fdt32(48);
    header->size_dt_struct = cpu_to_fdt32(count * 4);
    header->off_dt_strings = cpu_to_fdt32(200);
    header->size_dt_strings = cpu_to_fdt32(5);
    header->version = cpu_to_fdt32(17);
    header->last_comp_version = cpu_to_fdt32(16);
    memcpy(aligned, tree, sizeof(tree));
    assert_int_equal(tree_check(aligned, sizeof(aligned)), result);
}
#define STRUCTURE(result, ...) \
    structure_is((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4, result)

static void structure_is_checked(void **state) {
    enum { NODE = FDT_BEGIN_NODE, CLOSE = FDT_END_NODE, PROP = FDT_PROP, END = FDT_END };

    (void)state;
    STRUCTURE(OK, NODE, 0, PROP, 4, 0, 7, FDT_NOP, NODE, 0x61000000, CLOSE, CLOSE, END);
    STRUCTURE(ERR_CORRUPT, END);
    STRUCTURE(ERR_CORRUPT, 77);
    STRUCTURE(ERR_CORRUPT, PROP, 0, 0, END);
    STRUCTURE(ERR_CORRUPT, NODE, 0, END);
    STRUCTURE(ERR_CORRUPT, NODE, 0, CLOSE, CLOSE, END);
    STRUCTURE(ERR_CORRUPT, NODE, 0, CLOSE);
    STRUCTURE(ERR_CORRUPT, NODE, 0, CLOSE, NODE, 0, CLOSE, END);
    STRUCTURE(ERR_CORRUPT, NODE, 0x61000000, CLOSE, END);
    STRUCTURE(ERR_CORRUPT, NODE, 0, NODE, 0, CLOSE, CLOSE, END);
    STRUCTURE(ERR_CORRUPT, NODE, 0, NODE, 0x61616161);
    STRUCTURE(ERR_CORRUPT, NODE, 0, PROP, 4);
    STRUCTURE(ERR_CORRUPT, NODE, 0, PROP, 5, 0, 7);
    STRUCTURE(ERR_CORRUPT, NODE, 0, PROP, 0, 5, CLOSE, END);
    STRUCTURE(ERR_CORRUPT, NODE, 0, NODE, 0x61000000, CLOSE, PROP, 0, 0, CLOSE, END);
}

static void nesting_is_bounded(void **state) {
    int at = 0;

    (void)state;
    for (unsigned depth = 1; depth < TREE_DEPTH; depth++) {
        at = fdt_add_subnode(fdt, at, "a");
        assert_true(at > 0);
    }
    assert_int_equal(tree_check(fdt, TREE_MAX), OK);
    assert_true(fdt_add_subnode(fdt, at, "a") > 0);
    assert_int_equal(tree_check(fdt, TREE_MAX), ERR_CORRUPT);
}

static void registers_are_translated(void **state) {
    struct range r;
    int at;

    (void)state;
    assert_int_equal(board_reg(fdt, node("/intc@8000000"), 1, &r), OK);
    assert_int_equal(r.base, 0x80a0000);
    assert_int_equal(r.size, 0xf60000);
    assert_int_equal(board_reg(fdt, node("/intc@8000000"), 2, &r), ERR_NOT_FOUND);
    assert_int_equal(board_reg(fdt, node("/chosen"), 0, &r), ERR_NOT_FOUND);
    assert_int_equal(board_reg(fdt, 2, 0, &r), ERR_NOT_FOUND);
    at = add("/", "soc");
    SET(at, "#address-cells", 1);
    SET(at, "#size-cells", 1);
    SET(at, "ranges", 0x1000, 0, 0x20000000, 0x1000, 0x4000, 1, 0, 0x1000);
    at = add("/soc", "bus");
    SET(at, "#address-cells", 1);
    SET(at, "#size-cells", 1);
    assert_int_equal(fdt_setprop(fdt, at, "ranges", "", 0), 0);
    SET(add("/soc/bus", "uart"), "reg", 0x1800, 0x100, 0x4000, 0x1000, 0x3000, 0x10, 0x1f00, 0x200);
    assert_int_equal(board_reg(fdt, node("/soc/bus/uart"), 0, &r), OK);
    assert_int_equal(r.base, 0x20000800);
    assert_int_equal(r.size, 0x100);
    assert_int_equal(board_reg(fdt, node("/soc/bus/uart"), 1, &r), OK);
    assert_int_equal(r.base, 0x100000000);
    assert_int_equal(board_reg(fdt, node("/soc/bus/uart"), 2, &r), ERR_RANGE);
    assert_int_equal(board_reg(fdt, node("/soc/bus/uart"), 3, &r), ERR_RANGE);
    assert_int_equal(board_reg(fdt, node("/soc/bus/uart"), 4, &r), ERR_NOT_FOUND);
    SET(node("/soc"), "#address-cells", 3);
    assert_int_equal(board_reg(fdt, node("/soc/bus/uart"), 0, &r), ERR_UNSUPPORTED);
    SET(node("/soc/bus"), "#address-cells", 3);
    assert_int_equal(board_reg(fdt, node("/soc/bus/uart"), 0, &r), ERR_UNSUPPORTED);
}

static int find(const char *path) { return tree_find_path(fdt, path, strlen(path)); }

// What libfdt finds, in one walk.
static void nodes_are_found_as_libfdt_finds_them(void **state) {
    static const char *const paths[] = {
        "/",
        "//",
        "/cpus",
        "/cpus/cpu@2",
        "/cpus/cpu",
        "/pl031@9010000",
        "/pl031",
        "/pl061/",
        "//cpus//cpu@1",
        "/chosen",
        "/nowhere",
        "/cpus/nowhere",
        "/cpus/cpu@2/x",
        "/cpu@2",
        "/pl03",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        int expected = fdt_path_offset(fdt, paths[i]);
        assert_int_equal(find(paths[i]), expected < 0 ? ERR_NOT_FOUND : expected);
    }
    assert_int_equal(find(""), ERR_NOT_FOUND);
    assert_int_equal(find("alias"), ERR_NOT_FOUND);
    assert_int_equal(tree_find_path(fdt, "/cpusandmore", 5), node("/cpus"));
    assert_int_equal(tree_find_phandle(fdt, 1), node("/intc@8000000"));
    assert_int_equal(tree_find_phandle(fdt, 2), ERR_NOT_FOUND);
    assert_int_equal(tree_find_parent(fdt, node("/cpus/cpu@2")), node("/cpus"));
    assert_int_equal(tree_find_parent(fdt, node("/cpus")), 0);
    assert_int_equal(tree_find_parent(fdt, 0), ERR_NOT_FOUND);
    assert_int_equal(tree_find_parent(fdt, 2), ERR_NOT_FOUND);
    memset(fdt, 0, 4);
    assert_int_equal(find("/cpus"), ERR_CORRUPT);
    assert_int_equal(tree_find_phandle(fdt, 1), ERR_CORRUPT);
    assert_int_equal(tree_find_parent(fdt, 1), ERR_CORRUPT);
}

static void nodes_are_found_by_what_they_are(void **state) {
    static const char *const clocks[] = {"nobody,knows", "arm,pl031", NULL};
    static const char *const gpio[] = {"arm,pl061", NULL};
    static const char compatible[] = "arm,pl031\0arm,pl061";
    int at = node("/pl031@9010000");

    (void)state;
    assert_int_equal(board_find_compatible(fdt, clocks, -1), at);
    assert_int_equal(board_find_compatible(fdt, clocks, at), ERR_NOT_FOUND);
    assert_int_equal(fdt_setprop(fdt, at, "compatible", compatible, sizeof(compatible)), 0);
    assert_int_equal(board_find_compatible(fdt, gpio, -1), at);
    assert_int_equal(board_find_compatible(fdt, gpio, at), node("/pl061@9030000"));
    // libfdt puts a new property first: status before compatible, then behind it.
    assert_int_equal(fdt_setprop_string(fdt, at, "status", "disabled"), 0);
    assert_int_equal(board_find_compatible(fdt, clocks, -1), ERR_NOT_FOUND);
    assert_int_equal(fdt_delprop(fdt, at, "compatible"), 0);
    assert_int_equal(fdt_setprop_string(fdt, at, "compatible", "arm,pl031"), 0);
    assert_int_equal(board_find_compatible(fdt, clocks, -1), ERR_NOT_FOUND);
    memset(fdt, 0, 4);
    assert_int_equal(board_find_compatible(fdt, clocks, -1), ERR_CORRUPT);
    assert_int_equal(board_reg(fdt, at, 0, &board.initrd), ERR_CORRUPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(good_board_is_read, fresh),
        cmocka_unit_test_setup(what_the_boot_loader_left_is_read, fresh),
        cmocka_unit_test_setup(what_boot_measured_is_read, fresh),
        cmocka_unit_test_setup(malformed_chosen_is_ignored, fresh),
        cmocka_unit_test_setup(cores_that_are_off_do_not_count, fresh),
        cmocka_unit_test_setup(more_cores_than_we_use_are_counted, fresh),
        cmocka_unit_test_setup(threads_stand_behind_the_cores, fresh),
        cmocka_unit_test_setup(threads_have_the_room_that_cores_leave, fresh),
        cmocka_unit_test_setup(memory_and_reservations_are_collected, fresh),
        cmocka_unit_test_setup(boards_without_cores_or_memory_are_refused, fresh),
        cmocka_unit_test_setup(memory_that_touches_is_one, fresh),
        cmocka_unit_test_setup(the_smallest_of_too_much_memory_is_left_out, fresh),
        cmocka_unit_test_setup(too_much_of_anything_is_refused, fresh),
        cmocka_unit_test(what_is_no_tree_is_refused),
        cmocka_unit_test(structure_is_checked),
        cmocka_unit_test_setup(nesting_is_bounded, fresh),
        cmocka_unit_test_setup(registers_are_translated, fresh),
        cmocka_unit_test_setup(nodes_are_found_as_libfdt_finds_them, fresh),
        cmocka_unit_test_setup(nodes_are_found_by_what_they_are, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
