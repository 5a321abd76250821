// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/acpi_table.h"

#include "kernel/log.h"
#include "kernel/string.h"

COLD int acpi_complain(const struct acpi_table *t, int status, uint32_t offset, const char *problem, uint64_t value,
                       const char *remedy) {
    log_line("ACPI: %s at 0x%llx, offset 0x%x: %s (0x%llx); %s%s%s", t->name, (unsigned long long)t->pa, offset,
             problem, (unsigned long long)value, remedy,
             t->loss == NULL ? "" : "; left out: ", t->loss == NULL ? "" : t->loss);
    return status;
}

int acpi_corrupt(const struct acpi_table *t, uint32_t offset, const char *problem, uint64_t value) {
    return acpi_complain(t, ERR_CORRUPT, offset, problem, value, "update the firmware");
}

int acpi_full(const struct acpi_table *t, uint32_t offset, const char *problem, unsigned limit) {
    return acpi_complain(t, ERR_UNSUPPORTED, offset, problem, limit,
                         "that is the limit: raise ACPI_MAX_... in arch/x86/acpi.h");
}

int acpi_unreadable(const struct acpi_table *t, uint32_t size) {
    return acpi_complain(t, ERR_RANGE, 0, "so many bytes cannot be read there", size,
                         "update the firmware, or the loader that passed on its memory map");
}

uint8_t acpi_sum(const uint8_t *p, size_t size) {
    uint8_t total = 0;

    while (size-- > 0) { total = (uint8_t)(total + p[size]); }
    return total;
}

int acpi_open(const struct physical *physical, struct acpi_table *t, const char *signature, uint32_t minimum) {
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

// A length is at least that of type and length, so that each step goes forward.
static int acpi_next(const struct acpi_table *t, unsigned width, uint32_t end, struct acpi_entry *e) {
    e->at += e->length;
    uint32_t left = end - e->at;
    if (left < 2 * width) { return acpi_corrupt(t, e->at, "an entry is cut off after so many bytes", left); }
    e->type = (uint32_t)acpi_field(t, e->at, width);
    e->length = (uint32_t)acpi_field(t, e->at + width, width);
    if (e->length < 2 * width) { return acpi_corrupt(t, e->at, "an entry is too short for its header", e->length); }
    if (e->length > left) { return acpi_corrupt(t, e->at, "an entry overruns what holds it", e->length); }
    return OK;
}

int acpi_walk(const struct acpi_table *t, const struct acpi_format *format, uint32_t at, uint32_t end,
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
