// SPDX-License-Identifier: Apache-2.0
// How what firmware and boot loaders left in memory is read: nothing of it is trusted, least of all its addresses.
#ifndef X86_PHYSICAL_H
#define X86_PHYSICAL_H

#include "kernel/types.h"

// `map` returns where the bytes [pa, pa + size) can be read, at any alignment, or NULL if one of them is not RAM or firmware
// memory that may be read. size is at least 1, pa + size does not wrap. A result is used until the next call only: one
// window is enough. `map` has no side effects on what it reads (no MMIO).
struct physical {
    const void *(*map)(void *context, paddr_t pa, size_t size);
    void *context;
};

static inline const void *physical_map(const struct physical *physical, paddr_t pa, size_t size) {
    return pa > UINT64_MAX - size ? NULL : physical->map(physical->context, pa, size);
}

#endif
