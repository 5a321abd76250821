// SPDX-License-Identifier: Apache-2.0
#ifndef ARM64_PANIC_H
#define ARM64_PANIC_H

#include "arch/arm64/guest_state.h"

// An exception that the hypervisor itself took through entry `vector` of the table, on a stack that is sound; `regs`
// holds the interrupted stack pointer in sp_el0. Logs everything and stops the core.
void arch_panic_exception(struct regs *regs, unsigned vector) __attribute__((noreturn));

#endif
