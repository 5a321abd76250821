// SPDX-License-Identifier: Apache-2.0
// The registers that exist once for each interrupt, the same in GICv2's distributor, GICv3's distributor and the SGI
// frame of its redistributors: IHI 0069, 12.9; IHI 0048B, 4.3. One row for every 0x80 bytes of register space.
#include "arch/arm64/gic_regs.h"
#include "arch/arm64/vgic_internal.h"

// One access to consecutive interrupts of one word, inside the lock.
struct field {
    struct vcpu *vcpu; // whose private bank it is, if it is that
    struct vgic_bank *bank;
    unsigned word;
    unsigned first; // interrupt of the word, for fields of more than a bit
    unsigned bytes;
    uint32_t who;
};

// Writes return the interrupts that they change.

// ---- a bit each -------------------------------------------------------------------------------------------

static uint32_t read_group(struct field *f) { return f->bank->group1; }

static uint32_t write_group(struct field *f, uint32_t value) {
    uint32_t changed = f->bank->group1 ^ value;

    f->bank->group1 = value;
    return changed;
}

// Without the SGIs of v2: they are always enabled, and made pending by their senders only (IHI 0048B, 4.3.5, 4.3.7).
static uint32_t writable(const struct field *f, uint32_t value) {
    return f->word == 0 && gic->version == 2 ? value & ~0xffffu : value;
}

static uint32_t read_enabled(struct field *f) { return f->bank->enabled; }

static uint32_t enable(struct field *f, uint32_t value) {
    uint32_t changed = value & ~f->bank->enabled;

    f->bank->enabled |= changed;
    return changed;
}

static uint32_t disable(struct field *f, uint32_t value) {
    uint32_t changed = writable(f, value) & f->bank->enabled;

    f->bank->enabled &= ~changed;
    return changed;
}

static uint32_t read_pending(struct field *f) { return vgic_read_state(f->vcpu, f->word, LR_PENDING, &f->who); }

static uint32_t set_pending(struct field *f, uint32_t value) {
    value = writable(f, value);
    f->bank->latch |= value;
    return value;
}

static uint32_t clear_pending(struct field *f, uint32_t value) {
    value = writable(f, value);
    f->bank->latch &= ~value;
    f->bank->void_pending |= value & f->bank->resident;
    return value;
}

static uint32_t read_active(struct field *f) { return vgic_read_state(f->vcpu, f->word, LR_ACTIVE, &f->who); }

// An interrupt made active by hand is so on the VCPU that it is routed to, which keeps it in a list register.
static uint32_t set_active(struct field *f, uint32_t value) {
    struct vm *vm = f->vcpu->vm;
    uint32_t fresh = value & ~(f->bank->resident | f->bank->active);

    f->bank->active |= value;
    for (unsigned i = 0; i < vm->vcpu_count && fresh != 0; i++) {
        struct vcpu *owner = f->word == 0 ? f->vcpu : vm->vcpus[i];
        uint32_t theirs = owner->arch.vgic.mine[f->word] & fresh;
        if (theirs != 0) {
            owner->arch.vgic.held[f->word] |= theirs;
            owner->arch.vgic.parked = true;
            f->who |= vgic_attend(owner, f->word);
        }
        fresh &= ~theirs;
    }
    return value;
}

static uint32_t clear_active(struct field *f, uint32_t value) {
    struct vm *vm = f->vcpu->vm;
    uint32_t parked = value & f->bank->active & ~f->bank->resident;

    for (unsigned i = 0; i < vm->vcpu_count && f->word != 0; i++) { vm->vcpus[i]->arch.vgic.held[f->word] &= ~parked; }
    f->bank->active &= ~value;
    f->bank->void_active |= value & f->bank->resident;
    return value;
}

// ---- more than a bit each ---------------------------------------------------------------------------------

static uint32_t read_priority(struct field *f) {
    uint32_t value = 0;

    for (unsigned n = f->first + f->bytes; n > f->first; n--) {
        value = value << 8 | URGENCY_PRIORITY(vgic_urgency(f->bank, 0, 1u << (n - 1)));
    }
    return value;
}

static uint32_t write_priority(struct field *f, uint32_t value) {
    uint32_t changed = 0;

    for (unsigned i = 0; i < VGIC_PRIORITY_BITS; i++) {
        uint32_t *bits = &f->bank->priority[i], now = *bits;
        for (unsigned n = 0; n < f->bytes; n++) {
            uint32_t bit = 1u << (f->first + n);
            now = (value >> (8 * n + 7 - i) & 1) != 0 ? now | bit : now & ~bit;
        }
        changed |= now ^ *bits;
        *bits = now;
    }
    return changed;
}

static uint32_t read_config(struct field *f) {
    uint32_t value = 0;

    for (unsigned i = 0; i < 16; i++) { value |= (f->bank->edge >> (f->first + i) & 1) << (2 * i + 1); }
    return value;
}

static uint32_t write_config(struct field *f, uint32_t value) {
    uint32_t edge = f->bank->edge;

    if (f->word == 0 && f->first == 0) { return 0; } // SGIs are edges
    for (unsigned i = 0; i < 16; i++) {
        uint32_t bit = 1u << (f->first + i);
        edge = (value >> (2 * i + 1) & 1) != 0 ? edge | bit : edge & ~bit;
    }
    uint32_t changed = edge ^ f->bank->edge;
    f->bank->edge = edge;
    return changed;
}

// ---- the table --------------------------------------------------------------------------------------------

struct row {
    uint32_t (*read)(struct field *f);
    uint32_t (*write)(struct field *f, uint32_t value);
    uint8_t bits;  // of each interrupt
    bool bytes;    // byte accesses too
    uint16_t base; // offset of interrupt 0
};

#define ROW(offset)   [(offset) / 0x80]
#define ROWS8(offset) [(offset) / 0x80 ...(offset) / 0x80 + 7]
#define ROWS2(offset) [(offset) / 0x80 ...(offset) / 0x80 + 1]

static const struct row rows[0x1000 / 0x80] = {
    ROW(GICD_IGROUPR) = {read_group, write_group, 1, false, GICD_IGROUPR},
    ROW(GICD_ISENABLER) = {read_enabled, enable, 1, false, GICD_ISENABLER},
    ROW(GICD_ICENABLER) = {read_enabled, disable, 1, false, GICD_ICENABLER},
    ROW(GICD_ISPENDR) = {read_pending, set_pending, 1, false, GICD_ISPENDR},
    ROW(GICD_ICPENDR) = {read_pending, clear_pending, 1, false, GICD_ICPENDR},
    ROW(GICD_ISACTIVER) = {read_active, set_active, 1, false, GICD_ISACTIVER},
    ROW(GICD_ICACTIVER) = {read_active, clear_active, 1, false, GICD_ICACTIVER},
    ROWS8(GICD_IPRIORITYR) = {read_priority, write_priority, 8, true, GICD_IPRIORITYR},
    ROWS2(GICD_ICFGR) = {read_config, write_config, 2, false, GICD_ICFGR},
};

void vgic_bank_access(struct vcpu *vcpu, unsigned first, unsigned end, struct mmio_access *access) {
    const struct row *row = &rows[access->offset / 0x80 & (ARRAY_SIZE(rows) - 1)];
    unsigned id = row->read != NULL ? (unsigned)(access->offset - row->base) * 8 / row->bits : 0;
    struct field f = {.vcpu = vcpu, .word = id / 32, .first = id % 32, .bytes = access->size};

    if (row->read == NULL || !(access->size == 4 || (access->size == 1 && row->bytes)) || f.word < first ||
        f.word >= end) {
        access->value = 0;
        return;
    }
    f.bank = vgic_bank(vcpu, f.word);
    unsigned long flags = spin_lock(&vcpu->vm->arch.vgic.lock);
    if (access->write) {
        uint32_t changed = row->write(&f, (uint32_t)access->value);
        f.who |= vgic_changed(vcpu, f.word, changed);
    } else {
        access->value = row->read(&f);
    }
    spin_unlock(&vcpu->vm->arch.vgic.lock, flags);
    vgic_kick(vcpu->vm, f.who);
}
