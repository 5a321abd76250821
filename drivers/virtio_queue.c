// SPDX-License-Identifier: Apache-2.0
// Layouts: virtio 1.2, 2.7.5 (descriptor table), 2.7.6 (available ring), 2.7.8 (used ring), all little-endian.
#include "drivers/virtio_queue.h"

#include "kernel/arch.h"
#include "kernel/guest_mem.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4, AVAIL_NO_INTERRUPT = 1 };
enum { DESC_ALIGN = 16, AVAIL_ALIGN = 2, USED_ALIGN = 4 };

struct virtq_desc {
    uint64_t gpa;
    uint32_t size;
    uint16_t flags, next;
};
struct virtq_ring { // the begin of both rings
    uint16_t flags, index;
};
struct virtq_used {
    uint32_t id, size;
};
_Static_assert(sizeof(struct virtq_desc) == 16 && sizeof(struct virtq_used) == 8, "virtio 1.2");

int virtq_enable(struct virtqueue *q) {
    if (q->size == 0 || q->size > VIRTQ_MAX || (q->size & (q->size - 1)) != 0 || (q->desc & (DESC_ALIGN - 1)) != 0 ||
        (q->avail & (AVAIL_ALIGN - 1)) != 0 || (q->used & (USED_ALIGN - 1)) != 0) {
        return ERR_INVALID;
    }
    q->ready = true;
    q->busy = false;
    q->next_avail = 0;
    q->next_used = 0;
    return OK;
}

// Takes the next chain that the driver offers.
static int begin_chain(struct vm *vm, struct virtqueue *q) {
    struct virtq_ring ring;
    uint16_t head;
    int status = guest_read(vm, q->avail, &ring, sizeof(ring));

    if (status != OK) { return status; }
    uint16_t offered = (uint16_t)(ring.index - q->next_avail);
    if (offered == 0) { return ERR_NOT_FOUND; }
    if (offered > q->size) { return ERR_CORRUPT; }
    arch_barrier_full(); // the index before the entry that it covers
    gpa_t slot = q->avail + sizeof(ring) + q->next_avail % q->size * sizeof(head);
    status = guest_read(vm, slot, &head, sizeof(head));
    if (status == OK && head >= q->size) { status = ERR_CORRUPT; }
    if (status == OK) {
        q->busy = true;
        q->head = q->at = head;
        q->steps = 0;
        q->offset = 0;
        q->written = 0;
        q->next_avail++;
    }
    return status;
}

// Indirect tables were not offered. The chain cannot be longer than the queue.
static int read_desc(struct vm *vm, const struct virtqueue *q, struct virtq_desc *desc) {
    int status = guest_read(vm, q->desc + q->at * sizeof(*desc), desc, sizeof(*desc));

    if (status == OK &&
        ((desc->flags & DESC_INDIRECT) != 0 || ((desc->flags & DESC_NEXT) != 0 && desc->next >= q->size) ||
         desc->gpa + desc->size < desc->gpa)) {
        status = ERR_CORRUPT;
    }
    return status;
}

int virtq_peek(struct vm *vm, struct virtqueue *q, struct virtq_buffer *out) {
    struct virtq_desc desc;
    int status = q->busy ? OK : begin_chain(vm, q);

    if (status == OK) { status = read_desc(vm, q, &desc); }
    if (status != OK) { return status; }
    // The guest may have shortened it meanwhile.
    uint32_t done = MIN(q->offset, desc.size);
    *out = (struct virtq_buffer){desc.gpa + done, desc.size - done, (desc.flags & DESC_WRITE) != 0};
    return OK;
}

int virtq_return(struct vm *vm, struct virtqueue *q) {
    struct virtq_used used = {q->head, q->written};
    uint16_t index = (uint16_t)(q->next_used + 1);
    gpa_t slot = q->used + sizeof(struct virtq_ring) + q->next_used % q->size * sizeof(used);
    int status = guest_write(vm, slot, &used, sizeof(used));

    if (status == OK) {
        arch_barrier_full(); // the entry before the index that covers it
        status = guest_write(vm, q->used + offsetof(struct virtq_ring, index), &index, sizeof(index));
    }
    q->next_used = index;
    q->busy = false;
    return status;
}

int virtq_advance(struct vm *vm, struct virtqueue *q, uint32_t size, bool *returned) {
    struct virtq_desc desc;
    int status = read_desc(vm, q, &desc);

    if (status != OK) { return status; }
    q->offset += size;
    if ((desc.flags & DESC_WRITE) != 0) { q->written += size; }
    if (q->offset < desc.size) { return OK; }
    if ((desc.flags & DESC_NEXT) == 0) {
        *returned = true;
        return virtq_return(vm, q);
    }
    q->at = desc.next;
    q->offset = 0;
    return ++q->steps < q->size ? OK : ERR_CORRUPT;
}

bool virtq_quiet(struct vm *vm, const struct virtqueue *q) {
    struct virtq_ring ring;

    return guest_read(vm, q->avail, &ring, sizeof(ring)) == OK && (ring.flags & AVAIL_NO_INTERRUPT) != 0;
}
