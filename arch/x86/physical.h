// SPDX-License-Identifier: Apache-2.0
// How what firmware and boot loaders left in memory is read: nothing of it is trusted, least of all its addresses.
#ifndef X86_PHYSICAL_H
#define X86_PHYSICAL_H

#include "kernel/types.h"

struct physical {
    // [pa, pa + size), readable and unchanged until the next call; NULL: not all of it is memory that may be read.
    const void *(*at)(const struct physical *physical, paddr_t pa, uint64_t size);
};

#endif
