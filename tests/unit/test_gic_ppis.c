// SPDX-License-Identifier: Apache-2.0
// The machine's own private interrupts come from its device tree, in either of the binding's two forms, or not at all.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <libfdt.h>
#include <cmocka.h>

#include "arch/arm64/gic.h"
#include "kernel/log.h"

enum { TREE_SIZE = 4096, INTC = 1, SPI = 0, PPI = 1, LEVEL = 4 };

static char tree[TREE_SIZE] __attribute__((aligned(8)));
static char said[LOG_LINE_MAX + 1];

static void set(int node, const char *property, uint32_t value) {
    assert_int_equal(fdt_setprop_u32(tree, node, property, value), 0);
}

static int add_node(const char *name, const char *compatible) {
    int node = fdt_add_subnode(tree, 0, name);

    assert_true(node > 0);
    assert_int_equal(fdt_setprop_string(tree, node, "compatible", compatible), 0);
    return node;
}

static void add_irq(int node, uint32_t type, uint32_t number, const char *name) {
    assert_int_equal(fdt_appendprop_u32(tree, node, "interrupts", type), 0);
    assert_int_equal(fdt_appendprop_u32(tree, node, "interrupts", number), 0);
    assert_int_equal(fdt_appendprop_u32(tree, node, "interrupts", LEVEL), 0);
    if (name != NULL) { assert_int_equal(fdt_appendprop_string(tree, node, "interrupt-names", name), 0); }
}

static int intc(void) { return fdt_path_offset(tree, "/intc"); }

static int timer(void) { return fdt_path_offset(tree, "/timer"); }

static int find(void) {
    gic_machine = (struct gic_machine){0};
    return gic_find_ppis(tree, intc());
}

// The last lines of the log.
static void read_said(void) {
    uint64_t cursor = 0;
    size_t length;

    while ((length = log_read(&cursor, said, sizeof(said) - 1)) != 0) { said[length] = '\0'; }
}

static int setup(void **state) {
    (void)state;
    assert_int_equal(fdt_create_empty_tree(tree, TREE_SIZE), 0);
    set(0, "interrupt-parent", INTC);
    add_irq(add_node("intc", "arm,gic-v3"), PPI, 8, NULL);
    set(intc(), "#interrupt-cells", 3);
    set(intc(), "phandle", INTC);
    add_node("timer", "arm,armv8-timer");
    return 0;
}

static void a_timer_without_names_has_them_in_the_order_of_the_binding(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++) { add_irq(timer(), PPI, 1 + i, NULL); }
    assert_int_equal(find(), OK);
    assert_int_equal(gic_machine.maintenance, 24);
    assert_int_equal(gic_machine.vtimer, 19);
    assert_int_equal(gic_machine.hyp_timer, 20);
}

static void a_timer_with_names_may_leave_some_out(void **state) {
    (void)state;
    add_irq(timer(), PPI, 15, "hyp-phys");
    add_irq(timer(), PPI, 3, "phys");
    add_irq(timer(), PPI, 0, "virt");
    assert_int_equal(find(), OK);
    assert_int_equal(gic_machine.vtimer, 16);
    assert_int_equal(gic_machine.hyp_timer, 31);
}

static void refused(int status, const char *words) {
    assert_int_equal(find(), status);
    read_said();
    assert_non_null(strstr(said, words));
}

static void what_is_missing_is_named(void **state) {
    (void)state;
    for (unsigned i = 0; i < 3; i++) { add_irq(timer(), PPI, 1 + i, NULL); }
    refused(ERR_NOT_FOUND, "timer: interrupts: no hyp-phys interrupt");
    add_irq(timer(), SPI, 4, NULL);
    refused(ERR_RANGE, "timer: interrupts: no hyp-phys interrupt");
    assert_int_equal(fdt_setprop_string(tree, timer(), "interrupt-names", "phys"), 0);
    refused(ERR_NOT_FOUND, "timer: interrupts: no virt interrupt");
    assert_int_equal(fdt_delprop(tree, intc(), "interrupts"), 0);
    refused(ERR_NOT_FOUND, "intc: interrupts: no maintenance interrupt");
    assert_int_equal(fdt_del_node(tree, timer()), 0);
    refused(ERR_NOT_FOUND, "no timer that is known; wanted: arm,armv8-timer");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_timer_without_names_has_them_in_the_order_of_the_binding, setup),
        cmocka_unit_test_setup(a_timer_with_names_may_leave_some_out, setup),
        cmocka_unit_test_setup(what_is_missing_is_named, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
