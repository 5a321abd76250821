// SPDX-License-Identifier: Apache-2.0
// GICv3 as a guest sees it: distributor, a redistributor for each VCPU, SGIs by system register (IHI 0069, chapter 12).
// Affinity routing only, one Security state (DS = 1), no LPIs, no 1-of-N: an SPI goes to the affinity it names.
#include "arch/arm64/gic_regs.h"
#include "arch/arm64/vgic_internal.h"

#define INTID_BITS 10u
#define PIDR2_V3   (3u << PIDR2_ARCH_SHIFT | 0xbu)

static uint32_t distributor_read(const struct vm *vm, uint64_t offset) {
    const struct vgic *vgic = &vm->arch.vgic;

    switch (offset) {
    case GICD_CTLR: return vgic->ctlr | GICD_CTLR_ARE | GICD_CTLR_DS;
    case GICD_TYPER: return (vgic->words - 1) | (INTID_BITS - 1) << GICD_TYPER_IDBITS | GICD_TYPER_NO1N;
    case GICD_IIDR: return IIDR_ARM;
    case GICD_PIDR2: return PIDR2_V3;
    default: return 0;
    }
}

static void write_ctlr(struct vm *vm, uint32_t value) {
    unsigned long flags = spin_lock(&vm->arch.vgic.lock);
    uint32_t who = vgic_set_ctlr(vm, value & (GICD_CTLR_GRP0 | GICD_CTLR_GRP1));

    spin_unlock(&vm->arch.vgic.lock, flags);
    vgic_kick(vm, who);
}

// GICD_IROUTER<n>: Aff0..2 in the low word, Aff3 in the high one, either of them or both at once. Aff3 is packed above
// Aff2; Interrupt_Routing_Mode is RES0.
static void router_access(struct vm *vm, unsigned spi, struct mmio_access *access) {
    struct vgic *vgic = &vm->arch.vgic;
    unsigned shift = (access->offset & 4) * 8;
    uint64_t mask = access->size == 8 ? ~0ull : 0xffffffffull << shift;

    if (access->size < 4) {
        access->value = 0;
        return;
    }
    unsigned long flags = spin_lock(&vgic->lock);
    uint32_t *route = &vgic->route[spi], who = 0;
    uint64_t now = (uint64_t)(*route >> 24) << 32 | (*route & 0xffffff);
    if (access->write) {
        uint64_t value = (now & ~mask) | (access->value << shift & mask);
        *route = (uint32_t)(value >> 32 & 0xff) << 24 | (value & 0xffffff);
        who = vgic_route(vm, spi, *route);
    } else {
        access->value = now >> shift;
    }
    spin_unlock(&vgic->lock, flags);
    vgic_kick(vm, who);
}

static int distributor_access(struct vcpu *vcpu, UNUSED void *device, struct mmio_access *access) {
    struct vm *vm = vcpu->vm;
    uint64_t offset = access->offset;

    if (offset >= GICD_IGROUPR && offset < 0x1000) {
        vgic_bank_access(vcpu, 1, vm->arch.vgic.words, access);
    } else if (offset >= GICD_IROUTER + 8 * VGIC_PRIVATE && offset < GICD_IROUTER + 8 * 32 * vm->arch.vgic.words) {
        router_access(vm, (unsigned)(offset - GICD_IROUTER) / 8 - VGIC_PRIVATE, access);
    } else if (!access->write) {
        access->value = access->size == 4 ? distributor_read(vm, offset) : 0;
    } else if (offset == GICD_CTLR && access->size == 4) {
        write_ctlr(vm, (uint32_t)access->value);
    }
    return OK;
}

static uint64_t redistributor_read(const struct vcpu *owner, uint64_t offset) {
    bool last = owner->index + 1 == owner->vm->vcpu_count;

    switch (offset) {
    case GICR_IIDR: return IIDR_ARM;
    case GICR_TYPER:
        return (uint64_t)owner->index << GICR_TYPER_AFFINITY | owner->index << GICR_TYPER_NUMBER_SHIFT |
               (last ? GICR_TYPER_LAST : 0);
    case GICR_TYPER + 4: return owner->index;
    case GICR_WAKER: return owner->arch.vgic.asleep ? GICR_WAKER_SLEEP | GICR_WAKER_CHILDREN : 0;
    case GICR_PIDR2: return PIDR2_V3;
    default: return 0; // CTLR, PROPBASER, PENDBASER: no LPIs
    }
}

static int redistributor_access(struct vcpu *vcpu, UNUSED void *device, struct mmio_access *access) {
    struct vcpu *owner = vcpu->vm->vcpus[access->offset / VGIC_GICR_STRIDE];
    uint64_t offset = access->offset % VGIC_GICR_STRIDE;

    if (offset >= GICR_SGI_FRAME + GICD_IGROUPR && offset < GICR_SGI_FRAME + 0x1000) {
        access->offset = offset - GICR_SGI_FRAME;
        vgic_bank_access(owner, 0, 1, access);
    } else if (access->write) {
        if (offset == GICR_WAKER && access->size == 4) {
            owner->arch.vgic.asleep = (access->value & GICR_WAKER_SLEEP) != 0;
        }
    } else {
        access->value =
            access->size == 4 || (access->size == 8 && offset == GICR_TYPER) ? redistributor_read(owner, offset) : 0;
    }
    return OK;
}

// ---- SGIs -------------------------------------------------------------------------------------------------

// Target VCPUs of an ICC_SGI*R write. All affinities of a VM lie in Aff0, below 16.
static uint32_t sgi_targets(const struct vcpu *vcpu, uint64_t value) {
    uint32_t all = (1u << vcpu->vm->vcpu_count) - 1;
    uint64_t elsewhere = 0xffull << ICC_SGIR_AFF1_SHIFT | 0xffull << ICC_SGIR_AFF2_SHIFT |
                         0xffull << ICC_SGIR_AFF3_SHIFT | 0xfull << ICC_SGIR_RS_SHIFT;

    if ((value & ICC_SGIR_IRM) != 0) { return all & ~(1u << vcpu->index); }
    return (value & elsewhere) == 0 ? (uint32_t)value & ICC_SGIR_TARGETS & all : 0;
}

void vgic_send_sgi(struct vcpu *vcpu, uint64_t value, bool group1) {
    struct vm *vm = vcpu->vm;
    uint32_t bit = 1u << (value >> ICC_SGIR_INTID_SHIFT & 0xf), who = 0;
    unsigned long flags = spin_lock(&vm->arch.vgic.lock);

    for (uint32_t targets = sgi_targets(vcpu, value); targets != 0; targets &= targets - 1) {
        struct vcpu *target = vm->vcpus[__builtin_ctz(targets)];
        struct vgic_bank *bank = &target->arch.vgic.bank;
        if ((bank->latch & bit) == 0 && (group1 || (bank->group1 & bit) == 0)) { // else it is on its way already
            bank->latch |= bit;
            who |= vgic_private_pended(target, bit);
            trace(vcpu->cpu, TRACE_INJECT, target, (uint32_t)__builtin_ctz(bit), 0);
        }
    }
    spin_unlock(&vm->arch.vgic.lock, flags);
    vgic_kick(vm, who);
}

int vgic_v3_vm_init(struct vm *vm) {
    const struct mmio_region distributor = {VGIC_GICD_BASE, VGIC_GICD_SIZE, distributor_access, NULL};
    const struct mmio_region redistributors = {VGIC_GICR_BASE, vm->vcpu_count * VGIC_GICR_STRIDE, redistributor_access,
                                               NULL};
    int status = mmio_add(&vm->mmio, &distributor);

    return status == OK ? mmio_add(&vm->mmio, &redistributors) : status;
}
