// SPDX-License-Identifier: Apache-2.0
// What a core does with its VCPU's list registers: brings them up to date, loads and saves them.
#include "arch/arm64/vgic_internal.h"
#include "kernel/cpu.h"

// More than the list registers of any machine need: each is taken back once and filled in two steps.
enum { UPDATE_STEPS = 4 * VGIC_MAX_LR };

// ---- parked active interrupts -----------------------------------------------------------------------------

// The most urgent parked one: the guest ends what it took last. GIC_SPURIOUS: none.
static unsigned parked_best(struct vcpu *vcpu) {
    struct vgic_cpu *c = &vcpu->arch.vgic;
    uint32_t best = URGENCY_NONE;

    for (unsigned word = 0; word < vcpu->vm->arch.vgic.words; word++) {
        struct vgic_bank *bank = vgic_bank(vcpu, word);
        uint32_t bits = bank->active & ~bank->resident & c->held[word];
        if (bits != 0) { best = MIN(best, vgic_urgency(bank, word, bits)); }
    }
    return best == URGENCY_NONE ? GIC_SPURIOUS : URGENCY_ID(best);
}

static uint32_t end_parked(struct vcpu *vcpu) {
    struct vgic_cpu *c = &vcpu->arch.vgic;
    uint32_t count = (c->loaded ? gic->read_hcr() : c->hcr) >> GIC_HCR_EOI_COUNT_SHIFT, who = 0;

    if (c->loaded && count != 0) { gic->virtual_control(c->hcr); }
    for (; count != 0; count--) {
        unsigned id = parked_best(vcpu);
        if (id == GIC_SPURIOUS) { break; }
        uint32_t bit = 1u << id % 32;
        vgic_bank(vcpu, id / 32)->active &= ~bit;
        if (id >= VGIC_PRIVATE) { c->held[id / 32] &= ~bit; }
        who |= vgic_changed(vcpu, id / 32, bit);
    }
    return who;
}

// Brings parked ones back while there is room. A v2 SGI stays: its sender is forgotten.
static void unpark(struct vcpu *vcpu) {
    struct vgic_cpu *c = &vcpu->arch.vgic;

    c->parked = false;
    for (unsigned word = 0; word < vcpu->vm->arch.vgic.words; word++) {
        struct vgic_bank *bank = vgic_bank(vcpu, word);
        uint32_t bits = bank->active & ~bank->resident & c->held[word];
        for (; bits != 0; bits &= bits - 1) {
            unsigned id = word * 32 + (unsigned)__builtin_ctz(bits);
            uint32_t unused = vgic_lr_free(c);
            if (unused == 0) {
                c->parked = true;
                return;
            }
            if (vgic_is_v2_sgi(id)) {
                c->parked = true;
            } else {
                vgic_lr_place(vcpu, (unsigned)__builtin_ctz(unused), id, LR_ACTIVE);
            }
        }
    }
}

void vgic_drop_stale_links(struct vgic_cpu *c) {
    uint32_t stale = vgic_stale_links(&c->bank);

    if (c->loaded) {
        vgic_unlink(&c->bank, stale);
    } else {
        c->bank.linked &= ~stale;
    }
}

// ---- what the rest calls ----------------------------------------------------------------------------------

// Where an update is; what is left when a step ends is seen anew by the next update.
struct update {
    bool begun;      // a step has been done
    unsigned lr;     // the next list register to look at
    uint32_t chosen; // for the next free list register, or URGENCY_NONE
    uint32_t who;
};

// One change of one list register, or the choice of what enters one; the first step is never the choice alone, so that a
// second update is nearer to the end than the first. False: nothing is left to do.
static bool step(struct vcpu *vcpu, struct update *u) {
    struct vgic_cpu *c = &vcpu->arch.vgic;

    if (u->lr == 0 && unlikely((c->hcr & GIC_HCR_LRENPIE) != 0)) { u->who |= end_parked(vcpu); }
    for (uint32_t ended = vgic_lr_ended(c); u->lr < gic_machine.lr_count;) {
        unsigned i = u->lr++;
        if ((c->used & 1u << i) != 0 && vgic_lr_renew(vcpu, i, (ended & 1u << i) != 0, &u->who)) { return true; }
    }
    if (u->chosen == URGENCY_NONE) {
        vgic_drop_stale_links(c);
        u->chosen = vgic_lr_choose(vcpu);
        if (u->begun && u->chosen != URGENCY_NONE) { return true; } // as long as what follows
    }
    if (u->chosen != URGENCY_NONE) {
        bool more = vgic_lr_offer(vcpu, u->chosen, &u->who);
        u->chosen = URGENCY_NONE;
        if (more) { return true; }
    }
    if (unlikely(c->parked)) { unpark(vcpu); }
    return false;
}

// Whoever waits for this core waits for one step, not for all of them: a guest decides how many they are. `at_once`: the
// first one comes before even that. So it is for the interrupts that only ask for this work, else they would come back for
// ever: two of them, each yielding to the other.
static void update(struct vcpu *vcpu, bool at_once) {
    struct vgic_cpu *c = &vcpu->arch.vgic;
    struct vgic *vgic = &vcpu->vm->arch.vgic;
    struct update u = {.chosen = URGENCY_NONE};
    struct cpu *cpu = this_cpu();
    uint32_t hcr = c->hcr;
    bool more = true;

    for (unsigned n = 0; more && n < UPDATE_STEPS && ((at_once && !u.begun) || !cpu_must_yield(cpu)); n++) {
        unsigned long flags = spin_lock(&vgic->lock);
        bool asked = u.begun && c->attention; // by others; a step's own marks are for the steps that follow
        more = step(vcpu, &u);
        u.begun = true;
        c->attention = asked;
        hcr = GIC_HCR_EN | (c->parked ? GIC_HCR_LRENPIE : 0) | (c->words != 0 ? GIC_HCR_NPIE : 0);
        spin_unlock(&vgic->lock, flags);
    }
    if (unlikely(more)) {
        c->attention = true;
        cpu->todo |= TODO_INTERRUPTS;
    }
    if (hcr != c->hcr) {
        c->hcr = hcr;
        if (c->loaded) { gic->virtual_control(hcr); }
    }
    u.who &= ~(1u << vcpu->index);
    if (unlikely(u.who != 0)) { vgic_kick(vcpu->vm, u.who); }
}

// The one event that somebody waits for: a single private interrupt, with nothing else to do. It comes again to the list
// register where an edge or a linked one ended, or finds a free one.
static bool flush_one(struct vcpu *vcpu) {
    struct vgic_cpu *c = &vcpu->arch.vgic;
    struct vgic_bank *bank = &c->bank;
    uint32_t bits = vgic_deliverable(&vcpu->vm->arch.vgic, bank);

    if (c->words != 1 || c->parked || c->hcr != GIC_HCR_EN || bits == 0 || (bits & (bits - 1)) != 0 ||
        (bank->resync | (bank->active & bits) | vgic_stale_links(bank)) != 0) {
        return false;
    }
    unsigned id = (unsigned)__builtin_ctz(bits), slot = c->slot[id];
    if (vgic_is_v2_sgi(id)) { return false; }
    if (slot == VGIC_NO_SLOT) {
        uint32_t unused = vgic_lr_free(c);
        if (unused == 0) { return false; }
        vgic_lr_place(vcpu, (unsigned)__builtin_ctz(unused), id, 0);
    } else {
        if ((bits & (bank->edge | bank->linked)) == 0 || (vgic_lr_ended(c) >> slot & 1) == 0) { return false; }
        bank->latch &= ~bits;
        vgic_lr_put(c, slot, (c->lr[slot] & ~LR_STATE) | LR_PENDING);
    }
    c->words = 0;
    c->attention = false;
    return true;
}

void vgic_flush(struct vcpu *vcpu) {
    struct spinlock *lock = &vcpu->vm->arch.vgic.lock;

    if (!vcpu->arch.vgic.attention) { return; }
    unsigned long flags = spin_lock(lock);
    bool done = flush_one(vcpu);
    spin_unlock(lock, flags);
    if (!done) { update(vcpu, false); }
}

void vgic_maintenance(struct vcpu *vcpu) { update(vcpu, true); }

bool vgic_has_pending(struct vcpu *vcpu) {
    struct vgic_cpu *c = &vcpu->arch.vgic;

    // An end that asks for maintenance may have come in the same moment as the wait.
    if (c->attention || c->eoi != 0 || c->hcr != GIC_HCR_EN) { update(vcpu, false); }
    if (c->attention) { return true; } // perhaps: the wait is tried again
    for (uint32_t used = c->used & ~vgic_lr_ended(c); used != 0; used &= used - 1) {
        if ((vgic_lr_get(c, (unsigned)__builtin_ctz(used)) & LR_STATE) == LR_PENDING) { return true; }
    }
    return false;
}

// The physical interrupts of what the guest has not ended are active while it has the core, and only then: the next
// VCPU has the same timer.
static __attribute__((noinline)) void set_links(const struct vgic_cpu *c, bool active) {
    for (uint32_t bits = c->bank.linked; bits != 0; bits &= bits - 1) {
        unsigned n = (unsigned)__builtin_ctz(bits), slot = c->slot[n];
        if (slot == VGIC_NO_SLOT || (c->lr[slot] & LR_STATE) != 0) { gic_set_active(c->bank.hw[n], active); }
    }
}

void vgic_load(struct vcpu *vcpu) {
    struct vgic_cpu *c = &vcpu->arch.vgic;

    if (c->bank.linked != 0) { set_links(c, true); }
    c->loaded = true;
    gic->virtual_load(c);
}

void vgic_save(struct vcpu *vcpu) {
    struct vgic_cpu *c = &vcpu->arch.vgic;

    c->loaded = false;
    if (likely(c->bank.linked == 0)) {
        gic->virtual_save(c);
        return;
    }
    gic->virtual_save(c);
    set_links(c, false);
}

uint32_t vgic_evacuate(struct vcpu *vcpu) {
    uint32_t who = 0;

    for (uint32_t used = vcpu->arch.vgic.used; used != 0; used &= used - 1) {
        who |= vgic_lr_evict(vcpu, (unsigned)__builtin_ctz(used));
    }
    return who;
}
