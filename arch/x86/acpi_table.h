// SPDX-License-Identifier: Apache-2.0
// Reads one ACPI table: its bytes with bounds and checksum, its fields, its lists of entries; and complains about them.
// For the files of arch/x86 that read tables; who wants to know the machine includes acpi.h.
#ifndef ARCH_X86_ACPI_TABLE_H
#define ARCH_X86_ACPI_TABLE_H

#include "arch/x86/acpi.h"
#include "arch/x86/acpi_layout.h"
#include "kernel/log.h"
#include "kernel/string.h"

// A table whose bytes are there. They stay valid until the next acpi_map().
struct acpi_table {
    const char *name;
    const char *loss; // what the machine does without this table; NULL: it is required
    paddr_t pa;
    const uint8_t *bytes;
    uint32_t length;
};

// One line: where, what is wrong, a value that belongs to it, what helps. Returns `status`.
static inline COLD int acpi_complain(const struct acpi_table *t, int status, uint32_t offset, const char *problem,
                                     uint64_t value, const char *remedy) {
    log_line("ACPI: %s at 0x%llx, offset 0x%x: %s (0x%llx); %s%s%s", t->name, (unsigned long long)t->pa, offset,
             problem, (unsigned long long)value, remedy,
             t->loss == NULL ? "" : "; left out: ", t->loss == NULL ? "" : t->loss);
    return status;
}

static inline int acpi_corrupt(const struct acpi_table *t, uint32_t offset, const char *problem, uint64_t value) {
    return acpi_complain(t, ERR_CORRUPT, offset, problem, value, "update the firmware");
}

static inline int acpi_full(const struct acpi_table *t, uint32_t offset, const char *problem, unsigned limit) {
    return acpi_complain(t, ERR_UNSUPPORTED, offset, problem, limit,
                         "that is the limit: raise ACPI_MAX_... in arch/x86/acpi.h");
}

static inline int acpi_unreadable(const struct acpi_table *t, uint32_t size) {
    return acpi_complain(t, ERR_RANGE, 0, "so many bytes cannot be read there", size,
                         "update the firmware, or the loader that passed on its memory map");
}

static inline uint64_t acpi_little_endian(const uint8_t *p, unsigned size) {
    uint64_t value = 0;

    while (size-- > 0) { value = value << 8 | p[size]; }
    return value;
}

// A field that lies beyond the table's end, as in older revisions, is 0.
static inline uint64_t acpi_field(const struct acpi_table *t, uint32_t offset, unsigned size) {
    return offset > t->length || size > t->length - offset ? 0 : acpi_little_endian(t->bytes + offset, size);
}

static inline uint8_t acpi_u8(const struct acpi_table *t, uint32_t offset) { return (uint8_t)acpi_field(t, offset, 1); }
static inline uint16_t acpi_u16(const struct acpi_table *t, uint32_t offset) {
    return (uint16_t)acpi_field(t, offset, 2);
}
static inline uint32_t acpi_u32(const struct acpi_table *t, uint32_t offset) {
    return (uint32_t)acpi_field(t, offset, 4);
}
static inline uint64_t acpi_u64(const struct acpi_table *t, uint32_t offset) { return acpi_field(t, offset, 8); }

static inline uint8_t acpi_sum(const uint8_t *p, size_t size) {
    uint8_t total = 0;

    while (size-- > 0) { total = (uint8_t)(total + p[size]); }
    return total;
}

static inline bool acpi_good_address(paddr_t address, uint64_t alignment) {
    return address != 0 && address < PHYSICAL_END && (address & (alignment - 1)) == 0;
}

// Maps the table at t->pa, header first, and checks signature, length and checksum.
static inline int acpi_open(const struct physical *physical, struct acpi_table *t, const char *signature,
                            uint32_t minimum) {
    t->bytes = physical_map(physical, t->pa, SDT_HEADER);
    if (t->bytes == NULL) { return acpi_unreadable(t, SDT_HEADER); }
    t->length = SDT_HEADER;
    if (memcmp(t->bytes, signature, SIGNATURE_SIZE) != 0) {
        return acpi_corrupt(t, 0, "another table's signature is there", acpi_u32(t, 0));
    }
    uint32_t length = acpi_u32(t, SDT_LENGTH);
    if (length < minimum || length > ACPI_TABLE_MAX) {
        return acpi_corrupt(t, SDT_LENGTH, "no such table has this length", length);
    }
    t->bytes = physical_map(physical, t->pa, length);
    if (t->bytes == NULL) { return acpi_unreadable(t, length); }
    t->length = length;
    uint8_t total = acpi_sum(t->bytes, length);
    return total == 0 ? OK : acpi_corrupt(t, SDT_CHECKSUM, "the checksum fails; the bytes' sum is not 0", total);
}

// One of a list: type, length, content.
struct acpi_entry {
    uint32_t at, length, type;
};

// What is done with entries of a type; those of other types are skipped.
struct acpi_row {
    uint32_t type, minimum;
    int (*read)(const struct acpi_table *t, const struct acpi_entry *e, struct acpi_machine *machine);
};

struct acpi_format {
    unsigned width; // bytes of an entry's type, and of the length that follows it
    unsigned row_count;
    const struct acpi_row *rows;
};

// A length is at least that of type and length, so that each step goes forward.
static inline int acpi_next(const struct acpi_table *t, unsigned width, uint32_t end, struct acpi_entry *e) {
    e->at += e->length;
    uint32_t left = end - e->at;
    if (left < 2 * width) { return acpi_corrupt(t, e->at, "an entry is cut off after so many bytes", left); }
    e->type = (uint32_t)acpi_field(t, e->at, width);
    e->length = (uint32_t)acpi_field(t, e->at + width, width);
    if (e->length < 2 * width) { return acpi_corrupt(t, e->at, "an entry is too short for its header", e->length); }
    if (e->length > left) { return acpi_corrupt(t, e->at, "an entry overruns what holds it", e->length); }
    return OK;
}

// Reads the entries in [at, end), up to the first that is bad.
static inline int acpi_walk(const struct acpi_table *t, const struct acpi_format *format, uint32_t at, uint32_t end,
                            struct acpi_machine *machine) {
    struct acpi_entry e = {.at = at};
    int status = OK;

    while (status == OK && e.at + e.length < end) {
        status = acpi_next(t, format->width, end, &e);
        for (unsigned i = 0; status == OK && i < format->row_count; i++) {
            const struct acpi_row *row = &format->rows[i];
            if (e.type != row->type) { continue; }
            status = e.length < row->minimum ? acpi_corrupt(t, e.at, "an entry is too short for its type", e.length)
                                             : row->read(t, &e, machine);
        }
    }
    return status;
}

#endif
