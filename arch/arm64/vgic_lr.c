// SPDX-License-Identifier: Apache-2.0
// List registers: which interrupts of a VCPU the hardware offers it, and what comes back.
//
// The most urgent of what waits is always in a list register, unless all of them hold active interrupts that are more
// urgent still. What does not fit waits in its bank; the no-pending maintenance interrupt asks for it. When only active
// interrupts fill the list registers, the least urgent of them is parked in its bank, since it ends last; its end is then
// counted by the hardware (EOIcount) and brings a maintenance interrupt.
#include "arch/arm64/vgic_internal.h"

#define LR_PRIORITY(lr) ((unsigned)((lr) >> LR_PRIORITY_SHIFT & 0xff))
#define LR_SOURCE_MASK  (7ull << LR_SOURCE_SHIFT)

// Moves the pending state of `id` from its bank into a list register; returns the bits that it adds there.
static uint64_t take_pending(struct vgic_cpu *c, struct vgic_bank *bank, unsigned id) {
    uint64_t lr = LR_PENDING;

    if (vgic_is_v2_sgi(id)) {
        uint8_t *sources = &c->sgi_sources[id];
        lr |= (uint64_t)__builtin_ctz(*sources | 0x80u) << LR_SOURCE_SHIFT;
        *sources &= (uint8_t)(*sources - 1);
        if (*sources != 0) { return lr; }
    }
    bank->latch &= ~(1u << id % 32);
    return lr;
}

// Pending and active at once in one list register is for edges only: a level is looked at again when it ends, a linked
// register cannot (IHI 0069, ICH_LR.HW), a second sender needs a second pass.
static bool adds_up(const struct vgic_bank *bank, unsigned id) {
    return (bank->edge & ~bank->linked & 1u << id % 32) != 0 && !vgic_is_v2_sgi(id);
}

// Fills list register `i` from the bank. `active`: LR_ACTIVE, with the sender of a v2 SGI, or 0.
void vgic_lr_place(struct vcpu *vcpu, unsigned i, unsigned id, uint64_t active) {
    struct vgic_cpu *c = &vcpu->arch.vgic;
    unsigned word = id / 32, n = id % 32;
    struct vgic_bank *bank = vgic_bank(vcpu, word);
    uint32_t bit = 1u << n;
    bool pending = (vgic_deliverable(&vcpu->vm->arch.vgic, bank) & c->mine[word] & bit) != 0;
    uint64_t lr = active | (uint64_t)URGENCY_PRIORITY(vgic_urgency(bank, word, bit)) << LR_PRIORITY_SHIFT | id;

    if (pending && (active == 0 || adds_up(bank, id))) { lr |= take_pending(c, bank, id); }
    if ((bank->group1 & bit) != 0) { lr |= LR_GROUP1; }
    c->eoi &= ~(1u << i);
    if ((bank->linked & ~bank->latch & bit) != 0) {
        lr |= LR_HW | (uint64_t)bank->hw[n] << LR_PHYSICAL_SHIFT;
    } else if (((bank->latch | bank->linked | (~bank->edge & (word == 0 ? bank->line : ~0u))) & bit) != 0) {
        lr |= LR_EOI;
        c->eoi |= 1u << i;
    }
    bank->resident |= bit;
    bank->active &= ~bit;
    c->held[word] |= bit;
    c->used |= 1u << i;
    if (word == 0) { c->slot[n] = (uint8_t)i; }
    vgic_lr_put(c, i, lr);
}

// Empties list register `i` into the bank, as far as its state still counts. Returns what vgic_lr_place takes as `active`.
static uint64_t fold(struct vcpu *vcpu, unsigned i) {
    struct vgic_cpu *c = &vcpu->arch.vgic;
    uint64_t lr = vgic_lr_get(c, i), active = 0;
    unsigned id = LR_ID(lr), word = id / 32;
    struct vgic_bank *bank = vgic_bank(vcpu, word);
    uint32_t bit = 1u << id % 32;

    if ((lr & LR_PENDING) != 0 && (bank->void_pending & bit) == 0) {
        if (vgic_is_v2_sgi(id)) { c->sgi_sources[id] |= (uint8_t)(1u << (lr >> LR_SOURCE_SHIFT & 7)); }
        if (((bank->edge | bank->linked | ~bank->line) & bit) != 0) { bank->latch |= bit; }
    }
    if (((lr & LR_ACTIVE) != 0 && (bank->void_active & bit) == 0) || (bank->active & bit) != 0) {
        active = LR_ACTIVE | (vgic_is_v2_sgi(id) ? lr & LR_SOURCE_MASK : 0);
    }
    // The guest's end was that of the physical one, but an SPI may have fired anew since, on another core.
    if ((lr & (LR_STATE | LR_HW)) == LR_HW && (word == 0 || (bank->latch & bit) == 0)) { bank->linked &= ~bit; }
    bank->resident &= ~bit;
    bank->resync &= ~bit;
    bank->void_pending &= ~bit;
    bank->void_active &= ~bit;
    bank->active &= ~bit;
    if (word != 0) {
        c->held[word] &= ~bit;
    } else {
        c->slot[id] = VGIC_NO_SLOT;
    }
    c->used &= ~(1u << i);
    c->eoi &= ~(1u << i);
    vgic_lr_put(c, i, 0);
    return active;
}

// An interrupt that left its list register: its pending state may be for another VCPU by now.
static uint32_t settle(struct vcpu *vcpu, unsigned id, uint64_t active) {
    struct vgic_cpu *c = &vcpu->arch.vgic;
    uint32_t bit = 1u << id % 32;

    if (active != 0) {
        vgic_bank(vcpu, id / 32)->active |= bit;
        c->held[id / 32] |= bit;
        c->parked = true;
    }
    return vgic_changed(vcpu, id / 32, bit);
}

uint32_t vgic_lr_evict(struct vcpu *vcpu, unsigned i) {
    unsigned id = LR_ID(vcpu->arch.vgic.lr[i]);

    return settle(vcpu, id, fold(vcpu, i));
}

// An edge, or a linked one, that comes again to the list register where it ended, or an edge to the one where it still is:
// only the state has to be set.
static bool reuse(struct vcpu *vcpu, unsigned i, unsigned id, bool ended) {
    struct vgic_cpu *c = &vcpu->arch.vgic;
    struct vgic_bank *bank = vgic_bank(vcpu, id / 32);
    uint32_t again =
        vgic_deliverable(&vcpu->vm->arch.vgic, bank) & c->mine[id / 32] & bank->latch & (bank->edge | bank->linked);

    if ((again & 1u << id % 32) == 0 || vgic_is_v2_sgi(id) || (!ended && !adds_up(bank, id))) { return false; }
    bank->latch &= ~(1u << id % 32);
    vgic_lr_put(c, i, (ended ? c->lr[i] & ~LR_STATE : vgic_lr_get(c, i)) | LR_PENDING);
    return true;
}

// It came again, has to end first, and its end asks for maintenance already.
static bool waits_for_its_end(struct vcpu *vcpu, unsigned i, unsigned id) {
    const struct vgic_cpu *c = &vcpu->arch.vgic;
    const struct vgic_bank *bank = vgic_bank(vcpu, id / 32);
    bool joins =
        (vgic_deliverable(&vcpu->vm->arch.vgic, bank) & c->mine[id / 32] & 1u << id % 32) != 0 && adds_up(bank, id);

    return (c->eoi & 1u << i) != 0 && (vgic_is_v2_sgi(id) || ((vgic_lr_get(c, i) & LR_ACTIVE) != 0 && !joins));
}

// One whose end asked for no maintenance keeps its list register until somebody needs that: most come again.
bool vgic_lr_renew(struct vcpu *vcpu, unsigned i, bool ended, uint32_t *who) {
    struct vgic_cpu *c = &vcpu->arch.vgic;
    unsigned id = LR_ID(c->lr[i]), word = id / 32;
    struct vgic_bank *bank = vgic_bank(vcpu, word);
    uint32_t bit = 1u << id % 32;

    if ((bank->resync & bit) == 0) {
        bool asks = ended && (c->eoi & 1u << i) != 0;
        if ((bank->latch & bit) == 0 && !asks) { return false; }
        if (reuse(vcpu, i, id, ended)) { return true; }
        if (!ended && waits_for_its_end(vcpu, i, id)) { return false; }
    }
    uint64_t active = fold(vcpu, i);
    if (active != 0 || (vgic_ready(&vcpu->vm->arch.vgic, bank) & c->mine[word] & bit) != 0) {
        vgic_lr_place(vcpu, i, id, active);
    } else {
        *who |= settle(vcpu, id, 0);
    }
    return true;
}

// ---- filling ----------------------------------------------------------------------------------------------

static uint32_t ready_here(struct vcpu *vcpu, unsigned word) {
    return vgic_ready(&vcpu->vm->arch.vgic, vgic_bank(vcpu, word)) & vcpu->arch.vgic.mine[word];
}

uint32_t vgic_lr_choose(struct vcpu *vcpu) {
    struct vgic_cpu *c = &vcpu->arch.vgic;
    uint32_t best = URGENCY_NONE;

    for (uint32_t words = c->words; words != 0; words &= words - 1) {
        unsigned word = (unsigned)__builtin_ctz(words);
        uint32_t ready = ready_here(vcpu, word);
        if (ready != 0) {
            best = MIN(best, vgic_urgency(vgic_bank(vcpu, word), word, ready));
        } else {
            c->words &= ~(1u << word);
        }
    }
    return best;
}

// Which list register gives way to an interrupt of that priority when all are in use, or VGIC_NO_SLOT.
static unsigned victim(const struct vgic_cpu *c, unsigned priority) {
    unsigned worst[2] = {VGIC_NO_SLOT, VGIC_NO_SLOT}, level[2] = {0, 0}; // pending, active

    for (unsigned i = 0; i < gic_machine.lr_count; i++) {
        uint64_t lr = vgic_lr_get(c, i);
        unsigned active = (lr & LR_ACTIVE) != 0;
        if ((lr & LR_STATE) == 0) { return i; }
        if (worst[active] == VGIC_NO_SLOT || LR_PRIORITY(lr) >= level[active]) {
            worst[active] = i;
            level[active] = LR_PRIORITY(lr);
        }
    }
    if (worst[0] == VGIC_NO_SLOT) { return worst[1]; }
    return level[0] > priority ? worst[0] : VGIC_NO_SLOT;
}

bool vgic_lr_offer(struct vcpu *vcpu, uint32_t urgency, uint32_t *who) {
    struct vgic_cpu *c = &vcpu->arch.vgic;
    unsigned id = URGENCY_ID(urgency), word = id / 32;
    uint32_t unused = vgic_lr_free(c);

    if ((ready_here(vcpu, word) & 1u << id % 32) == 0) { return true; } // no longer: another one may be
    unsigned i = unused != 0 ? (unsigned)__builtin_ctz(unused) : victim(c, URGENCY_PRIORITY(urgency));
    if (i == VGIC_NO_SLOT) { return false; }
    if (unused == 0) { *who |= vgic_lr_evict(vcpu, i); }
    vgic_lr_place(vcpu, i, id, 0);
    if (ready_here(vcpu, word) == 0) { c->words &= ~(1u << word); }
    return c->words != 0;
}
