// SPDX-License-Identifier: Apache-2.0
// The state of a VM's interrupts: its sources on one side, who must look at it on the other.
#include "arch/arm64/vgic.h"

#include "arch/arm64/vgic_internal.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/string.h"

#define SGI_BITS 0xffffu

void vgic_unlink(struct vgic_bank *bank, uint32_t bits) {
    bank->linked &= ~bits;
    for (; bits != 0; bits &= bits - 1) { gic_set_active(bank->hw[__builtin_ctz(bits)], false); }
}

static uint32_t spi_changed(struct vm *vm, unsigned word, uint32_t bits) {
    struct vgic_bank *bank = &vm->arch.vgic.spi[word - 1];
    uint32_t ready = vgic_ready(&vm->arch.vgic, bank) & bits;
    uint32_t news = bank->resync | (bank->resident & bank->latch & bits), who = 0;

    vgic_unlink(bank, vgic_stale_links(bank) & bits);
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        const struct vgic_cpu *c = &vm->vcpus[i]->arch.vgic;
        if (((c->mine[word] & ready) | (c->held[word] & news)) != 0) { who |= vgic_attend(vm->vcpus[i], word); }
    }
    return who;
}

uint32_t vgic_pended(struct vcpu *vcpu, unsigned word, uint32_t bits) {
    return word == 0 ? vgic_private_pended(vcpu, bits) : spi_changed(vcpu->vm, word, bits);
}

uint32_t vgic_changed(struct vcpu *vcpu, unsigned word, uint32_t bits) {
    struct vgic_bank *bank = vgic_bank(vcpu, word);

    bank->resync |= bits & bank->resident;
    if (word != 0) { return spi_changed(vcpu->vm, word, bits); }
    uint32_t look = vgic_ready(&vcpu->vm->arch.vgic, bank) | vgic_stale_links(bank);
    return ((look & bits) | bank->resync) != 0 ? vgic_attend(vcpu, 0) : 0;
}

void vgic_kick(struct vm *vm, uint32_t who) {
    for (; who != 0; who &= who - 1) {
        struct vcpu *vcpu = vm->vcpus[__builtin_ctz(who)];
        struct cpu *cpu = this_cpu();
        if (vcpu == cpu->current) {
            cpu->todo |= TODO_INTERRUPTS;
        } else {
            vcpu_interrupt(vcpu);
        }
    }
}

uint32_t vgic_route(struct vm *vm, unsigned spi, unsigned index) {
    unsigned word = 1 + spi / 32;
    uint32_t bit = 1u << spi % 32;

    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        uint32_t *mine = &vm->vcpus[i]->arch.vgic.mine[word];
        *mine = i == index ? *mine | bit : *mine & ~bit;
    }
    return vgic_changed(vm->vcpus[0], word, bit);
}

uint32_t vgic_set_ctlr(struct vm *vm, uint32_t ctlr) {
    struct vgic *vgic = &vm->arch.vgic;
    uint32_t who = 0;

    if (ctlr == vgic->ctlr) { return 0; }
    vgic->ctlr = ctlr;
    vgic->open[0] = (ctlr & 1) != 0 ? ~0u : 0;
    vgic->open[1] = (ctlr & 2) != 0 ? ~0u : 0;
    for (unsigned word = 1; word < vgic->words; word++) { vgic->spi[word - 1].resync = vgic->spi[word - 1].resident; }
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct vgic_cpu *c = &vm->vcpus[i]->arch.vgic;
        c->bank.resync = c->bank.resident;
        c->words = (1u << vgic->words) - 1;
        who |= vgic_attend(vm->vcpus[i], 0);
    }
    return who;
}

// ---- sources ----------------------------------------------------------------------------------------------

static bool is_valid(const struct vcpu *vcpu, unsigned id) {
    if (likely(id < 32 * vcpu->vm->arch.vgic.words)) { return true; }
    log_line("vgic: %s has no interrupt %u", vcpu->vm->name, id);
    return false;
}

// A level in a list register: its end asks for maintenance, and that looks at the line. One that was only pulsed need not.
static bool end_asks(const struct vcpu *vcpu, unsigned id) {
    const struct vgic_cpu *c = &vcpu->arch.vgic;

    if (id < VGIC_PRIVATE) { return (c->eoi >> c->slot[id] & 1) != 0; }
    return (vcpu->vm->arch.vgic.spi[id / 32 - 1].linked & 1u << id % 32) == 0;
}

void vgic_set_line(struct vcpu *vcpu, unsigned id, bool level) {
    if (!is_valid(vcpu, id)) { return; }
    struct vgic *vgic = &vcpu->vm->arch.vgic;
    struct vgic_bank *bank = vgic_bank(vcpu, id / 32);
    uint32_t bit = 1u << id % 32, who = 0;

    unsigned long flags = spin_lock(&vgic->lock);
    bool seen = (bank->edge & bit) == 0 && (bank->resident & bit) != 0;
    if (level && (bank->line & bit) == 0) {
        bank->line |= bit;
        trace(this_cpu(), TRACE_INJECT, vcpu, id, 0);
        bank->latch |= bank->edge & bit;
        who = seen && end_asks(vcpu, id) ? 0 : vgic_changed(vcpu, id / 32, bit);
    } else if (!level && (bank->line & bit) != 0) {
        bank->line &= ~bit;
        if (seen) {
            bank->void_pending |= bit;
            who = vgic_changed(vcpu, id / 32, bit);
        }
    }
    spin_unlock(&vgic->lock, flags);
    vgic_kick(vcpu->vm, who);
}

static uint32_t latch(struct vcpu *vcpu, unsigned id, unsigned hw) {
    struct vgic *vgic = &vcpu->vm->arch.vgic;
    struct vgic_bank *bank = vgic_bank(vcpu, id / 32);
    uint32_t bit = 1u << id % 32;
    unsigned long flags = spin_lock(&vgic->lock);

    if (hw != 0) {
        bank->hw[id % 32] = (uint16_t)hw;
        bank->linked |= bit;
    }
    bank->latch |= bit;
    trace(this_cpu(), TRACE_INJECT, vcpu, id, 0);
    uint32_t who = vgic_pended(vcpu, id / 32, bit);
    spin_unlock(&vgic->lock, flags);
    return who;
}

void vgic_pulse(struct vcpu *vcpu, unsigned id) {
    if (is_valid(vcpu, id)) { vgic_kick(vcpu->vm, latch(vcpu, id, 0)); }
}

static __attribute__((noinline)) void inject_first(struct vcpu *vcpu, unsigned id, unsigned hw) {
    if (is_valid(vcpu, id)) {
        uint32_t who = latch(vcpu, id, hw);
        if (id < VGIC_PRIVATE) {
            vgic_flush(vcpu);
        } else {
            vgic_kick(vcpu->vm, who);
        }
    }
}

void vgic_inject_hw(struct vcpu *vcpu, unsigned id, unsigned hw) {
    struct vgic_cpu *c = &vcpu->arch.vgic;

    if (likely(id < VGIC_PRIVATE && c->slot[id] != VGIC_NO_SLOT)) {
        // It has been here before: the guest's end of it has emptied the list register, or it could not fire again.
        uint64_t lr = c->lr[c->slot[id]];
        if (likely((lr & LR_HW) != 0)) {
            gic->write_lr(c->slot[id], (lr & ~LR_STATE) | LR_PENDING);
            return;
        }
    }
    inject_first(vcpu, id, hw);
}

static __attribute__((noinline)) bool expire(struct vcpu *vcpu, unsigned id, unsigned hw) {
    struct vgic_cpu *c = &vcpu->arch.vgic;
    unsigned slot = c->slot[id];

    if (slot != VGIC_NO_SLOT) {
        uint64_t lr = vgic_lr_get(c, slot);
        if ((lr & LR_STATE) != 0) { return false; }
        if (likely(c->loaded && (lr & LR_HW) != 0)) {
            gic_set_active(hw, true);
            gic->write_lr(slot, lr | LR_PENDING);
            return true;
        }
    } else if ((c->bank.linked & (1u << id)) != 0) { // waits for the guest to enable it
        return false;
    }
    if (c->loaded) { gic_set_active(hw, true); }
    latch(vcpu, id, hw);
    vgic_flush(vcpu);
    return true;
}

bool vgic_expire_hw(struct vcpu *vcpu, unsigned id, unsigned hw) {
    struct vgic_cpu *c = &vcpu->arch.vgic;

    if (likely(!c->loaded && c->slot[id] != VGIC_NO_SLOT)) {
        uint64_t *lr = &c->lr[c->slot[id]];
        if (likely((*lr & (LR_STATE | LR_HW)) == LR_HW)) {
            *lr |= LR_PENDING;
            return true;
        }
    }
    return expire(vcpu, id, hw);
}

static __attribute__((noinline)) void withdraw(struct vcpu *vcpu, unsigned id) {
    struct vgic_cpu *c = &vcpu->arch.vgic;
    unsigned slot = c->slot[id];

    if (likely(slot != VGIC_NO_SLOT)) {
        uint64_t lr = vgic_lr_get(c, slot);
        if (unlikely((lr & (LR_STATE | LR_HW)) == (LR_PENDING | LR_HW))) {
            vgic_lr_put(c, slot, lr & ~LR_STATE);
            if (c->loaded) { gic_set_active(c->bank.hw[id], false); }
        }
        return;
    }
    unsigned long flags = spin_lock(&vcpu->vm->arch.vgic.lock);
    c->bank.latch &= ~(1u << id); // no list register has it, and none has to change
    vgic_drop_stale_links(c);
    spin_unlock(&vcpu->vm->arch.vgic.lock, flags);
}

void vgic_hw_line(struct vcpu *vcpu, unsigned id, bool level) {
    if (!level && (vcpu->arch.vgic.bank.linked & (1u << id)) != 0) { withdraw(vcpu, id); }
}

// ---- what a guest reads ------------------------------------------------------------------------------------

static uint32_t resident_state(struct vcpu *holder, unsigned word, uint64_t state, bool here) {
    const struct vgic_cpu *c = &holder->arch.vgic;
    uint32_t bits = 0;

    for (unsigned i = 0; i < gic_machine.lr_count; i++) {
        uint64_t lr = here ? gic->read_lr(i) : __atomic_load_n(&c->lr[i], __ATOMIC_RELAXED);
        if ((c->used & 1u << i) != 0 && LR_ID(lr) / 32 == word && (lr & state) != 0) { bits |= 1u << LR_ID(lr) % 32; }
    }
    return bits;
}

uint32_t vgic_read_state(struct vcpu *vcpu, unsigned word, uint64_t state, uint32_t *who) {
    struct vm *vm = vcpu->vm;
    struct vgic_bank *bank = vgic_bank(vcpu, word);
    uint32_t bits = 0, voided = state == LR_PENDING ? bank->void_pending : bank->void_active;

    for (unsigned i = 0; i < vm->vcpu_count && bank->resident != 0; i++) {
        struct vcpu *holder = word == 0 ? vcpu : vm->vcpus[i];
        struct vgic_cpu *c = &holder->arch.vgic;
        uint32_t theirs = bank->resident & c->held[word];
        bool here = holder == this_cpu()->current && c->loaded;
        if (theirs != 0) {
            bits |= resident_state(holder, word, state, here) & theirs;
            if (!here && c->loaded) { // a picture now, a newer one for who asks again
                bank->resync |= theirs;
                *who |= vgic_attend(holder, word);
            }
        }
        if (word == 0) { break; }
    }
    return (bits & ~voided) | (state == LR_PENDING ? vgic_pending(bank) : bank->active);
}

// ---- life -------------------------------------------------------------------------------------------------

static void reset_cpu(struct vcpu *vcpu) {
    struct vgic_cpu *c = &vcpu->arch.vgic;

    memset(c->slot, VGIC_NO_SLOT, sizeof(c->slot));
    c->bank = (struct vgic_bank){.edge = SGI_BITS, .enabled = gic->version == 2 ? SGI_BITS : 0};
    memset(c->sgi_sources, 0, sizeof(c->sgi_sources));
    c->mine[0] = ~0u;
    c->held[0] = ~0u;
    c->used = 0;
    c->eoi = 0;
    c->hcr = GIC_HCR_EN;
    c->vmcr = 0;
    memset(c->apr, 0, sizeof(c->apr));
    c->attention = false;
    c->parked = false;
    c->asleep = true;
    c->words = (1u << vcpu->vm->arch.vgic.words) - 1; // SPIs that already wait for it
}

void vgic_vcpu_reset(struct vcpu *vcpu) {
    struct vgic *vgic = &vcpu->vm->arch.vgic;

    ASSERT(!vcpu->arch.vgic.loaded);
    unsigned long flags = spin_lock(&vgic->lock);
    uint32_t who = vgic_evacuate(vcpu);
    reset_cpu(vcpu);
    who |= vgic_attend(vcpu, 0);
    spin_unlock(&vgic->lock, flags);
    vgic_kick(vcpu->vm, who & ~(1u << vcpu->index));
}

static unsigned long reopen(struct vgic *vgic, unsigned long flags) {
    spin_unlock(&vgic->lock, flags);
    return spin_lock(&vgic->lock);
}

// The lock is open after each step, and interrupts with it. Nobody but a device, whose line changes, can come in between: it
// finds a bank before or after its step, in a distributor that is off.
void vgic_vm_reset(struct vm *vm) {
    struct vgic *vgic = &vm->arch.vgic;
    unsigned long flags = spin_lock(&vgic->lock);

    (void)vgic_set_ctlr(vm, 0); // nobody has to look: all begin anew
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct vgic_cpu *c = &vm->vcpus[i]->arch.vgic;
        ASSERT(!c->loaded);
        reset_cpu(vm->vcpus[i]);
        for (unsigned word = 1; word < vgic->words; word++) {
            c->mine[word] = i == 0 ? ~0u : 0; // affinity 0, or the first target
            c->held[word] = 0;
        }
        flags = reopen(vgic, flags);
    }
    for (unsigned i = 0; i + 1 < vgic->words; i++) {
        vgic_unlink(&vgic->spi[i], vgic->spi[i].linked);
        vgic->spi[i] = (struct vgic_bank){0};
        for (unsigned spi = 32 * i; spi < 32 * (i + 1); spi++) { vgic->route[spi] = gic->version == 2 ? 1 : 0; }
        flags = reopen(vgic, flags);
    }
    spin_unlock(&vgic->lock, flags);
}

int vgic_vm_init(struct vm *vm) {
    struct vgic *vgic = &vm->arch.vgic;
    unsigned words = (MIN(vm->desc->spi_count, (unsigned)VGIC_MAX_SPIS) + 31) / 32;

    vgic->words = 1 + words;
    if (words != 0) {
        vgic->spi = memory_alloc(words * sizeof(*vgic->spi));
        vgic->route = memory_alloc(words * 32 * sizeof(*vgic->route));
        if (vgic->spi == NULL || vgic->route == NULL) { return ERR_NO_MEMORY; }
    }
    vgic_vm_reset(vm);
    return gic->version == 2 ? vgic_v2_vm_init(vm) : vgic_v3_vm_init(vm);
}
