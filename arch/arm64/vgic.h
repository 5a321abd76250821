// SPDX-License-Identifier: Apache-2.0
// The virtual interrupt controller: one model of the interrupts' state (vgic.c), list registers as a cache of what the
// guest takes next (vgic_lr.c, vgic_sync.c), two register faces (vgic_v3.c: GICD, GICR, ICC_SGI1R; vgic_v2.c: GICD; its CPU interface
// is the hardware's GICV page) over one table of bank registers (vgic_regs.c).
//
// Who may touch what:
//   vgic.lock        banks, routes, CTLR, `mine`, `held`, `words`, `sgi_sources`, setting `attention`. Sections are
//                    short: what a guest can make long is done in steps, and between them whoever waits for the core,
//                    or for the lock, comes first (vgic_sync.c). No loop over interrupts, only over banks.
//   own core only    lr, used, slot, hcr, vmcr, apr, loaded. A VCPU changes its core only while it is not loaded, so saving, loading
//                    and the virtual timer's injection take no lock. Other cores read `lr` as a picture of the last sync.
// A change to an interrupt that sits in a list register is left in its bank, marked `resync`, and applied by the VCPU
// that holds it when it next passes vgic_flush; until then a read by another VCPU of its pending or active bit sees the
// picture, and asks the holder for a new one.
#ifndef ARM64_VGIC_H
#define ARM64_VGIC_H

#include "kernel/types.h"

struct vm;
struct vcpu;

enum {
    VGIC_PRIVATE = 32,
    VGIC_MAX_SPIS = 224,
    VGIC_WORDS = (VGIC_PRIVATE + VGIC_MAX_SPIS) / 32,
    VGIC_MAX_LR = 16,
    VGIC_PRIORITY_BITS = 5, // what the hardware's list registers have
    VGIC_NO_SLOT = 0xff,
};

// Where guests find it (the same as QEMU's virt).
#define VGIC_GICD_BASE    0x08000000ull
#define VGIC_GICD_SIZE    0x10000ull
#define VGIC_GICR_BASE    0x080a0000ull
#define VGIC_GICR_STRIDE  0x20000ull
#define VGIC_GICC_BASE    0x08010000ull // v2
#define VGIC_GICC_SIZE    0x2000ull

// List register in the v3 layout (IHI 0069, ICH_LR<n>_EL2): state 63:62, HW 61, group 60, priority 55:48, pINTID 41:32
// (EOI bit 41 and, for SGIs of a v2 guest, the sender in 34:32 where HW = 0), vINTID 31:0.
#define LR_PENDING        (1ull << 62)
#define LR_ACTIVE         (1ull << 63)
#define LR_STATE          (LR_PENDING | LR_ACTIVE)
#define LR_HW             (1ull << 61)
#define LR_GROUP1         (1ull << 60)
#define LR_PRIORITY_SHIFT 48
#define LR_EOI            (1ull << 41)
#define LR_PHYSICAL_SHIFT 32
#define LR_SOURCE_SHIFT   32

// 32 interrupts, a bit each.
struct vgic_bank {
    uint32_t enabled;
    uint32_t group1;
    uint32_t edge;
    uint32_t latch;    // pending by an edge, by the guest's write, or by the physical interrupt it is linked to
    uint32_t line;     // level input
    uint32_t active;   // and not (yet) so in a list register
    uint32_t resident; // in a list register of some VCPU
    uint32_t resync;   // resident, and the bank knows something that the list register does not
    uint32_t void_pending, void_active;    // resident: that state of the list register counts no more
    uint32_t linked;                       // its physical interrupt is held active for it
    uint32_t priority[VGIC_PRIORITY_BITS]; // [0]: the most significant bit of each interrupt's
    uint16_t hw[32];                       // linked: physical INTID
};

struct vgic_cpu {
    uint64_t lr[VGIC_MAX_LR]; // as saved or last written
    uint32_t used;            // list registers that belong to an interrupt, be it inactive by now
    uint32_t eoi;             // of these, which ask for a maintenance interrupt when they end
    uint32_t hcr;             // ICH_HCR_EL2
    uint32_t vmcr;
    uint32_t apr[2][4]; // ICH_AP0R<n>, ICH_AP1R<n>
    uint8_t slot[VGIC_PRIVATE];
    bool loaded;
    bool attention;            // vgic_flush has something to do; whoever sets it kicks
    bool parked;               // an active interrupt of this VCPU may lie outside the list registers
    bool asleep;               // v3 GICR_WAKER.ProcessorSleep
    uint32_t words;            // bit n: bank n may have something for the list registers
    uint32_t mine[VGIC_WORDS]; // routed here
    uint32_t held[VGIC_WORDS]; // in this VCPU's list registers, or active on it
    uint8_t sgi_sources[16];   // v2: which VCPUs sent it
    struct vgic_bank bank;     // SGIs and PPIs
};

struct vgic {
    struct spinlock lock;
    uint32_t ctlr;         // GICD_CTLR enable bits
    uint32_t open[2];      // all ones where group 0 / 1 is enabled there
    unsigned words;        // banks, the private one included
    struct vgic_bank *spi; // words - 1
    uint32_t *route;       // each SPI: v3 affinity, v2 ITARGETSR byte
};

// Sets up registers' MMIO regions and state for the host's kind. VM creation, after the VM's VCPUs and stage 2.
int vgic_vm_init(struct vm *vm);
// All VCPUs are off and not loaded. Resets the VCPUs too.
void vgic_vm_reset(struct vm *vm);
// The VCPU is not loaded. SPIs that it had go back to the distributor.
void vgic_vcpu_reset(struct vcpu *vcpu);

// The level input of interrupt `id` of `vcpu` (private) or its VM (SPI) changes, or an edge arrives. Kicks the target
// VCPU when it must see it. Any core, interrupts masked. `id` out of range is ignored with a log line (own bug).
void vgic_set_line(struct vcpu *vcpu, unsigned id, bool level);
void vgic_pulse(struct vcpu *vcpu, unsigned id);

// The physical interrupt `hw` was acknowledged and stays active until the guest ends `id`: linked list register.
// A private interrupt of a VCPU on its own core (the virtual timer: fast path, no lock), or an SPI from any core.
void vgic_inject_hw(struct vcpu *vcpu, unsigned id, unsigned hw);
// The same, when no physical interrupt was taken because `vcpu` was not running: the physical one is made active when
// the VCPU is loaded, so that it cannot fire a second time. Private interrupts, own core. False, and nothing
// happens, when `id` is pending or active already.
bool vgic_expire_hw(struct vcpu *vcpu, unsigned id, unsigned hw);
// The level of the linked private interrupt `id` as its source has it now: when it is low, a pending and not yet taken
// interrupt is withdrawn (the guest moved its compare value). Own core.
void vgic_hw_line(struct vcpu *vcpu, unsigned id, bool level);

// Writes of ICC_SGI1R_EL1, or of ICC_SGI0R_EL1 or ICC_ASGI1R_EL1 (`group1` false: group 0 SGIs only). v3. Current VCPU.
void vgic_send_sgi(struct vcpu *vcpu, uint64_t value, bool group1);

// Handler context, own core.
void vgic_flush(struct vcpu *vcpu); // what became ready -> LRs: TODO_INTERRUPTS, and whenever it becomes current
void vgic_load(struct vcpu *vcpu);  // into hardware, physical active state of linked PPIs set
void vgic_save(struct vcpu *vcpu);  // back, physical active state of linked PPIs cleared
void vgic_maintenance(
    struct vcpu *vcpu); // an interrupt that asks for this alone; `vcpu` is the loaded one, current or not
bool vgic_has_pending(struct vcpu *vcpu); // something that would end a WFI

#endif
