// SPDX-License-Identifier: Apache-2.0
// GICv2 as a guest sees it: an emulated distributor (IHI 0048B, chapter 4) and, as its CPU interface, the hardware's
// virtual one (GICV, chapter 5), mapped by stage 2. An SPI with several targets goes to the lowest of them.
#include "arch/arm64/gic_regs.h"
#include "arch/arm64/vgic_internal.h"
#include "kernel/arch.h"

#define IIDR_V2  (2u << 24 | IIDR_ARM)
#define PIDR2_V2 (2u << PIDR2_ARCH_SHIFT | 0xbu)

static uint32_t control_read(const struct vm *vm, uint64_t offset) {
    const struct vgic *vgic = &vm->arch.vgic;

    switch (offset) {
    case GICD_CTLR: return vgic->ctlr;
    case GICD_TYPER: return (vgic->words - 1) | (vm->vcpu_count - 1u) << GICD_TYPER_CPUS;
    case GICD_IIDR: return IIDR_V2;
    case GICD_ICPIDR2: return PIDR2_V2;
    default: return 0;
    }
}

// GICD_ITARGETSR<n>, a byte each. Those of private interrupts name the reader and cannot be written.
static uint32_t targets_access(struct vcpu *vcpu, struct mmio_access *access) {
    struct vm *vm = vcpu->vm;
    uint32_t all = (1u << vm->vcpu_count) - 1, value = 0, who = 0;
    unsigned id = (unsigned)(access->offset - GICD_ITARGETSR);

    for (unsigned i = 0; i < access->size && id + i < 32 * vm->arch.vgic.words; i++) {
        if (id + i < VGIC_PRIVATE) {
            value |= 1u << vcpu->index << 8 * i;
            continue;
        }
        uint32_t *targets = &vm->arch.vgic.route[id + i - VGIC_PRIVATE];
        if (access->write) {
            *targets = access->value >> 8 * i & all;
            who |= vgic_route(vm, id + i - VGIC_PRIVATE, *targets != 0 ? (unsigned)__builtin_ctz(*targets) : MAX_VCPUS);
        }
        value |= *targets << 8 * i;
    }
    access->value = value;
    return who;
}

static uint32_t send(struct vcpu *vcpu, uint32_t value) {
    struct vm *vm = vcpu->vm;
    unsigned id = value & 0xf;
    uint32_t all = (1u << vm->vcpu_count) - 1, self = 1u << vcpu->index, who = 0;
    // CPUTargetList, all but the sender, the sender alone; 3 is reserved.
    const uint32_t filtered[] = {value >> GICD_SGIR_TARGETS & 0xff & all, all & ~self, self, 0};

    for (uint32_t to = filtered[value >> GICD_SGIR_FILTER & 3]; to != 0; to &= to - 1) {
        struct vcpu *target = vm->vcpus[__builtin_ctz(to)];
        target->arch.vgic.sgi_sources[id] |= (uint8_t)self;
        target->arch.vgic.bank.latch |= 1u << id;
        who |= vgic_private_pended(target, 1u << id);
        trace(vcpu->cpu, TRACE_INJECT, target, id, 0);
    }
    return who;
}

// Removes senders of a pending SGI, also the one whose request is in the list register. Own VCPU.
static uint32_t clear_senders(struct vcpu *vcpu, unsigned id, uint8_t senders) {
    struct vgic_cpu *c = &vcpu->arch.vgic;
    unsigned slot = c->slot[id];

    c->sgi_sources[id] &= (uint8_t)~senders;
    if (c->sgi_sources[id] == 0) { c->bank.latch &= ~(1u << id); }
    if (slot != VGIC_NO_SLOT && (senders >> (c->lr[slot] >> LR_SOURCE_SHIFT & 7) & 1) != 0) {
        c->bank.void_pending |= 1u << id;
    }
    return vgic_changed(vcpu, 0, 1u << id);
}

// GICD_SPENDSGIR<n>, GICD_CPENDSGIR<n>: a byte of senders for each SGI of the accessing VCPU.
static uint32_t senders_access(struct vcpu *vcpu, struct mmio_access *access) {
    struct vgic_cpu *c = &vcpu->arch.vgic;
    bool set = access->offset >= GICD_SPENDSGIR;
    unsigned id = (unsigned)(access->offset & 0xf);
    uint32_t all = (1u << vcpu->vm->vcpu_count) - 1, value = 0, who = 0;

    for (unsigned i = 0; i < access->size; i++) {
        uint8_t senders = (uint8_t)(access->value >> 8 * i & all);
        if (access->write && set && senders != 0) {
            c->sgi_sources[id + i] |= senders;
            c->bank.latch |= 1u << (id + i);
            who |= vgic_changed(vcpu, 0, 1u << (id + i));
        } else if (access->write && senders != 0) {
            who |= clear_senders(vcpu, id + i, senders);
        }
        value |= (uint32_t)c->sgi_sources[id + i] << 8 * i;
    }
    access->value = value;
    return who;
}

static uint32_t shared_access(struct vcpu *vcpu, struct mmio_access *access) {
    uint64_t offset = access->offset;
    bool word = access->size == 4;

    if (offset >= GICD_ITARGETSR && offset < GICD_ICFGR && (word || access->size == 1)) {
        return targets_access(vcpu, access);
    }
    if (offset >= GICD_CPENDSGIR && offset < GICD_SPENDSGIR + 16 && (word || access->size == 1)) {
        return senders_access(vcpu, access);
    }
    if (access->write && word && offset == GICD_CTLR) {
        return vgic_set_ctlr(vcpu->vm, access->value & (GICD_CTLR_GRP0 | GICD_CTLR_GRP1));
    }
    if (access->write && word && offset == GICD_SGIR) { return send(vcpu, (uint32_t)access->value); }
    if (!access->write) { access->value = word ? control_read(vcpu->vm, offset) : 0; }
    return 0;
}

static int distributor_access(struct vcpu *vcpu, UNUSED void *device, struct mmio_access *access) {
    struct vgic *vgic = &vcpu->vm->arch.vgic;
    uint64_t offset = access->offset;

    if ((offset >= GICD_IGROUPR && offset < GICD_ITARGETSR) || (offset >= GICD_ICFGR && offset < GICD_IGRPMODR)) {
        vgic_bank_access(vcpu, 0, vgic->words, access);
        return OK;
    }
    unsigned long flags = spin_lock(&vgic->lock);
    uint32_t who = shared_access(vcpu, access);
    spin_unlock(&vgic->lock, flags);
    vgic_kick(vcpu->vm, who);
    return OK;
}

int vgic_v2_vm_init(struct vm *vm) {
    const struct mmio_region distributor = {VGIC_GICD_BASE, VGIC_GICD_SIZE, distributor_access, NULL};
    int status = mmio_add(&vm->mmio, &distributor);

    return status == OK ? arch_vm_map(vm, VGIC_GICC_BASE, gic_machine.gicv, VGIC_GICC_SIZE, STAGE2_DEVICE) : status;
}
