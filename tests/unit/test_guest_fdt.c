// SPDX-License-Identifier: Apache-2.0
// The device tree that a guest gets: generated, its own, overlaid; and the seeds in it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <libfdt.h>
#include <cmocka.h>

#include "arch/host/gic_fake.h"
#include "arch/host/host.h"
#include "drivers/virtual.h"
#include "kernel/guest_fdt.h"
#include "kernel/vm.h"

enum { BOARD_TREE_SIZE = 8192, SMALL_TREE_SIZE = 2048, CHOSEN_SEED = 64 };

static char buffer[GUEST_FDT_MAX] __attribute__((aligned(8)));
static char board_tree[BOARD_TREE_SIZE] __attribute__((aligned(8)));
static char small_tree[SMALL_TREE_SIZE] __attribute__((aligned(8)));

static struct board board;
static struct system_desc desc_of_all;
static struct vm_desc desc;
static struct vm vm;
static struct vm_devices devices;
static bool entropy;

int arch_trng(uint64_t *value) {
    *value = 0x0123456789abcdef;
    return entropy ? OK : ERR_UNSUPPORTED;
}

static void make_board(void) {
    assert_int_equal(fdt_create_empty_tree(board_tree, sizeof(board_tree)), 0);
    fdt_setprop_u32(board_tree, 0, "#address-cells", 2);
    fdt_setprop_u32(board_tree, 0, "#size-cells", 2);
    int node = fdt_add_subnode(board_tree, 0, "pl031@9010000");
    static const char compatible[] = "arm,pl031\0arm,primecell";
    fdt_setprop(board_tree, node, "compatible", compatible, sizeof(compatible));
    fdt_appendprop_addrrange(board_tree, 0, node, "reg", 0x9010000, 0x1000);
    fdt_setprop_u32(board_tree, node, "clocks", 0x7777);
    fdt_setprop_string(board_tree, node, "clock-names", "apb_pclk");
    fdt_setprop_u32(board_tree, node, "phandle", 0x99);
    fdt_setprop_u32(board_tree, node, "vdd-supply", 0x98);
    fdt_setprop_u32(board_tree, node, "pinctrl-0", 0x97);
    fdt_setprop_u32(board_tree, node, "vendor,depth", 5);
}

static int setup(void **state) {
    (void)state;
    host_reset();
    gic_fake_reset(3, 4);
    make_board();
    entropy = false;
    board = (struct board){.fdt = board_tree, .has_seed = true, .seed = {1, 2, 3, 4}};
    desc_of_all = (struct system_desc){0};
    desc = (struct vm_desc){.name = "test",
                            .bootargs = "console=ttyAMA0",
                            .memory_count = 2,
                            .memory = {{0x40000000, 0x8000000}, {0x80000000, 0x4000000}}};
    vm = (struct vm){.name = "test", .desc = &desc, .devices = &devices, .vcpu_count = 2};
    devices = (struct vm_devices){{&vm, &vm}}; // both are there; what they describe is constant
    guest_fdt_init(&board, &desc_of_all);
    return 0;
}

static void build(void) {
    memset(buffer, 0xee, sizeof(buffer));
    assert_int_equal(guest_fdt_build(&vm, buffer, 0x48000000, 0x123456), 0);
    assert_int_equal(fdt_check_header(buffer), 0);
    assert_true(fdt_totalsize(buffer) <= sizeof(buffer));
}

static const void *property(const char *path, const char *name, int *length) {
    int node = fdt_path_offset(buffer, path);

    if (node < 0) { fail_msg("there is no node %s", path); }
    return fdt_getprop(buffer, node, name, length);
}

static uint32_t cell(const char *path, const char *name, unsigned index) {
    int length = 0;
    const fdt32_t *cells = property(path, name, &length);

    assert_non_null(cells);
    assert_true((int)(index + 1) * 4 <= length);
    return fdt32_to_cpu(cells[index]);
}

static void assert_cells(const char *path, const char *name, const uint32_t *expected, unsigned count) {
    int length = 0;

    property(path, name, &length);
    assert_int_equal(length, count * 4);
    for (unsigned i = 0; i < count; i++) { assert_int_equal(cell(path, name, i), expected[i]); }
}

static void assert_text(const char *path, const char *name, const char *expected) {
    int length = 0;
    const char *text = property(path, name, &length);

    assert_non_null(text);
    assert_string_equal(text, expected);
}

static void the_generated_tree_is_that_of_virt(void **state) {
    static const uint32_t memory[] = {0, 0x40000000, 0, 0x8000000, 0, 0x80000000, 0, 0x4000000};
    static const uint32_t gic_reg[] = {0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0x40000};
    static const uint32_t timer[] = {1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4};
    static const uint32_t uart[] = {0, 1, 4}, console[] = {0, 16, 4};
    (void)state;
    build();
    assert_cells("/memory@40000000", "reg", memory, 8);
    assert_text("/intc@8000000", "compatible", "arm,gic-v3");
    assert_cells("/intc@8000000", "reg", gic_reg, 8);
    assert_int_equal(cell("/intc@8000000", "phandle", 0), cell("/", "interrupt-parent", 0));
    assert_cells("/timer", "interrupts", timer, 12);
    assert_text("/psci", "method", "hvc");
    assert_text("/cpus/cpu@1", "enable-method", "psci");
    assert_int_equal(cell("/cpus/cpu@1", "reg", 0), 1);
    assert_true(fdt_path_offset(buffer, "/cpus/cpu@2") < 0);
    assert_true(fdt_path_offset(buffer, "/cpus/cpu@0") < fdt_path_offset(buffer, "/cpus/cpu@1"));
    assert_cells("/pl011@9000000", "interrupts", uart, 3);
    assert_int_equal(cell("/pl011@9000000", "clocks", 1), cell("/apb-pclk", "phandle", 0));
    assert_cells("/virtio_mmio@a000000", "interrupts", console, 3);
    assert_text("/chosen", "stdout-path", "/pl011@9000000");
    assert_text("/aliases", "serial0", "/pl011@9000000");
    assert_text("/chosen", "bootargs", "console=ttyAMA0");
    assert_int_equal(cell("/chosen", "linux,initrd-start", 1), 0x48000000);
    assert_int_equal(cell("/chosen", "linux,initrd-end", 1), 0x48123456);
}

static void a_v2_host_gives_a_v2_controller(void **state) {
    static const uint32_t gic_reg[] = {0, 0x8000000, 0, 0x10000, 0, 0x8010000, 0, 0x2000};
    (void)state;
    gic_fake_reset(2, 4);
    devices = (struct vm_devices){0};
    desc.bootargs = "";
    assert_int_equal(guest_fdt_build(&vm, buffer, 0, 0), 0);
    assert_text("/intc@8000000", "compatible", "arm,cortex-a15-gic");
    assert_cells("/intc@8000000", "reg", gic_reg, 8);
    assert_int_equal(cell("/timer", "interrupts", 2), 0x304);
    assert_true(fdt_path_offset(buffer, "/pl011@9000000") < 0);
    assert_null(property("/chosen", "bootargs", NULL));
    assert_null(property("/chosen", "linux,initrd-start", NULL));
}

static void an_assigned_device_is_copied(void **state) {
    static const uint32_t reg[] = {0, 0xb010000, 0, 0x1000}, interrupts[] = {0, 2, 4};
    (void)state;
    desc.device_count = 1;
    desc.devices[0] = (struct device_desc){.path = "/pl031@9010000",
                                           .page_count = 1,
                                           .pages = {{0x9010000, 0x1000}},
                                           .guest_base = {0xb010000},
                                           .irq_count = 1,
                                           .irq = {34}};
    build();
    assert_text("/pl031@b010000", "compatible", "arm,pl031");
    assert_cells("/pl031@b010000", "reg", reg, 4);
    assert_cells("/pl031@b010000", "interrupts", interrupts, 3);
    assert_int_equal(cell("/pl031@b010000", "clocks", 0), GUEST_PHANDLE_CLOCK);
    assert_text("/pl031@b010000", "clock-names", "apb_pclk");
    assert_int_equal(cell("/pl031@b010000", "vendor,depth", 0), 5);
    assert_null(property("/pl031@b010000", "phandle", NULL));
    assert_null(property("/pl031@b010000", "vdd-supply", NULL));
    assert_null(property("/pl031@b010000", "pinctrl-0", NULL));
}

static void seeds_differ_by_vm_and_start(void **state) {
    char first[CHOSEN_SEED], kaslr[8];
    int length = 0;
    (void)state;
    build();
    memcpy(first, property("/chosen", "rng-seed", &length), sizeof(first));
    assert_int_equal(length, CHOSEN_SEED);
    memcpy(kaslr, property("/chosen", "kaslr-seed", &length), sizeof(kaslr));
    assert_int_equal(length, 8);
    assert_memory_not_equal(first, first + 32, 32);
    assert_memory_not_equal(first, kaslr, 8);
    vm.stats.starts++;
    build();
    assert_memory_not_equal(first, property("/chosen", "rng-seed", NULL), CHOSEN_SEED);
    vm.stats.starts--;
    vm.name = "other";
    build();
    assert_memory_not_equal(first, property("/chosen", "rng-seed", NULL), CHOSEN_SEED);
    vm.name = "test";
    entropy = true;
    build();
    assert_memory_not_equal(first, property("/chosen", "rng-seed", NULL), CHOSEN_SEED);
}

static void without_entropy_there_is_no_seed(void **state) {
    (void)state;
    board.has_seed = false;
    build();
    assert_null(property("/chosen", "rng-seed", NULL));
    assert_null(property("/chosen", "kaslr-seed", NULL));
    entropy = true;
    build();
    assert_non_null(property("/chosen", "rng-seed", NULL));
}

static void deterministic_seeds_stay_the_same(void **state) {
    char first[CHOSEN_SEED];
    (void)state;
    desc_of_all.deterministic = true;
    build();
    memcpy(first, property("/chosen", "rng-seed", NULL), sizeof(first));
    vm.stats.starts++;
    board.seed[0]++;
    build();
    assert_memory_equal(first, property("/chosen", "rng-seed", NULL), sizeof(first));
}

// A tree of the user's, with memory of its own and a node that has to stay.
static void make_own_tree(void) {
    assert_int_equal(fdt_create_empty_tree(small_tree, sizeof(small_tree)), 0);
    fdt_setprop_u32(small_tree, 0, "#address-cells", 2);
    fdt_setprop_u32(small_tree, 0, "#size-cells", 2);
    for (unsigned i = 0; i < 2; i++) {
        int node = fdt_add_subnode(small_tree, 0, i == 0 ? "memory@0" : "memory@10000000");
        fdt_setprop_string(small_tree, node, "device_type", "memory");
    }
    fdt_add_subnode(small_tree, 0, "my-device");
    fdt_pack(small_tree);
}

static void an_own_tree_gets_memory_and_chosen(void **state) {
    (void)state;
    make_own_tree();
    desc.dtb = (struct blob){small_tree, fdt_totalsize(small_tree)};
    build();
    assert_true(fdt_path_offset(buffer, "/my-device") > 0);
    assert_true(fdt_path_offset(buffer, "/memory@0") < 0);
    assert_true(fdt_path_offset(buffer, "/memory@10000000") < 0);
    assert_int_equal(cell("/memory@40000000", "reg", 1), 0x40000000);
    assert_text("/chosen", "bootargs", "console=ttyAMA0");
    assert_true(fdt_path_offset(buffer, "/psci") < 0);
}

// &{/chosen} { bootargs = "overlaid"; };
static void make_overlay(const char *target) {
    assert_int_equal(fdt_create_empty_tree(small_tree, sizeof(small_tree)), 0);
    int fragment = fdt_add_subnode(small_tree, 0, "fragment@0");
    fdt_setprop_string(small_tree, fragment, "target-path", target);
    int overlay = fdt_add_subnode(small_tree, fragment, "__overlay__");
    fdt_setprop_string(small_tree, overlay, "bootargs", "overlaid");
    fdt_pack(small_tree);
}

static void an_overlay_has_the_last_word(void **state) {
    (void)state;
    make_overlay("/chosen");
    desc.overlay = (struct blob){small_tree, fdt_totalsize(small_tree)};
    build();
    assert_text("/chosen", "bootargs", "overlaid");
    build(); // the system image's copy is not used up
    assert_text("/chosen", "bootargs", "overlaid");
    make_overlay("/nowhere");
    desc.overlay.size = fdt_totalsize(small_tree);
    assert_true(guest_fdt_build(&vm, buffer, 0, 0) < 0);
}

static void what_does_not_fit_is_an_error(void **state) {
    static char bootargs[GUEST_FDT_MAX];
    (void)state;
    memset(bootargs, 'x', sizeof(bootargs) - 1);
    desc.bootargs = bootargs;
    assert_true(guest_fdt_build(&vm, buffer, 0, 0) < 0);
    desc.bootargs = "";
    desc.overlay = (struct blob){small_tree, GUEST_FDT_MAX};
    assert_true(guest_fdt_build(&vm, buffer, 0, 0) < 0);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_generated_tree_is_that_of_virt), TEST(a_v2_host_gives_a_v2_controller),
        TEST(an_assigned_device_is_copied),       TEST(seeds_differ_by_vm_and_start),
        TEST(without_entropy_there_is_no_seed),   TEST(deterministic_seeds_stay_the_same),
        TEST(an_own_tree_gets_memory_and_chosen), TEST(an_overlay_has_the_last_word),
        TEST(what_does_not_fit_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
