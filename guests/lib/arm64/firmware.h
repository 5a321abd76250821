// SPDX-License-Identifier: Apache-2.0
// PSCI (Arm DEN0022), and the conduit that is not the hypervisor's.
#ifndef GUEST_FIRMWARE_H
#define GUEST_FIRMWARE_H

#include "guest.h"

#define PSCI_VERSION      0x84000000
#define PSCI_CPU_SUSPEND  0xC4000001
#define PSCI_CPU_OFF      0x84000002
#define PSCI_CPU_ON       0xC4000003
#define PSCI_AFFINITY     0xC4000004
#define PSCI_SYSTEM_OFF   0x84000008
#define PSCI_SYSTEM_RESET 0x84000009

struct call_result smc_call(uint64_t function, uint64_t a, uint64_t b, uint64_t c);

// PSCI through the conduit that the device tree names.
int64_t psci_call(uint64_t function, uint64_t a, uint64_t b, uint64_t c);

#endif
