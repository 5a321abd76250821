// SPDX-License-Identifier: Apache-2.0
// Little-endian numbers of 1 to 8 bytes in tables and file headers, at any alignment.
#ifndef X86_LITTLE_ENDIAN_H
#define X86_LITTLE_ENDIAN_H

#include "kernel/types.h"

static inline uint64_t load_le(const uint8_t *p, unsigned size) {
    uint64_t value = 0;

    while (size-- > 0) { value = value << 8 | p[size]; }
    return value;
}

// Of 4 and of 8 bytes: one instruction. What builds this, hypervisor and host, is little-endian itself.
static inline void store_le32(uint8_t *p, uint32_t value) { __builtin_memcpy(p, &value, sizeof(value)); }
static inline void store_le64(uint8_t *p, uint64_t value) { __builtin_memcpy(p, &value, sizeof(value)); }

#endif
