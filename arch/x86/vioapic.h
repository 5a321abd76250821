// SPDX-License-Identifier: Apache-2.0
// The I/O APIC of one VM as its guest sees it: one to VIOAPIC_INPUTS_MAX inputs, version 0x20, with the EOI register. Input
// n is global system interrupt n. It knows neither VCPUs nor VMs: messages leave by struct vioapic_ops.
//
// Inputs are asserted or not, whatever the polarity that the guest programs: that bit only reads back.
//   edge   a message when the input becomes asserted; lost when the entry is masked then (82093AA 3.2.4, bit 16).
//   level  fixed and lowest priority only, other modes are edges whatever the trigger bit says (82093AA 3.2.4, bits 10:8).
//          A message while the input is asserted and unmasked and remote IRR is clear; it sets remote IRR, the EOI clears
//          it. Writing the entry as edge clears remote IRR too, another vector does not. Remote IRR does not ask whether a
//          local APIC was there to take the message.
//
// Context: any core, handler context or the thread. One lock protects everything, and is held while a message is
// delivered: so messages leave in the order of what caused them, and after vioapic_reset none of before is on its way. In
// the lock order of kernel/lock.h it stands where the vgic does. `deliver` may take what stands to the right of that (what
// vlapic_deliver's kick does), and must not come back here. The longest section delivers one message for each input: for
// an EOI, those asserted that share its vector; all others deliver at most one. Nothing repeats within a call: an input
// that stays asserted is delivered again when the guest has ended it again.
//
// Not there: the pin assertion register (its bit in IOAPICVER is clear), 16-bit destinations, STARTUP and the reserved
// delivery modes (never sent), delivery status (always idle: delivery is immediate).
#ifndef X86_VIOAPIC_H
#define X86_VIOAPIC_H

#include "arch/x86/ioapic_regs.h"
#include "arch/x86/vlapic.h"
#include "kernel/types.h"

enum { VIOAPIC_INPUTS_MAX = 48 };

struct vioapic_ops {
    // To the local APICs of the VM: vlapic_deliver without a sender. Called with the lock held.
    void (*deliver)(void *context, const struct vlapic_message *message);
};

struct vioapic {
    struct spinlock lock; // everything below
    const struct vioapic_ops *ops;
    void *context;
    uint8_t inputs;
    uint8_t reset_id;
    uint8_t id;
    uint8_t select;                       // IOREGSEL
    uint64_t lines;                       // asserted inputs
    uint64_t remote_irr;                  // of level entries that wait for their EOI
    uint64_t entries[VIOAPIC_INPUTS_MAX]; // without remote IRR
};

// Power-on state. `inputs` 1 .. VIOAPIC_INPUTS_MAX; `id` 0 .. IOAPIC_ID_MAX, what the MADT says. ERR_RANGE: one is not; then
// nothing was changed. VM creation.
int vioapic_init(struct vioapic *vioapic, unsigned inputs, unsigned id, const struct vioapic_ops *ops, void *context);
// Power-on state again (the VM restarts, and with it the devices): every entry masked, every input not asserted.
void vioapic_reset(struct vioapic *vioapic);

// The guest's accesses: [offset, offset + size), which lies in the page at IOAPIC_DEFAULT_BASE; size 1, 2, 4 or 8. IOREGSEL
// can be accessed in any size, IOWIN and EOI in 32 bits only (ICH 13.5.1). All else reads as 0 and ignores writes; so do the
// registers behind IOWIN that are not there. OK always.
int vioapic_mmio_read(struct vioapic *vioapic, unsigned offset, unsigned size, uint64_t *value);
int vioapic_mmio_write(struct vioapic *vioapic, unsigned offset, unsigned size, uint64_t value);

// Input `gsi` is asserted, or is not any more. One that is not there is ignored.
void vioapic_set_line(struct vioapic *vioapic, unsigned gsi, bool asserted);
// The guest has ended level interrupt `vector` (level_eoi of struct vlapic_ops, or the EOI register).
void vioapic_eoi(struct vioapic *vioapic, uint8_t vector);

#endif
