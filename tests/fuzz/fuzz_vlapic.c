// SPDX-License-Identifier: Apache-2.0
// covers: arch/x86/vlapic.c arch/x86/vlapic_ipi.c arch/x86/vlapic_regs.c arch/x86/vlapic_timer.c
// Guests of three VCPUs that touch any register of their local APICs, send each other anything, and let time pass. One
// byte of machine, then steps of eight: what, which VCPU, where (2), value (4).
#include <stdlib.h>
#include <string.h>

#include "arch/x86/vlapic_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COUNT = 3, MAX_STEPS = 128, STEP_BYTES = 8 };

static struct {
    struct vlapic apic[COUNT];
    struct vlapic *all[COUNT];
    struct vlapic_config config;
    uint64_t now;
    struct owner {
        unsigned index;
        unsigned kicks;
        uint64_t armed;
    } owner[COUNT];
} world;

struct step {
    struct vlapic *apic;
    struct owner *owner;
    unsigned where;
    uint32_t value;
};

static void require(bool holds) {
    if (!holds) { abort(); }
}

// ---- what lies outside ------------------------------------------------------------------------------------

static void kick(void *context) { ((struct owner *)context)->kicks++; }

static void send(void *context, const struct vlapic_message *message) {
    require(message->shorthand != APIC_SHORTHAND_SELF && message->mode != APIC_MODE_EXTINT && !message->level);
    vlapic_deliver(world.all, COUNT, world.all[((struct owner *)context)->index], message);
}

static void level_eoi(void *context, uint8_t vector) {
    (void)context;
    require(vector >= APIC_FIRST_VECTOR);
}

static void timer_arm(void *context, uint64_t when) {
    struct owner *owner = context;

    require(when == VLAPIC_NEVER || when > world.now);
    require(when != VLAPIC_NEVER || owner->armed != VLAPIC_NEVER);
    owner->armed = when;
}

static void timer_kick(void *context, uint64_t expiry) {
    require(expiry <= world.now);
    kick(context);
}

static uint64_t now(void *context) {
    (void)context;
    return world.now;
}

static void init(void *context) {
    const struct owner *owner = context;

    require(vlapic_pending_vector(world.all[owner->index]) == VLAPIC_NONE);
    require(world.all[owner->index]->waits == (owner->index != 0));
}

static void startup(void *context, uint8_t vector) {
    (void)vector;
    require(!world.all[((struct owner *)context)->index]->waits);
}

static const struct vlapic_ops ops = {kick, send, level_eoi, timer_arm, timer_kick, now, init, startup};

// ---- what must always hold --------------------------------------------------------------------------------

static int top(const uint32_t *words) {
    unsigned word = APIC_BITMAP_WORDS;

    while (word > 0 && words[word - 1] == 0) { word--; }
    if (word == 0) { return VLAPIC_NONE; }
    int bit = 31;
    while ((words[word - 1] >> bit & 1) == 0) { bit--; }
    return (int)(word - 1) * 32 + bit;
}

static void check_priorities(const struct vlapic *apic) {
    int vector = vlapic_pending_vector(apic), serviced = top(&apic->registers[APIC_ISR]),
        asked = top(&apic->registers[APIC_IRR]);
    unsigned class = MAX(serviced == VLAPIC_NONE ? 0u : (unsigned)serviced >> 4, apic->registers[APIC_TPR] >> 4);

    require(((apic->registers[APIC_IRR] | apic->registers[APIC_ISR] | apic->registers[APIC_TMR]) & 0xffff) == 0);
    require(vector == VLAPIC_NONE || vector == vlapic_requested_vector(apic));
    require(!vlapic_may_end_quietly(apic) || (asked == VLAPIC_NONE && serviced != VLAPIC_NONE));
    if (vector != VLAPIC_NONE) {
        require(vector == asked && vector >= APIC_FIRST_VECTOR && (unsigned)vector >> 4 > class);
    } else {
        require(asked == VLAPIC_NONE || apic->waits || (unsigned)asked >> 4 <= class);
    }
}

static void check_timer(const struct vlapic *apic, const struct owner *owner) {
    uint32_t lvt = apic->registers[APIC_LVT_TIMER], mode = lvt & APIC_LVT_TIMER_MODE;

    require(owner->armed == apic->timer.wanted || owner->armed <= world.now);
    require((lvt & APIC_LVT_MASKED) == 0 || owner->armed == VLAPIC_NEVER);
    require(mode != APIC_LVT_TIMER_MODE || apic->timer.deadline == VLAPIC_NEVER);
    require(apic->timer.tsc_deadline == 0 || mode == APIC_LVT_TIMER_DEADLINE);
    require((apic->timer.tsc_deadline != 0 || apic->timer.length != 0) == (apic->timer.deadline != VLAPIC_NEVER));
}

static void check_state(const struct vlapic *apic) {
    uint32_t mode = apic->base & APIC_BASE_MODE;

    require(mode == 0 || mode == APIC_BASE_EN || mode == APIC_BASE_MODE);
    require(((apic->base & APIC_BASE_BSP) != 0) == (apic == &world.apic[0]));
    if ((apic->registers[APIC_SVR] & APIC_SVR_ENABLE) != 0) { return; }
    for (unsigned i = 0; i < VLAPIC_LVTS; i++) {
        require((apic->registers[APIC_LVT_TIMER + i] & APIC_LVT_MASKED) != 0);
    }
}

static void check(void) {
    for (unsigned i = 0; i < COUNT; i++) {
        check_priorities(&world.apic[i]);
        check_timer(&world.apic[i], &world.owner[i]);
        check_state(&world.apic[i]);
    }
}

// ---- steps ------------------------------------------------------------------------------------------------

static void mmio_read(const struct step *s) {
    uint64_t value, next;
    unsigned size = 1u << s->value % 4, offset = s->where % (PAGE_SIZE - 7);

    if (vlapic_mmio_read(s->apic, offset, size, &value) != OK) { return; }
    require(size == 8 || value >> size * 8 == 0);
    if (offset == APIC_CURRENT_COUNT << APIC_REGISTER_SHIFT &&
        size == 4) { // counts down, from no more than the register
        require(value <= s->apic->registers[APIC_INITIAL_COUNT]);
        require((value == 0) == (s->apic->timer.length == 0));
        require(vlapic_mmio_read(s->apic, offset, size, &next) == OK && next == value);
    }
}

static void mmio_write(const struct step *s) {
    vlapic_mmio_write(s->apic, s->where % (PAGE_SIZE - 7), 1u << s->where / PAGE_SIZE % 4, s->value);
}

static unsigned number(const struct step *s) { return (s->where & 0xff) % (APIC_REGISTERS + 1); }

static void page_write(const struct step *s) {
    vlapic_mmio_write(s->apic, number(s) << APIC_REGISTER_SHIFT, 4, s->value);
}

static void page_read(const struct step *s) {
    const struct step read = {s->apic, s->owner, number(s) << APIC_REGISTER_SHIFT, 2};

    mmio_read(&read);
}

static void msr_read(const struct step *s) {
    uint64_t value;

    vlapic_msr_read(s->apic, APIC_MSR_FIRST + number(s), &value);
}

// `where` has the upper half above the register's number.
static void msr_write(const struct step *s) {
    vlapic_msr_write(s->apic, APIC_MSR_FIRST + number(s), (uint64_t)(s->where >> 8) << 32 | s->value);
}

static void base_write(const struct step *s) {
    uint64_t before = vlapic_base_read(s->apic), value = APIC_DEFAULT_BASE ^ s->value;

    require((vlapic_base_write(s->apic, value) == OK) || vlapic_base_read(s->apic) == before);
}

static void deadline_write(const struct step *s) {
    uint64_t tsc = world.now + s->apic->timer.tsc_offset;

    vlapic_tsc_deadline_write(s->apic, s->where % 2 != 0 ? tsc + s->value : s->value);
    vlapic_tsc_deadline_read(s->apic);
}

static void offset_write(const struct step *s) { vlapic_set_tsc_offset(s->apic, (uint64_t)s->value << s->where % 40); }

// Time passes; the timer is told when it may have come, or is forgotten for a while.
static void fire(unsigned i) {
    struct owner *owner = &world.owner[i];
    struct vlapic *apic = &world.apic[i];
    bool may = owner->armed <= world.now; // never early
    bool periodic = (apic->registers[APIC_LVT_TIMER] & APIC_LVT_TIMER_MODE) == APIC_LVT_TIMER_PERIODIC;
    uint32_t lvt = apic->registers[APIC_LVT_TIMER], before[APIC_BITMAP_WORDS];
    uint64_t due = owner->armed;

    memcpy(before, &apic->registers[APIC_IRR], sizeof(before));
    owner->armed = VLAPIC_NEVER;
    vlapic_timer_fired(apic);
    require(may || memcmp(before, &apic->registers[APIC_IRR], sizeof(before)) == 0);
    require(!may || (lvt & APIC_VECTOR_MASK) < APIC_FIRST_VECTOR ||
            (apic->registers[APIC_IRR + (lvt & APIC_VECTOR_MASK) / 32] >> lvt % 32 & 1) != 0);
    require(!may || !periodic || (owner->armed > world.now && owner->armed >= due + world.config.least_period));
    require(!may || periodic || owner->armed == VLAPIC_NEVER);
}

static void pass(const struct step *s) {
    world.now += (uint64_t)s->value << s->where % 24;
    for (unsigned i = 0; i < COUNT; i++) {
        if ((s->where >> 8 & 1u << i) == 0) { fire(i); }
    }
}

static void until(const struct step *s) {
    if (s->owner->armed == VLAPIC_NEVER || s->owner->armed < world.now || s->owner->armed > BIT(62)) { return; }
    world.now = s->owner->armed - 1;
    fire(s->owner->index);
    world.now++;
    fire(s->owner->index);
}

static void enter(const struct step *s) {
    bool more = vlapic_take_events(s->apic);

    if (more && s->apic->waits) { return; }
    vlapic_take_nmi(s->apic);
    int vector = vlapic_pending_vector(s->apic);
    if (vector != VLAPIC_NONE) {
        vlapic_accept(s->apic, (unsigned)vector);
        require(vlapic_pending_vector(s->apic) == VLAPIC_NONE || vlapic_pending_vector(s->apic) >> 4 > vector >> 4);
        require(top(&s->apic->registers[APIC_ISR]) == vector);
    }
}

static void eoi(const struct step *s) { vlapic_eoi(s->apic); }

static void message(const struct step *s) {
    const struct vlapic_message message = {
        .destination = s->where % 2 != 0 ? s->value >> 16 : vlapic_destination8((uint8_t)(s->value >> 16)),
        .vector = (uint8_t)s->value,
        .mode = s->value >> 8 & 7,
        .logical = (s->value & 0x800) != 0,
        .level = (s->value & 0x8000) != 0,
    };
    uint32_t set = vlapic_destinations(world.all, COUNT, NULL, &message);

    require(set < 1u << COUNT && (message.mode != APIC_MODE_LOWEST || (set & (set - 1)) == 0));
    vlapic_deliver(world.all, COUNT, NULL, &message);
}

static void tpr(const struct step *s) {
    vlapic_set_tpr(s->apic, (uint8_t)s->value);
    require(vlapic_tpr(s->apic) == (uint8_t)s->value);
}

static void reset(const struct step *s) {
    if (s->where % 8 == 0) { vlapic_reset(s->apic); }
}

// ---- a run ------------------------------------------------------------------------------------------------

static void start(uint8_t machine) {
    static const struct vlapic_config configs[] = {{1}, {100000}, {8589934592}, {7}};

    memset(&world, 0, sizeof(world));
    world.config = configs[machine % ARRAY_SIZE(configs)];
    world.now = 1;
    for (unsigned i = 0; i < COUNT; i++) {
        world.owner[i] = (struct owner){.index = i, .armed = VLAPIC_NEVER};
        world.all[i] = &world.apic[i];
        require(vlapic_init(world.all[i], i * 17, i == 0, &world.config, &ops, &world.owner[i]) == OK);
        if (machine < 128) {
            vlapic_mmio_write(world.all[i], APIC_SVR << APIC_REGISTER_SHIFT, 4, APIC_SVR_ENABLE | 0xff);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const steps[])(const struct step *) = {
        mmio_read,    mmio_write, page_write, page_read, msr_read, msr_write, base_write, deadline_write,
        offset_write, pass,       until,      enter,     eoi,      message,   tpr,        reset};

    if (size == 0) { return 0; }
    start(data[0]);
    const uint8_t *at = data + 1, *end = data + size;
    for (unsigned i = 0; end - at >= STEP_BYTES && i < MAX_STEPS && world.now < BIT(61); i++, at += STEP_BYTES) {
        unsigned who = at[1] % COUNT;
        struct step step = {&world.apic[who], &world.owner[who], at[2] | (unsigned)at[3] << 8, 0};
        memcpy(&step.value, at + 4, sizeof(step.value));
        steps[at[0] % ARRAY_SIZE(steps)](&step);
        check();
    }
    return 0;
}
