// SPDX-License-Identifier: Apache-2.0
// Guests' physical memory: stage 2 tables and VMIDs. The map itself is arch_vm_map of kernel/arch.h.
#ifndef ARM64_STAGE2_H
#define ARM64_STAGE2_H

#include "kernel/types.h"

struct vm;

// Empty tables, a VMID and the register values of `vm`. VMIDs are one for each VM and never change hands, so they need
// no generations. VM creation. ERR_NO_MEMORY.
int stage2_init(struct vm *vm);

// Forgets what TLBs and instruction caches hold of the VM's last life, so that a new one starts clean. None of its VCPUs
// runs; any core, any context.
void stage2_flush(struct vm *vm);

#endif
