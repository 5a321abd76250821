// SPDX-License-Identifier: Apache-2.0
// The device's side of a split virtqueue (virtio 1.2, 2.7). Everything in it was written by a guest: each value is read
// once through kernel/guest_mem.h and checked; what is wrong is an error of the guest, told by a negative status.
#ifndef DRIVERS_VIRTIO_QUEUE_H
#define DRIVERS_VIRTIO_QUEUE_H

#include "kernel/types.h"

struct vm;

enum { VIRTQ_MAX = 64 };

// The rest of the current descriptor's memory.
struct virtq_buffer {
    gpa_t gpa;
    uint32_t size;
    bool writable; // by the device
};

enum virtq_state {
    VIRTQ_IDLE,
    VIRTQ_LINKED, // the chain goes on with descriptor `next`
    VIRTQ_PIECE,  // `buffer` waits to be used
    VIRTQ_ENDED,  // the chain goes back with the next step, whatever is left of it
    VIRTQ_BACK,   // the driver has it, and may have to be told
};

struct virtqueue {
    gpa_t desc, avail, used; // as the driver wrote them
    uint32_t size;
    bool ready;
    uint8_t state;
    uint16_t next_avail, next_used;
    // The chain that is being worked on.
    bool more; // the current descriptor has a next one
    uint16_t head, next;
    uint16_t passed;  // descriptors read
    uint32_t written; // bytes that the device wrote to the chain
    struct virtq_buffer buffer;
};

// What a step has come to.
enum virtq_event {
    VIRTQ_EMPTY, // the driver has offered nothing more
    VIRTQ_MORE,
    VIRTQ_BUFFER, // queue.buffer is to be used, and virtq_done said
    VIRTQ_RETURNED,
    VIRTQ_RETURNED_QUIETLY, // the driver wants no interrupt for it
};

// Makes the queue live. ERR_INVALID: its size or alignment is not allowed.
int virtq_enable(struct virtqueue *q);
// Does a part of the queue's work: at most two accesses to the guest's memory, so that a handler can afford it. Returns
// an event; negative: the queue is broken.
int virtq_step(struct vm *vm, struct virtqueue *q);
// `size` bytes of the buffer are done.
void virtq_done(struct virtqueue *q, uint32_t size);

#endif
