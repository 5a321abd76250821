// SPDX-License-Identifier: Apache-2.0
// Reads one ACPI table: its bytes with bounds and checksum, its fields, its lists of entries; and complains about them.
// For the files of arch/x86 that read tables; who wants to know the machine includes acpi.h.
#ifndef ARCH_X86_ACPI_TABLE_H
#define ARCH_X86_ACPI_TABLE_H

#include "arch/x86/acpi.h"
#include "arch/x86/acpi_layout.h"
#include "arch/x86/little_endian.h"

// A table whose bytes are there. They stay valid until the next physical_map().
struct acpi_table {
    const char *name;
    const char *loss; // what the machine does without this table; NULL: it is required
    paddr_t pa;
    const uint8_t *bytes;
    uint32_t length;
};

// One line: where, what is wrong, a value that belongs to it, what helps. Returns `status`.
int acpi_complain(const struct acpi_table *t, int status, uint32_t offset, const char *problem, uint64_t value,
                  const char *remedy);

int acpi_corrupt(const struct acpi_table *t, uint32_t offset, const char *problem, uint64_t value);

int acpi_full(const struct acpi_table *t, uint32_t offset, const char *problem, unsigned limit);

int acpi_unreadable(const struct acpi_table *t, uint32_t size);

// A field that lies beyond the table's end, as in older revisions, is 0.
static inline uint64_t acpi_field(const struct acpi_table *t, uint32_t offset, unsigned size) {
    return offset > t->length || size > t->length - offset ? 0 : load_le(t->bytes + offset, size);
}

static inline uint8_t acpi_u8(const struct acpi_table *t, uint32_t offset) { return (uint8_t)acpi_field(t, offset, 1); }
static inline uint16_t acpi_u16(const struct acpi_table *t, uint32_t offset) {
    return (uint16_t)acpi_field(t, offset, 2);
}
static inline uint32_t acpi_u32(const struct acpi_table *t, uint32_t offset) {
    return (uint32_t)acpi_field(t, offset, 4);
}
static inline uint64_t acpi_u64(const struct acpi_table *t, uint32_t offset) { return acpi_field(t, offset, 8); }

uint8_t acpi_sum(const uint8_t *p, size_t size);

static inline bool acpi_good_address(paddr_t address, uint64_t alignment) {
    return address != 0 && address < PHYSICAL_END && (address & (alignment - 1)) == 0;
}

// Maps the table at t->pa, header first, and checks signature, length and checksum.
int acpi_open(const struct physical *physical, struct acpi_table *t, const char *signature, uint32_t minimum);

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

// Reads the entries in [at, end), up to the first that is bad.
int acpi_walk(const struct acpi_table *t, const struct acpi_format *format, uint32_t at, uint32_t end,
              struct acpi_machine *machine);

#endif
