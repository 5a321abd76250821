// SPDX-License-Identifier: Apache-2.0
// The ACPI tables (ACPI 6.5, chapter 5) that the machine has in memory. They are trusted: a guest that its machine lies to
// has no way to help itself.
#ifndef GUEST_ACPI_H
#define GUEST_ACPI_H

#include <stdint.h>

struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision, creator, creator_revision;
} __attribute__((packed));

// Looks for the root pointer where a BIOS has it; once, before the others.
void acpi_init(void);

// The first table with that signature, or NULL.
const struct acpi_header *acpi_table(const char *signature);

#endif
