// SPDX-License-Identifier: Apache-2.0
// The local APIC's model: registers through both faces, priorities, interprocessor interrupts, INIT and STARTUP, timer.
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/vlapic_internal.h"
#include "kernel/types.h"

enum { COUNT = 4, MSR = APIC_MSR_FIRST };

static struct {
    struct vlapic apic[COUNT];
    struct vlapic *all[COUNT];
    struct vlapic_config config;
    uint64_t now;
    struct owner {
        unsigned index;
        unsigned kicks; // atomic
        unsigned inits, startups, level_eois, arms;
        uint8_t page, ended;
        uint64_t armed, expired;
    } owner[COUNT];
} world;

static struct vlapic *const bsp = &world.apic[0];
static struct vlapic *const ap = &world.apic[1];

static void kick(void *context) { __atomic_fetch_add(&((struct owner *)context)->kicks, 1, __ATOMIC_RELAXED); }

static void send(void *context, const struct vlapic_message *message) {
    vlapic_deliver(world.all, COUNT, world.all[((struct owner *)context)->index], message);
}

static void level_eoi(void *context, uint8_t vector) {
    ((struct owner *)context)->level_eois++;
    ((struct owner *)context)->ended = vector;
}

static void timer_arm(void *context, uint64_t when) {
    ((struct owner *)context)->arms++;
    ((struct owner *)context)->armed = when;
}

static void timer_kick(void *context, uint64_t expiry) {
    ((struct owner *)context)->expired = expiry;
    kick(context);
}

static uint64_t now(void *context) {
    (void)context;
    return world.now;
}

static void init(void *context) { ((struct owner *)context)->inits++; }

static void startup(void *context, uint8_t vector) {
    ((struct owner *)context)->startups++;
    ((struct owner *)context)->page = vector;
}

static const struct vlapic_ops ops = {kick, send, level_eoi, timer_arm, timer_kick, now, init, startup};

// A count has 32 ticks.
static int setup(void **state) {
    (void)state;
    world.config = (struct vlapic_config){.least_period = 1};
    world.now = 1000;
    for (unsigned i = 0; i < COUNT; i++) {
        world.owner[i] = (struct owner){.index = i, .armed = VLAPIC_NEVER};
        world.all[i] = &world.apic[i];
        assert_int_equal(vlapic_init(&world.apic[i], i, i == 0, &world.config, &ops, &world.owner[i]), OK);
    }
    return 0;
}

static uint32_t get(struct vlapic *apic, unsigned reg) {
    uint64_t value = 0;

    assert_int_equal(vlapic_mmio_read(apic, reg << APIC_REGISTER_SHIFT, 4, &value), OK);
    return (uint32_t)value;
}

static void put(struct vlapic *apic, unsigned reg, uint32_t value) {
    assert_int_equal(vlapic_mmio_write(apic, reg << APIC_REGISTER_SHIFT, 4, value), OK);
}

static uint64_t msr_get(struct vlapic *apic, unsigned reg) {
    uint64_t value = 0;

    assert_int_equal(vlapic_msr_read(apic, MSR + reg, &value), OK);
    return value;
}

static void msr_put(struct vlapic *apic, unsigned reg, uint64_t value) {
    assert_int_equal(vlapic_msr_write(apic, MSR + reg, value), OK);
}

static void refused(struct vlapic *apic, unsigned reg, uint64_t value) {
    assert_int_equal(vlapic_msr_write(apic, MSR + reg, value), ERR_DENIED);
}

static void to_x2apic(struct vlapic *apic) {
    assert_int_equal(vlapic_base_write(apic, vlapic_base_read(apic) | APIC_BASE_EXTD), OK);
}

// As a guest's start-up leaves them: all on, with flat logical IDs.
static void all_on(void) {
    for (unsigned i = 0; i < COUNT; i++) {
        struct vlapic_message start = {.mode = APIC_MODE_STARTUP};
        put(&world.apic[i], APIC_SVR, APIC_SVR_ENABLE | 0xff);
        put(&world.apic[i], APIC_LDR, 1u << (APIC_XAPIC_ID_SHIFT + i));
        vlapic_receive(&world.apic[i], &start);
        vlapic_take_events(&world.apic[i]);
        world.owner[i].kicks = world.owner[i].startups = 0;
    }
}

static void fixed(struct vlapic *apic, uint8_t vector, bool level) {
    vlapic_receive(apic, &(struct vlapic_message){.vector = vector, .level = level});
}

static bool requested(const struct vlapic *apic, unsigned vector) {
    return (apic->registers[APIC_IRR + vector / 32] >> vector % 32 & 1) != 0;
}

// What ends a wait in HLT.
static bool has_pending(const struct vlapic *apic) {
    return (vlapic_event_pending(apic) && !apic->waits) || (apic->events & VLAPIC_EVENT_INIT) != 0 ||
           vlapic_pending_vector(apic) != VLAPIC_NONE;
}

// Whose IRR holds the vector, a bit each; they are empty afterwards.
static unsigned reached(unsigned vector) {
    unsigned set = 0;

    for (unsigned i = 0; i < COUNT; i++) {
        set |= (unsigned)requested(&world.apic[i], vector) << i;
        world.apic[i].registers[APIC_IRR + vector / 32] = 0;
    }
    return set;
}

static uint32_t errors(struct vlapic *apic) {
    put(apic, APIC_ESR, 0);
    return get(apic, APIC_ESR);
}

// ---- registers --------------------------------------------------------------------------------------------

static void has_power_on_values(struct vlapic *apic) {
    static const struct {
        unsigned reg;
        uint32_t value;
    } values[] = {
        {APIC_ID, 1u << 24},
        {APIC_VERSION, 0x50014},
        {APIC_TPR, 0},
        {APIC_PPR, 0},
        {APIC_EOI, 0},
        {APIC_LDR, 0},
        {APIC_DFR, 0xffffffff},
        {APIC_SVR, 0xff},
        {APIC_ESR, 0},
        {APIC_ICR_LOW, 0},
        {APIC_ICR_HIGH, 0},
        {APIC_LVT_TIMER, APIC_LVT_MASKED},
        {APIC_LVT_THERMAL, APIC_LVT_MASKED},
        {APIC_LVT_PERFORMANCE, APIC_LVT_MASKED},
        {APIC_LVT_LINT0, APIC_LVT_MASKED},
        {APIC_LVT_LINT1, APIC_LVT_MASKED},
        {APIC_LVT_ERROR, APIC_LVT_MASKED},
        {APIC_INITIAL_COUNT, 0},
        {APIC_CURRENT_COUNT, 0},
        {APIC_DIVIDE, 0},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(values); i++) { assert_int_equal(get(apic, values[i].reg), values[i].value); }
    for (unsigned i = 0; i < 24; i++) { assert_int_equal(get(apic, APIC_ISR + i), 0); }
    assert_int_equal(errors(apic), 0);
}

static void power_on_state(void **state) {
    (void)state;
    has_power_on_values(ap);
    assert_true(vlapic_base_read(bsp) == (APIC_DEFAULT_BASE | APIC_BASE_EN | APIC_BASE_BSP));
    assert_true(vlapic_base_read(ap) == (APIC_DEFAULT_BASE | APIC_BASE_EN));
    assert_true(ap->waits && !bsp->waits);
    assert_int_equal(world.owner[0].arms, 0);
}

static void soil(struct vlapic *apic) {
    for (unsigned reg = 0; reg < APIC_REGISTERS; reg++) {
        if (reg != APIC_EOI && reg != APIC_ICR_LOW) { put(apic, reg, 0xf00fff9b); }
    }
    put(apic, APIC_SVR, APIC_SVR_ENABLE);
    put(apic, APIC_TPR, 0);
    for (unsigned vector = APIC_FIRST_VECTOR; vector <= APIC_VECTOR_MASK; vector += 8) {
        fixed(apic, (uint8_t)vector, true);
        if (vector % 32 == 0) { vlapic_accept(apic, vector); }
        fixed(apic, (uint8_t)vector, true);
    }
    errors(apic);
    put(apic, APIC_ICR_LOW, 5);
    put(apic, APIC_LVT_TIMER, 0x99);
    put(apic, APIC_INITIAL_COUNT, 77);
}

static void every_way_to_reset(void **state) {
    (void)state;
    vlapic_receive(ap, &(struct vlapic_message){.mode = APIC_MODE_STARTUP});
    assert_true(vlapic_take_events(ap));
    for (unsigned way = 0; way < 3; way++) {
        soil(ap);
        assert_true(ap->timer.wanted != VLAPIC_NEVER && ap->registers[APIC_ISR + 1] != 0 &&
                    ap->registers[APIC_ESR] != 0);
        if (way == 0) {
            assert_int_equal(vlapic_base_write(ap, APIC_DEFAULT_BASE), OK);
            assert_int_equal(vlapic_base_write(ap, APIC_DEFAULT_BASE | APIC_BASE_EN), OK);
        } else if (way == 1) {
            vlapic_receive(ap, &(struct vlapic_message){.mode = APIC_MODE_NMI});
            vlapic_receive(ap, &(struct vlapic_message){.mode = APIC_MODE_INIT});
            vlapic_take_events(ap);
            assert_int_equal(ap->events, 0);
            vlapic_receive(ap, &(struct vlapic_message){.mode = APIC_MODE_STARTUP});
            vlapic_take_events(ap);
        } else {
            vlapic_receive(ap, &(struct vlapic_message){.mode = APIC_MODE_NMI});
            vlapic_reset(ap);
            assert_true(ap->events == 0 && ap->waits);
        }
        has_power_on_values(ap);
        assert_false(has_pending(ap));
        assert_true(world.owner[1].armed == VLAPIC_NEVER);
    }
}

static void an_id_has_8_bits(void **state) {
    (void)state;
    assert_int_equal(vlapic_init(ap, 255, false, &world.config, &ops, NULL), ERR_RANGE);
}

static void what_can_be_written(void **state) {
    static const struct {
        unsigned reg;
        uint32_t value; // after all bits were written, then none
        uint32_t zero;
    } values[] = {
        {APIC_ID, 0, 0},
        {APIC_VERSION, 0x50014, 0x50014},
        {APIC_TPR, 0xff, 0},
        {APIC_LDR, 0xff000000, 0},
        {APIC_DFR, 0xffffffff, 0x0fffffff},
        {APIC_SVR, 0x3ff, 0},
        {APIC_ISR, 0, 0},
        {APIC_ICR_HIGH, 0xff000000, 0},
        {APIC_LVT_THERMAL, 0x107ff, APIC_LVT_MASKED},
        {APIC_LVT_PERFORMANCE, 0x107ff, APIC_LVT_MASKED},
        {APIC_LVT_LINT0, 0x1a7ff, APIC_LVT_MASKED},
        {APIC_LVT_LINT1, 0x1a7ff, APIC_LVT_MASKED},
        {APIC_LVT_ERROR, 0x100ff, APIC_LVT_MASKED},
        {APIC_LVT_TIMER, 0x700ff, APIC_LVT_MASKED},
        {APIC_CURRENT_COUNT, 0, 0},
        {APIC_DIVIDE, 0xb, 0},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
        put(bsp, values[i].reg, UINT32_MAX);
        assert_int_equal(get(bsp, values[i].reg), values[i].value);
        put(bsp, values[i].reg, 0);
        assert_int_equal(get(bsp, values[i].reg), values[i].zero);
    }
    put(bsp, APIC_ICR_LOW, UINT32_MAX);
    assert_int_equal(get(bsp, APIC_ICR_LOW), 0xccfff & ~APIC_ICR_STATUS);
    put(bsp, APIC_INITIAL_COUNT, UINT32_MAX);
    assert_int_equal(get(bsp, APIC_INITIAL_COUNT), UINT32_MAX);
}

static void sizes_and_alignment(void **state) {
    uint64_t value = 1;

    (void)state;
    put(ap, APIC_TPR, 0x50);
    assert_int_equal(vlapic_mmio_read(ap, 0x23, 1, &value), OK);
    assert_int_equal(value, 1);
    assert_int_equal(vlapic_mmio_read(ap, 0x22, 2, &value), OK);
    assert_int_equal(value, 0x100);
    assert_int_equal(vlapic_mmio_read(ap, 0x22, 4, &value), OK);
    assert_int_equal(value, 0x100);
    assert_int_equal(vlapic_mmio_read(ap, 0x80, 8, &value), OK);
    assert_int_equal(value, 0x50);
    assert_int_equal(vlapic_mmio_read(ap, 0x84, 4, &value), OK);
    assert_int_equal(value, 0);
    assert_int_equal(vlapic_mmio_write(ap, 0x84, 4, 0), OK);
    assert_int_equal(vlapic_mmio_write(ap, 0x80, 8, 0), OK);
    assert_int_equal(vlapic_mmio_write(ap, 0x80, 1, 0), OK);
    assert_int_equal(get(ap, APIC_TPR), 0x50);
}

static void errors_are_latched_by_a_write(void **state) {
    (void)state;
    all_on();
    put(bsp, APIC_LVT_ERROR, 0x40);
    assert_int_equal(get(bsp, APIC_APR), 0);
    assert_int_equal(get(bsp, APIC_ESR), 0);
    assert_true(requested(bsp, 0x40));
    vlapic_accept(bsp, 0x40);
    fixed(bsp, 15, false);
    put(bsp, APIC_RRD, 0);
    get(bsp, APIC_REGISTERS);
    get(bsp, APIC_LVT_CMCI);
    get(bsp, APIC_SELF_IPI);
    assert_false(requested(bsp, 0x40)); // once, until it is rearmed
    assert_int_equal(errors(bsp), APIC_ESR_ILLEGAL_REGISTER | APIC_ESR_RECEIVE_ILLEGAL_VECTOR);
    put(bsp, APIC_ICR_LOW, APIC_MODE_FIXED | 3);
    assert_true(requested(bsp, 0x40));
    assert_int_equal(errors(bsp), APIC_ESR_SEND_ILLEGAL_VECTOR);
    assert_int_equal(errors(bsp), 0);
    put(bsp, APIC_LVT_ERROR, 2); // an illegal vector of its own
    put(bsp, APIC_APR, 0);
    assert_int_equal(errors(bsp), APIC_ESR_ILLEGAL_REGISTER | APIC_ESR_RECEIVE_ILLEGAL_VECTOR);
    assert_int_equal(bsp->registers[APIC_IRR], 0);
}

// ---- x2APIC and APIC_BASE ---------------------------------------------------------------------------------

static void transitions_of_the_base(void **state) {
    const uint64_t disabled = APIC_DEFAULT_BASE, xapic = disabled | APIC_BASE_EN, x2apic = xapic | APIC_BASE_EXTD;
    const uint64_t invalid = disabled | APIC_BASE_EXTD;
    const struct {
        uint64_t from[3], to;
        bool allowed;
    } all[] = {
        {{xapic, xapic, xapic}, xapic, true},        {{xapic, xapic, xapic}, x2apic, true},
        {{xapic, xapic, xapic}, disabled, true},     {{xapic, xapic, xapic}, invalid, false},
        {{xapic, x2apic, x2apic}, xapic, false},     {{xapic, x2apic, x2apic}, x2apic, true},
        {{xapic, x2apic, x2apic}, disabled, true},   {{xapic, x2apic, x2apic}, invalid, false},
        {{xapic, disabled, disabled}, xapic, true},  {{xapic, disabled, disabled}, x2apic, false},
        {{x2apic, disabled, xapic}, x2apic, true},   {{xapic, disabled, disabled}, invalid, false},
        {{x2apic, disabled, disabled}, xapic, true}, {{xapic, disabled, disabled}, disabled, true},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
        setup(state);
        for (unsigned k = 0; k < 3; k++) { assert_int_equal(vlapic_base_write(ap, all[i].from[k]), OK); }
        assert_int_equal(vlapic_base_write(ap, all[i].to), all[i].allowed ? OK : ERR_DENIED);
        assert_true(vlapic_base_read(ap) == (all[i].allowed ? all[i].to : all[i].from[2]));
    }
    setup(state);
    assert_int_equal(vlapic_base_write(ap, xapic + PAGE_SIZE), ERR_DENIED);
    assert_int_equal(vlapic_base_write(ap, xapic | 1), ERR_DENIED);
    assert_int_equal(vlapic_base_write(ap, xapic | BIT(40)), ERR_DENIED);
    assert_int_equal(vlapic_base_write(ap, xapic | APIC_BASE_BSP), OK); // stays as it is
    assert_true(vlapic_base_read(ap) == xapic);
}

static void disabled_it_is_reset_and_deaf(void **state) {
    uint64_t value;

    (void)state;
    all_on();
    fixed(bsp, 0x80, false);
    put(bsp, APIC_TPR, 0x20);
    assert_int_equal(vlapic_base_write(bsp, APIC_DEFAULT_BASE), OK);
    fixed(bsp, 0x80, false);
    vlapic_receive(bsp, &(struct vlapic_message){.mode = APIC_MODE_NMI});
    assert_false(has_pending(bsp));
    assert_int_equal(vlapic_mmio_read(bsp, 0x20, 4, &value), ERR_DENIED);
    assert_int_equal(vlapic_mmio_write(bsp, 0x80, 4, 0), ERR_DENIED);
    assert_int_equal(vlapic_msr_read(bsp, MSR + APIC_ID, &value), ERR_DENIED);
    assert_int_equal(vlapic_base_write(bsp, APIC_DEFAULT_BASE | APIC_BASE_EN), OK);
    assert_int_equal(get(bsp, APIC_TPR), 0);
    assert_int_equal(get(bsp, APIC_SVR), 0xff);
}

static void registers_as_msrs(void **state) {
    uint64_t value;

    (void)state;
    refused(ap, APIC_TPR, 0);
    put(ap, APIC_TPR, 0x30);
    to_x2apic(ap);
    assert_int_equal(vlapic_mmio_read(ap, 0x20, 4, &value), ERR_DENIED);
    assert_true(msr_get(ap, APIC_ID) == 1 && msr_get(ap, APIC_LDR) == 2 && msr_get(ap, APIC_TPR) == 0x30);
    to_x2apic(&world.apic[3]);
    assert_true(msr_get(&world.apic[3], APIC_LDR) == 8);
    msr_put(ap, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    msr_put(ap, APIC_LVT_LINT0, 0x8031 | APIC_LVT_REMOTE_IRR | APIC_LVT_STATUS); // read-only bits written back
    assert_true(msr_get(ap, APIC_LVT_LINT0) == 0x8031);
    static const unsigned unknown[] = {0, 4, APIC_APR, APIC_RRD, APIC_DFR, APIC_LVT_CMCI, APIC_ICR_HIGH, 0x3a, 0x40};
    for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++) {
        assert_int_equal(vlapic_msr_read(ap, MSR + unknown[i], &value), ERR_DENIED);
        refused(ap, unknown[i], 0);
    }
    assert_int_equal(vlapic_msr_read(ap, MSR - 1, &value), ERR_DENIED);
    static const unsigned constant[] = {APIC_ID, APIC_VERSION, APIC_PPR, APIC_LDR, APIC_ISR, APIC_CURRENT_COUNT};
    for (unsigned i = 0; i < ARRAY_SIZE(constant); i++) { refused(ap, constant[i], 0); }
    assert_int_equal(vlapic_msr_read(ap, MSR + APIC_EOI, &value), ERR_DENIED);
    assert_int_equal(vlapic_msr_read(ap, MSR + APIC_SELF_IPI, &value), ERR_DENIED);
    static const struct {
        unsigned reg;
        uint64_t value;
    } reserved[] = {
        {APIC_TPR, 0x100},         {APIC_TPR, BIT(32)},           {APIC_EOI, 1},           {APIC_ESR, 1},
        {APIC_SVR, 0x1100},        {APIC_LVT_TIMER, 0x400},       {APIC_LVT_ERROR, 0x400}, {APIC_LVT_THERMAL, 0x8000},
        {APIC_ICR_LOW, 0x2000},    {APIC_ICR_LOW, 0x100000},      {APIC_DIVIDE, 4},        {APIC_SELF_IPI, 0x100},
        {APIC_LVT_LINT1, 0x20000}, {APIC_INITIAL_COUNT, BIT(32)},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(reserved); i++) { refused(ap, reserved[i].reg, reserved[i].value); }
    assert_int_equal(errors(&world.apic[2]), 0);
    msr_put(ap, APIC_ESR, 0);
    assert_true(msr_get(ap, APIC_ESR) == 0);
}

static void self_ipi(void **state) {
    (void)state;
    all_on();
    put(bsp, APIC_ICR_HIGH, 7u << APIC_XAPIC_ID_SHIFT);
    put(bsp, APIC_ICR_LOW, 0x44);
    to_x2apic(bsp);
    assert_true(msr_get(bsp, APIC_ICR_LOW) == 0);
    msr_put(bsp, APIC_SELF_IPI, 0x99);
    assert_int_equal(vlapic_pending_vector(bsp), 0x99);
    msr_put(bsp, APIC_SELF_IPI, 4);
    msr_put(bsp, APIC_ESR, 0);
    assert_true(msr_get(bsp, APIC_ESR) == APIC_ESR_SEND_ILLEGAL_VECTOR);
    assert_int_equal(reached(0x99), 1);
}

// ---- priorities -------------------------------------------------------------------------------------------

static void priorities_nest(void **state) {
    (void)state;
    all_on();
    assert_int_equal(vlapic_pending_vector(bsp), VLAPIC_NONE);
    fixed(bsp, 0x41, false);
    fixed(bsp, 0x45, false);
    assert_int_equal(world.owner[0].kicks, 2);
    fixed(bsp, 0x45, false);
    assert_int_equal(world.owner[0].kicks, 2); // it was set
    assert_int_equal(vlapic_pending_vector(bsp), 0x45);
    vlapic_accept(bsp, 0x45);
    assert_int_equal(get(bsp, APIC_ISR + 2), 1u << 5);
    assert_int_equal(get(bsp, APIC_IRR + 2), 1u << 1);
    assert_int_equal(get(bsp, APIC_PPR), 0x40);
    assert_int_equal(vlapic_pending_vector(bsp), VLAPIC_NONE); // the same class
    fixed(bsp, 0x51, false);
    assert_int_equal(vlapic_pending_vector(bsp), 0x51);
    put(bsp, APIC_TPR, 0x5f);
    assert_int_equal(get(bsp, APIC_PPR), 0x5f);
    assert_int_equal(vlapic_pending_vector(bsp), VLAPIC_NONE);
    assert_false(has_pending(bsp));
    unsigned kicks = world.owner[0].kicks;
    vlapic_set_tpr(bsp, 0x4f); // CR8 = 4
    assert_int_equal(vlapic_tpr(bsp), 0x4f);
    assert_int_equal(world.owner[0].kicks, kicks + 1);
    assert_true(has_pending(bsp));
    vlapic_accept(bsp, 0x51);
    assert_int_equal(get(bsp, APIC_PPR), 0x50);
    vlapic_set_tpr(bsp, 0);
    put(bsp, APIC_EOI, 0);
    assert_int_equal(get(bsp, APIC_PPR), 0x40);
    kicks = world.owner[0].kicks;
    put(bsp, APIC_EOI, 7);
    assert_int_equal(vlapic_pending_vector(bsp), 0x41);
    assert_int_equal(world.owner[0].kicks, kicks + 1); // it can be taken now
    vlapic_accept(bsp, 0x41);
    put(bsp, APIC_EOI, 0);
    put(bsp, APIC_EOI, 0); // nothing is in service
    assert_int_equal(get(bsp, APIC_PPR), 0);
    assert_int_equal(world.owner[0].level_eois, 0);
}

static void the_lowest_vector_and_equal_classes(void **state) {
    (void)state;
    all_on();
    put(bsp, APIC_ICR_LOW, APIC_FIRST_VECTOR | (uint32_t)APIC_SHORTHAND_SELF << APIC_ICR_SHORTHAND_SHIFT);
    assert_int_equal(vlapic_pending_vector(bsp), APIC_FIRST_VECTOR);
    vlapic_accept(bsp, APIC_FIRST_VECTOR);
    assert_int_equal(get(bsp, APIC_PPR), 0x10);
    put(bsp, APIC_TPR, 0x17);
    assert_int_equal(get(bsp, APIC_PPR), 0x17);
    fixed(bsp, 0xff, false);
    assert_int_equal(vlapic_pending_vector(bsp), 0xff);
    vlapic_accept(bsp, 0xff);
    vlapic_eoi(bsp);
    fixed(&world.apic[2], 0x2f, true);
    assert_int_equal(vlapic_pending_vector(&world.apic[2]), 0x2f);
    vlapic_set_tpr(&world.apic[2], 0x20);
    assert_int_equal(vlapic_pending_vector(&world.apic[2]), VLAPIC_NONE);
}

static void levels_are_ended_outside(void **state) {
    (void)state;
    all_on();
    fixed(bsp, 0x62, true);
    assert_int_equal(get(bsp, APIC_TMR + 3), 1u << 2);
    vlapic_accept(bsp, 0x62);
    vlapic_eoi(bsp);
    assert_int_equal(world.owner[0].level_eois, 1);
    assert_int_equal(world.owner[0].ended, 0x62);
    fixed(bsp, 0x62, false);
    assert_int_equal(get(bsp, APIC_TMR + 3), 0);
    vlapic_accept(bsp, 0x62);
    vlapic_eoi(bsp);
    assert_int_equal(world.owner[0].level_eois, 1);
}

static void software_disable(void **state) {
    (void)state;
    all_on();
    put(bsp, APIC_LVT_LINT0, 0x33);
    put(bsp, APIC_LVT_TIMER, 0x34);
    put(bsp, APIC_INITIAL_COUNT, 100);
    assert_true(world.owner[0].armed != VLAPIC_NEVER);
    fixed(bsp, 0x70, false);
    put(bsp, APIC_SVR, 0xff);
    assert_true(world.owner[0].armed == VLAPIC_NEVER);
    assert_int_equal(get(bsp, APIC_LVT_LINT0), 0x33 | APIC_LVT_MASKED);
    put(bsp, APIC_LVT_LINT0, 0x35);
    put(bsp, APIC_LVT_TIMER, 0x36);
    assert_int_equal(get(bsp, APIC_LVT_LINT0), 0x35 | APIC_LVT_MASKED);
    assert_int_equal(get(bsp, APIC_LVT_TIMER), 0x36 | APIC_LVT_MASKED);
    fixed(bsp, 0x80, false);
    assert_int_equal(vlapic_pending_vector(bsp), 0x70); // what was there before stays
    vlapic_receive(bsp, &(struct vlapic_message){.mode = APIC_MODE_NMI});
    assert_true(vlapic_nmi_pending(bsp));
    put(bsp, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    assert_int_equal(get(bsp, APIC_LVT_LINT0), 0x35 | APIC_LVT_MASKED);
}

// ---- interprocessor interrupts ----------------------------------------------------------------------------

static void ipi(unsigned destination, uint32_t low) {
    put(bsp, APIC_ICR_HIGH, destination << APIC_XAPIC_ID_SHIFT);
    put(bsp, APIC_ICR_LOW, low);
}

static uint32_t with(enum apic_shorthand shorthand, enum apic_mode mode) {
    return (uint32_t)shorthand << APIC_ICR_SHORTHAND_SHIFT | (uint32_t)mode << APIC_ICR_MODE_SHIFT;
}

static void destinations(void **state) {
    (void)state;
    all_on();
    ipi(2, 0x50);
    assert_int_equal(reached(0x50), 4);
    ipi(0, 0x50);
    assert_int_equal(reached(0x50), 1);
    ipi(77, 0x50);
    assert_int_equal(reached(0x50), 0);
    ipi(0xff, 0x50);
    assert_int_equal(reached(0x50), 15);
    ipi(0xff, 0x50 | APIC_ICR_LOGICAL);
    assert_int_equal(reached(0x50), 15);
    ipi(6, 0x50 | APIC_ICR_LOGICAL);
    assert_int_equal(reached(0x50), 6);
    ipi(2, 0x50 | with(APIC_SHORTHAND_SELF, APIC_MODE_FIXED));
    assert_int_equal(reached(0x50), 1);
    ipi(2, 0x50 | with(APIC_SHORTHAND_ALL, APIC_MODE_FIXED));
    assert_int_equal(reached(0x50), 15);
    ipi(2, 0x50 | with(APIC_SHORTHAND_OTHERS, APIC_MODE_FIXED));
    assert_int_equal(reached(0x50), 14);
    for (unsigned i = 0; i < COUNT; i++) { // two clusters of two
        put(&world.apic[i], APIC_DFR, 0);
        put(&world.apic[i], APIC_LDR, ((i / 2) << 4 | 1u << i % 2) << APIC_XAPIC_ID_SHIFT);
    }
    ipi(0x12, 0x50 | APIC_ICR_LOGICAL);
    assert_int_equal(reached(0x50), 8);
    ipi(0x03, 0x50 | APIC_ICR_LOGICAL);
    assert_int_equal(reached(0x50), 3);
    ipi(0x00, 0x50 | APIC_ICR_LOGICAL);
    assert_int_equal(reached(0x50), 0);
    put(ap, APIC_DFR, APIC_DFR_FLAT);
    const struct vlapic_message eight_bits = {.destination = 0xff, .vector = 0x50, .logical = true}; // but no broadcast
    assert_int_equal(vlapic_destinations(world.all, COUNT, NULL, &eight_bits), 2);
}

static void destinations_of_x2apic(void **state) {
    (void)state;
    all_on();
    for (unsigned i = 0; i < COUNT; i++) { to_x2apic(&world.apic[i]); }
    msr_put(bsp, APIC_ICR_LOW, 3ull << 32 | 0x50);
    assert_true(msr_get(bsp, APIC_ICR_LOW) == (3ull << 32 | 0x50));
    assert_int_equal(reached(0x50), 8);
    msr_put(bsp, APIC_ICR_LOW, 5ull << 32 | 0x50 | APIC_ICR_LOGICAL | APIC_ICR_STATUS);
    assert_int_equal(reached(0x50), 5);
    msr_put(bsp, APIC_ICR_LOW, 0x10005ull << 32 | 0x50 | APIC_ICR_LOGICAL);
    assert_int_equal(reached(0x50), 0);
    msr_put(bsp, APIC_ICR_LOW, 0xffull << 32 | 0x50);
    assert_int_equal(reached(0x50), 0);
    msr_put(bsp, APIC_ICR_LOW, 0xffffffffull << 32 | 0x50);
    assert_int_equal(reached(0x50), 15);
    const struct vlapic_message from_outside = {.destination = vlapic_destination8(0xff), .vector = 0x51};
    vlapic_deliver(world.all, COUNT, NULL, &from_outside);
    assert_int_equal(reached(0x51), 15);
    vlapic_init(ap, 1, false, &world.config, &ops, &world.owner[1]); // one in xAPIC mode
    const struct vlapic_message wide = {.destination = 0x10002, .vector = 0x51, .logical = true};
    assert_int_equal(vlapic_destinations(world.all, COUNT, NULL, &wide), 0);
    const struct vlapic_message self = {.shorthand = APIC_SHORTHAND_SELF};
    assert_int_equal(vlapic_destinations(world.all, COUNT, ap, &self), 2);
    assert_int_equal(vlapic_destinations(world.all, 1, ap, &self), 0);
}

static void lowest_priority(void **state) {
    (void)state;
    all_on();
    put(&world.apic[0], APIC_TPR, 0x40);
    put(&world.apic[3], APIC_SVR, 0xff);
    struct vlapic_message message = {.destination = 15, .vector = 0x80, .mode = APIC_MODE_LOWEST, .logical = true};
    assert_int_equal(vlapic_destinations(world.all, COUNT, NULL, &message), 2);
    message.vector = 0x81;
    assert_int_equal(vlapic_destinations(world.all, COUNT, NULL, &message), 4);
    put(ap, APIC_TPR, 0x10);
    message.vector = 0x80;
    assert_int_equal(vlapic_destinations(world.all, COUNT, NULL, &message), 4);
    message.destination = 8;
    assert_int_equal(vlapic_destinations(world.all, COUNT, NULL, &message), 0);
    put(ap, APIC_TPR, 0);
    ipi(3, 0x80 | APIC_ICR_LOGICAL | with(APIC_SHORTHAND_NONE, APIC_MODE_LOWEST));
    assert_int_equal(reached(0x80), 2);
}

static void modes_without_a_vector(void **state) {
    static const enum apic_mode nothing[] = {APIC_MODE_SMI, APIC_MODE_RESERVED, APIC_MODE_EXTINT};

    (void)state;
    all_on();
    ipi(1, with(APIC_SHORTHAND_NONE, APIC_MODE_NMI));
    assert_true(has_pending(ap) && vlapic_nmi_pending(ap));
    assert_int_equal(world.owner[1].kicks, 1);
    assert_true(vlapic_take_nmi(ap));
    assert_false(vlapic_take_nmi(ap) || has_pending(ap));
    for (unsigned i = 0; i < ARRAY_SIZE(nothing); i++) { ipi(1, 0x50 | with(APIC_SHORTHAND_NONE, nothing[i])); }
    ipi(0, 0x50 | with(APIC_SHORTHAND_ALL, APIC_MODE_NMI)); // not valid
    ipi(0, with(APIC_SHORTHAND_SELF, APIC_MODE_NMI));
    ipi(1, with(APIC_SHORTHAND_NONE, APIC_MODE_INIT) | APIC_ICR_LEVEL); // de-assert
    assert_int_equal(world.owner[0].kicks + world.owner[1].kicks, 1);
    assert_int_equal(errors(bsp), 0);
    vlapic_receive(ap, &(struct vlapic_message){.mode = APIC_MODE_EXTINT}); // no 8259 has a vector for it
    assert_false(has_pending(ap));
}

static void init_and_startup(void **state) {
    const struct owner *owner = &world.owner[1];

    (void)state;
    put(bsp, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    assert_false(vlapic_take_events(ap));
    put(ap, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    fixed(ap, 0x80, false);
    vlapic_receive(ap, &(struct vlapic_message){.mode = APIC_MODE_NMI}); // kept until it runs
    assert_false(has_pending(ap) || vlapic_nmi_pending(ap));
    ipi(1, with(APIC_SHORTHAND_NONE, APIC_MODE_INIT) | APIC_ICR_ASSERT);
    ipi(1, 0x9a | with(APIC_SHORTHAND_NONE, APIC_MODE_STARTUP)); // at once, before the INIT was seen
    assert_true(has_pending(ap));
    assert_int_equal(owner->inits, 0);
    assert_true(vlapic_take_events(ap));
    assert_true(owner->inits == 1 && owner->startups == 1 && owner->page == 0x9a && !ap->waits);
    ipi(1, 0x9b | with(APIC_SHORTHAND_NONE, APIC_MODE_STARTUP)); // the second of a pair
    assert_true(vlapic_take_events(ap));
    assert_true(owner->startups == 1 && !has_pending(ap));

    ipi(1, 0x9b | with(APIC_SHORTHAND_NONE, APIC_MODE_STARTUP)); // a third does not end its HLT
    assert_false(has_pending(ap));
    ipi(1, with(APIC_SHORTHAND_NONE, APIC_MODE_NMI)); // which this does
    assert_true(vlapic_event_pending(ap) && vlapic_take_nmi(ap) && !vlapic_event_pending(ap));

    put(ap, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    put(ap, APIC_TPR, 0x20);
    put(ap, APIC_LVT_TIMER, 0x60);
    put(ap, APIC_INITIAL_COUNT, 1000);
    fixed(ap, 0x80, false);
    to_x2apic(ap);
    ipi(1, 0x9c | with(APIC_SHORTHAND_NONE, APIC_MODE_STARTUP));
    ipi(0, with(APIC_SHORTHAND_OTHERS, APIC_MODE_INIT));
    assert_true(vlapic_event_pending(ap) && vlapic_take_events(ap));
    assert_true(owner->inits == 2 && owner->startups == 1 && ap->waits); // the STARTUP came before
    assert_true(owner->armed == VLAPIC_NEVER && !has_pending(ap));
    assert_true(msr_get(ap, APIC_ID) == 1 && msr_get(ap, APIC_LDR) == 2); // the mode and the ID stay
    assert_true(msr_get(ap, APIC_TPR) == 0 && msr_get(ap, APIC_SVR) == 0xff);
    assert_true(msr_get(ap, APIC_LVT_TIMER) == APIC_LVT_MASKED);
    assert_int_equal(vlapic_pending_vector(ap), VLAPIC_NONE);

    ipi(0, with(APIC_SHORTHAND_NONE, APIC_MODE_INIT));
    assert_true(vlapic_take_events(bsp));
    assert_true(world.owner[0].inits == 1 && !bsp->waits);
    vlapic_reset(ap);
    assert_true(vlapic_base_read(ap) == (APIC_DEFAULT_BASE | APIC_BASE_EN) && ap->waits);
}

// ---- local sources ----------------------------------------------------------------------------------------

static void local_edges_leave_no_level(void **state) {
    (void)state;
    all_on();
    for (unsigned vector = 0x50; vector < 0x52; vector++) {
        fixed(bsp, (uint8_t)vector, true);
        vlapic_accept(bsp, vector);
        vlapic_eoi(bsp);
    }
    put(bsp, APIC_LVT_ERROR, 0x50);
    get(bsp, APIC_APR);
    vlapic_request(bsp, 0x51);
    assert_int_equal(get(bsp, APIC_IRR + 2), 3u << 16);
    assert_int_equal(get(bsp, APIC_TMR + 2), 0);
    put(bsp, APIC_LVT_ERROR, APIC_FIRST_VECTOR);
    put(bsp, APIC_ESR, 0);
    get(bsp, APIC_APR);
    assert_true(requested(bsp, APIC_FIRST_VECTOR));
}

// ---- the timer --------------------------------------------------------------------------------------------

enum { VECTOR = 0x60 };

// Lets time pass up to the moment that the host's timer is armed for.
static void expire(void) {
    assert_true(world.owner[0].armed != VLAPIC_NEVER && world.owner[0].armed >= world.now);
    world.now = world.owner[0].armed;
    world.owner[0].armed = VLAPIC_NEVER;
    vlapic_timer_fired(bsp);
}

static bool took(void) {
    if (vlapic_pending_vector(bsp) != VECTOR) { return false; }
    vlapic_accept(bsp, VECTOR);
    vlapic_eoi(bsp);
    return true;
}

static void timer(uint32_t lvt, uint32_t divide, uint32_t count) {
    put(bsp, APIC_LVT_TIMER, VECTOR | lvt);
    put(bsp, APIC_DIVIDE, divide);
    put(bsp, APIC_INITIAL_COUNT, count);
}

enum { BY_1 = 0xb, BY_2 = 0, BY_128 = 0xa };

static void one_shot(void **state) {
    (void)state;
    all_on();
    timer(0, BY_2, 10);
    assert_true(world.owner[0].armed == 1000 + 10 * 2 * 32);
    assert_true(bsp->timer.wanted == world.owner[0].armed);
    assert_true(world.owner[0].expired == 0);
    assert_int_equal(get(bsp, APIC_CURRENT_COUNT), 10);
    world.now += 63;
    assert_int_equal(get(bsp, APIC_CURRENT_COUNT), 10);
    world.now += 1;
    assert_int_equal(get(bsp, APIC_CURRENT_COUNT), 9);
    world.now = 1000 + 639;
    assert_int_equal(get(bsp, APIC_CURRENT_COUNT), 1);
    vlapic_timer_fired(bsp); // too early
    assert_false(took());
    assert_true(world.owner[0].armed == 1640);
    expire();
    assert_true(world.owner[0].expired == 1640 && world.owner[0].kicks == 1);
    assert_true(took());
    assert_int_equal(get(bsp, APIC_CURRENT_COUNT), 0);
    assert_int_equal(get(bsp, APIC_INITIAL_COUNT), 10);
    vlapic_timer_fired(bsp);
    assert_false(took());
    assert_true(world.owner[0].armed == VLAPIC_NEVER);

    put(bsp, APIC_INITIAL_COUNT, 5); // the guest looks before the host's timer comes
    world.now += 1000;
    assert_int_equal(get(bsp, APIC_CURRENT_COUNT), 0);
    assert_true(took());
    vlapic_timer_fired(bsp);
    assert_false(took());
    put(bsp, APIC_INITIAL_COUNT, 5);
    put(bsp, APIC_INITIAL_COUNT, 0);
    assert_true(world.owner[0].armed == VLAPIC_NEVER);
    assert_int_equal(get(bsp, APIC_CURRENT_COUNT), 0);
}

static void dividers(void **state) {
    static const unsigned divides[] = {2, 4, 8, 16, 0, 0, 0, 0, 32, 64, 128, 1};

    (void)state;
    all_on();
    for (unsigned i = 0; i < ARRAY_SIZE(divides); i++) {
        if (divides[i] == 0) { continue; }
        timer(0, i, 7);
        assert_true(world.owner[0].armed == world.now + 7ull * divides[i] * 32);
    }
    timer(0, BY_128, UINT32_MAX);
    assert_true(world.owner[0].armed == world.now + (uint64_t)UINT32_MAX * 128 * 32);
    timer(0, BY_2, 100); // half of it has passed when the divider changes
    world.now += 50 * 2 * 32;
    put(bsp, APIC_DIVIDE, BY_1);
    assert_int_equal(get(bsp, APIC_CURRENT_COUNT), 50);
    assert_true(world.owner[0].armed == world.now + 50 * 32);
}

static void periodic_without_drift(void **state) {
    static const uint32_t periods[] = {1000, 24593, 3};

    for (unsigned p = 0; p < ARRAY_SIZE(periods); p++) {
        setup(state);
        all_on();
        timer(APIC_LVT_TIMER_PERIODIC, BY_1, periods[p]);
        uint64_t start = world.now, each = periods[p] * 32ull;
        for (uint64_t n = 1; n <= 20000; n++) {
            assert_true(world.owner[0].armed == start + n * each);
            world.now = start + n * each + n * 7919 % each / 2; // reported late, not counted from then
            world.owner[0].armed = VLAPIC_NEVER;
            vlapic_timer_fired(bsp);
            assert_true(took());
        }
    }
}

// At any time the count is what is left of the period, rounded up.
static void the_count_is_exact(void **state) {
    const uint64_t each = 3000020, ticks = each * 32;
    uint64_t random = 1;

    (void)state;
    all_on();
    timer(APIC_LVT_TIMER_PERIODIC, BY_1, (uint32_t)each);
    uint64_t start = world.now;
    for (unsigned i = 0; i < 3000; i++) {
        random = random * 6364136223846793005 + 1442695040888963407;
        world.now += (random >> 32) % (2 * ticks);
        assert_int_equal(get(bsp, APIC_CURRENT_COUNT), each - (world.now - start) % ticks / 32);
    }
    put(bsp, APIC_INITIAL_COUNT, 1000);
    assert_true(world.owner[0].armed == world.now + 32000);
}

static void late_periods_are_one_interrupt(void **state) {
    (void)state;
    all_on();
    timer(APIC_LVT_TIMER_PERIODIC, BY_1, 100); // 3200 ticks
    world.now = 1000 + 5 * 3200 + 64;
    assert_int_equal(get(bsp, APIC_CURRENT_COUNT), 98);
    assert_true(world.owner[0].expired == 1000 + 3200); // the first
    assert_true(took());
    assert_false(took());
    assert_true(world.owner[0].armed == 1000 + 6 * 3200);
    expire();
    assert_true(took());
    world.now += 1ull << 60; // longer than anything
    vlapic_timer_fired(bsp);
    assert_true(took() && !took());
    assert_true((world.owner[0].armed - 1000) % 3200 == 0 && world.owner[0].armed - world.now <= 3200);
    expire();
    assert_true(took());
}

static void a_short_period_is_no_storm(void **state) {
    (void)state;
    world.config.least_period = 1000;
    all_on();
    timer(APIC_LVT_TIMER_PERIODIC, BY_1, 3); // 96 ticks: every eleventh
    expire();
    assert_true(took());
    assert_true(world.now == 1096);
    for (unsigned i = 1; i < 100; i++) {
        uint64_t before = world.now;
        assert_true(world.owner[0].armed == 1000 + 96 + 1056 * i);
        world.now = before + 96 * 3 + 32;
        assert_int_equal(get(bsp, APIC_CURRENT_COUNT), 2); // the count goes on as it should
        expire();
        assert_true(took());
    }
}

// An expiry that nobody has reported yet is not lost by what the guest writes next.
static void what_is_due_comes_before_a_write(void **state) {
    (void)state;
    all_on();
    for (unsigned way = 0; way < 5; way++) {
        put(bsp, APIC_LVT_TIMER, VECTOR);
        timer(way < 3 ? 0 : APIC_LVT_TIMER_DEADLINE, BY_1, 10);
        vlapic_tsc_deadline_write(bsp, world.now + 320);
        world.now += 320;
        switch (way) {
        case 0: put(bsp, APIC_INITIAL_COUNT, 0); break;
        case 1: put(bsp, APIC_LVT_TIMER, VECTOR | APIC_LVT_MASKED); break;
        case 2: put(bsp, APIC_DIVIDE, BY_2); break;
        case 3: vlapic_tsc_deadline_write(bsp, 0); break;
        default: vlapic_set_tsc_offset(bsp, (uint64_t)-100); break;
        }
        assert_true(took());
        assert_true(world.owner[0].armed == VLAPIC_NEVER);
    }
}

static void a_masked_timer_counts_on(void **state) {
    (void)state;
    all_on();
    timer(APIC_LVT_TIMER_PERIODIC | APIC_LVT_MASKED, BY_1, 100);
    assert_int_equal(world.owner[0].arms, 0);
    assert_true(bsp->timer.wanted == VLAPIC_NEVER);
    world.now += 3200 * 3 + 320;
    assert_int_equal(get(bsp, APIC_CURRENT_COUNT), 90);
    put(bsp, APIC_LVT_TIMER, VECTOR | APIC_LVT_TIMER_PERIODIC);
    assert_false(took()); // what ended while it was masked is lost
    assert_true(world.owner[0].armed == 1000 + 3200 * 4);
    expire();
    assert_true(took());
    put(bsp, APIC_LVT_TIMER, VECTOR | APIC_LVT_TIMER_PERIODIC | APIC_LVT_MASKED);
    assert_true(world.owner[0].armed == VLAPIC_NEVER);
}

static void tsc_deadline(void **state) {
    (void)state;
    all_on();
    vlapic_set_tsc_offset(bsp, (uint64_t)-900); // the guest's clock is at 100
    vlapic_tsc_deadline_write(bsp, 500);
    assert_true(vlapic_tsc_deadline_read(bsp) == 0 && world.owner[0].arms == 0); // not in the mode
    put(bsp, APIC_LVT_TIMER, VECTOR | APIC_LVT_TIMER_DEADLINE);
    vlapic_tsc_deadline_write(bsp, 500);
    assert_true(world.owner[0].armed == 1400 && vlapic_tsc_deadline_read(bsp) == 500);
    put(bsp, APIC_INITIAL_COUNT, 10);
    assert_true(get(bsp, APIC_INITIAL_COUNT) == 0 && get(bsp, APIC_CURRENT_COUNT) == 0);
    vlapic_set_tsc_offset(bsp, (uint64_t)-800);
    assert_true(world.owner[0].armed == 1300);
    expire();
    assert_true(took() && vlapic_tsc_deadline_read(bsp) == 0);
    vlapic_tsc_deadline_write(bsp, 10); // has passed
    assert_true(took() && world.owner[0].armed == VLAPIC_NEVER);
    vlapic_tsc_deadline_write(bsp, UINT64_MAX);
    assert_true(world.owner[0].armed >= UINT64_MAX - 1000 && world.owner[0].armed != VLAPIC_NEVER);
    vlapic_tsc_deadline_write(bsp, 0);
    assert_true(world.owner[0].armed == VLAPIC_NEVER);
    vlapic_tsc_deadline_write(bsp, 2000);
    world.now = 2799;
    vlapic_tsc_deadline_read(bsp);
    assert_false(took());
    world.now = 2800;
    assert_true(vlapic_tsc_deadline_read(bsp) == 0 && took());
    assert_true(world.owner[0].armed == VLAPIC_NEVER);
}

static void a_change_of_mode_disarms(void **state) {
    static const uint32_t modes[] = {0, APIC_LVT_TIMER_PERIODIC, APIC_LVT_TIMER_DEADLINE, APIC_LVT_TIMER_MODE};

    (void)state;
    all_on();
    for (unsigned from = 0; from < 3; from++) {
        for (unsigned to = 0; to < ARRAY_SIZE(modes); to++) {
            timer(modes[from], BY_1, 1000);
            vlapic_tsc_deadline_write(bsp, world.now + 100000);
            assert_true(world.owner[0].armed != VLAPIC_NEVER);
            put(bsp, APIC_LVT_TIMER, VECTOR | modes[to]);
            assert_int_equal(world.owner[0].armed != VLAPIC_NEVER, from == to);
            assert_int_equal(get(bsp, APIC_CURRENT_COUNT), from == to && from != 2 ? 1000 : 0);
        }
    }
    timer(APIC_LVT_TIMER_MODE, BY_1, 10); // reserved
    vlapic_tsc_deadline_write(bsp, 1);
    assert_true(world.owner[0].armed == VLAPIC_NEVER && !took());
}

// ---- from another core ------------------------------------------------------------------------------------

enum { ROUNDS = 300 * 64, VECTORS = 64, FIRST = 0x60 };

static unsigned sent; // atomic
static unsigned taken;

// Each vector again only after it was taken, so that every request is one of its own.
static void *send_all(void *nothing) {
    for (unsigned round = 0; round < ROUNDS; round++) {
        fixed(bsp, (uint8_t)(FIRST + round % VECTORS), round % 3 == 0);
        __atomic_store_n(&sent, round + 1, __ATOMIC_RELEASE);
        if (round % VECTORS != VECTORS - 1) { continue; }
        while (__atomic_load_n(&taken, __ATOMIC_ACQUIRE) != round + 1) { sched_yield(); }
    }
    return nothing;
}

static void no_request_is_lost(void **state) {
    unsigned levels = 0;
    pthread_t sender;

    (void)state;
    all_on();
    sent = taken = 0;
    assert_int_equal(pthread_create(&sender, NULL, send_all, NULL), 0);
    while (taken < ROUNDS) {
        int vector = vlapic_pending_vector(bsp);
        if (vector == VLAPIC_NONE) {
            sched_yield();
            continue;
        }
        unsigned before = world.owner[0].level_eois;
        vlapic_accept(bsp, (unsigned)vector);
        vlapic_eoi(bsp);
        levels += world.owner[0].level_eois - before;
        __atomic_store_n(&taken, taken + 1, __ATOMIC_RELEASE);
    }
    pthread_join(sender, NULL);
    assert_int_equal(sent, ROUNDS);
    assert_int_equal(vlapic_pending_vector(bsp), VLAPIC_NONE);
    assert_int_equal(levels, (ROUNDS + 2) / 3);
    assert_true(world.owner[0].kicks >= ROUNDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(power_on_state, setup),
        cmocka_unit_test_setup(every_way_to_reset, setup),
        cmocka_unit_test_setup(an_id_has_8_bits, setup),
        cmocka_unit_test_setup(what_can_be_written, setup),
        cmocka_unit_test_setup(sizes_and_alignment, setup),
        cmocka_unit_test_setup(errors_are_latched_by_a_write, setup),
        cmocka_unit_test_setup(transitions_of_the_base, setup),
        cmocka_unit_test_setup(disabled_it_is_reset_and_deaf, setup),
        cmocka_unit_test_setup(registers_as_msrs, setup),
        cmocka_unit_test_setup(self_ipi, setup),
        cmocka_unit_test_setup(priorities_nest, setup),
        cmocka_unit_test_setup(the_lowest_vector_and_equal_classes, setup),
        cmocka_unit_test_setup(levels_are_ended_outside, setup),
        cmocka_unit_test_setup(software_disable, setup),
        cmocka_unit_test_setup(destinations, setup),
        cmocka_unit_test_setup(destinations_of_x2apic, setup),
        cmocka_unit_test_setup(lowest_priority, setup),
        cmocka_unit_test_setup(modes_without_a_vector, setup),
        cmocka_unit_test_setup(init_and_startup, setup),
        cmocka_unit_test_setup(local_edges_leave_no_level, setup),
        cmocka_unit_test_setup(one_shot, setup),
        cmocka_unit_test_setup(dividers, setup),
        cmocka_unit_test_setup(periodic_without_drift, setup),
        cmocka_unit_test_setup(the_count_is_exact, setup),
        cmocka_unit_test_setup(late_periods_are_one_interrupt, setup),
        cmocka_unit_test_setup(a_short_period_is_no_storm, setup),
        cmocka_unit_test_setup(what_is_due_comes_before_a_write, setup),
        cmocka_unit_test_setup(a_masked_timer_counts_on, setup),
        cmocka_unit_test_setup(tsc_deadline, setup),
        cmocka_unit_test_setup(a_change_of_mode_disarms, setup),
        cmocka_unit_test_setup(no_request_is_lost, setup),
    };

    return cmocka_run_group_tests_name("the local APIC", tests, NULL, NULL);
}
