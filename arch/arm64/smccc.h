// SPDX-License-Identifier: Apache-2.0
// Calls of the hypervisor to the firmware: PSCI (DEN0022), SMCCC (DEN0028), TRNG (DEN0098). By SMC only: at EL2 an HVC
// would come back to ourselves. Any context; how long a call takes is the firmware's affair, so after boot only the
// forwarded workarounds (a few instructions) and the end of the machine go there.
#ifndef ARM64_SMCCC_H
#define ARM64_SMCCC_H

#include "kernel/types.h"

// Function identifiers, those that guests use too.
#define PSCI_VERSION            0x84000000u
#define PSCI_CPU_ON_64          0xc4000003u
#define PSCI_SYSTEM_OFF         0x84000008u
#define PSCI_SYSTEM_RESET       0x84000009u
#define PSCI_FEATURES           0x8400000au
#define SMCCC_VERSION           0x80000000u
#define SMCCC_ARCH_FEATURES     0x80000001u
#define SMCCC_ARCH_WORKAROUND_1 0x80008000u // CVE-2017-5715
#define SMCCC_ARCH_WORKAROUND_2 0x80007fffu // CVE-2018-3639
#define SMCCC_ARCH_WORKAROUND_3 0x80003fffu // CVE-2017-5715 and CVE-2022-23960
#define TRNG_VERSION            0x84000050u
#define TRNG_RND_64             0xc4000053u

// Results
#define PSCI_SUCCESS            0
#define PSCI_NOT_SUPPORTED      (-1)
#define PSCI_INVALID_PARAMETERS (-2)
#define PSCI_ALREADY_ON         (-4)
#define PSCI_ON_PENDING         (-5)
#define PSCI_INTERNAL_FAILURE   (-6)
#define PSCI_NOT_PRESENT        (-7)
#define PSCI_INVALID_ADDRESS    (-9)
#define SMCCC_NOT_SUPPORTED     (-1)

struct smccc_result {
    uint64_t x0, x1, x2, x3;
};

// Reads /psci of the board's tree and asks for versions. Without firmware the calls below say "not supported".
// ERR_UNSUPPORTED: the tree wants HVC. Boot core, once, before any other function of this file.
int smccc_init(const void *fdt);

// SMCCC_ARCH_FEATURES of an ARCH_WORKAROUND: negative: the firmware has none; else what a guest is to be told.
int32_t smccc_arch_feature(uint32_t function);
// Calls one. Only when smccc_arch_feature was not negative.
void smccc_arch_workaround(uint32_t function, uint64_t argument);

// PSCI CPU_ON. OK, ERR_UNSUPPORTED, ERR_NOT_FOUND (no such core), ERR_BUSY (it is on), ERR_INVALID.
int smccc_cpu_on(uint64_t hwid, paddr_t entry, uint64_t context);

#endif
