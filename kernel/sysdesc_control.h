// SPDX-License-Identifier: Apache-2.0
// Part `control` of the checker: VMs that are described, and have no place until somebody creates them.
#ifndef KERNEL_SYSDESC_CONTROL_H
#define KERNEL_SYSDESC_CONTROL_H

#include "kernel/sysdesc_check.h"

#if TAKT_CONTROL

static inline bool sysdesc_on_demand(const struct vm_desc *vm) { return vm->on_demand; }
// What holds for such a VM whenever it is created; true: it is one, and admission is not asked now.
bool sysdesc_left_out(struct sysdesc_check *c, struct vm_desc *vm);

#else

static inline bool sysdesc_on_demand(UNUSED const struct vm_desc *vm) { return false; }
static inline bool sysdesc_left_out(UNUSED struct sysdesc_check *c, UNUSED struct vm_desc *vm) { return false; }

#endif
#endif
