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
    q->state = VIRTQ_IDLE;
    q->next_avail = 0;
    q->next_used = 0;
    return OK;
}

static int begin_chain(struct vm *vm, struct virtqueue *q) {
    struct virtq_ring ring;
    int status = guest_read(vm, q->avail, &ring, sizeof(ring));

    if (status != OK) { return status; }
    uint16_t offered = (uint16_t)(ring.index - q->next_avail);
    if (offered == 0) { return VIRTQ_EMPTY; }
    if (offered > q->size) { return ERR_CORRUPT; }
    arch_barrier_full(); // the index before the entry that it covers
    gpa_t slot = q->avail + sizeof(ring) + q->next_avail % q->size * sizeof(q->head);
    status = guest_read(vm, slot, &q->head, sizeof(q->head));
    q->next_avail++;
    q->next = q->head;
    q->passed = 0;
    q->written = 0;
    q->state = VIRTQ_LINKED;
    return status == OK ? VIRTQ_MORE : status;
}

// Indirect tables were not offered. The chain cannot be longer than the queue.
static int read_desc(struct vm *vm, struct virtqueue *q) {
    struct virtq_desc desc;

    if (q->next >= q->size || q->passed++ == q->size) { return ERR_CORRUPT; }
    int status = guest_read(vm, q->desc + q->next * sizeof(desc), &desc, sizeof(desc));
    if (status != OK) { return status; }
    if ((desc.flags & DESC_INDIRECT) != 0 || desc.gpa + desc.size < desc.gpa) { return ERR_CORRUPT; }
    q->buffer = (struct virtq_buffer){desc.gpa, desc.size, (desc.flags & DESC_WRITE) != 0};
    q->more = (desc.flags & DESC_NEXT) != 0;
    q->next = desc.next;
    q->state = VIRTQ_PIECE;
    return VIRTQ_MORE;
}

static int return_chain(struct vm *vm, struct virtqueue *q) {
    struct virtq_used used = {q->head, q->written};
    gpa_t slot = q->used + sizeof(struct virtq_ring) + q->next_used % q->size * sizeof(used);
    int status = guest_write(vm, slot, &used, sizeof(used));

    if (status != OK) { return status; }
    arch_barrier_full(); // the entry before the index that covers it
    q->next_used++;
    q->state = VIRTQ_BACK;
    status = guest_write(vm, q->used + offsetof(struct virtq_ring, index), &q->next_used, sizeof(q->next_used));
    arch_barrier_full(); // the index before the question below: the driver asks the other way round
    return status == OK ? VIRTQ_MORE : status;
}

static int tell(struct vm *vm, struct virtqueue *q) {
    struct virtq_ring ring;
    int status = guest_read(vm, q->avail, &ring, sizeof(ring));

    q->state = VIRTQ_IDLE;
    if (status != OK) { return status; }
    return (ring.flags & AVAIL_NO_INTERRUPT) != 0 ? VIRTQ_RETURNED_QUIETLY : VIRTQ_RETURNED;
}

int virtq_step(struct vm *vm, struct virtqueue *q) {
    switch (q->state) {
    case VIRTQ_IDLE: return begin_chain(vm, q);
    case VIRTQ_LINKED: return read_desc(vm, q);
    case VIRTQ_ENDED: return return_chain(vm, q);
    case VIRTQ_BACK: return tell(vm, q);
    default: return VIRTQ_BUFFER;
    }
}

void virtq_done(struct virtqueue *q, uint32_t size) {
    q->buffer.gpa += size;
    q->buffer.size -= size;
    if (q->buffer.writable) { q->written += size; }
    if (q->buffer.size == 0) { q->state = q->more ? VIRTQ_LINKED : VIRTQ_ENDED; }
}
