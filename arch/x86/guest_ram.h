// SPDX-License-Identifier: Apache-2.0
// A VM's memory for page walks and emulation: struct guest_memory_ops of guest_walk.h, context: a VCPU. Its own core,
// handler context.
#ifndef X86_GUEST_RAM_H
#define X86_GUEST_RAM_H

#include "kernel/types.h"

int guest_ram_read(void *context, gpa_t gpa, void *out, size_t size);
int guest_ram_write(void *context, gpa_t gpa, const void *in, size_t size);
int guest_ram_compare_exchange(void *context, gpa_t gpa, unsigned size, uint64_t expected, uint64_t desired);

#endif
