// SPDX-License-Identifier: Apache-2.0
// The one checked way to guest memory. Nothing of a guest is mapped at EL2 for good: each access maps a window of the
// calling core, copies once (no double fetch) and unmaps. It cannot fault the hypervisor.
#ifndef KERNEL_GUEST_MEM_H
#define KERNEL_GUEST_MEM_H

#include "kernel/types.h"

struct vm;

// Copies `size` bytes (at most 4096 per call from handler context) between the hypervisor and guest-physical memory.
// ERR_RANGE: some byte is not RAM of the VM; then nothing was copied. Handler or thread context.
int guest_read(struct vm *vm, gpa_t gpa, void *out, size_t size);
int guest_write(struct vm *vm, gpa_t gpa, const void *in, size_t size);
// Zeroes. Same rules.
int guest_zero(struct vm *vm, gpa_t gpa, size_t size);
// guest_write or guest_zero, then clean to the point of coherency and invalidate instruction caches, for images.
int guest_write_image(struct vm *vm, gpa_t gpa, const void *in, size_t size);
// True when [gpa, gpa+size) is RAM of the VM.
bool guest_is_ram(const struct vm *vm, gpa_t gpa, uint64_t size);

#endif
