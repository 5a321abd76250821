// SPDX-License-Identifier: Apache-2.0
#ifndef X86_GUEST_STATE_H
#define X86_GUEST_STATE_H
#include "kernel/types.h"
struct arch_vcpu {
    uint64_t gpr[16];
};
struct arch_vm {
    void *nested;
};
#endif
