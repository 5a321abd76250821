// SPDX-License-Identifier: Apache-2.0
// The I/O APIC's model. See vioapic.h.
#include "arch/x86/vioapic.h"
#include "kernel/lock.h"

#define LOWER_WRITABLE                                                                                              \
    (IOREDTBL_VECTOR | (uint64_t)IOREDTBL_MODE_MASK << IOREDTBL_MODE_SHIFT | IOREDTBL_LOGICAL | IOREDTBL_POLARITY | \
     IOREDTBL_LEVEL | IOREDTBL_MASKED)
#define UPPER_WRITABLE (0xffull << IOREDTBL_DESTINATION_SHIFT)

// ---- messages ---------------------------------------------------------------------------------------------

static unsigned mode(uint64_t entry) { return entry >> IOREDTBL_MODE_SHIFT & IOREDTBL_MODE_MASK; }

static bool is_level(uint64_t entry) { return (entry & IOREDTBL_LEVEL) != 0 && mode(entry) <= APIC_MODE_LOWEST; }

static void send(struct vioapic *vioapic, uint64_t entry) {
    const struct vlapic_message message = {
        .destination = vlapic_destination8((uint8_t)(entry >> IOREDTBL_DESTINATION_SHIFT)),
        .vector = (uint8_t)(entry & IOREDTBL_VECTOR),
        .mode = (uint8_t)mode(entry),
        .shorthand = APIC_SHORTHAND_NONE,
        .logical = (entry & IOREDTBL_LOGICAL) != 0,
        .level = is_level(entry),
    };

    if (message.mode != APIC_MODE_RESERVED && message.mode != APIC_MODE_STARTUP) {
        vioapic->ops->deliver(vioapic->context, &message);
    }
}

// What input `gsi` asks for now; `rising`: it has just been asserted.
static void service(struct vioapic *vioapic, unsigned gsi, bool rising) {
    uint64_t entry = vioapic->entries[gsi];

    if ((vioapic->lines & BIT(gsi)) == 0 || (entry & IOREDTBL_MASKED) != 0) { return; }
    if (is_level(entry)) {
        if ((vioapic->remote_irr & BIT(gsi)) != 0) { return; }
        vioapic->remote_irr |= BIT(gsi);
        send(vioapic, entry);
    } else if (rising) {
        send(vioapic, entry);
    }
}

static void set_line(struct vioapic *vioapic, unsigned gsi, bool asserted) {
    bool before = (vioapic->lines & BIT(gsi)) != 0;

    vioapic->lines = (vioapic->lines & ~BIT(gsi)) | (uint64_t)asserted << gsi;
    service(vioapic, gsi, asserted && !before);
}

static void end(struct vioapic *vioapic, uint8_t vector) {
    for (uint64_t rest = vioapic->remote_irr; rest != 0; rest &= rest - 1) {
        unsigned gsi = (unsigned)__builtin_ctzll(rest);
        if ((vioapic->entries[gsi] & IOREDTBL_VECTOR) == vector) {
            vioapic->remote_irr &= ~BIT(gsi);
            service(vioapic, gsi, false);
        }
    }
}

// ---- registers --------------------------------------------------------------------------------------------

static uint32_t read_entry(const struct vioapic *vioapic, unsigned number) {
    unsigned gsi = number / 2;

    if (gsi >= vioapic->inputs) { return 0; }
    uint64_t entry = vioapic->entries[gsi] | ((vioapic->remote_irr & BIT(gsi)) != 0 ? IOREDTBL_REMOTE_IRR : 0);
    return (uint32_t)(entry >> number % 2 * 32);
}

static void write_entry(struct vioapic *vioapic, unsigned number, uint32_t value) {
    unsigned gsi = number / 2, shift = number % 2 * 32;
    uint64_t writable = shift == 0 ? LOWER_WRITABLE : UPPER_WRITABLE;

    if (gsi >= vioapic->inputs) { return; }
    vioapic->entries[gsi] = (vioapic->entries[gsi] & ~writable) | ((uint64_t)value << shift & writable);
    if (!is_level(vioapic->entries[gsi])) { vioapic->remote_irr &= ~BIT(gsi); }
    service(vioapic, gsi, false);
}

static uint32_t read_register(const struct vioapic *vioapic) {
    switch (vioapic->select) {
    case IOAPICID:
    case IOAPICARB: return (uint32_t)vioapic->id << IOAPIC_ID_SHIFT;
    case IOAPICVER: return IOAPIC_VERSION_EOI | (vioapic->inputs - 1u) << IOAPIC_MAX_ENTRY_SHIFT;
    default: return vioapic->select >= IOREDTBL ? read_entry(vioapic, vioapic->select - IOREDTBL) : 0;
    }
}

static void write_register(struct vioapic *vioapic, uint32_t value) {
    if (vioapic->select == IOAPICID) {
        vioapic->id = value >> IOAPIC_ID_SHIFT & IOAPIC_ID_MAX;
    } else if (vioapic->select >= IOREDTBL) {
        write_entry(vioapic, vioapic->select - IOREDTBL, value);
    }
}

int vioapic_mmio_read(struct vioapic *vioapic, unsigned offset, unsigned size, uint64_t *value) {
    *value = 0;
    unsigned long flags = spin_lock(&vioapic->lock);
    if (offset == IOREGSEL) {
        *value = vioapic->select;
    } else if (offset == IOWIN && size == sizeof(uint32_t)) {
        *value = read_register(vioapic);
    }
    spin_unlock(&vioapic->lock, flags);
    return OK;
}

int vioapic_mmio_write(struct vioapic *vioapic, unsigned offset, unsigned size, uint64_t value) {
    unsigned long flags = spin_lock(&vioapic->lock);
    if (offset == IOREGSEL) {
        vioapic->select = (uint8_t)value;
    } else if (offset == IOWIN && size == sizeof(uint32_t)) {
        write_register(vioapic, (uint32_t)value);
    } else if (offset == IOAPIC_EOI && size == sizeof(uint32_t)) {
        end(vioapic, (uint8_t)value);
    }
    spin_unlock(&vioapic->lock, flags);
    return OK;
}

// ---- inputs -----------------------------------------------------------------------------------------------

void vioapic_set_line(struct vioapic *vioapic, unsigned gsi, bool asserted) {
    if (gsi >= vioapic->inputs) { return; }
    unsigned long flags = spin_lock(&vioapic->lock);
    set_line(vioapic, gsi, asserted);
    spin_unlock(&vioapic->lock, flags);
}

void vioapic_eoi(struct vioapic *vioapic, uint8_t vector) {
    unsigned long flags = spin_lock(&vioapic->lock);

    end(vioapic, vector);
    spin_unlock(&vioapic->lock, flags);
}

// ---- life -------------------------------------------------------------------------------------------------

void vioapic_reset(struct vioapic *vioapic) {
    unsigned long flags = spin_lock(&vioapic->lock);

    vioapic->id = vioapic->reset_id;
    vioapic->select = 0;
    vioapic->lines = 0;
    vioapic->remote_irr = 0;
    for (unsigned gsi = 0; gsi < VIOAPIC_INPUTS_MAX; gsi++) { vioapic->entries[gsi] = IOREDTBL_MASKED; }
    spin_unlock(&vioapic->lock, flags);
}

COLD int vioapic_init(struct vioapic *vioapic, unsigned inputs, unsigned id, const struct vioapic_ops *ops,
                      void *context) {
    if (inputs == 0 || inputs > VIOAPIC_INPUTS_MAX || id > IOAPIC_ID_MAX) { return ERR_RANGE; }
    *vioapic = (struct vioapic){.ops = ops, .context = context, .inputs = (uint8_t)inputs, .reset_id = (uint8_t)id};
    vioapic_reset(vioapic);
    return OK;
}
