// SPDX-License-Identifier: Apache-2.0
// A byte ring with one consumer, which takes no lock, and producers that come one after the other: under its lock, or
// because there is only one.
#ifndef KERNEL_CONSOLE_RING_H
#define KERNEL_CONSOLE_RING_H

#include "kernel/lock.h"
#include "kernel/types.h"

enum { CONSOLE_RING_SIZE = 4096 }; // a power of two

struct console_ring {
    struct spinlock lock; // producers
    uint32_t head, tail;  // bytes ever put in and taken out; each written by one side
    uint32_t lines_in, lines_out;
    char *data; // CONSOLE_RING_SIZE bytes
};

static inline uint32_t console_ring_used(const struct console_ring *ring) {
    return __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) - __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
}

static inline uint32_t console_ring_room(const struct console_ring *ring) {
    return CONSOLE_RING_SIZE - console_ring_used(ring);
}

// A whole line waits. Consumer.
static inline bool console_ring_has_line(const struct console_ring *ring) {
    return __atomic_load_n(&ring->lines_in, __ATOMIC_RELAXED) != ring->lines_out;
}

// Puts in what fits. Producer. The newlines are counted before the bytes show, so that the consumer never
// takes out one that is not counted.
static inline uint32_t console_ring_put(struct console_ring *ring, const char *data, size_t size) {
    uint32_t count = (uint32_t)MIN(size, (size_t)console_ring_room(ring));
    uint32_t lines = 0;

    for (uint32_t i = 0; i < count; i++) {
        ring->data[(ring->head + i) % CONSOLE_RING_SIZE] = data[i];
        lines += data[i] == '\n';
    }
    __atomic_store_n(&ring->lines_in, ring->lines_in + lines, __ATOMIC_RELAXED);
    __atomic_store_n(&ring->head, ring->head + count, __ATOMIC_RELEASE);
    return count;
}

// Takes one byte out of a ring that is not empty. Consumer.
static inline char console_ring_take(struct console_ring *ring) {
    char c = ring->data[ring->tail % CONSOLE_RING_SIZE];

    ring->lines_out += c == '\n';
    __atomic_store_n(&ring->tail, ring->tail + 1, __ATOMIC_RELEASE);
    return c;
}

#endif
