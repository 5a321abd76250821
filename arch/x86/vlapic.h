// SPDX-License-Identifier: Apache-2.0
// The local APIC of one VCPU as its guest sees it: xAPIC (a page of MMIO) and x2APIC (MSRs) over one table of registers
// (vlapic_regs.c), requests and priorities (vlapic.c), interprocessor interrupts (vlapic_ipi.c), timer (vlapic_timer.c).
// It knows neither VCPUs nor VMs: what lies outside is the owner's, reached through struct vlapic_ops.
//
// Who may touch what:
//   any core, atomic   IRR, TMR, events, startup_vector, errors: what a message from elsewhere changes. Bits are set and
//                      taken by single atomic operations; there is no lock and nothing waits.
//   written by the own core, read by others as a picture (relaxed)
//                      base, ID, LDR, DFR, SVR, TPR, LVT: who is the destination of a message, and whether it is let in.
//   own core only      everything else. "Own core" is the core of the VCPU while it is on; before it is on, whoever
//                      starts it. Functions say "own core" or "any core"; all run with interrupts masked or in a handler.
// Order: a sender sets the bit (release), then calls `kick`, which must put a full barrier between that and its question
// whether the owner runs or waits (vcpu_interrupt does). The owner that goes to sleep stores its state, passes a full
// barrier, then looks at events and vlapic_pending_vector (vcpu_block does). So one of the two sees the other. A message that finds its bit
// set already does not kick: the one that set it does, or has, and the owner looks at the bit before it sleeps.
//
// Not there, and why: relocation of the page and CMCI (nobody needs them: the base is fixed, the LVT has six entries); pins
// LINT0 and LINT1, external interrupts, thermal and performance interrupts (nothing makes them: their LVT entries read back);
// suppression of EOI broadcasts (its bit in VERSION is clear); SMIs (accepted and ignored: guests have no SMM); arbitration
// priority and remote read (reserved since the Pentium 4).
#ifndef X86_VLAPIC_H
#define X86_VLAPIC_H

#include "arch/x86/apic_regs.h"
#include "kernel/types.h"

enum {
    VLAPIC_NONE = -1, // no vector
    VLAPIC_LVTS = APIC_LVT_ERROR - APIC_LVT_TIMER + 1,
    // The timer's clock before its divider: one for 2^5 ticks of the TSC, near 100 MHz on machines of today. So that no time
    // is converted: a count is a number of ticks.
    VLAPIC_CLOCK_SHIFT = 5,
};

#define VLAPIC_NEVER        UINT64_MAX
#define VLAPIC_CLOCK_HZ_MAX 8589934592ull // of now(): within it a sum of times does not overflow

// Constant for a VM.
struct vlapic_config {
    uint64_t least_period; // ticks between two interrupts of the periodic timer, at least; 1 or more
};

// A message to local APICs: from an ICR, a redirection entry, an MSI.
struct vlapic_message {
    uint32_t destination; // APIC_X2APIC_BROADCAST: all. See vlapic_destination8
    uint8_t vector;
    uint8_t mode;      // enum apic_mode
    uint8_t shorthand; // enum apic_shorthand; relative to the sender
    bool logical;
    bool level; // stays in TMR until its EOI is broadcast; else an edge
};

// A destination of 8 bits, as xAPIC mode, redirection entries and MSIs have it, as one of 32.
static inline uint32_t vlapic_destination8(uint8_t destination) {
    return destination == APIC_XAPIC_BROADCAST ? APIC_X2APIC_BROADCAST : destination;
}

// What lies outside. `context` is that of the local APIC concerned.
struct vlapic_ops {
    // Something may have become deliverable, or INIT or STARTUP has come: the owner looks, at its next entry or out of its
    // wait. Called on any core. See "Order" above.
    void (*kick)(void *context);
    // This local APIC sends `message`: vlapic_deliver over those of the VM. Own core.
    void (*send)(void *context, const struct vlapic_message *message);
    // The guest has ended level interrupt `vector`: to the I/O APICs. Own core.
    void (*level_eoi)(void *context, uint8_t vector);
    // vlapic_timer_fired is wanted at `when`, ticks of now(), or later; VLAPIC_NEVER: not any more. `when` may be past
    // only by the time that the call takes. Replaces what was wanted before. Own core.
    void (*timer_arm)(void *context, uint64_t when);
    // `kick` for the timer's interrupt: the first expiry that it is for was at `expiry`. Own core.
    void (*timer_kick)(void *context, uint64_t expiry);
    uint64_t (*now)(void *context);
    // Both from vlapic_take_events only. INIT: the local APIC is reset; the owner resets the VCPU, which waits for a
    // STARTUP (a BSP starts at the reset vector at once). STARTUP: it begins in real mode at page `vector`.
    void (*init)(void *context);
    void (*startup)(void *context, uint8_t vector);
};

// All in ticks of now(), which is the machine's TSC.
struct vlapic_timer {
    uint64_t deadline;     // when it next expires; VLAPIC_NEVER: it does not run
    uint64_t wanted;       // what timer_arm was last told
    uint64_t start;        // when the count that runs was loaded
    uint64_t length;       // of the count that runs; 0: one-shot that has ended
    uint64_t tsc_deadline; // as the guest wrote it, its TSC; 0: not armed
    uint64_t tsc_offset;   // the guest's TSC is now() + this
};

struct vlapic {
    const struct vlapic_ops *ops;
    void *context;
    const struct vlapic_config *config;

    uint32_t events; // VLAPIC_EVENT_*
    uint32_t startup_vector;
    uint32_t errors; // since the last write of ESR
    uint32_t base;   // the flags of IA32_APIC_BASE
    bool waits;      // for a STARTUP: nothing else reaches it
    struct vlapic_timer timer;
    uint32_t registers[APIC_REGISTERS]; // by number, what is read; but ID as in x2APIC mode, and not PPR, current count
};

// ---- life -------------------------------------------------------------------------------------------------

// Power-on state, timer_arm not called. The objects pointed to stay. `id` 0 .. APIC_LEGACY_ID_MAX; one of a VM is the BSP, the
// others wait for a STARTUP. ERR_RANGE: it is not; nothing was changed.
int vlapic_init(struct vlapic *vlapic, uint32_t id, bool bsp, const struct vlapic_config *config,
                const struct vlapic_ops *ops, void *context);
// Power-on state again (the VM restarts): nothing pending, the timer cancelled. The TSC offset stays. Own core.
void vlapic_reset(struct vlapic *vlapic);

// ---- the guest's accesses; own core -----------------------------------------------------------------------

// xAPIC: [offset, offset + size), which lies in the page; size 1, 2, 4 or 8. Registers are 4 bytes at multiples of 16. A read
// within one gives the bytes asked for; the other 12 bytes of a slot, and whatever a read crosses into, are 0. A write of
// another size or alignment does nothing. A register that is not there reads as 0, ignores writes, and is an error in ESR; a write
// to one that is read-only does nothing (ID among them), a read of EOI gives 0.
// ERR_DENIED: not in xAPIC mode, the page is no device.
int vlapic_mmio_read(struct vlapic *vlapic, unsigned offset, unsigned size, uint64_t *value);
int vlapic_mmio_write(struct vlapic *vlapic, unsigned offset, unsigned size, uint64_t value);

// x2APIC: MSRs APIC_MSR_FIRST .. APIC_MSR_LAST. ERR_DENIED: the guest gets #GP: not in x2APIC mode, no such register, one
// that is read-only (write-only), a reserved bit is set, or a value other than 0 for EOI and ESR.
int vlapic_msr_read(struct vlapic *vlapic, uint32_t msr, uint64_t *value);
int vlapic_msr_write(struct vlapic *vlapic, uint32_t msr, uint64_t value);

// MSR_APIC_BASE. ERR_DENIED (#GP): a reserved bit, another base than APIC_DEFAULT_BASE, a transition of mode that SDM
// 11.12.5 forbids. The BSP flag keeps its value, whatever is written. Leaving for the disabled mode resets.
uint64_t vlapic_base_read(const struct vlapic *vlapic);
int vlapic_base_write(struct vlapic *vlapic, uint64_t value);

// MSR_TSC_DEADLINE, in the guest's TSC; that it exists is the caller's to check (CPUID). Ignored, and 0, unless LVT timer is
// in that mode; 0 disarms; a time that has come expires at once.
uint64_t vlapic_tsc_deadline_read(struct vlapic *vlapic);
void vlapic_tsc_deadline_write(struct vlapic *vlapic, uint64_t value);

// CR8 is bits 7:4 of it.
uint8_t vlapic_tpr(const struct vlapic *vlapic);
void vlapic_set_tpr(struct vlapic *vlapic, uint8_t tpr);
// What a write to EOI does, for a short way that does not decode one.
void vlapic_eoi(struct vlapic *vlapic);

// ---- towards the guest; own core --------------------------------------------------------------------------

// The vector that the guest takes when it takes one: the highest requested, above PPR. VLAPIC_NONE; never below 16.
int vlapic_pending_vector(const struct vlapic *vlapic);
// The same whatever TPR is, for hardware that looks at TPR itself.
int vlapic_requested_vector(const struct vlapic *vlapic);
// It has been given to the guest: from IRR to ISR. `vector` is what one of the two said, and still requested.
void vlapic_accept(struct vlapic *vlapic, unsigned vector);
// INIT or an NMI has come, which end a HLT whatever else is let in. A STARTUP does not: it means something only to a processor
// that waits for it, and one in HLT does not.
bool vlapic_event_pending(const struct vlapic *vlapic);
// An NMI waits; taking it is telling that the guest has it.
bool vlapic_nmi_pending(const struct vlapic *vlapic);
bool vlapic_take_nmi(struct vlapic *vlapic);
// Whether the guest may end its interrupt without telling: one vector is in service, an edge, and none is requested.
bool vlapic_may_end_quietly(const struct vlapic *vlapic);
// Acts on INIT and STARTUP that have come, in this order, through ops; true: there was one. Before each entry and when kicked.
bool vlapic_take_events(struct vlapic *vlapic);

// ---- messages ---------------------------------------------------------------------------------------------

// The set of `count` local APICs (<= MAX_VCPUS, all of the VM) that `message` goes to, bit i for all[i]. For lowest
// priority that is at most one: the lowest TPR, among equals the vector decides. `sender` matters for shorthands, else NULL.
// Any core; pure.
uint32_t vlapic_destinations(struct vlapic *const *all, unsigned count, const struct vlapic *sender,
                             const struct vlapic_message *message);
// `message` arrives at all of them. Any core.
void vlapic_deliver(struct vlapic *const *all, unsigned count, const struct vlapic *sender,
                    const struct vlapic_message *message);
// ... at this one, whatever its destination. Any core.
void vlapic_receive(struct vlapic *vlapic, const struct vlapic_message *message);

// ---- the timer; own core ----------------------------------------------------------------------------------

// The time that timer_arm was given may have come; early and repeated calls do nothing.
void vlapic_timer_fired(struct vlapic *vlapic);
// What the guest's TSC is before now(). A TSC deadline moves with it.
void vlapic_set_tsc_offset(struct vlapic *vlapic, uint64_t offset);

#endif
