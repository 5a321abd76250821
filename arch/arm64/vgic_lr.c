// SPDX-License-Identifier: Apache-2.0
// List registers: which interrupts of a VCPU the hardware offers it, and what comes back.
//
// The most urgent of what waits is always in a list register, unless all of them hold active interrupts that are more
// urgent still. What does not fit waits in its bank; the no-pending maintenance interrupt asks for it. When only active
// interrupts fill the list registers, the least urgent of them is parked in its bank, since it ends last; its end is then
// counted by the hardware (EOIcount) and brings a maintenance interrupt.
#include "arch/arm64/vgic_internal.h"
#include "kernel/lock.h"

#define LR_PRIORITY(lr) ((unsigned)((lr) >> LR_PRIORITY_SHIFT & 0xff))
#define LR_SOURCE_MASK  (7ull << LR_SOURCE_SHIFT)

// How many enter the list registers in one pass; more come with the next no-pending interrupt.
enum { FILL_MAX = 4 };

static inline uint64_t lr_get(const struct vgic_cpu *c, unsigned i)
{
    return c->loaded ? gic->read_lr(i) : c->lr[i];
}

static inline void lr_put(struct vgic_cpu *c, unsigned i, uint64_t lr)
{
    __atomic_store_n(&c->lr[i], lr, __ATOMIC_RELAXED);
    if (c->loaded) {
        gic->write_lr(i, lr);
    }
}

static uint32_t free_lrs(const struct vgic_cpu *c)
{
    return ~c->used & (uint32_t)(BIT(gic_machine.lr_count) - 1);
}

// Moves the pending state of `id` from its bank into a list register; returns the bits that it adds there.
static uint64_t take_pending(struct vgic_cpu *c, struct vgic_bank *bank, unsigned id)
{
    uint64_t lr = LR_PENDING;

    if (vgic_is_v2_sgi(id)) {
        uint8_t *sources = &c->sgi_sources[id];
        lr |= (uint64_t)__builtin_ctz(*sources | 0x80u) << LR_SOURCE_SHIFT;
        *sources &= (uint8_t)(*sources - 1);
        if (*sources != 0) {
            return lr;
        }
    }
    bank->latch &= ~(1u << id % 32);
    return lr;
}

// Fills list register `i` from the bank. `active`: LR_ACTIVE, with the sender of a v2 SGI, or 0.
static void place(struct vcpu *vcpu, unsigned i, unsigned id, uint64_t active)
{
    struct vgic_cpu *c = &vcpu->arch.vgic;
    unsigned word = id / 32, n = id % 32;
    struct vgic_bank *bank = vgic_bank(vcpu, word);
    uint32_t bit = 1u << n;
    bool pending = (vgic_deliverable(&vcpu->vm->arch.vgic, bank) & c->mine[word] & bit) != 0;
    uint64_t lr = active | (uint64_t)bank->priority[n] << LR_PRIORITY_SHIFT | id;

    // Pending and active at once in one list register is for edges only: a level is looked at again when it ends, a
    // linked register cannot (IHI 0069, ICH_LR.HW), a second sender needs a second pass.
    if (active != 0 && ((bank->edge & ~bank->linked & bit) == 0 || vgic_is_v2_sgi(id))) {
        pending = false;
    }
    if (pending) {
        lr |= take_pending(c, bank, id);
    }
    if ((bank->group1 & bit) != 0) {
        lr |= LR_GROUP1;
    }
    c->eoi &= ~(1u << i);
    if ((bank->linked & ~bank->latch & bit) != 0) {
        lr |= LR_HW | (uint64_t)bank->hw[n] << LR_PHYSICAL_SHIFT;
    } else if (((~bank->edge | bank->latch | bank->linked) & bit) != 0) {
        lr |= LR_EOI;
        c->eoi |= 1u << i;
    }
    bank->resident |= bit;
    bank->active &= ~bit;
    c->held[word] |= bit;
    c->used |= 1u << i;
    if (word == 0) {
        c->slot[n] = (uint8_t)i;
    }
    lr_put(c, i, lr);
}

// Empties list register `i` into the bank, as far as its state still counts. Returns what place() takes as `active`.
static uint64_t fold(struct vcpu *vcpu, unsigned i)
{
    struct vgic_cpu *c = &vcpu->arch.vgic;
    uint64_t lr = lr_get(c, i), active = 0;
    unsigned id = LR_ID(lr), word = id / 32;
    struct vgic_bank *bank = vgic_bank(vcpu, word);
    uint32_t bit = 1u << id % 32;

    if ((lr & LR_PENDING) != 0 && (bank->void_pending & bit) == 0) {
        if (vgic_is_v2_sgi(id)) {
            c->sgi_sources[id] |= (uint8_t)(1u << (lr >> LR_SOURCE_SHIFT & 7));
        }
        if (((bank->edge | bank->linked | ~bank->line) & bit) != 0) {
            bank->latch |= bit;
        }
    }
    if (((lr & LR_ACTIVE) != 0 && (bank->void_active & bit) == 0) || (bank->active & bit) != 0) {
        active = LR_ACTIVE | (vgic_is_v2_sgi(id) ? lr & LR_SOURCE_MASK : 0);
    }
    if ((lr & (LR_STATE | LR_HW)) == LR_HW) { // the guest's end was that of the physical one
        bank->linked &= ~bit;
    }
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
    lr_put(c, i, 0);
    return active;
}

// An interrupt that left its list register: its pending state may be for another VCPU by now.
static uint32_t settle(struct vcpu *vcpu, unsigned id, uint64_t active)
{
    struct vgic_cpu *c = &vcpu->arch.vgic;
    uint32_t bit = 1u << id % 32;

    if (active != 0) {
        vgic_bank(vcpu, id / 32)->active |= bit;
        c->held[id / 32] |= bit;
        c->parked = true;
    }
    return vgic_changed(vcpu, id / 32, bit);
}

static uint32_t evict(struct vcpu *vcpu, unsigned i)
{
    unsigned id = LR_ID(vcpu->arch.vgic.lr[i]);

    return settle(vcpu, id, fold(vcpu, i));
}

// Takes back what ended and what somebody changed.
static uint32_t renew(struct vcpu *vcpu)
{
    struct vgic_cpu *c = &vcpu->arch.vgic;
    uint32_t ended = c->loaded ? gic->empty_lrs() : 0, who = 0;

    for (uint32_t used = c->used; used != 0; used &= used - 1) {
        unsigned i = (unsigned)__builtin_ctz(used), id = LR_ID(c->lr[i]), word = id / 32;
        struct vgic_bank *bank = vgic_bank(vcpu, word);
        uint32_t bit = 1u << id % 32;
        if (!c->loaded && (c->lr[i] & LR_STATE) == 0) {
            ended |= 1u << i;
        }
        if ((bank->resync & bit) == 0 && (ended & 1u << i) == 0) {
            continue;
        }
        uint64_t active = fold(vcpu, i);
        if (active != 0 || (vgic_ready(&vcpu->vm->arch.vgic, bank) & c->mine[word] & bit) != 0) {
            place(vcpu, i, id, active);
        } else {
            who |= settle(vcpu, id, 0);
        }
    }
    return who;
}

// ---- filling ----------------------------------------------------------------------------------------------

#define KEY_ID(key)       ((key)&0xff)
#define KEY_PRIORITY(key) ((key) >> 8)

// The most urgent ready interrupts, most urgent first. Looks at every ready one: up to 256 of them.
static unsigned choose(struct vcpu *vcpu, uint32_t keys[FILL_MAX])
{
    struct vgic_cpu *c = &vcpu->arch.vgic;
    unsigned count = 0;

    for (uint32_t words = c->words; words != 0; words &= words - 1) {
        unsigned word = (unsigned)__builtin_ctz(words);
        struct vgic_bank *bank = vgic_bank(vcpu, word);
        uint32_t ready = vgic_ready(&vcpu->vm->arch.vgic, bank) & c->mine[word];
        for (; ready != 0; ready &= ready - 1) {
            unsigned n = (unsigned)__builtin_ctz(ready);
            uint32_t key = (uint32_t)bank->priority[n] << 8 | (word * 32 + n);
            if (count == FILL_MAX && key > keys[count - 1]) {
                continue;
            }
            unsigned at = count < FILL_MAX ? count++ : count - 1;
            for (; at > 0 && keys[at - 1] > key; at--) {
                keys[at] = keys[at - 1];
            }
            keys[at] = key;
        }
    }
    return count;
}

// Which list register gives way to an interrupt of that priority when all are in use, or VGIC_NO_SLOT.
static unsigned victim(const struct vgic_cpu *c, unsigned priority)
{
    unsigned worst[2] = {VGIC_NO_SLOT, VGIC_NO_SLOT}, level[2] = {0, 0}; // pending, active

    for (unsigned i = 0; i < gic_machine.lr_count; i++) {
        uint64_t lr = lr_get(c, i);
        unsigned active = (lr & LR_ACTIVE) != 0;
        if (worst[active] == VGIC_NO_SLOT || LR_PRIORITY(lr) >= level[active]) {
            worst[active] = i;
            level[active] = LR_PRIORITY(lr);
        }
    }
    if (worst[0] == VGIC_NO_SLOT) {
        return worst[1];
    }
    return level[0] > priority ? worst[0] : VGIC_NO_SLOT;
}

static uint32_t fill(struct vcpu *vcpu)
{
    struct vgic_cpu *c = &vcpu->arch.vgic;
    uint32_t keys[FILL_MAX], who = 0;
    unsigned count = choose(vcpu, keys);

    for (unsigned k = 0; k < count; k++) {
        uint32_t unused = free_lrs(c);
        unsigned i =
            unused != 0 ? (unsigned)__builtin_ctz(unused) : victim(c, KEY_PRIORITY(keys[k]));
        if (i == VGIC_NO_SLOT) {
            break;
        }
        if (unused == 0) {
            who |= evict(vcpu, i);
        }
        place(vcpu, i, KEY_ID(keys[k]), 0);
    }
    for (uint32_t words = c->words; words != 0; words &= words - 1) {
        unsigned word = (unsigned)__builtin_ctz(words);
        struct vgic_bank *bank = vgic_bank(vcpu, word);
        if ((vgic_ready(&vcpu->vm->arch.vgic, bank) & c->mine[word]) == 0) {
            c->words &= ~(1u << word);
        }
    }
    return who;
}

// ---- parked active interrupts -----------------------------------------------------------------------------

// The most urgent parked one: the guest ends what it took last. GIC_SPURIOUS: none.
static unsigned parked_best(struct vcpu *vcpu)
{
    struct vgic_cpu *c = &vcpu->arch.vgic;
    uint32_t best = ~0u;

    for (unsigned word = 0; word < vcpu->vm->arch.vgic.words; word++) {
        struct vgic_bank *bank = vgic_bank(vcpu, word);
        uint32_t bits = bank->active & ~bank->resident & c->held[word];
        for (; bits != 0; bits &= bits - 1) {
            unsigned n = (unsigned)__builtin_ctz(bits);
            best = MIN(best, (uint32_t)bank->priority[n] << 8 | (word * 32 + n));
        }
    }
    return best == ~0u ? GIC_SPURIOUS : KEY_ID(best);
}

static uint32_t end_parked(struct vcpu *vcpu)
{
    struct vgic_cpu *c = &vcpu->arch.vgic;
    uint32_t count = (c->loaded ? gic->read_hcr() : c->hcr) >> GIC_HCR_EOI_COUNT_SHIFT, who = 0;

    if (c->loaded && count != 0) {
        gic->virtual_control(c->hcr);
    }
    for (; count != 0; count--) {
        unsigned id = parked_best(vcpu);
        if (id == GIC_SPURIOUS) {
            break;
        }
        uint32_t bit = 1u << id % 32;
        vgic_bank(vcpu, id / 32)->active &= ~bit;
        if (id >= VGIC_PRIVATE) {
            c->held[id / 32] &= ~bit;
        }
        who |= vgic_changed(vcpu, id / 32, bit);
    }
    return who;
}

// Brings parked ones back while there is room. A v2 SGI stays: its sender is forgotten.
static void unpark(struct vcpu *vcpu)
{
    struct vgic_cpu *c = &vcpu->arch.vgic;

    c->parked = false;
    for (unsigned word = 0; word < vcpu->vm->arch.vgic.words; word++) {
        struct vgic_bank *bank = vgic_bank(vcpu, word);
        uint32_t bits = bank->active & ~bank->resident & c->held[word];
        for (; bits != 0; bits &= bits - 1) {
            unsigned id = word * 32 + (unsigned)__builtin_ctz(bits);
            uint32_t unused = free_lrs(c);
            if (unused == 0) {
                c->parked = true;
                return;
            }
            if (vgic_is_v2_sgi(id)) {
                c->parked = true;
            } else {
                place(vcpu, (unsigned)__builtin_ctz(unused), id, LR_ACTIVE);
            }
        }
    }
}

// Private physical interrupts whose guest side is gone. While the VCPU is not loaded they are not active anyway.
static void drop_stale_links(struct vgic_cpu *c)
{
    uint32_t stale = c->bank.linked & ~(c->bank.resident | c->bank.latch | c->bank.active);

    if (c->loaded) {
        vgic_unlink(&c->bank, stale);
    } else {
        c->bank.linked &= ~stale;
    }
}

// ---- what the rest calls ----------------------------------------------------------------------------------

static void update(struct vcpu *vcpu)
{
    struct vgic_cpu *c = &vcpu->arch.vgic;
    struct vgic *vgic = &vcpu->vm->arch.vgic;
    uint32_t who = 0, hcr = GIC_HCR_EN;
    unsigned long flags = spin_lock(&vgic->lock);

    if (unlikely((c->hcr & GIC_HCR_LRENPIE) != 0)) {
        who |= end_parked(vcpu);
    }
    who |= renew(vcpu);
    drop_stale_links(c);
    who |= fill(vcpu);
    if (unlikely(c->parked)) {
        unpark(vcpu);
        hcr |= c->parked ? GIC_HCR_LRENPIE : 0;
    }
    hcr |= c->words != 0 ? GIC_HCR_NPIE : 0;
    c->attention = false;
    spin_unlock(&vgic->lock, flags);
    if (hcr != c->hcr) {
        c->hcr = hcr;
        if (c->loaded) {
            gic->virtual_control(hcr);
        }
    }
    who &= ~(1u << vcpu->index);
    if (unlikely(who != 0)) {
        vgic_kick(vcpu->vm, who);
    }
}

void vgic_flush(struct vcpu *vcpu)
{
    if (vcpu->arch.vgic.attention) {
        update(vcpu);
    }
}

void vgic_maintenance(struct vcpu *vcpu)
{
    update(vcpu);
}

bool vgic_has_pending(struct vcpu *vcpu)
{
    struct vgic_cpu *c = &vcpu->arch.vgic;

    // An end that asks for maintenance may have come in the same moment as the wait.
    if (c->attention || c->eoi != 0 || c->hcr != GIC_HCR_EN) {
        update(vcpu);
    }
    for (uint32_t used = c->used; used != 0; used &= used - 1) {
        if ((lr_get(c, (unsigned)__builtin_ctz(used)) & LR_STATE) == LR_PENDING) {
            return true;
        }
    }
    return false;
}

// The physical interrupts of what the guest has not ended are active while it has the core, and only then: the next
// VCPU has the same timer.
static void set_links(const struct vgic_cpu *c, bool active)
{
    for (uint32_t bits = c->bank.linked; bits != 0; bits &= bits - 1) {
        unsigned n = (unsigned)__builtin_ctz(bits), slot = c->slot[n];
        if (slot == VGIC_NO_SLOT || (c->lr[slot] & LR_STATE) != 0) {
            gic->set_active(c->bank.hw[n], active);
        }
    }
}

void vgic_load(struct vcpu *vcpu)
{
    struct vgic_cpu *c = &vcpu->arch.vgic;

    set_links(c, true);
    gic->virtual_load(c);
    c->loaded = true;
}

void vgic_save(struct vcpu *vcpu)
{
    struct vgic_cpu *c = &vcpu->arch.vgic;

    gic->virtual_save(c);
    c->loaded = false;
    set_links(c, false);
}

uint32_t vgic_evacuate(struct vcpu *vcpu)
{
    uint32_t who = 0;

    for (uint32_t used = vcpu->arch.vgic.used; used != 0; used &= used - 1) {
        who |= evict(vcpu, (unsigned)__builtin_ctz(used));
    }
    return who;
}
