// SPDX-License-Identifier: Apache-2.0
// The one lock primitive: a ticket lock held with interrupts masked, so that a handler can never wait
// for the code that it interrupted. Critical sections are short and bounded by a constant.
//
// Order, outermost first; a lock is only taken with those to its left held:
//   control->lock  ->  vm->lock  ->  vgic (SPIs, then one VCPU's)  ->  cpu->inbox  ->  log / console rings
#ifndef KERNEL_LOCK_H
#define KERNEL_LOCK_H

#include "arch_types.h"
#include "kernel/types.h"

// Takes `l` with interrupts masked. Returns what spin_unlock needs to restore the mask.
static inline unsigned long spin_lock(struct spinlock *l) {
    unsigned long flags = arch_irq_save();
    uint16_t ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != ticket) { arch_relax(); }
    return flags;
}

static inline void spin_unlock(struct spinlock *l, unsigned long flags) {
    uint16_t next = (uint16_t)(l->owner + 1);
    __atomic_store_n(&l->owner, next, __ATOMIC_RELEASE);
    arch_irq_restore(flags);
}

#endif
