// SPDX-License-Identifier: Apache-2.0
// What the files of the virtual interrupt controller share. All with vgic.lock held unless said otherwise.
#ifndef ARM64_VGIC_INTERNAL_H
#define ARM64_VGIC_INTERNAL_H

#include "arch/arm64/gic.h"
#include "arch/arm64/vgic.h"
#include "kernel/mmio.h"
#include "kernel/trace.h"
#include "kernel/vm.h"

#define LR_ID(lr) ((unsigned)((lr) & 0x3ff))

static inline struct vgic_bank *vgic_bank(struct vcpu *vcpu, unsigned word) {
    return word == 0 ? &vcpu->arch.vgic.bank : &vcpu->vm->arch.vgic.spi[word - 1];
}

static inline uint32_t vgic_pending(const struct vgic_bank *bank) { return bank->latch | (bank->line & ~bank->edge); }

// Pending, enabled, and its group enabled in the distributor.
static inline uint32_t vgic_deliverable(const struct vgic *vgic, const struct vgic_bank *bank) {
    uint32_t open = (vgic->open[1] & bank->group1) | (vgic->open[0] & ~bank->group1);

    return vgic_pending(bank) & bank->enabled & open;
}

// Deliverable and waiting for a list register.
static inline uint32_t vgic_ready(const struct vgic *vgic, const struct vgic_bank *bank) {
    return vgic_deliverable(vgic, bank) & ~bank->active & ~bank->resident;
}

// Linked, but nothing is left that would end it.
static inline uint32_t vgic_stale_links(const struct vgic_bank *bank) {
    return bank->linked & ~(bank->resident | bank->latch | bank->active);
}

// Orders interrupts: the smaller, the more urgent.
#define URGENCY_NONE        (~0u)
#define URGENCY_ID(u)       ((u) & 0xff)
#define URGENCY_PRIORITY(u) ((u) >> 8)

// One bit of priority: interrupts that have a 0 there, if any do, leave the others behind.
static inline void vgic_narrow(uint32_t ones, uint32_t *among, uint32_t *priority) {
    uint32_t ahead = *among & ~ones;

    *priority = *priority << 1 | (ahead == 0);
    *among = ahead != 0 ? ahead : *among;
}

// The most urgent one of interrupts `among`, at least one, of bank `word`: five steps, however many they are, written
// out because a loop costs half as much again where a guest has something ready in every bank.
static inline uint32_t vgic_urgency(const struct vgic_bank *bank, unsigned word, uint32_t among) {
    uint32_t priority = 0;

    _Static_assert(VGIC_PRIORITY_BITS == 5, "a step for each");
    vgic_narrow(bank->priority[0], &among, &priority);
    vgic_narrow(bank->priority[1], &among, &priority);
    vgic_narrow(bank->priority[2], &among, &priority);
    vgic_narrow(bank->priority[3], &among, &priority);
    vgic_narrow(bank->priority[4], &among, &priority);
    return priority << (16 - VGIC_PRIORITY_BITS) | (word * 32 + (unsigned)__builtin_ctz(among));
}

// SGIs of a v2 guest are pending once for each sender.
static inline bool vgic_is_v2_sgi(unsigned id) { return id < 16 && gic->version == 2; }

// Marks that VCPU to look at bank `word` in its next vgic_flush; returns the bit of it in a kick set, or 0 when an
// earlier mark has kicked it already.
static inline uint32_t vgic_attend(struct vcpu *vcpu, unsigned word) {
    struct vgic_cpu *c = &vcpu->arch.vgic;

    c->words |= 1u << word;
    if (c->attention) { return 0; }
    c->attention = true;
    return 1u << vcpu->index;
}

// To be called after every change of interrupts `bits` in a bank (`vcpu`: whose, when it is the private one): marks
// the VCPUs that must see it and returns them as a set for vgic_kick.
uint32_t vgic_changed(struct vcpu *vcpu, unsigned word, uint32_t bits);

// The same, when all that changed is that they became pending: the list register can stay as it is.
uint32_t vgic_pended(struct vcpu *vcpu, unsigned word, uint32_t bits);
static inline uint32_t vgic_private_pended(struct vcpu *vcpu, uint32_t bits) {
    const struct vgic_bank *bank = &vcpu->arch.vgic.bank;
    uint32_t look = vgic_deliverable(&vcpu->vm->arch.vgic, bank) | bank->resident;

    return (look & bits) != 0 ? vgic_attend(vcpu, 0) : 0;
}

// The physical interrupts of `bits` may fire again. Private ones: core of a loaded `vcpu`.
void vgic_unlink(struct vgic_bank *bank, uint32_t bits);

// The VCPU's private physical interrupts whose guest side is gone may fire again. While it is not loaded they are not active
// anyway. Its core.
void vgic_drop_stale_links(struct vgic_cpu *c);

// Without the lock: kicks a set of VCPUs of the VM, given by index.
void vgic_kick(struct vm *vm, uint32_t who);

// The state of a word's interrupts as a guest reads it: `state` is LR_PENDING or LR_ACTIVE. Adds to *who.
uint32_t vgic_read_state(struct vcpu *vcpu, unsigned word, uint64_t state, uint32_t *who);

// ---- list registers (vgic_lr.c): own core ----------------------------------------------------------------
static inline uint64_t vgic_lr_get(const struct vgic_cpu *c, unsigned i) {
    return c->loaded ? gic->read_lr(i) : c->lr[i];
}

static inline void vgic_lr_put(struct vgic_cpu *c, unsigned i, uint64_t lr) {
    __atomic_store_n(&c->lr[i], lr, __ATOMIC_RELAXED);
    if (c->loaded) { gic->write_lr(i, lr); }
}

// Which list registers are neither pending nor active.
static inline uint32_t vgic_lr_ended(const struct vgic_cpu *c) {
    uint32_t ended = 0;

    if (likely(c->loaded)) { return gic->empty_lrs(); }
    for (uint32_t used = c->used; used != 0; used &= used - 1) {
        unsigned i = (unsigned)__builtin_ctz(used);
        ended |= (c->lr[i] & LR_STATE) == 0 ? 1u << i : 0;
    }
    return ended;
}

static inline uint32_t vgic_lr_free(const struct vgic_cpu *c) {
    return ~c->used & (uint32_t)(BIT(gic_machine.lr_count) - 1);
}

// Fills list register `i` from the bank of `id`. `active`: LR_ACTIVE, with the sender of a v2 SGI, or 0.
void vgic_lr_place(struct vcpu *vcpu, unsigned i, unsigned id, uint64_t active);

// Back into the bank with what list register `i` holds. Returns a kick set, as the others.
uint32_t vgic_lr_evict(struct vcpu *vcpu, unsigned i);

// Takes back what list register `i`, in use, holds if somebody changed it, it came again, or it asked for maintenance at
// its end. False: nothing to do. Adds to *who.
bool vgic_lr_renew(struct vcpu *vcpu, unsigned i, bool ended, uint32_t *who);

// The most urgent of what is ready, or URGENCY_NONE; afterwards `words` has exactly the banks where something is.
uint32_t vgic_lr_choose(struct vcpu *vcpu);

// Brings that into a list register, unless they all hold what is more urgent or it is not ready any more. True: there may
// be another one to bring in. Adds to *who.
bool vgic_lr_offer(struct vcpu *vcpu, uint32_t urgency, uint32_t *who);

// Takes everything out of the list registers of a VCPU that is not loaded. Returns a kick set.
uint32_t vgic_evacuate(struct vcpu *vcpu);

// SPI `spi` (0 = INTID 32) goes to VCPU `index`, which is its affinity too, from now on; nowhere when there is none.
// Returns a kick set.
uint32_t vgic_route(struct vm *vm, unsigned spi, unsigned index);

// GICD_CTLR's group enables. Returns a kick set.
uint32_t vgic_set_ctlr(struct vm *vm, uint32_t ctlr);

// One access to the bank registers, at `access->offset` of a distributor or SGI frame below 0x1000, to the banks
// [first, end). Takes the lock. Anything unknown or of a wrong width is RAZ/WI.
void vgic_bank_access(struct vcpu *vcpu, unsigned first, unsigned end, struct mmio_access *access);

int vgic_v2_vm_init(struct vm *vm);
int vgic_v3_vm_init(struct vm *vm);

#endif
