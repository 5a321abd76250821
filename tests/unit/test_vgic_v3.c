// SPDX-License-Identifier: Apache-2.0
// The virtual interrupt controller behind its GICv3 face, on a fake controller with list registers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/vgic_world.h"

#define GICD(offset)    (VGIC_GICD_BASE + (offset))
#define GICR(i, offset) (VGIC_GICR_BASE + (i) * VGIC_GICR_STRIDE + (offset))
#define SGI(i, offset)  GICR(i, GICR_SGI_FRAME + (offset))
#define VTIMER          GIC_PPI_VTIMER

// A guest as it starts up: everything in group 1, private interrupts and SPI 32..63 on, priority 0xa0.
static void open_all(void) {
    world_write(0, GICD(GICD_CTLR), GICD_CTLR_GRP1);
    for (unsigned i = 0; i < world.vm.vcpu_count; i++) {
        world_write(i, SGI(i, GICD_IGROUPR), ~0u);
        world_write(i, SGI(i, GICD_ISENABLER), ~0u);
        for (unsigned n = 0; n < 32; n += 4) { world_write(i, SGI(i, GICD_IPRIORITYR + n), 0xa0a0a0a0); }
    }
    world_write(0, GICD(GICD_IGROUPR + 4), ~0u);
    world_write(0, GICD(GICD_ISENABLER + 4), ~0u);
    for (unsigned n = 32; n < 64; n += 4) { world_write(0, GICD(GICD_IPRIORITYR + n), 0xa0a0a0a0); }
    for (unsigned n = 32; n < 64; n++) { world_access(0, GICD(GICD_IROUTER + 8 * n), 8, true, 0); }
    world_settle();
    host_record.ipis[0] = 0;
    host_record.ipis[1] = 0;
}

static void set_priority(unsigned id, uint8_t priority) {
    world_access(0, GICD(GICD_IPRIORITYR + id), 1, true, priority);
}

static void set_edge(unsigned id) {
    uint64_t reg = GICD(GICD_ICFGR + id / 16 * 4);

    world_write(0, reg, world_read(0, reg) | 2u << id % 16 * 2);
}

static void pulse(unsigned i, unsigned id) {
    unsigned here = host_cpu->id;

    vgic_pulse(&world.vcpu[i], id);
    world_settle();
    world_on(here);
}

static void line(unsigned i, unsigned id, bool level) {
    unsigned here = host_cpu->id;

    vgic_set_line(&world.vcpu[i], id, level);
    world_settle();
    world_on(here);
}

static int setup(void **state) {
    (void)state;
    world_init(3, 4, 2, 224);
    open_all();
    return 0;
}

static int setup_raw(void **state) {
    (void)state;
    world_init(3, 4, 2, 224);
    return 0;
}

// ---- registers --------------------------------------------------------------------------------------------

static void identification(void **state) {
    (void)state;
    assert_int_equal(world_read(0, GICD(GICD_TYPER)) & GICD_TYPER_LINES, 7);
    assert_int_equal(world_read(0, GICD(GICD_TYPER)) >> GICD_TYPER_IDBITS & 0x1f, 9);
    assert_int_equal(world_read(0, GICD(GICD_PIDR2)) >> 4, 3);
    assert_int_equal(world_read(0, GICR(1, GICR_PIDR2)) >> 4, 3);
    assert_int_equal(world_read(0, GICD(GICD_IIDR)), IIDR_ARM);
    assert_int_equal(world_read(0, GICR(0, GICR_IIDR)), IIDR_ARM);
    assert_int_equal(world_read(0, GICD(GICD_CTLR)), GICD_CTLR_ARE | GICD_CTLR_DS);
    world_write(0, GICD(GICD_CTLR), ~0u);
    assert_int_equal(world_read(0, GICD(GICD_CTLR)), GICD_CTLR_ARE | GICD_CTLR_DS | 3);
    world_write(0, GICD(GICD_CTLR), 3); // again: nothing to tell anybody
    assert_int_equal(world_access(0, GICR(0, GICR_TYPER), 8, false, 0), 0);
    assert_int_equal(world_access(0, GICR(1, GICR_TYPER), 8, false, 0), 1ull << 32 | 1 << 8 | GICR_TYPER_LAST);
    assert_int_equal(world_read(0, GICR(1, GICR_TYPER)), 1 << 8 | GICR_TYPER_LAST);
    assert_int_equal(world_read(0, GICR(1, GICR_TYPER + 4)), 1);
    assert_int_equal(world_read(0, GICR(0, GICR_WAKER)), 6);
    world_write(0, GICR(0, GICR_WAKER), 0);
    assert_int_equal(world_read(0, GICR(0, GICR_WAKER)), 0);
    assert_int_equal(world_read(0, GICR(1, GICR_WAKER)), 6);
}

static void reserved_registers(void **state) {
    static const unsigned widths[] = {1, 2, 4, 8};

    (void)state;
    for (unsigned w = 0; w < 4; w++) {
        for (uint64_t offset = 0x800; offset < 0xc00; offset += 0x40) { // ITARGETSR, with affinity routing
            world_access(0, GICD(offset), widths[w], true, ~0ull);
            assert_int_equal(world_access(0, GICD(offset), widths[w], false, 1), 0);
        }
        world_access(0, GICD(GICD_ISENABLER), widths[w], true,
                     ~0ull); // word 0 is the redistributors'
        assert_int_equal(world_access(0, GICD(GICD_ISENABLER), widths[w], false, 0), 0);
        world_access(0, GICD(GICD_ISENABLER + 32), widths[w], true, ~0ull); // beyond the last SPI
        assert_int_equal(world_access(0, GICD(GICD_ISENABLER + 32), widths[w], false, 0), 0);
        world_access(0, GICD(GICD_IROUTER + 8 * 256), widths[w], true, ~0ull);
        assert_int_equal(world_access(0, GICD(GICD_IROUTER + 8 * 256), widths[w], false, 0), 0);
        world_access(0, GICR(0, 0x70), widths[w], true, ~0ull); // PROPBASER: no LPIs
        assert_int_equal(world_access(0, GICR(0, 0x70), widths[w], false, 0), 0);
        world_access(0, SGI(0, GICD_ISENABLER + 4), widths[w], true, ~0ull);
        assert_int_equal(world_access(0, SGI(0, GICD_ISENABLER + 4), widths[w], false, 0), 0);
    }
    world_access(0, GICD(GICD_ISENABLER + 4), 1, true, 0xff); // bits are reached by words only
    world_access(0, GICD(GICD_ISENABLER + 4), 8, true, ~0ull);
    assert_int_equal(world_read(0, GICD(GICD_ISENABLER + 4)), 0);
    world_access(0, GICD(GICD_IROUTER + 8 * 32), 2, true, 1);
    assert_int_equal(world_access(0, GICD(GICD_IROUTER + 8 * 32), 2, false, 0), 0);
    assert_int_equal(world_access(0, GICD(GICD_TYPER), 2, false, 0), 0);
}

static void sets_and_clears(void **state) {
    static const uint32_t pairs[][2] = {
        {GICD_ISENABLER, GICD_ICENABLER}, {GICD_ISPENDR, GICD_ICPENDR}, {GICD_ISACTIVER, GICD_ICACTIVER}};

    (void)state;
    for (unsigned p = 0; p < ARRAY_SIZE(pairs); p++) {
        for (unsigned word = 1; word < 8; word++) {
            uint64_t set = GICD(pairs[p][0] + 4 * word), clear = GICD(pairs[p][1] + 4 * word);
            world_write(1, set, 0xf0f0);
            world_write(0, set, 0x000f);
            world_write(0, clear, 0x00f0);
            assert_int_equal(world_read(0, set), 0xf00f);
            assert_int_equal(world_read(1, clear), 0xf00f);
            world_write(1, clear, ~0u);
            assert_int_equal(world_read(0, set), 0);
        }
        world_write(1, SGI(1, pairs[p][0]), 0x10000001);
        assert_int_equal(world_read(0, SGI(1, pairs[p][1])), 0x10000001);
        assert_int_equal(world_read(0, SGI(0, pairs[p][1])), 0);
        world_write(1, SGI(1, pairs[p][1]), ~0u);
    }
}

static void fields(void **state) {
    (void)state;
    world_write(0, GICD(GICD_IPRIORITYR + 40), 0x01f8ffa7);
    assert_int_equal(world_read(0, GICD(GICD_IPRIORITYR + 40)), 0x00f8f8a0); // 5 bits of priority
    world_access(0, GICD(GICD_IPRIORITYR + 41), 1, true, 0x10);
    assert_int_equal(world_read(0, GICD(GICD_IPRIORITYR + 40)), 0x00f810a0);
    assert_int_equal(world_access(0, GICD(GICD_IPRIORITYR + 42), 1, false, 0), 0xf8);
    world_write(0, GICD(GICD_ICFGR + 4 * 2), 0xffff0001);
    assert_int_equal(world_read(0, GICD(GICD_ICFGR + 4 * 2)), 0xaaaa0000);
    world_write(0, SGI(0, GICD_ICFGR), 0);
    assert_int_equal(world_read(0, SGI(0, GICD_ICFGR)), 0xaaaaaaaa); // SGIs are edges
    world_write(0, SGI(0, GICD_ICFGR + 4), 0x80000000);
    assert_int_equal(world_read(0, SGI(0, GICD_ICFGR + 4)), 0x80000000);
    world_write(0, GICD(GICD_IGROUPR + 8), 0x5);
    assert_int_equal(world_read(0, GICD(GICD_IGROUPR + 8)), 0x5);
    world_access(0, GICD(GICD_IROUTER + 8 * 33), 8, true, 0xff80ffffffull);
    assert_int_equal(world_access(0, GICD(GICD_IROUTER + 8 * 33), 8, false, 0), 0xff00ffffffull);
    world_access(0, GICD(GICD_IROUTER + 8 * 33 + 4), 4, true, 0);
    world_access(0, GICD(GICD_IROUTER + 8 * 33), 4, true, 1);
    assert_int_equal(world_access(0, GICD(GICD_IROUTER + 8 * 33), 8, false, 0), 1);
    assert_int_equal(world_read(0, GICD(GICD_IROUTER + 8 * 33 + 4)), 0);
}

// ---- delivery ---------------------------------------------------------------------------------------------

static void needs_enable_and_group(void **state) {
    (void)state;
    pulse(0, 40);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    world_write(0, GICD(GICD_ISENABLER + 4), 1u << 8);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    world_write(0, GICD(GICD_CTLR), GICD_CTLR_GRP1);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    assert_int_equal(world_read(0, GICD(GICD_ISPENDR + 4)), 1u << 8);
    assert_false(vgic_has_pending(&world.vcpu[0]));
    world_write(0, GICD(GICD_IGROUPR + 4), 1u << 8);
    assert_true(vgic_has_pending(&world.vcpu[0]));
    world_write(0, GICD(GICD_CTLR), 0); // taken back out of the list register
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    world_write(0, GICD(GICD_CTLR), GICD_CTLR_GRP1);
    assert_int_equal(world_take(0), 40);
    assert_int_equal(gic_fake_lr(0) & LR_GROUP1, LR_GROUP1);
    world_end(0, 40);
}

static void an_edge_once(void **state) {
    (void)state;
    set_edge(40);
    pulse(0, 40);
    pulse(0, 40); // while pending: the same
    assert_int_equal(world_take(0), 40);
    pulse(0, 40); // while active: once more
    assert_int_equal(world_read(0, GICD(GICD_ISACTIVER + 4)), 1u << 8);
    assert_int_equal(world_read(0, GICD(GICD_ISPENDR + 4)), 1u << 8);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    world_end(0, 40);
    assert_int_equal(world_take(0), 40);
    world_end(0, 40);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    assert_int_equal(world_read(0, GICD(GICD_ISACTIVER + 4)), 0);
}

// A private level that only a pulse made pending has nothing to be looked at when it ends, unless its line rises first.
static void a_pulsed_level_asks_for_nothing(void **state) {
    const uint64_t reg = SGI(0, GICD_ISENABLER);

    (void)state;
    world_write(0, reg, BIT(20));
    world_write(0, SGI(0, GICD_IGROUPR), ~0u);
    pulse(0, 20);
    unsigned slot = world.vcpu[0].arch.vgic.slot[20];
    assert_int_equal(gic_fake_lr(slot) & LR_EOI, 0);
    assert_int_equal(world_take(0), 20);
    gic_fake_end(20);
    assert_false(gic_fake_maintenance());
    pulse(0, 20);
    assert_int_equal(world_take(0), 20);
    line(0, 20, true);
    world_end(0, 20);
    assert_int_equal(world_take(0), 20);
    line(0, 20, false);
    world_end(0, 20);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
}

static void a_level_until_it_falls(void **state) {
    (void)state;
    line(0, 41, true);
    line(0, 41, true);
    assert_int_equal(world_take(0), 41);
    world_end(0, 41); // still high
    assert_int_equal(world_take(0), 41);
    line(0, 41, false);
    world_end(0, 41);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    line(0, 41, true);
    line(0, 41, false); // before it was taken
    line(0, 41, false);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    line(0, 41, true);
    assert_int_equal(world_take(0), 41);
    line(0, 41, false);
    line(0, 41, true); // a new one while the first is handled
    world_end(0, 41);
    assert_int_equal(world_take(0), 41);
    line(0, 41, false);
    world_end(0, 41);
    set_edge(41);
    line(0, 41, true);
    line(0, 41, false);
    assert_int_equal(world_take(0), 41);
    world_end(0, 41);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
}

static void a_config_change_in_flight(void **state) {
    (void)state;
    set_edge(41);
    line(0, 41, true);
    assert_int_equal(world_take(0), 41);
    world_write(0, GICD(GICD_ICFGR + 4 * 2), 0);
    world_end(0, 41); // level now, and high
    assert_int_equal(world_take(0), 41);
}

static void priorities(void **state) {
    (void)state;
    for (unsigned id = 32; id < 38; id++) {
        set_priority(id, (uint8_t)(0xf0 - 16 * (id - 32)));
        vgic_pulse(&world.vcpu[0], id); // six for four list registers
    }
    world_leave(0);
    for (unsigned id = 37; id >= 32; id--) {
        assert_int_equal(world_take(0), id);
        world_end(0, id);
    }
    assert_int_equal(world_take(0), GIC_SPURIOUS);
}

// Everything that a VM has is ready, the most urgent ones in the last bank: the order is theirs, whatever the number.
static void the_most_urgent_of_all_banks(void **state) {
    (void)state;
    for (unsigned word = 1; word < 8; word++) {
        world_write(0, GICD(GICD_IGROUPR + 4 * word), ~0u);
        world_write(0, GICD(GICD_ISENABLER + 4 * word), ~0u);
    }
    for (unsigned id = 32; id < 256; id++) {
        set_edge(id);
        set_priority(id, (uint8_t)(0xf8 - 8 * (id / 8))); // a level for every eight
    }
    for (unsigned word = 1; word < 8; word++) { world_write(0, GICD(GICD_ISPENDR + 4 * word), ~0u); }
    for (unsigned n = 0; n < 224; n++) {
        uint32_t id = world_take(0);
        assert_int_equal(id / 8, (255 - n) / 8);
        world_end(0, id);
    }
    assert_int_equal(world_take(0), GIC_SPURIOUS);
}

// An interrupt that waits for the core comes before the rest of an update, and nothing is forgotten over it.
static void an_update_yields(void **state) {
    struct cpu *core = &world.core[0];

    (void)state;
    for (unsigned id = 32; id < 36; id++) { vgic_pulse(&world.vcpu[0], id); }
    host_irq_pending = true;
    core->todo = 0;
    vgic_flush(&world.vcpu[0]);
    assert_int_equal(core->todo, TODO_INTERRUPTS);
    assert_int_equal(world.vcpu[0].arch.vgic.used, 0);
    assert_true(vgic_has_pending(&world.vcpu[0])); // it may be: a wait does not begin
    vgic_pulse(&world.vcpu[0], 36);
    core->todo = 0;
    vgic_maintenance(&world.vcpu[0]);
    assert_int_equal(core->todo, TODO_INTERRUPTS);
    assert_int_equal(world.vcpu[0].arch.vgic.used, 1); // what only asks for this work gets a step of it
    host_irq_pending = false;
    host_clock = 100;
    core->entered = 40;
    world_leave(0);
    assert_int_equal(core->stats.masked_max, 60); // up to where none waited
    assert_int_equal(core->entered, 100);
    for (unsigned n = 0; n < 5; n++) { world_end(0, world_take(0)); }
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    assert_int_equal(world_read(0, GICD(GICD_ISPENDR + 4)), 0);
}

// Interrupts in several banks, some of which came again while they are active, and a core for which something always
// waits: the work comes to an end all the same.
static void a_yielding_update_gets_on(void **state) {
    (void)state;
    host_irq_pending = true;
    for (unsigned id = 32; id < 34; id++) { // levels
        vgic_set_line(&world.vcpu[0], id, true);
        world_leave(0);
        assert_int_equal(world_take(0), id);
        world_write(0, GICD(GICD_ISPENDR + 4), 1u << (id - 32));
        set_priority(id + 1, (uint8_t)(0x80 - 8 * (id - 31)));
    }
    for (unsigned word = 1; word < 8; word++) {
        world_write(0, GICD(GICD_ISPENDR + 4 * word), 1u << 5);
        vgic_pulse(&world.vcpu[0], 32 * word + 6);
    }
    world_leave(0);
    assert_int_equal(world.core[0].todo, 0);
    assert_false(world.vcpu[0].arch.vgic.attention);
    assert_int_equal(world.vcpu[0].arch.vgic.used, 0xf);
}

static void an_urgent_one_comes_in(void **state) {
    (void)state;
    for (unsigned id = 32; id < 37; id++) { pulse(0, id); }
    set_priority(50, 0x40);
    pulse(0, 50);
    assert_int_equal(world_take(0), 50);
    world_end(0, 50);
    for (unsigned n = 0, seen = 0; n < 5; n++) {
        uint32_t id = world_take(0);
        assert_in_range(id, 32, 36);
        assert_int_equal(seen & 1u << (id - 32), 0);
        seen |= 1u << (id - 32);
        world_end(0, id);
    }
    assert_int_equal(world_take(0), GIC_SPURIOUS);
}

static void a_priority_change_in_the_list_register(void **state) {
    (void)state;
    pulse(0, 32);
    pulse(0, 33);
    set_priority(33, 0x20);
    assert_int_equal(world_take(0), 33);
    world_end(0, 33);
    world_write(0, GICD(GICD_ICENABLER + 4), 1);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    world_write(0, GICD(GICD_ISENABLER + 4), 1);
    assert_int_equal(world_take(0), 32);
    world_end(0, 32);
}

// More nested handlers than list registers: active interrupts leave them and end by count.
static void nesting_deeper_than_list_registers(void **state) {
    (void)state;
    for (unsigned id = 32; id < 42; id++) {
        set_priority(id, (uint8_t)(0xf0 - 16 * (id - 32)));
        pulse(0, id);
        assert_int_equal(world_take(0), id);
        for (unsigned other = 32; other < id; other++) { // those in hardware and those that are not
            assert_true(world_read(0, GICD(GICD_ISACTIVER + 4)) & 1u << (other - 32));
        }
    }
    pulse(0, 33); // active and parked: comes again after its end
    for (unsigned id = 41; id >= 33; id--) {
        world_end(0, id);
        assert_int_equal(world_read(0, GICD(GICD_ISACTIVER + 4)), (1u << (id - 32)) - 1);
    }
    assert_int_equal(world_take(0), 33);
    world_end(0, 33);
    world_end(0, 32);
    assert_int_equal(world_read(0, GICD(GICD_ISACTIVER + 4)), 0);
    assert_int_equal(world.vcpu[0].arch.vgic.hcr, GIC_HCR_EN);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
}

static void pending_and_active_by_hand(void **state) {
    (void)state;
    world_write(0, GICD(GICD_ISPENDR + 4), 1u << 3);
    assert_int_equal(world_take(0), 35);
    world_write(0, GICD(GICD_ICACTIVER + 4), 1u << 3);
    assert_int_equal(world_read(0, GICD(GICD_ISACTIVER + 4)), 0);
    world_end(0, 35); // nothing left that it could end
    world_write(0, GICD(GICD_ISPENDR + 4), 1u << 3);
    world_write(0, GICD(GICD_ICPENDR + 4), 1u << 3);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    world_write(0, GICD(GICD_ISACTIVER + 4), 1u << 3);
    world_write(0, GICD(GICD_ISPENDR + 4), 1u << 3);
    assert_int_equal(world_take(0), GIC_SPURIOUS); // not while it is active
    world_write(0, GICD(GICD_ICACTIVER + 4), 1u << 3);
    assert_int_equal(world_take(0), 35);
    world_write(0, GICD(GICD_ISACTIVER + 4), 1u << 3);
    world_end(0, 35);
    world_write(0, SGI(0, GICD_ISACTIVER), 1u << 5);
    assert_int_equal(world_read(1, SGI(0, GICD_ICACTIVER)), 1u << 5);
    world_write(1, SGI(0, GICD_ICACTIVER), 1u << 5);
    world_settle();
    assert_int_equal(world_read(0, SGI(0, GICD_ISACTIVER)), 0);
}

static void more_active_by_hand_than_list_registers(void **state) {
    (void)state;
    world_write(0, GICD(GICD_ISACTIVER + 4), 0xff);
    assert_int_equal(world_read(0, GICD(GICD_ISACTIVER + 4)), 0xff);
    assert_true(world.vcpu[0].arch.vgic.parked);
    for (unsigned n = 0; n < 8; n++) { world_end(0, 32 + n); }
    assert_int_equal(world_read(0, GICD(GICD_ISACTIVER + 4)), 0);
    assert_false(world.vcpu[0].arch.vgic.parked);
}

// ---- several VCPUs ----------------------------------------------------------------------------------------

static void sgis(void **state) {
    (void)state;
    world_on(0);
    vgic_send_sgi(&world.vcpu[0], 3ull << 24 | 2, true); // to affinity 1
    vgic_send_sgi(&world.vcpu[0], 3ull << 24 | 2, true);
    assert_int_equal(host_record.ipis[1], 1); // one kick is enough
    world_leave(1);
    assert_int_equal(world_take(1), 3);
    vgic_send_sgi(&world.vcpu[0], 3ull << 24 | 2, true); // while active
    world_settle();
    world_end(1, 3);
    assert_int_equal(world_take(1), 3);
    world_end(1, 3);
    assert_int_equal(world_take(1), GIC_SPURIOUS);
    world_on(0);
    vgic_send_sgi(&world.vcpu[0], ICC_SGIR_IRM | 5ull << 24, true); // all but self
    world_settle();
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    assert_int_equal(world_take(1), 5);
    world_end(1, 5);
    world_on(0);
    vgic_send_sgi(&world.vcpu[0], 1, true); // to itself
    world_settle();
    assert_int_equal(world_take(0), 0);
    world_end(0, 0);
    world_on(0);
    vgic_send_sgi(&world.vcpu[0], 1ull << 16 | 3, true); // affinities that nobody has
    vgic_send_sgi(&world.vcpu[0], 1ull << 44 | 3, true);
    vgic_send_sgi(&world.vcpu[0], 0xfffc, true);
    vgic_send_sgi(&world.vcpu[0], 3, false); // group 0 registers reach no group 1 SGI
    world_settle();
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    assert_int_equal(world_take(1), GIC_SPURIOUS);
    world_write(0, SGI(0, GICD_IGROUPR), 0);
    world_write(0, GICD(GICD_CTLR), 3);
    world_on(0);
    vgic_send_sgi(&world.vcpu[0], 3, false);
    world_settle();
    assert_int_equal(world_take(0), 0);
    assert_int_equal(gic_fake_lr(0) & LR_GROUP1, 0);
    assert_int_equal(world_take(1), GIC_SPURIOUS);
}

static void routing(void **state) {
    (void)state;
    pulse(0, 32);
    world_access(1, GICD(GICD_IROUTER + 8 * 32), 8, true,
                 1); // while it waits in VCPU 0's list register
    world_settle();
    world_settle();
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    assert_int_equal(world_take(1), 32);
    world_access(0, GICD(GICD_IROUTER + 8 * 32), 8, true,
                 0); // while active: it ends where it was taken
    pulse(0, 32);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    assert_int_equal(world_read(0, GICD(GICD_ISACTIVER + 4)), 1);
    world_end(1, 32);
    world_settle();
    assert_int_equal(world_take(0), 32);
    world_end(0, 32);
    world_access(0, GICD(GICD_IROUTER + 8 * 32), 8, true, 7); // to nobody
    pulse(0, 32);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    world_access(0, GICD(GICD_IROUTER + 8 * 32), 8, true, 1);
    world_settle();
    assert_int_equal(world_take(1), 32);
}

static void writes_to_another_vcpu(void **state) {
    (void)state;
    world_on(1);
    vgic_send_sgi(&world.vcpu[1], 2ull << 24 | 1, true);
    world_settle();
    assert_int_equal(world_read(1, SGI(0, GICD_ISPENDR)), 4);
    world_settle();
    world_write(1, SGI(0, GICD_ICPENDR), 4);
    assert_int_equal(world_read(1, SGI(0, GICD_ISPENDR)),
                     0); // at once, whatever the list register says
    world_settle();
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    world_write(1, SGI(0, GICD_ISPENDR), 4);
    world_settle();
    world_write(1, SGI(0, GICD_ICENABLER), 4);
    world_settle();
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    assert_int_equal(world_read(1, SGI(0, GICD_ISPENDR)), 4);
    world_write(1, SGI(0, GICD_ISENABLER), 4);
    world_settle();
    assert_int_equal(world_take(0), 2);
    world_read(1, SGI(0, GICD_ISACTIVER)); // a picture; asks for a new one
    world_settle();
    assert_int_equal(world_read(1, SGI(0, GICD_ISACTIVER)), 4);
    world_settle();
    world_end(0, 2);
    world_read(1, SGI(0, GICD_ISACTIVER));
    world_settle();
    assert_int_equal(world_read(1, SGI(0, GICD_ISACTIVER)), 0);
}

// ---- linked interrupts ------------------------------------------------------------------------------------

static void fire_timer(unsigned i) {
    world_on(i);
    assert_true(gic_fake_fire(VTIMER));
    vgic_inject_hw(&world.vcpu[i], VTIMER, VTIMER);
    world_leave(i);
}

static void the_timer(void **state) {
    (void)state;
    for (unsigned n = 0; n < 5; n++) {
        fire_timer(0);
        assert_true(gic_fake_is_active(VTIMER));
        assert_true(vgic_has_pending(&world.vcpu[0]));
        assert_int_equal(world_take(0), VTIMER);
        assert_false(vgic_has_pending(&world.vcpu[0]));
        assert_true(gic_fake_is_active(VTIMER));
        world_end(0, VTIMER);
        assert_false(gic_fake_is_active(VTIMER));
    }
    assert_int_equal(host_record.ipis[0] + host_record.ipis[1], 0);
}

// A guest waits with its timer's interrupt disabled and, by now, its timer off; something else waits for the core. Nothing
// may be left to do: who waits with that is not kicked any more.
static void the_timer_withdrawn_before_a_wait(void **state) {
    (void)state;
    world_write(0, SGI(0, GICD_ICENABLER), BIT(VTIMER));
    fire_timer(0);
    world_on(0);
    assert_false(vgic_has_pending(&world.vcpu[0]));
    host_irq_pending = true;
    vgic_hw_line(&world.vcpu[0], VTIMER, false);
    assert_false(world.vcpu[0].arch.vgic.attention);
    assert_int_equal(world.core[0].todo, 0);
    assert_false(gic_fake_is_active(VTIMER));
    assert_true(gic_fake_fire(VTIMER));
}

static void the_timer_disabled_by_the_guest(void **state) {
    (void)state;
    world_write(0, SGI(0, GICD_ICENABLER), BIT(VTIMER));
    fire_timer(0);
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    assert_true(gic_fake_is_active(VTIMER));
    world_on(0);
    vgic_expire_hw(&world.vcpu[0], VTIMER, VTIMER); // it waits already
    vgic_save(&world.vcpu[0]);
    assert_false(gic_fake_is_active(VTIMER)); // the next VCPU has the same timer
    vgic_load(&world.vcpu[0]);
    assert_true(gic_fake_is_active(VTIMER));
    world_write(0, SGI(0, GICD_ISENABLER), BIT(VTIMER));
    assert_int_equal(world_take(0), VTIMER);
    world_end(0, VTIMER);
    assert_false(gic_fake_is_active(VTIMER));
    world_write(0, SGI(0, GICD_ICENABLER), BIT(VTIMER));
    fire_timer(0);
    world_write(0, SGI(0, GICD_ICPENDR), BIT(VTIMER)); // dropped: the source may fire again
    assert_false(gic_fake_is_active(VTIMER));
    fire_timer(0);
    world_on(0);
    vgic_hw_line(&world.vcpu[0], VTIMER, true);
    assert_true(gic_fake_is_active(VTIMER));
    vgic_hw_line(&world.vcpu[0], VTIMER, false); // the guest moved its compare value
    assert_false(gic_fake_is_active(VTIMER));
}

static void switched_out_and_in(void **state) {
    struct vcpu *vcpu = &world.vcpu[0];

    (void)state;
    fire_timer(0);
    world_take(0);
    vgic_save(vcpu);
    assert_false(gic_fake_is_active(VTIMER));
    assert_int_equal(gic_fake_lr(0), 0);
    assert_int_equal(world_read(1, SGI(0, GICD_ISACTIVER)), BIT(VTIMER));
    world_on(0);
    assert_true(gic_fake_fire(VTIMER)); // another VCPU's, on the same core
    gic_set_active(VTIMER, false);
    vgic_expire_hw(vcpu, VTIMER, VTIMER); // active: nothing new
    vgic_load(vcpu);
    assert_true(gic_fake_is_active(VTIMER));
    world_end(0, VTIMER);
    assert_false(gic_fake_is_active(VTIMER));

    vgic_save(vcpu);
    vgic_expire_hw(vcpu, VTIMER, VTIMER); // expired while it was out
    vgic_expire_hw(vcpu, VTIMER, VTIMER);
    assert_true(vgic_has_pending(vcpu));
    assert_false(gic_fake_is_active(VTIMER));
    vgic_load(vcpu);
    assert_true(gic_fake_is_active(VTIMER)); // so that the reloaded timer cannot fire again
    assert_false(gic_fake_fire(VTIMER));
    assert_int_equal(world_take(0), VTIMER);
    world_end(0, VTIMER);
    assert_int_equal(world_take(0), GIC_SPURIOUS);

    vgic_expire_hw(vcpu, VTIMER, VTIMER); // paused, but still loaded
    assert_true(gic_fake_is_active(VTIMER));
    vgic_hw_line(vcpu, VTIMER, false);
    assert_false(gic_fake_is_active(VTIMER));
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    fire_timer(0);
    assert_int_equal(world_take(0), VTIMER);
    vgic_hw_line(vcpu, VTIMER, false); // taken already: it ends by the guest
    assert_true(gic_fake_is_active(VTIMER));
    world_end(0, VTIMER);
}

static void first_expiry_while_out(void **state) {
    struct vcpu *vcpu = &world.vcpu[0];

    (void)state;
    vgic_save(vcpu);
    vgic_expire_hw(vcpu, VTIMER, VTIMER);
    assert_true(vgic_has_pending(vcpu));
    vgic_hw_line(vcpu, VTIMER, false); // withdrawn from the saved list register
    assert_false(vgic_has_pending(vcpu));
    vgic_expire_hw(vcpu, VTIMER, VTIMER);
    vgic_load(vcpu);
    assert_true(gic_fake_is_active(VTIMER));
    assert_int_equal(world_take(0), VTIMER);
    world_end(0, VTIMER);
    assert_false(gic_fake_is_active(VTIMER));
    assert_int_equal(host_record.ipis[0] + host_record.ipis[1], 0);
    world_write(0, SGI(0, GICD_ICENABLER), BIT(VTIMER));
    vgic_save(vcpu);
    vgic_expire_hw(vcpu, VTIMER, VTIMER);
    vgic_hw_line(vcpu, VTIMER, false);
    vgic_load(vcpu);
    assert_false(gic_fake_is_active(VTIMER));
}

// The guest makes its timer interrupt pending by hand while it handles it: the link has to survive that.
static void a_linked_one_made_pending_by_hand(void **state) {
    (void)state;
    fire_timer(0);
    assert_int_equal(world_take(0), VTIMER);
    world_write(0, SGI(0, GICD_ISPENDR), BIT(VTIMER));
    world_end(0, VTIMER);
    assert_int_equal(world_take(0), VTIMER);
    world_end(0, VTIMER);
    assert_false(gic_fake_is_active(VTIMER));
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    fire_timer(0);
    world_take(0);
    world_write(0, SGI(0, GICD_ICACTIVER), BIT(VTIMER));
    assert_false(gic_fake_is_active(VTIMER));
    world_end(0, VTIMER);
    fire_timer(0);
    assert_int_equal(world_take(0), VTIMER);
    world_end(0, VTIMER);
    world_on(0);
    vgic_expire_hw(&world.vcpu[0], VTIMER, VTIMER);
    world_write(1, SGI(0, GICD_ICPENDR), BIT(VTIMER)); // by another VCPU, in the list register
    world_settle();
    world_on(0);
    assert_false(gic_fake_is_active(VTIMER));
}

// An SGI that comes again is all that a flush looks for first; what else there is must not be forgotten over it.
static void what_comes_with_an_sgi(void **state) {
    (void)state;
    world_on(0);
    vgic_send_sgi(&world.vcpu[0], 3ull << 24 | 1, true);
    world_leave(0);
    assert_int_equal(world_take(0), 3);
    world_end(0, 3);
    world_write(0, SGI(0, GICD_ICENABLER), BIT(VTIMER));
    fire_timer(0);
    vgic_send_sgi(&world.vcpu[0], 3ull << 24 | 1, true);
    world_write(0, SGI(0, GICD_ICPENDR), BIT(VTIMER));
    assert_false(gic_fake_is_active(VTIMER));
    assert_int_equal(world_take(0), 3);
    world_end(0, 3);

    vgic_send_sgi(&world.vcpu[0], 3ull << 24 | 1, true);
    world_write(0, SGI(0, GICD_ISACTIVER), BIT(20));
    assert_false(world.vcpu[0].arch.vgic.parked);
    assert_int_equal(world_take(0), 3);
    world_end(0, 3);
    world_write(0, SGI(0, GICD_ICACTIVER), BIT(20));

    vgic_send_sgi(&world.vcpu[0], 3ull << 24 | 1, true);
    world_access(0, SGI(0, GICD_IPRIORITYR + 3), 1, true, 0x30);
    unsigned slot = world.vcpu[0].arch.vgic.slot[3];
    assert_int_equal(gic_fake_lr(slot) >> LR_PRIORITY_SHIFT & 0xff, 0x30);
    assert_int_equal(world_take(0), 3);
}

static void an_assigned_device(void **state) {
    (void)state;
    world_access(0, GICD(GICD_IROUTER + 8 * 45), 8, true, 1);
    world_on(0);
    assert_true(gic_fake_fire(77));
    vgic_inject_hw(&world.vcpu[0], 45, 77);
    world_settle();
    assert_int_equal(world_take(1), 45);
    assert_true(gic_fake_is_active(77));
    world_on(1);
    vgic_save(&world.vcpu[1]);
    assert_true(gic_fake_is_active(77)); // a shared one is nobody else's: it stays
    vgic_load(&world.vcpu[1]);
    world_end(1, 45);
    assert_false(gic_fake_is_active(77));
    gic_fake_fire(77);
    world_write(0, GICD(GICD_ICENABLER + 4), 1u << 13);
    vgic_inject_hw(&world.vcpu[0], 45, 77);
    world_settle();
    world_write(0, GICD(GICD_ICPENDR + 4), 1u << 13);
    assert_false(gic_fake_is_active(77));
    gic_fake_fire(77);
    vgic_inject_hw(&world.vcpu[0], 45, 77);
    for (unsigned i = 0; i < 2; i++) {
        world_on(i);
        vgic_save(&world.vcpu[i]);
    }
    vgic_vm_reset(&world.vm); // the VM restarts: the device may interrupt again
    assert_false(gic_fake_is_active(77));
}

// ---- life -------------------------------------------------------------------------------------------------

static void a_vcpu_that_leaves_gives_back(void **state) {
    (void)state;
    pulse(0, 36);
    pulse(0, 37);
    world_on(0);
    vgic_save(&world.vcpu[0]);
    world_access(1, GICD(GICD_IROUTER + 8 * 36), 8, true, 1);
    vgic_vcpu_reset(&world.vcpu[0]);
    world_settle();
    assert_int_equal(world_take(1), 36);
    world_end(1, 36);
    world_on(0);
    vgic_load(&world.vcpu[0]);
    vgic_flush(&world.vcpu[0]);
    assert_int_equal(world_take(0), 37); // still routed there
    assert_int_equal(world_read(0, SGI(0, GICD_ISENABLER)), 0);
}

static void ids_out_of_range(void **state) {
    (void)state;
    world_init(3, 4, 1, 32);
    vgic_pulse(&world.vcpu[0], 64);
    vgic_set_line(&world.vcpu[0], 1000, true);
    vgic_inject_hw(&world.vcpu[0], 64, 64);
    assert_int_equal(world_read(0, GICD(GICD_TYPER)) & GICD_TYPER_LINES, 1);
    world_init(3, 1, 1, 0);
    assert_int_equal(world_read(0, GICD(GICD_TYPER)) & GICD_TYPER_LINES, 0);
    world_write(0, GICD(GICD_ISENABLER + 4), ~0u);
}

static void one_list_register(void **state) {
    (void)state;
    world_init(3, 1, 1, 32);
    open_all();
    for (unsigned id = 32; id < 40; id++) {
        set_edge(id);
        pulse(0, id);
    }
    fire_timer(0);
    for (unsigned n = 0, seen = 0; n < 9; n++) {
        uint32_t id = world_take(0);
        assert_int_not_equal(id, GIC_SPURIOUS);
        assert_int_equal(seen >> (id - VTIMER) & 1, 0);
        seen |= 1u << (id - VTIMER);
        world_end(0, id);
    }
    assert_int_equal(world_take(0), GIC_SPURIOUS);
    assert_false(gic_fake_is_active(VTIMER));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(identification, setup_raw),
        cmocka_unit_test_setup(reserved_registers, setup_raw),
        cmocka_unit_test_setup(sets_and_clears, setup_raw),
        cmocka_unit_test_setup(fields, setup_raw),
        cmocka_unit_test_setup(needs_enable_and_group, setup_raw),
        cmocka_unit_test_setup(an_edge_once, setup),
        cmocka_unit_test_setup(a_pulsed_level_asks_for_nothing, setup),
        cmocka_unit_test_setup(a_level_until_it_falls, setup),
        cmocka_unit_test_setup(a_config_change_in_flight, setup),
        cmocka_unit_test_setup(priorities, setup),
        cmocka_unit_test_setup(the_most_urgent_of_all_banks, setup),
        cmocka_unit_test_setup(an_update_yields, setup),
        cmocka_unit_test_setup(a_yielding_update_gets_on, setup),
        cmocka_unit_test_setup(an_urgent_one_comes_in, setup),
        cmocka_unit_test_setup(a_priority_change_in_the_list_register, setup),
        cmocka_unit_test_setup(nesting_deeper_than_list_registers, setup),
        cmocka_unit_test_setup(pending_and_active_by_hand, setup),
        cmocka_unit_test_setup(more_active_by_hand_than_list_registers, setup),
        cmocka_unit_test_setup(sgis, setup),
        cmocka_unit_test_setup(routing, setup),
        cmocka_unit_test_setup(writes_to_another_vcpu, setup),
        cmocka_unit_test_setup(the_timer, setup),
        cmocka_unit_test_setup(the_timer_withdrawn_before_a_wait, setup),
        cmocka_unit_test_setup(the_timer_disabled_by_the_guest, setup),
        cmocka_unit_test_setup(switched_out_and_in, setup),
        cmocka_unit_test_setup(first_expiry_while_out, setup),
        cmocka_unit_test_setup(a_linked_one_made_pending_by_hand, setup),
        cmocka_unit_test_setup(what_comes_with_an_sgi, setup),
        cmocka_unit_test_setup(an_assigned_device, setup),
        cmocka_unit_test_setup(a_vcpu_that_leaves_gives_back, setup),
        cmocka_unit_test_setup(ids_out_of_range, setup),
        cmocka_unit_test_setup(one_list_register, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
