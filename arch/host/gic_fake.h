// SPDX-License-Identifier: Apache-2.0
// A GIC with virtualisation that tests drive by hand: list registers, running priority, maintenance interrupt and the
// active state of physical interrupts as the manuals say (IHI 0069, chapter 6; IHI 0048B, chapter 5), one virtual
// interface for each core (host_cpu->id). What the manuals call unpredictable ends the program.
#ifndef HOST_GIC_FAKE_H
#define HOST_GIC_FAKE_H

#include "kernel/types.h"

// A machine with this kind of controller (2 or 3) and so many list registers; `gic` and `gic_machine` are set.
void gic_fake_reset(unsigned version, unsigned lrs);

// ---- what a guest does on the calling core ---------------------------------------------------------------
// Acknowledges: INTID (v2: the sender of an SGI in bits 10-12) or GIC_SPURIOUS.
uint32_t gic_fake_take(void);
// Priority drop and deactivation of what gic_fake_take returned.
void gic_fake_end(uint32_t iar);

// ---- what the machine does -------------------------------------------------------------------------------
// The source of physical interrupt `irq` fires and the hypervisor acknowledges it; false: it is active, so it cannot.
bool gic_fake_fire(unsigned irq);
bool gic_fake_is_active(unsigned irq);
// The maintenance interrupt of the calling core is asserted.
bool gic_fake_maintenance(void);
uint64_t gic_fake_lr(unsigned i);

#endif
