// SPDX-License-Identifier: Apache-2.0
// covers: arch/x86/acpi.c
// A firmware's tables. Input: a byte of flags, how many accesses succeed (0: all), then what lies from IMAGE on.
#include <stdlib.h>
#include <string.h>

#include "arch/x86/acpi.h"
#include "kernel/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIX_CHECKSUMS = 1, PASS_ADDRESS = 2, IN_EBDA = 4 }; // flags
enum { IMAGE = 0xe0000, IMAGE_SIZE = 0x20000, EBDA_POINTER = 0x40e, HEAD = 2, COPIED = 0x4000 };

static struct {
    uint8_t image[IMAGE_SIZE];
    uint8_t ebda[2]; // at EBDA_POINTER
    void *mapped;
    unsigned maps, maps_allowed;
} firmware;

static void require(bool holds) {
    if (!holds) { abort(); }
}

// A copy of just the bytes asked for, gone with the next call: a step beside it is seen.
static const void *map(void *context, paddr_t pa, size_t size) {
    const uint8_t *bytes = NULL;

    require(context == &firmware && size > 0 && size <= ACPI_TABLE_MAX && pa + size > pa);
    free(firmware.mapped);
    firmware.mapped = NULL;
    if (firmware.maps_allowed != 0 && firmware.maps >= firmware.maps_allowed) { return NULL; }
    firmware.maps++;
    require(firmware.maps < 3 * ACPI_MAX_TABLES);
    if (pa == EBDA_POINTER && size == sizeof(firmware.ebda)) { bytes = firmware.ebda; }
    if (pa >= IMAGE && pa - IMAGE < IMAGE_SIZE && size <= IMAGE_SIZE - (pa - IMAGE)) {
        bytes = firmware.image + (pa - IMAGE);
    }
    if (bytes == NULL || size > COPIED) { return bytes; }
    firmware.mapped = malloc(size);
    return memcpy(firmware.mapped, bytes, size);
}

// ---- checksums ------------------------------------------------------------------------------------------------

// Of what lies whole within the input.
static void fix_sum(size_t at, size_t size, size_t length, size_t checksum) {
    uint8_t total = 0;

    if (length > size - at) { return; }
    firmware.image[at + checksum] = 0;
    for (size_t i = 0; i < length; i++) { total = (uint8_t)(total + firmware.image[at + i]); }
    firmware.image[at + checksum] = (uint8_t)-total;
}

static void fix_checksums(size_t size) {
    static const char signatures[][5] = {"APIC", "FACP", "MCFG", "DMAR", "IVRS", "DSDT", "XSDT", "RSDT"};
    enum { HEADER = 36 };

    for (size_t at = 0; at + HEADER <= size; at += 4) {
        uint32_t length;
        for (unsigned i = 0; i < ARRAY_SIZE(signatures); i++) {
            memcpy(&length, firmware.image + at + 4, sizeof(length));
            if (memcmp(firmware.image + at, signatures[i], 4) == 0 && length >= HEADER) {
                fix_sum(at, size, length, 9);
            }
        }
        if (memcmp(firmware.image + at, "RSD PTR ", 8) == 0) {
            memcpy(&length, firmware.image + at + 20, sizeof(length));
            fix_sum(at, size, 20, 8);
            if (length >= HEADER) { fix_sum(at, size, length, 32); }
        }
    }
}

// ---- what holds of every machine --------------------------------------------------------------------------------

static bool good_page(uint64_t address) { return address != 0 && address % PAGE_SIZE == 0 && address < BIT(52); }

static void check_madt(const struct acpi_machine *m) {
    require(m->cpu_count >= 1 && m->cpu_count <= ACPI_MAX_CPUS);
    for (unsigned i = 0; i < m->cpu_count; i++) {
        require(m->apic_ids[i] != UINT32_MAX);
        for (unsigned k = 0; k < i; k++) { require(m->apic_ids[i] != m->apic_ids[k]); }
    }
    require(good_page(m->local_apic) && m->io_apic_count <= ACPI_MAX_IO_APICS);
    for (unsigned i = 0; i < m->io_apic_count; i++) { require(m->io_apics[i].base != 0); }
}

static void check_fadt(const struct acpi_machine *m) {
    require(m->sleep_control == 0 || (m->pm1a_control == 0 && m->pm1b_control == 0));
    require(m->s5_a <= 7 && m->s5_b <= 7 && (m->has_s5 || (m->s5_a == 0 && m->s5_b == 0)));
    require(!m->has_s5 || m->dsdt != 0);
}

static void check_mcfg(const struct acpi_machine *m) {
    require(m->ecam_count <= ACPI_MAX_ECAMS);
    for (unsigned i = 0; i < m->ecam_count; i++) {
        const struct acpi_ecam *a = &m->ecams[i];
        require(good_page(a->base) && a->base % BIT(20) == 0 && a->first_bus <= a->last_bus);
        require(a->base + ((a->last_bus + 1ull) << 20) <= BIT(52));
        for (unsigned k = 0; k < i; k++) {
            const struct acpi_ecam *b = &m->ecams[k];
            require(a->segment != b->segment || a->first_bus > b->last_bus || a->last_bus < b->first_bus);
        }
    }
}

static void check_kept(const struct acpi_kept *kept) {
    require(kept->length == 0 ? kept->pa == 0 : kept->length >= 48 && kept->length <= ACPI_TABLE_MAX);
    require(kept->length == 0 || (kept->pa >= IMAGE && kept->length <= IMAGE + IMAGE_SIZE - kept->pa));
}

// ---- one input ----------------------------------------------------------------------------------------------------

static void prepare(const uint8_t *data, size_t size) {
    size_t image = MIN(size - HEAD, (size_t)IMAGE_SIZE);
    static size_t dirty;

    memset(firmware.image, 0, dirty);
    memcpy(firmware.image, data + HEAD, image);
    dirty = image;
    firmware.maps = 0;
    firmware.maps_allowed = data[1];
    firmware.ebda[1] = data[0] & IN_EBDA ? IMAGE >> 12 : 0;
    if (data[0] & FIX_CHECKSUMS) { fix_checksums(image); }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct physical memory = {.map = map, .context = &firmware};
    static struct acpi_machine machine;
    static uint64_t cursor;
    char said[LOG_LINE_MAX + 1];

    if (size < HEAD) { return 0; }
    prepare(data, size);
    while (log_read(&cursor, said, sizeof(said)) != 0) {}
    memset(&machine, 0xa5, sizeof(machine));
    int status = acpi_read(&memory, data[0] & PASS_ADDRESS ? IMAGE : 0, &machine);
    free(firmware.mapped);
    firmware.mapped = NULL;
    if (status == OK) {
        check_madt(&machine);
        check_fadt(&machine);
        check_mcfg(&machine);
        check_kept(&machine.dmar);
        check_kept(&machine.ivrs);
    } else {
        require(status == ERR_NOT_FOUND || status == ERR_RANGE || status == ERR_CORRUPT || status == ERR_UNSUPPORTED);
        require(log_read(&cursor, said, sizeof(said)) > strlen("ACPI: ")); // it says why
    }
    return 0;
}
