// SPDX-License-Identifier: Apache-2.0
// Part `split` of the checker, for sysdesc_place.c: VCPUs in two pieces, placement by count.
#ifndef KERNEL_SYSDESC_SPLIT_H
#define KERNEL_SYSDESC_SPLIT_H

#include "kernel/sysdesc_check.h"

#if TAKT_SPLIT

// What placement may do beyond giving each VCPU a core of its own, and to which of the first `count` of scratch.requests.
void sysdesc_may_split(struct sysdesc_check *c, struct sched_machine *machine, unsigned count);
// The VCPUs of those requests get the pieces that placement gave them, if any.
void sysdesc_take_pieces(struct sysdesc_check *c, unsigned count);
// By count, a VCPU without a core would have had to go to the one that refuses it.
static inline bool sysdesc_by_count(const struct system_desc *sys) { return sys->by_count != 0; }

// Has that core a piece of a VCPU in two?
bool sysdesc_has_piece(const struct system_desc *sys, unsigned core);

#else

static inline bool sysdesc_has_piece(UNUSED const struct system_desc *sys, UNUSED unsigned core) { return false; }
static inline void sysdesc_may_split(UNUSED struct sysdesc_check *c, UNUSED struct sched_machine *machine,
                                     UNUSED unsigned count) {}
static inline void sysdesc_take_pieces(UNUSED struct sysdesc_check *c, UNUSED unsigned count) {}
static inline bool sysdesc_by_count(UNUSED const struct system_desc *sys) { return false; }

#endif
#endif
