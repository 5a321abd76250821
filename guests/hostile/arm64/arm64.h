// SPDX-License-Identifier: Apache-2.0
// What only the attacks of this architecture use.
#ifndef HOSTILE_ARM64_H
#define HOSTILE_ARM64_H

#include "hostile.h"

extern const struct attack memory_attacks[], control_attacks[], sysreg_attacks[], smc_attacks[], psci_attacks[],
    pending_attacks[], timer_attacks[], gic_attacks[], mmio_attacks[], cache_attacks[], uart_attacks[], race_attacks[];

// Puts one instruction and a RET into memory and calls it as a step, with `value` in x0.
bool step_instruction(uint32_t instruction, uint64_t value);

#endif
