// SPDX-License-Identifier: Apache-2.0
// Part `reclaim` of the checker: who may run longer on his budget while others sleep.
#ifndef KERNEL_SYSDESC_RECLAIM_H
#define KERNEL_SYSDESC_RECLAIM_H

#include "kernel/sysdesc.h"

struct sysdesc_check;

#if TAKT_RECLAIM
// Once all are admitted: refuses `reclaim` on a core where it could make somebody late.
void sysdesc_check_reclaim(struct sysdesc_check *c);
// Does somebody on that core reclaim?
bool sysdesc_reclaims(const struct system_desc *sys, unsigned core);
// Of the report's row.
#define REPORT_RECLAIMS(vcpu) ((vcpu)->reclaim ? "  reclaims" : "")
#else
#define REPORT_RECLAIMS(vcpu) ""
static inline void sysdesc_check_reclaim(UNUSED struct sysdesc_check *c) {}
static inline bool sysdesc_reclaims(UNUSED const struct system_desc *sys, UNUSED unsigned core) { return false; }
#endif
#endif
