// SPDX-License-Identifier: Apache-2.0
// SHA-256 as in FIPS 180-4, in plain integer C: about 50 instructions a byte. Resumable: any cutting of the input into
// updates gives the same digest, so hashing can be done in slices. Any context; touches only its arguments.
#ifndef KERNEL_SHA256_H
#define KERNEL_SHA256_H

#include "kernel/types.h"

enum { SHA256_SIZE = 32, SHA256_BLOCK = 64 };

struct sha256 {
    uint32_t state[8];
    uint64_t length; // bytes taken so far
    uint8_t rest[SHA256_BLOCK];
};

void sha256_init(struct sha256 *h);
void sha256_update(struct sha256 *h, const void *data, size_t size);
// Ends the message. `h` must be initialised again before another one.
void sha256_final(struct sha256 *h, uint8_t digest[SHA256_SIZE]);

// The three in a row.
void sha256(const void *data, size_t size, uint8_t digest[SHA256_SIZE]);

#endif
