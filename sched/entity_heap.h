// SPDX-License-Identifier: Apache-2.0
/*
 * Binary heap of scheduling entities by `key`; private to sched/. An entity is in at most one heap,
 * the one of its state, and knows its position there. Keys compare by their difference, so that
 * virtual times may wrap.
 */
#ifndef SCHED_ENTITY_HEAP_H
#define SCHED_ENTITY_HEAP_H

#include "sched/sched.h"

static inline bool sched_before(uint64_t a, uint64_t b) { return (int64_t)(a - b) < 0; }

static inline void heap_place(struct sched_heap *heap, uint32_t index, struct sched_entity *entity) {
    heap->slot[index] = entity;
    entity->position = index;
}

static inline void heap_sift_up(struct sched_heap *heap, uint32_t index, struct sched_entity *entity) {
    while (index > 0) {
        uint32_t parent = (index - 1) / 2;

        if (!sched_before(entity->key, heap->slot[parent]->key)) { break; }
        heap_place(heap, index, heap->slot[parent]);
        index = parent;
    }
    heap_place(heap, index, entity);
}

static inline void heap_sift_down(struct sched_heap *heap, uint32_t index, struct sched_entity *entity) {
    for (;;) {
        uint32_t child = 2 * index + 1;

        if (child >= heap->count) { break; }
        if (child + 1 < heap->count && sched_before(heap->slot[child + 1]->key, heap->slot[child]->key)) { child++; }
        if (!sched_before(heap->slot[child]->key, entity->key)) { break; }
        heap_place(heap, index, heap->slot[child]);
        index = child;
    }
    heap_place(heap, index, entity);
}

static inline void heap_push(struct sched_heap *heap, struct sched_entity *entity, uint64_t key) {
    entity->key = key;
    heap_sift_up(heap, heap->count++, entity);
}

static inline void heap_remove(struct sched_heap *heap, struct sched_entity *entity) {
    uint32_t index = entity->position;
    struct sched_entity *last = heap->slot[--heap->count];

    if (last == entity) { return; }
    if (index > 0 && sched_before(last->key, heap->slot[(index - 1) / 2]->key)) {
        heap_sift_up(heap, index, last);
    } else {
        heap_sift_down(heap, index, last);
    }
}

/* After the key of a queued entity grew. */
static inline void heap_delay(struct sched_heap *heap, struct sched_entity *entity, uint64_t key) {
    entity->key = key;
    heap_sift_down(heap, entity->position, entity);
}

#endif
