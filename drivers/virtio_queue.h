// SPDX-License-Identifier: Apache-2.0
// The device's side of a split virtqueue (virtio 1.2, 2.7). Everything in it was written by a guest: each value is read
// once through kernel/guest_mem.h and checked; what is wrong is an error of the guest, told by a negative status.
#ifndef DRIVERS_VIRTIO_QUEUE_H
#define DRIVERS_VIRTIO_QUEUE_H

#include "kernel/types.h"

struct vm;

enum { VIRTQ_MAX = 64 };

struct virtqueue {
    gpa_t desc, avail, used; // as the driver wrote them
    uint32_t size;
    bool ready;
    uint16_t next_avail, next_used;
    // The chain that is being worked on.
    bool busy;
    uint16_t head, at; // its first descriptor, and the current one
    uint16_t steps;    // descriptors passed
    uint32_t offset;   // done of the current one
    uint32_t written;  // bytes that the device wrote to the chain
};

// A piece of guest memory of the current chain.
struct virtq_buffer {
    gpa_t gpa;
    uint32_t size;
    bool writable; // by the device
};

// Makes the queue live. ERR_INVALID: its size or alignment is not allowed.
int virtq_enable(struct virtqueue *q);
// The rest of the current descriptor, of the next chain when none is being worked on. ERR_NOT_FOUND: the driver has
// offered nothing more; any other error: the queue is broken. At most one chain of one descriptor is read.
int virtq_peek(struct vm *vm, struct virtqueue *q, struct virtq_buffer *out);
// `size` bytes of what virtq_peek returned are done. At its end the chain's next descriptor follows, or the chain goes
// back to the driver: then *returned is set. Negative: broken.
int virtq_advance(struct vm *vm, struct virtqueue *q, uint32_t size, bool *returned);
// Gives the chain back before its end.
int virtq_return(struct vm *vm, struct virtqueue *q);
// Does the driver want no interrupt for what is returned?
bool virtq_quiet(struct vm *vm, const struct virtqueue *q);

#endif
