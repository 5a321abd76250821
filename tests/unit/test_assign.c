// SPDX-License-Identifier: Apache-2.0
// Which devices of a board may be assigned, on a tree that looks like QEMU's virt with two UARTs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <libfdt.h>
#include <cmocka.h>

#include "kernel/assign.h"

enum { TREE_SIZE = 16 * 1024, INTC = 1, GPIO = 2, LEVEL = 4, EDGE = 1 };

static char tree[TREE_SIZE] __attribute__((aligned(8)));
static struct board board = {.fdt = tree};

static int add_node(const char *name, const char *compatible, uint64_t base, uint64_t size) {
    int node = fdt_add_subnode(tree, 0, name);

    assert_true(node > 0);
    if (compatible != NULL) { assert_int_equal(fdt_appendprop_string(tree, node, "compatible", compatible), 0); }
    if (size != 0) { assert_int_equal(fdt_appendprop_addrrange(tree, 0, node, "reg", base, size), 0); }
    return node;
}

static int add_irq(int node, uint32_t type, uint32_t number, uint32_t flags) {
    const uint32_t cells[] = {type, number, flags};

    for (unsigned i = 0; i < 3; i++) { assert_int_equal(fdt_appendprop_u32(tree, node, "interrupts", cells[i]), 0); }
    return node;
}

static void set(int node, const char *property, uint32_t value) {
    assert_int_equal(fdt_setprop_u32(tree, node, property, value), 0);
}

static int setup(void **state) {
    (void)state;
    assert_int_equal(fdt_create_empty_tree(tree, TREE_SIZE), 0);
    set(0, "#address-cells", 2);
    set(0, "#size-cells", 2);
    set(0, "interrupt-parent", INTC);
    int node = add_node("chosen", NULL, 0, 0);
    assert_int_equal(fdt_setprop_string(tree, node, "stdout-path", "/pl011@9000000:115200"), 0);
    node = add_node("intc@8000000", "arm,gic-v3", 0x8000000, 0x10000);
    set(node, "#interrupt-cells", 3);
    set(node, "phandle", INTC);
    node = add_node("memory@40000000", NULL, 0x40000000, 0x40000000);
    assert_int_equal(fdt_setprop_string(tree, node, "device_type", "memory"), 0);
    add_irq(add_node("pl011@9000000", "arm,pl011", 0x9000000, 0x1000), 0, 1, LEVEL);
    node = add_node("pl031@9010000", "arm,pl031", 0x9010000, 0x1000);
    assert_int_equal(fdt_appendprop_string(tree, node, "compatible", "arm,primecell"), 0);
    add_irq(node, 0, 2, LEVEL);
    add_irq(add_node("pl011@9040000", "arm,pl011", 0x9040000, 0x1000), 0, 8, EDGE);
    return 0;
}

static struct device_desc device;

static const struct refusal_text *check(const char *path) { return assign_check(&board, path, &device); }

static void says(const char *path, const struct refusal_text *refusal, const char *why) {
    assert_non_null(refusal);
    assert_non_null(refusal->wrong);
    assert_non_null(refusal->remedy);
    if (strstr(refusal->wrong, why) == NULL) { fail_msg("%s: \"%s\" does not say \"%s\"", path, refusal->wrong, why); }
}

static void refused(const char *path, const char *why) {
    device = (struct device_desc){.irq_distance_us = 7};
    says(path, check(path), why);
    assert_int_equal(device.irq_distance_us, 7);
}

static void accepted(const char *path) {
    device = (struct device_desc){0};
    const struct refusal_text *refusal = check(path);
    if (refusal != NULL) { fail_msg("%s: %s", path, refusal->wrong); }
}

static void a_clock_and_a_second_uart_are_given(void **state) {
    (void)state;
    accepted("/pl031@9010000");
    assert_int_equal(device.page_count, 1);
    assert_true(device.pages[0].base == 0x9010000 && device.pages[0].size == 0x1000);
    assert_true(device.guest_base[0] == 0x9010000);
    assert_int_equal(device.irq_count, 1);
    assert_int_equal(device.irq[0], 34);
    assert_false(device.irq_edge[0]);
    accepted("/pl011@9040000");
    assert_int_equal(device.irq[0], 40);
    assert_true(device.irq_edge[0]);
}

// A guest would take the device's interrupt for its own console's.
static void an_interrupt_of_a_virtual_device_is_refused(void **state) {
    (void)state;
    add_irq(add_node("wdt@9050000", "arm,sp805", 0x9050000, 0x1000), 0, 16, LEVEL);
    refused("/wdt@9050000", "virtual device");
    fdt_del_node(tree, fdt_path_offset(tree, "/pl011@9000000"));
    add_irq(add_node("wdt@9060000", "arm,sp805", 0x9060000, 0x1000), 0, 1, LEVEL);
    refused("/wdt@9060000", "virtual device");
}

static void a_missing_or_disabled_node_is_refused(void **state) {
    (void)state;
    refused("/nothing@0", "no such node");
    refused("", "no such node");
    refused("/", "no such node");
    fdt_setprop_string(tree, fdt_path_offset(tree, "/pl031@9010000"), "status", "disabled");
    refused("/pl031@9010000", "disabled");
    fdt_setprop_string(tree, fdt_path_offset(tree, "/pl031@9010000"), "status", "okay");
    accepted("/pl031@9010000");
}

static void what_the_hypervisor_drives_is_refused(void **state) {
    (void)state;
    refused("/intc@8000000", "drives");
    refused("/memory@40000000", "drives");
    refused("/pl011@9000000", "console");
    int aliases = fdt_add_subnode(tree, 0, "aliases");
    fdt_setprop_string(tree, aliases, "serial1", "/pl011@9040000");
    fdt_setprop_string(tree, fdt_path_offset(tree, "/chosen"), "stdout-path", "serial1:115200n8");
    refused("/pl011@9040000", "console"); // now named by its alias
    set(add_node("iommu@9050000", "vendor,iommu", 0x9050000, 0x1000), "#iommu-cells", 1);
    refused("/iommu@9050000", "drives");
}

static void pages_must_be_its_own(void **state) {
    (void)state;
    refused("/chosen", "no reg");
    int node = add_node("timer@9010800", "arm,sp804", 0x9010800, 0x100);
    refused("/pl031@9010000", "4 KiB page");
    refused("/timer@9010800", "4 KiB page");
    fdt_setprop_string(tree, node, "status", "disabled");
    accepted("/pl031@9010000");
    add_node("rtc@50000000", "arm,pl031", 0x50000000, 0x1000);
    refused("/rtc@50000000", "4 KiB page"); // in RAM
    add_node("rtc@wrap", "arm,pl031", UINT64_MAX - 0xfff, 0x1000);
    refused("/rtc@wrap", "no place");
}

static void ranges_are_rounded_to_pages_and_merged(void **state) {
    (void)state;
    int node = add_node("wdt@a001000", "arm,sp805", 0xa001010, 0x10);
    fdt_appendprop_addrrange(tree, 0, node, "reg", 0xa001800, 0x900);
    fdt_appendprop_addrrange(tree, 0, node, "reg", 0xa010000, 0x1000);
    accepted("/wdt@a001000");
    assert_int_equal(device.page_count, 2);
    assert_true(device.pages[0].base == 0xa001000 && device.pages[0].size == 0x2000);
    assert_true(device.pages[1].base == 0xa010000 && device.pages[1].size == 0x1000);
    for (unsigned i = 0; i < 3; i++) {
        fdt_appendprop_addrrange(tree, 0, node, "reg", 0xb000000 + i * 0x10000, 0x1000);
    }
    refused("/wdt@a001000", "more MMIO ranges");
}

static void interrupts_must_reach_the_gic(void **state) {
    (void)state;
    int node = add_node("gpio@9030000", "arm,pl061", 0x9030000, 0x1000);
    set(node, "#interrupt-cells", 2);
    set(node, "phandle", GPIO);
    node = add_node("wdt@9060000", "arm,sp805", 0x9060000, 0x1000);
    accepted("/wdt@9060000");
    assert_int_equal(device.irq_count, 0);
    add_irq(node, 0, 20, LEVEL);
    set(node, "interrupt-parent", GPIO);
    refused("/wdt@9060000", "GIC");
    fdt_delprop(tree, node, "interrupt-parent");
    accepted("/wdt@9060000");
    add_irq(node, 1, 3, LEVEL);
    refused("/wdt@9060000", "shared peripheral");
    fdt_delprop(tree, node, "interrupts");
    add_irq(node, 0, 988, LEVEL);
    refused("/wdt@9060000", "shared peripheral");
    fdt_delprop(tree, node, "interrupts");
    set(node, "interrupts-extended", INTC);
    refused("/wdt@9060000", "GIC");
    fdt_delprop(tree, node, "interrupts-extended");
    for (unsigned i = 0; i < MAX_DEVICE_IRQS + 1; i++) { add_irq(node, 0, 30 + i, LEVEL); }
    refused("/wdt@9060000", "more interrupts");
}

static void an_interrupt_of_two_nodes_is_refused(void **state) {
    (void)state;
    int node = add_irq(add_node("other@9070000", "x,y", 0x9070000, 0x1000), 0, 2, LEVEL);
    refused("/pl031@9010000", "same interrupt");
    fdt_setprop_string(tree, node, "status", "disabled");
    accepted("/pl031@9010000");
}

static void dma_is_refused_unless_accepted(void **state) {
    static const char *const properties[] = {"dmas", "iommus", "dma-coherent"};
    (void)state;
    int node = fdt_path_offset(tree, "/pl031@9010000");
    for (unsigned i = 0; i < 3; i++) {
        fdt_setprop_u32(tree, node, properties[i], 0);
        refused("/pl031@9010000", "does DMA");
        device = (struct device_desc){.unprotected_dma = true};
        assert_null(check("/pl031@9010000"));
        fdt_delprop(tree, node, properties[i]);
    }
    add_node("fw-cfg@9020000", "qemu,fw-cfg-mmio", 0x9020000, 0x18);
    refused("/fw-cfg@9020000", "of this kind");
    add_node("virtio_mmio@a000000", "virtio,mmio", 0xa000000, 0x200);
    refused("/virtio_mmio@a000000", "of this kind");
    add_node("thing@b000000", "vendor,thing", 0xb000000, 0x1000);
    refused("/thing@b000000", "not known");
    add_node("bare@b001000", NULL, 0xb001000, 0x1000);
    refused("/bare@b001000", "not known");
    node = add_node("uart@b002000", "vendor,dma-uart", 0xb002000, 0x1000);
    fdt_appendprop_string(tree, node, "compatible", "arm,pl011");
    refused("/uart@b002000", "not known"); // its most specific name counts
}

static void accepting_dma_accepts_nothing_else(void **state) {
    (void)state;
    device = (struct device_desc){.unprotected_dma = true};
    says("/intc@8000000", check("/intc@8000000"), "drives");
    says("/pl011@9000000", check("/pl011@9000000"), "console");
}

static void two_claims_conflict(void **state) {
    struct device_desc clock, uart;
    (void)state;
    accepted("/pl031@9010000");
    clock = device;
    accepted("/pl011@9040000");
    uart = device;
    assert_false(assign_conflict(&clock, &uart));
    assert_true(assign_conflict(&clock, &clock));
    uart.irq[0] = clock.irq[0];
    assert_true(assign_conflict(&clock, &uart));
}

static void without_an_iommu_nothing_is_confined(void **state) {
    (void)state;
    for (int node = fdt_next_node(board.fdt, -1, NULL); node >= 0; node = fdt_next_node(board.fdt, node, NULL)) {
        assert_int_equal(iommu_confine(board.fdt, node), ERR_UNSUPPORTED);
    }
}

#define TEST(f) cmocka_unit_test_setup(f, setup)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_clock_and_a_second_uart_are_given),    TEST(a_missing_or_disabled_node_is_refused),
        TEST(what_the_hypervisor_drives_is_refused),  TEST(pages_must_be_its_own),
        TEST(ranges_are_rounded_to_pages_and_merged), TEST(interrupts_must_reach_the_gic),
        TEST(an_interrupt_of_two_nodes_is_refused),   TEST(dma_is_refused_unless_accepted),
        TEST(accepting_dma_accepts_nothing_else),     TEST(two_claims_conflict),
        TEST(without_an_iommu_nothing_is_confined),   TEST(an_interrupt_of_a_virtual_device_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
