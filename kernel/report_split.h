// SPDX-License-Identifier: Apache-2.0
// The report's lines about VCPUs in two pieces. Part `split`.
#ifndef KERNEL_REPORT_SPLIT_H
#define KERNEL_REPORT_SPLIT_H

#include "kernel/sysdesc.h"

#if TAKT_SPLIT
// What `core` has of a split VCPU; nothing where it has none. Boot, any core.
void report_piece(const struct vm_desc *vm, unsigned index, unsigned core);
#else
static inline void report_piece(const struct vm_desc *vm, unsigned index, unsigned core) {
    (void)vm, (void)index, (void)core;
}
#endif

#endif
