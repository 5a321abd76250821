// SPDX-License-Identifier: Apache-2.0
// The virtual interrupt controller: one model of the interrupts' state (vgic.c), two register faces (vgic_v3.c: GICD,
// GICR, ICC_SGI1R; vgic_v2.c: GICD; its CPU interface is the hardware's GICV page), list registers as a cache of at most
// gic->lr_count interrupts of the VCPU that is loaded.
#ifndef ARM64_VGIC_H
#define ARM64_VGIC_H

#include "kernel/types.h"

struct vm;
struct vcpu;

enum { VGIC_PRIVATE = 32, VGIC_MAX_SPIS = 224 };

// List register in the v3 layout (IHI 0069, ICH_LR<n>_EL2): state 63:62, HW 61, group 60, priority 55:48, pINTID 41:32
// (EOI bit 41 where HW = 0), vINTID 31:0.
#define LR_PENDING (1ull << 62)
#define LR_ACTIVE  (1ull << 63)
#define LR_HW      (1ull << 61)
#define LR_GROUP1  (1ull << 60)

struct virq {
    uint8_t priority;
    bool enabled : 1;
    bool pending : 1; // the latch: edge seen, or written by the guest
    bool line : 1;    // level input
    bool active : 1;
    bool edge : 1;
    bool group1 : 1;
    bool in_lr : 1;
    uint8_t lr;      // which, when in_lr
    uint8_t target;  // SPI: VCPU index (v3 affinity) or, v2, the chosen one of `targets`
    uint8_t targets; // v2: ITARGETSR byte
    uint8_t sources; // v2 SGI: which VCPUs sent it
    uint16_t hw;     // physical INTID it is linked to, 0: none
};

struct vgic_cpu {
    struct spinlock lock; // private interrupts, LRs and `queue` of this VCPU
    struct virq irq[VGIC_PRIVATE];
    uint64_t ready[(VGIC_PRIVATE + VGIC_MAX_SPIS + 63) /
                   64]; // pending and enabled for this VCPU, not in an LR
    uint64_t lr[16];    // saved while not loaded
    uint32_t vmcr;
    uint32_t apr[8];
    uint64_t used_lrs; // bitmap of LRs that hold something
    bool loaded;
    bool asleep; // v3 GICR_WAKER.ProcessorSleep
};

struct vgic {
    struct spinlock lock; // distributor, SPIs
    bool enabled;         // GICD_CTLR group 1 (v2: group 0/1 as written)
    uint32_t ctlr;
    unsigned spi_count;
    struct virq *spi;
};

// Sets up registers' MMIO regions and state for the host's kind. VM creation.
int vgic_vm_init(struct vm *vm);
void vgic_vm_reset(struct vm *vm);
void vgic_vcpu_reset(struct vcpu *vcpu);

// The level input of interrupt `id` of `vcpu` (private) or its VM (SPI) changes, or an edge arrives. Kicks the target
// VCPU when it must see it. Any core, interrupts masked. `id` out of range is ignored with a log line (own bug).
void vgic_set_line(struct vcpu *vcpu, unsigned id, bool level);
void vgic_pulse(struct vcpu *vcpu, unsigned id);
// A physical interrupt `hw` that stays active until the guest ends it: linked list register. Fast path of the
// virtual timer: caller is the core on which `vcpu` is current.
void vgic_inject_hw(struct vcpu *vcpu, unsigned id, unsigned hw);

// ICC_SGI1R_EL1 write (v3). Current VCPU.
void vgic_send_sgi(struct vcpu *vcpu, uint64_t sgi1r);

// Handler context, own core.
void vgic_flush(struct vcpu *vcpu); // ready -> LRs; called for TODO_INTERRUPTS and by vgic_load
void vgic_load(struct vcpu *vcpu);  // into hardware, physical active state of linked PPIs set
void vgic_save(struct vcpu *vcpu);  // back, physical active state of linked PPIs cleared
void vgic_maintenance(struct vcpu *vcpu); // maintenance interrupt
bool vgic_has_pending(struct vcpu *vcpu); // something deliverable: in LRs or ready

#endif
