// SPDX-License-Identifier: Apache-2.0
// Finds tables, and switches the machine off as the FADT says.
#include "acpi.h"

#include "private.h"

#include <string.h>

#define BIOS_START      0xe0000
#define BIOS_END        0x100000
#define RSDP_ALIGN      16
#define RSDP_V1_SIZE    20

#define FADT_HW_REDUCED (1u << 20)
#define GAS_IO          1
#define SLP_EN          (1u << 5) // of the sleep control register,
#define SLP_TYP(n)      ((n) << 2)
#define PM1_SLP_EN      (1u << 13) // and of PM1 control
#define TAKT_S5         5

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
} __attribute__((packed));

struct generic_address {
    uint8_t space, width, offset, access;
    uint64_t address;
} __attribute__((packed));

struct fadt {
    struct acpi_header header;
    uint8_t unused1[28];
    uint32_t pm1a_control; // offset 64
    uint8_t unused2[44];
    uint32_t flags; // offset 112
    uint8_t unused3[128];
    struct generic_address sleep_control; // offset 244
} __attribute__((packed));

_Static_assert(offsetof(struct fadt, pm1a_control) == 64 && offsetof(struct fadt, flags) == 112 &&
                   offsetof(struct fadt, sleep_control) == 244,
               "ACPI 6.5, table 5.9");

static const struct rsdp *root;

static bool sum_is_zero(const uint8_t *bytes, unsigned count) {
    uint8_t sum = 0;
    while (count-- > 0) sum = (uint8_t)(sum + bytes[count]);
    return sum == 0;
}

void acpi_init(void) {
    for (uintptr_t at = BIOS_START; at < BIOS_END && !root; at += RSDP_ALIGN)
        if (memcmp((const void *)at, "RSD PTR ", 8) == 0 && sum_is_zero((const uint8_t *)at, RSDP_V1_SIZE))
            root = (const struct rsdp *)at;
}

const struct acpi_header *acpi_table(const char *signature) {
    if (!root) return NULL;
    bool wide = root->revision >= 2 && root->xsdt != 0;
    const struct acpi_header *list = (const void *)(uintptr_t)(wide ? root->xsdt : root->rsdt);
    const char *entry = (const char *)(list + 1), *end = (const char *)list + list->length;
    for (unsigned size = wide ? 8 : 4; entry + size <= end; entry += size) {
        uint64_t address = 0;
        memcpy(&address, entry, size);
        const struct acpi_header *table = (const void *)(uintptr_t)address;
        if (memcmp(table->signature, signature, sizeof(table->signature)) == 0) return table;
    }
    return NULL;
}

// Which sleep type is S5 stands in \_S5, in byte code that this library does not read: 5 on Takt, whose tables are those of
// a hardware-reduced machine, and 0 on QEMU's PC.
void machine_off(void) {
    const struct fadt *fadt = (const void *)acpi_table("FACP");
    irq_mask();
    if (fadt && fadt->flags & FADT_HW_REDUCED && fadt->sleep_control.space == GAS_IO)
        port_write8((uint16_t)fadt->sleep_control.address, SLP_TYP(TAKT_S5) | SLP_EN);
    else if (fadt)
        port_write16((uint16_t)fadt->pm1a_control, PM1_SLP_EN);
    for (;;) wait_for_interrupt();
}
