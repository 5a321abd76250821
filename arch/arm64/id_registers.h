// SPDX-License-Identifier: Apache-2.0
// What a guest reads from the feature ID registers: the host's, less what is not virtualised.
#ifndef ARM64_ID_REGISTERS_H
#define ARM64_ID_REGISTERS_H

#include "kernel/types.h"

// The register S3_0_C0_C<crm>_<op2>, crm 1 to 7; those that are not known read as zero, as DDI 0487 (D19.1) has it.
uint64_t id_register(unsigned crm, unsigned op2);

#endif
