// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/guest_acpi.h"

#include "arch/x86/acpi.h"
#include "arch/x86/acpi_layout.h"
#include "arch/x86/aml.h"
#include "kernel/log.h"
#include "kernel/string.h"

enum { TABLE_ALIGN = 16, TABLES_MAX = 3 }; // that the XSDT lists
enum { OEM_REVISION = 1, REVISION_DSDT = 2, REVISION_FADT = 6, REVISION_FADT_MINOR = 5, REVISION_MADT = 5 };
#define OEM_ID       "TAKT  "
#define OEM_TABLE_ID "TAKTPC  "
#define CREATOR_ID   "TAKT"

struct tables {
    struct table_writer w;
    const struct guest_acpi *what;
    gpa_t gpa; // of the first byte
    gpa_t dsdt;
    gpa_t listed[TABLES_MAX];
    unsigned count;
};

// ---- one table --------------------------------------------------------------------------------------------

static size_t begin(struct table_writer *w, const char *signature, uint8_t revision) {
    table_put_zeros(w, ALIGN_UP(w->at, (size_t)TABLE_ALIGN) - w->at);
    size_t at = w->at;
    table_put_text(w, signature, SIGNATURE_SIZE);
    table_put(w, 0, 4); // length and checksum: end()
    table_put(w, revision, 2);
    table_put_text(w, OEM_ID OEM_TABLE_ID, strlen(OEM_ID OEM_TABLE_ID));
    table_put(w, OEM_REVISION, 4);
    table_put_text(w, CREATOR_ID, strlen(CREATOR_ID));
    table_put(w, OEM_REVISION, 4);
    return at;
}

// Makes the bytes [at, at + size) add up to 0.
static void seal(struct table_writer *w, size_t at, size_t size, size_t checksum) {
    uint8_t sum = 0;

    if (at + size > w->size) { return; }
    for (size_t i = 0; i < size; i++) { sum = (uint8_t)(sum + w->bytes[at + i]); }
    table_patch(w, at + checksum, (uint8_t)-sum, 1);
}

static gpa_t end(struct tables *t, size_t at) {
    table_patch(&t->w, at + SDT_LENGTH, t->w.at - at, 4);
    seal(&t->w, at, t->w.at - at, SDT_CHECKSUM);
    return t->gpa + at;
}

static void end_listed(struct tables *t, size_t at) { t->listed[t->count++] = end(t, at); }

// ---- DSDT -------------------------------------------------------------------------------------------------

// A name segment of two letters and a number of two digits.
static void numbered(char name[AML_SEGMENT + 1], const char *letters, unsigned number) {
    format_string(name, AML_SEGMENT + 1, "%s%02u", letters, number);
}

static size_t begin_device(struct table_writer *w, const char *name, const char *hid, uint32_t uid) {
    size_t device = aml_device(w, name);

    aml_name(w, "_HID");
    aml_string(w, hid);
    aml_name(w, "_UID");
    aml_integer(w, uid);
    return device;
}

static void put_com1(struct table_writer *w) {
    size_t device = begin_device(w, "COM1", "PNP0501", 0);
    size_t resources = aml_resources(w);

    aml_ports(w, GUEST_COM1_PORT, GUEST_COM1_PORTS);
    aml_interrupt(w, GUEST_COM1_GSI, false);
    aml_resources_end(w, resources);
    aml_end(w, device);
}

static void put_virtio(struct table_writer *w, const struct guest_acpi_device *virtio, unsigned number) {
    char name[AML_SEGMENT + 1];

    numbered(name, "VR", number);
    size_t device = begin_device(w, name, "LNRO0005", number);
    size_t resources = aml_resources(w);
    aml_memory(w, virtio->base, virtio->size);
    aml_interrupt(w, virtio->gsi, virtio->level_triggered);
    aml_resources_end(w, resources);
    aml_end(w, device);
}

static void put_dsdt(struct tables *t) {
    struct table_writer *w = &t->w;
    size_t table = begin(w, "DSDT", REVISION_DSDT);
    char name[AML_SEGMENT + 1];

    aml_name(w, AML_S5);
    size_t s5 = aml_package(w, 4); // SLP_TYP for PM1a and PM1b, two reserved; hardware-reduced: the first counts
    for (unsigned i = 0; i < 4; i++) { aml_integer(w, i < 2 ? t->what->sleep_type : 0); }
    aml_end(w, s5);
    size_t scope = aml_scope(w, "\\_SB_");
    for (unsigned i = 0; i < t->what->vcpus; i++) {
        numbered(name, "CP", i);
        aml_end(w, begin_device(w, name, "ACPI0007", i));
    }
    if (t->what->com1) { put_com1(w); }
    for (unsigned i = 0; i < t->what->virtio_count; i++) { put_virtio(w, &t->what->virtio[i], i); }
    aml_end(w, scope);
    t->dsdt = end(t, table);
}

// ---- FADT, MADT, MCFG -------------------------------------------------------------------------------------

static void patch_port(struct table_writer *w, size_t gas, uint16_t port) {
    table_patch(w, gas + GAS_SPACE, ACPI_SPACE_IO, 1);
    table_patch(w, gas + GAS_WIDTH, 8, 1);
    table_patch(w, gas + GAS_ACCESS, GAS_ACCESS_BYTE, 1);
    table_patch(w, gas + GAS_ADDRESS, port, 8);
}

static void put_fadt(struct tables *t) {
    struct table_writer *w = &t->w;
    size_t at = begin(w, "FACP", REVISION_FADT);
    unsigned boot =
        IAPC_VGA_NOT_PRESENT | IAPC_CMOS_RTC_NOT_PRESENT | (t->what->ecam == 0 ? IAPC_MSI_NOT_SUPPORTED : 0);

    table_put_zeros(w, FADT_V6_LENGTH - SDT_HEADER);
    table_patch(w, at + FADT_DSDT, t->dsdt, 4);
    table_patch(w, at + FADT_IAPC_BOOT_ARCH, boot, 2);
    table_patch(w, at + FADT_FLAGS, FADT_WBINVD | FADT_RESET_REG_SUP | FADT_HW_REDUCED_ACPI, 4);
    patch_port(w, at + FADT_RESET_REG, t->what->reset);
    table_patch(w, at + FADT_RESET_VALUE, t->what->reset_value, 1);
    table_patch(w, at + FADT_MINOR_VERSION, REVISION_FADT_MINOR, 1);
    table_patch(w, at + FADT_X_DSDT, t->dsdt, 8);
    patch_port(w, at + FADT_SLEEP_CONTROL_REG, t->what->sleep_control);
    patch_port(w, at + FADT_SLEEP_STATUS_REG, t->what->sleep_status);
    end_listed(t, at);
}

static void put_madt(struct tables *t) {
    struct table_writer *w = &t->w;
    size_t at = begin(w, "APIC", REVISION_MADT);

    table_put(w, GUEST_LOCAL_APIC, 4);
    table_put(w, 0, 4); // flags: no 8259
    for (unsigned i = 0; i < t->what->vcpus; i++) {
        table_put(w, LAPIC_TYPE | LAPIC_LENGTH << 8, 2);
        table_put(w, i | i << 8, 2); // _UID, APIC id
        table_put(w, MADT_CPU_ENABLED, 4);
    }
    table_put(w, IO_APIC_TYPE | IO_APIC_LENGTH << 8, 4); // its id is 0
    table_put(w, GUEST_IO_APIC, 4);
    table_put(w, 0, 4); // its first GSI
    end_listed(t, at);
}

static void put_mcfg(struct tables *t) {
    struct table_writer *w = &t->w;
    size_t at = begin(w, "MCFG", 1);

    table_put_zeros(w, MCFG_ENTRIES - SDT_HEADER);
    table_put(w, t->what->ecam, 8);
    table_put(w, (uint64_t)t->what->last_bus << 8 * (MCFG_LAST_BUS - MCFG_SEGMENT), 8); // segment 0, from bus 0 on
    end_listed(t, at);
}

// ---- all --------------------------------------------------------------------------------------------------

static void put_rsdp(struct tables *t, gpa_t xsdt) {
    struct table_writer w = {t->w.bytes, t->w.size, 0};

    table_put_text(&w, RSDP_SIGNATURE, strlen(RSDP_SIGNATURE));
    table_put(&w, 0, 1); // checksum
    table_put_text(&w, OEM_ID, strlen(OEM_ID));
    table_put(&w, RSDP_REVISION_2_0, 1);
    table_put(&w, 0, 4); // no RSDT
    table_put(&w, RSDP_V2_LENGTH, 4);
    table_put(&w, xsdt, 8);
    table_put(&w, 0, 4); // extended checksum, reserved
    seal(&w, 0, RSDP_V1_LENGTH, RSDP_CHECKSUM);
    seal(&w, 0, RSDP_V2_LENGTH, RSDP_EXTENDED_CHECKSUM);
}

size_t guest_acpi_build(const struct guest_acpi *what, gpa_t gpa, void *buffer, size_t size) {
    struct tables t = {.w = {buffer, size, RSDP_V2_LENGTH}, .what = what, .gpa = gpa};

    ASSERT(what->vcpus >= 1 && what->vcpus <= MAX_VCPUS && what->virtio_count <= GUEST_ACPI_VIRTIO_MAX);
    put_dsdt(&t);
    put_fadt(&t);
    put_madt(&t);
    if (what->ecam != 0) { put_mcfg(&t); }
    size_t xsdt = begin(&t.w, "XSDT", 1);
    for (unsigned i = 0; i < t.count; i++) { table_put(&t.w, t.listed[i], XSDT_ENTRY); }
    put_rsdp(&t, end(&t, xsdt));
    return t.w.at <= size ? t.w.at : 0;
}
