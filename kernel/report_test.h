// SPDX-License-Identifier: Apache-2.0
// The report's line about what admission costs. Part `analysis`.
#ifndef KERNEL_REPORT_TEST_H
#define KERNEL_REPORT_TEST_H

#include "kernel/sysdesc.h"

#if TAKT_ANALYSIS
// Does once more what admitted the last of each core's reservations, and says where that took longest: an arrival asks for one
// such test. Boot, before any guest runs; at most SCHED_QPA_STEPS_MAX steps a core. Nothing is said without reservations.
void report_test(const struct system_desc *desc, unsigned cores);
#else
static inline void report_test(UNUSED const struct system_desc *desc, UNUSED unsigned cores) {}
#endif

#endif
