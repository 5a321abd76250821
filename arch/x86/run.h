// SPDX-License-Identifier: Apache-2.0
// What every handler ends in: the way out to a guest or to the thread.
#ifndef X86_RUN_H
#define X86_RUN_H

#include "kernel/cpu.h"

// Does what is to be done and enters what dispatch chose; handles its exits; for ever. On the core's own stack, interrupts
// masked.
void run(struct cpu *cpu) __attribute__((noreturn));

#endif
