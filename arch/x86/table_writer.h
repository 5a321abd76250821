// SPDX-License-Identifier: Apache-2.0
// Writes tables front to back into a buffer of a fixed size. What does not fit is only counted: the writer looks at the
// end whether `at` is beyond `size`.
#ifndef X86_TABLE_WRITER_H
#define X86_TABLE_WRITER_H

#include "arch/x86/little_endian.h"

struct table_writer {
    uint8_t *bytes;
    size_t size;
    size_t at; // where the next byte goes
};

static inline void table_patch(struct table_writer *w, size_t at, uint64_t value, unsigned size) {
    if (at <= w->size && size <= w->size - at) { store_le(w->bytes + at, value, size); }
}

static inline void table_put(struct table_writer *w, uint64_t value, unsigned size) {
    table_patch(w, w->at, value, size);
    w->at += size;
}

static inline void table_put_text(struct table_writer *w, const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) { table_put(w, (uint8_t)text[i], 1); }
}

static inline void table_put_zeros(struct table_writer *w, size_t count) {
    while (count-- > 0) { table_put(w, 0, 1); }
}

#endif
