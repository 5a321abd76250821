// SPDX-License-Identifier: Apache-2.0
// covers: arch/x86/vioapic.c
// A guest that touches any register of its I/O APIC while the inputs change. One byte of machine, then steps of six: what,
// where, value (4).
#include <stdlib.h>
#include <string.h>

#include "arch/x86/vioapic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_STEPS = 96, STEP_BYTES = 6 };

static struct {
    struct vioapic apic;
    unsigned sent;
} world;

static struct vioapic *const apic = &world.apic;

static void require(bool holds) {
    if (!holds) { abort(); }
}

static void deliver(void *context, const struct vlapic_message *message) {
    require(context == &world && apic->lock.next != apic->lock.owner);
    require(message->mode != APIC_MODE_RESERVED && message->mode != APIC_MODE_STARTUP);
    require(message->shorthand == APIC_SHORTHAND_NONE && (!message->level || message->mode <= APIC_MODE_LOWEST));
    require(message->destination <= 0xfe || message->destination == APIC_X2APIC_BROADCAST);
    world.sent++;
}

// Nothing that is asked for is forgotten, and nothing waits for an EOI that cannot come.
static void check(void) {
    require(apic->inputs == VIOAPIC_INPUTS_MAX || (apic->lines | apic->remote_irr) < BIT(apic->inputs));
    for (unsigned gsi = 0; gsi < VIOAPIC_INPUTS_MAX; gsi++) {
        uint64_t entry = apic->entries[gsi];
        bool level = (entry & IOREDTBL_LEVEL) != 0 && (entry >> 8 & 7) <= APIC_MODE_LOWEST;
        bool asserted = (apic->lines & BIT(gsi)) != 0, waits = (apic->remote_irr & BIT(gsi)) != 0;
        require(level || !waits);
        require(!(level && asserted && (entry & IOREDTBL_MASKED) == 0) || waits);
        require((entry & 0x00fffffffffe5000) == 0 && (gsi < apic->inputs || entry == IOREDTBL_MASKED));
    }
    require(apic->lock.next == apic->lock.owner);
}

struct step {
    unsigned where;
    uint32_t value;
};

static void access(const struct step *s, bool write, unsigned bound) {
    unsigned size = 1u << (s->where & 3), offset = s->value % (IOAPIC_SIZE - 7);
    uint64_t value = s->value >> 8;
    int status = write ? vioapic_mmio_write(apic, offset, size, value) : vioapic_mmio_read(apic, offset, size, &value);

    require(status == OK);
    require(write || size == 8 || value >> size * 8 == 0);
    require(world.sent <= bound);
}

static void read_page(const struct step *s) { access(s, false, 0); }

static void write_page(const struct step *s) { access(s, true, VIOAPIC_INPUTS_MAX); }

static void write_register(const struct step *s) {
    require(vioapic_mmio_write(apic, IOREGSEL, 4, s->where) == OK);
    require(vioapic_mmio_write(apic, IOWIN, 4, s->value) == OK);
    require(world.sent <= 1);
}

static void read_register(const struct step *s) {
    uint64_t value;

    require(vioapic_mmio_write(apic, IOREGSEL, 4, s->where) == OK && vioapic_mmio_read(apic, IOWIN, 4, &value) == OK);
    require(world.sent == 0);
    if (s->where == IOREDTBL) { require((value >> 14 & 1) == (apic->remote_irr & 1)); }
}

static void set_line(const struct step *s) {
    vioapic_set_line(apic, s->where, (s->value & 1) != 0);
    require(world.sent <= 1);
}

static void pulse(const struct step *s) {
    vioapic_set_line(apic, s->where, true);
    vioapic_set_line(apic, s->where, false);
    require(world.sent <= 1);
}

static void eoi(const struct step *s) {
    vioapic_eoi(apic, (uint8_t)s->where);
    require(world.sent <= (unsigned)__builtin_popcountll(apic->lines));
}

static void eoi_register(const struct step *s) {
    require(vioapic_mmio_write(apic, IOAPIC_EOI, 4, s->value) == OK);
    require(world.sent <= (unsigned)__builtin_popcountll(apic->lines));
}

static void reset(const struct step *s) {
    if (s->where % 8 == 0) { vioapic_reset(apic); }
    require(world.sent == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const steps[])(const struct step *) = {read_page, write_page, write_register, read_register, set_line,
                                                         pulse,     eoi,        eoi_register,   reset};
    static const struct vioapic_ops ops = {deliver};

    if (size == 0) { return 0; }
    memset(&world, 0, sizeof(world));
    unsigned inputs = data[0] & 0x3f;
    int status = vioapic_init(apic, inputs, data[0] >> 4, &ops, &world);
    require((status == OK) == (inputs > 0 && inputs <= VIOAPIC_INPUTS_MAX));
    if (status != OK) { return 0; }
    const uint8_t *at = data + 1, *end = data + size;
    for (unsigned i = 0; end - at >= STEP_BYTES && i < MAX_STEPS; i++, at += STEP_BYTES) {
        struct step step = {at[1], 0};
        memcpy(&step.value, at + 2, sizeof(step.value));
        world.sent = 0;
        steps[at[0] % ARRAY_SIZE(steps)](&step);
        check();
    }
    return 0;
}
