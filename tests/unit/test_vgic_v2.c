// SPDX-License-Identifier: Apache-2.0
// The virtual interrupt controller behind its GICv2 face: what differs from GICv3.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/vgic_world.h"

#define GICD(offset)    (VGIC_GICD_BASE + (offset))
#define IAR(id, sender) ((uint32_t)(id) | (uint32_t)(sender) << 10)

enum { VCPUS = 3 };

static int setup(void **state) {
    (void)state;
    world_init(2, 4, VCPUS, 64);
    world_write(0, GICD(GICD_CTLR), GICD_CTLR_GRP0);
    world_write(0, GICD(GICD_ISENABLER + 4), ~0u);
    return 0;
}

static void sgi(unsigned from, uint32_t value) {
    world_write(from, GICD(GICD_SGIR), value);
    world_settle();
}

static void identification(void **state) {
    (void)state;
    assert_int_equal(world_read(0, GICD(GICD_CTLR)), 1);
    assert_int_equal(world_read(0, GICD(GICD_TYPER)), 2 | (VCPUS - 1) << GICD_TYPER_CPUS);
    assert_int_equal(world_read(0, GICD(GICD_IIDR)) & 0xfff, IIDR_ARM);
    assert_int_equal(world_read(0, GICD(GICD_ICPIDR2)) >> 4, 2);
    assert_int_equal(world_read(0, GICD(0x8000)), 0);
    assert_int_equal(world_read(0, GICD(GICD_SGIR)), 0);
    assert_int_equal(world_access(0, GICD(GICD_TYPER), 1, false, 0), 0);
    world_write(0, GICD(GICD_TYPER), ~0u);
    assert_int_equal(world_access(0, GICD(GICD_SGIR), 1, true, 0), 0);
    assert_null(mmio_find(&world.vm.mmio, VGIC_GICC_BASE, 4)); // the hardware's own
    assert_null(mmio_find(&world.vm.mmio, VGIC_GICR_BASE, 4));
}

static void private_registers_are_banked(void **state) {
    (void)state;
    world_write(1, GICD(GICD_ISENABLER), 0x80000000);
    assert_int_equal(world_read(1, GICD(GICD_ISENABLER)), 0x8000ffff); // SGIs always are
    assert_int_equal(world_read(0, GICD(GICD_ISENABLER)), 0xffff);
    world_write(1, GICD(GICD_ICENABLER), ~0u);
    assert_int_equal(world_read(1, GICD(GICD_ICENABLER)), 0xffff);
    world_write(1, GICD(GICD_ISPENDR), ~0u);
    assert_int_equal(world_read(1, GICD(GICD_ISPENDR)), 0xffff0000); // SGIs only by their senders
    world_write(1, GICD(GICD_ICPENDR), ~0u);
    for (unsigned i = 0; i < VCPUS; i++) { assert_int_equal(world_read(i, GICD(GICD_ITARGETSR)), 0x01010101u << i); }
    world_access(0, GICD(GICD_IPRIORITYR + 3), 1, true, 0x30);
    assert_int_equal(world_read(0, GICD(GICD_IPRIORITYR)), 0x30000000);
    assert_int_equal(world_read(2, GICD(GICD_IPRIORITYR)), 0);
}

static void targets(void **state) {
    (void)state;
    assert_int_equal(world_read(0, GICD(GICD_ITARGETSR + 32)), 0x01010101);
    world_write(0, GICD(GICD_ITARGETSR + 32), 0xff060200);
    assert_int_equal(world_read(0, GICD(GICD_ITARGETSR + 32)), 0x07060200);
    assert_int_equal(world_access(0, GICD(GICD_ITARGETSR + 34), 1, false, 0), 6);
    for (unsigned n = 0; n < 4; n++) { vgic_pulse(&world.vcpu[0], 32 + n); }
    world_settle();
    assert_int_equal(world_take(0), 35); // the lowest of several
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    assert_int_equal(world_take(1), 33);
    world_end(1, 33);
    assert_int_equal(world_take(1), 34);
    world_access(1, GICD(GICD_ITARGETSR + 32), 1, true, 4);
    world_settle();
    assert_int_equal(world_take(2), 32);
    assert_int_equal(world_access(0, GICD(GICD_ITARGETSR + 96), 4, false, 0), 0); // beyond the last
}

static void sgis_of_several_senders(void **state) {
    (void)state;
    sgi(0, 4u << GICD_SGIR_TARGETS | 3);
    sgi(1, 4u << GICD_SGIR_TARGETS | 3);
    sgi(1, 4u << GICD_SGIR_TARGETS | 3); // once for each sender
    assert_int_equal(world_read(2, GICD(GICD_ISPENDR)), 8);
    uint32_t first = world_take(2);
    assert_int_equal(first, IAR(3, 0));
    assert_int_equal(world_take(2), GIC_SPURIOUS);
    assert_int_equal(world_access(2, GICD(GICD_SPENDSGIR + 3), 1, false, 0), 2);
    sgi(0, 4u << GICD_SGIR_TARGETS | 3); // while its first one is handled
    world_end(2, first);
    assert_int_equal(world_take(2), IAR(3, 0));
    world_end(2, IAR(3, 0));
    assert_int_equal(world_take(2), IAR(3, 1));
    world_end(2, IAR(3, 1));
    assert_int_equal(world_take(2), GIC_SPURIOUS);
    assert_int_equal(world_read(2, GICD(GICD_ISACTIVER)), 0);
}

static void sgi_filters(void **state) {
    (void)state;
    sgi(1, 1u << GICD_SGIR_FILTER | 7u << GICD_SGIR_TARGETS | 1); // all but self
    sgi(1, 2u << GICD_SGIR_FILTER | 2);                           // self
    sgi(1, 3u << GICD_SGIR_FILTER | 7u << GICD_SGIR_TARGETS | 4); // reserved
    sgi(1, 0xf8u << GICD_SGIR_TARGETS | 4);                       // nobody
    assert_int_equal(world_take(0), IAR(1, 1));
    assert_int_equal(world_take(1), IAR(2, 1));
    assert_int_equal(world_take(2), IAR(1, 1));
    world_end(0, IAR(1, 1));
    assert_int_equal(world_take(0), GIC_SPURIOUS);
}

static void senders_by_hand(void **state) {
    (void)state;
    world_access(0, GICD(GICD_SPENDSGIR + 5), 1, true, 0xfe);
    assert_int_equal(world_read(0, GICD(GICD_ISPENDR)), 0x20);
    world_access(0, GICD(GICD_CPENDSGIR + 5), 1, true, 2); // the one in the list register
    assert_int_equal(world_take(0), IAR(5, 2));
    world_end(0, IAR(5, 2));
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    world_write(0, GICD(GICD_SPENDSGIR + 8), 0x01000100);
    assert_int_equal(world_take(0), IAR(9, 0));
    assert_int_equal(world_read(0, GICD(GICD_CPENDSGIR + 8)), 0); // both are in list registers
    world_write(0, GICD(GICD_CPENDSGIR + 8), ~0u);
    world_end(0, IAR(9, 0));
    assert_int_equal(world_take(0), GIC_SPURIOUS);
}

static void sgi_sender_survives_a_change(void **state) {
    (void)state;
    sgi(2, 1u << GICD_SGIR_TARGETS | 6);
    world_access(0, GICD(GICD_IPRIORITYR + 6), 1, true, 0x50); // pending in its list register
    assert_int_equal(world_take(0), IAR(6, 2));
    world_access(0, GICD(GICD_IPRIORITYR + 6), 1, true, 0x58); // active in it
    world_end(0, IAR(6, 2));
    assert_int_equal(world_read(0, GICD(GICD_ISACTIVER)), 0);
    for (unsigned id = 0; id < 7; id++) { // nested deeper than list registers
        world_access(0, GICD(GICD_IPRIORITYR + id), 1, true, 0xf0 - 16 * id);
        sgi(1, 1u << GICD_SGIR_TARGETS | id);
        assert_int_equal(world_take(0), IAR(id, 1));
    }
    for (unsigned id = 7; id-- > 0;) { world_end(0, IAR(id, 1)); }
    assert_int_equal(world_read(0, GICD(GICD_ISACTIVER)), 0);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
}

static void linked_and_level(void **state) {
    (void)state;
    world_write(0, GICD(GICD_ISENABLER), BIT(GIC_PPI_VTIMER));
    for (unsigned n = 0; n < 3; n++) {
        world_on(0);
        assert_true(gic_fake_fire(GIC_PPI_VTIMER));
        vgic_inject_hw(&world.vcpu[0], GIC_PPI_VTIMER, GIC_PPI_VTIMER);
        world_leave(0);
        assert_int_equal(world_take(0), GIC_PPI_VTIMER);
        world_end(0, GIC_PPI_VTIMER);
        assert_false(gic_fake_is_active(GIC_PPI_VTIMER));
    }
    vgic_set_line(&world.vcpu[0], 33, true);
    world_settle();
    assert_int_equal(world_take(0), 33);
    vgic_set_line(&world.vcpu[0], 33, false);
    world_settle();
    world_end(0, 33);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(identification, setup),
        cmocka_unit_test_setup(private_registers_are_banked, setup),
        cmocka_unit_test_setup(targets, setup),
        cmocka_unit_test_setup(sgis_of_several_senders, setup),
        cmocka_unit_test_setup(sgi_filters, setup),
        cmocka_unit_test_setup(senders_by_hand, setup),
        cmocka_unit_test_setup(sgi_sender_survives_a_change, setup),
        cmocka_unit_test_setup(linked_and_level, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
