// SPDX-License-Identifier: Apache-2.0
/*
 * Search of all states that can be reached. A state is a key of fixed size, so that equal states are equal bytes; each is
 * kept once, in the order found, with the state it was found from and the step that led there. The newest last: whoever
 * walks `done` up to `count` has seen all, and the way to a state is a shortest one.
 */
#ifndef PROOF_SEARCH_H
#define PROOF_SEARCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct search {
    uint32_t key_size;
    uint32_t count;
    uint32_t room; /* a power of two, at least twice what is kept */
    uint8_t *keys;
    uint32_t *from;
    uint32_t *step;
    uint32_t *table; /* index + 1; 0: free */
};

static inline void *search_memory(void *old, size_t size) {
    void *memory = realloc(old, size);

    if (memory == NULL) { abort(); }
    return memory;
}

static inline const uint8_t *search_key(const struct search *search, uint32_t index) {
    return search->keys + (size_t)index * search->key_size;
}

static inline uint64_t search_hash(const uint8_t *key, uint32_t size) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (uint32_t i = 0; i < size; i++) { hash = (hash ^ key[i]) * UINT64_C(0x100000001b3); }
    return hash ^ (hash >> 29);
}

static inline uint32_t search_slot(const struct search *search, const uint8_t *key) {
    uint32_t slot = (uint32_t)search_hash(key, search->key_size) & (search->room - 1);

    while (search->table[slot] != 0 &&
           memcmp(search_key(search, search->table[slot] - 1), key, search->key_size) != 0) {
        slot = (slot + 1) & (search->room - 1);
    }
    return slot;
}

static inline void search_grow(struct search *search) {
    search->room = search->room == 0 ? 1024 : 2 * search->room;
    search->keys = search_memory(search->keys, (size_t)search->room / 2 * search->key_size);
    search->from = search_memory(search->from, search->room / 2 * sizeof(uint32_t));
    search->step = search_memory(search->step, search->room / 2 * sizeof(uint32_t));
    search->table = search_memory(search->table, search->room * sizeof(uint32_t));
    memset(search->table, 0, search->room * sizeof(uint32_t));
    for (uint32_t i = 0; i < search->count; i++) { search->table[search_slot(search, search_key(search, i))] = i + 1; }
}

/* Keeps the state unless it is known; `from` is the state that `step` led here from. */
static inline void search_add(struct search *search, const uint8_t *key, uint32_t from, uint32_t step) {
    uint32_t slot;

    if (2 * search->count >= search->room) { search_grow(search); }
    slot = search_slot(search, key);
    if (search->table[slot] != 0) { return; }
    memcpy(search->keys + (size_t)search->count * search->key_size, key, search->key_size);
    search->from[search->count] = from;
    search->step[search->count] = step;
    search->table[slot] = ++search->count;
}

static inline void search_start(struct search *search, uint32_t key_size, const uint8_t *first) {
    *search = (struct search){.key_size = key_size};
    search_add(search, first, 0, 0);
}

static inline void search_end(struct search *search) {
    free(search->keys);
    free(search->from);
    free(search->step);
    free(search->table);
}

/* The steps from the first state to this one; returns how many, at most `most`, the last ones. */
static inline uint32_t search_way(const struct search *search, uint32_t index, uint32_t *steps, uint32_t most) {
    uint32_t count = 0;

    for (; index != 0 && count < most; index = search->from[index]) { steps[count++] = search->step[index]; }
    for (uint32_t i = 0; i < count / 2; i++) {
        uint32_t other = steps[i];

        steps[i] = steps[count - 1 - i];
        steps[count - 1 - i] = other;
    }
    return count;
}

#if defined(__SANITIZE_ADDRESS__)
#define DEPTH_BY_DEFAULT 0u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DEPTH_BY_DEFAULT 0u
#endif
#endif
#ifndef DEPTH_BY_DEFAULT
#define DEPTH_BY_DEFAULT 1u
#endif

/* How far to look, from PROOF_DEPTH: 0, what takes no time, as under sanitizers; 1, as in `make test`; 2 and more, further
 * than that has time for. */
static inline uint32_t search_depth(void) {
    const char *depth = getenv("PROOF_DEPTH");

    return depth != NULL ? (uint32_t)strtoul(depth, NULL, 10) : DEPTH_BY_DEFAULT;
}

#endif
