// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/guest_acpi.h"

#include "arch/x86/acpi.h"
#include "arch/x86/acpi_layout.h"
#include "arch/x86/little_endian.h"
#include "arch/x86/pc_ports.h"
#include "kernel/log.h"
#include "kernel/string.h"

enum { TABLE_ALIGN = 16, TABLES_MAX = 3 }; // that the XSDT lists
enum { REVISION_1 = 1, REVISION_DSDT = 2, REVISION_FADT = 6, REVISION_FADT_MINOR = 5, REVISION_MADT = 5 };

struct tables {
    uint8_t *area;
    gpa_t gpa; // of its first byte
    size_t at; // where the next byte goes
    uint64_t listed[TABLES_MAX];
    unsigned count;
};

// ---- one table --------------------------------------------------------------------------------------------

static uint8_t *append(struct tables *t, const void *bytes, size_t size) {
    uint8_t *to = t->area + t->at;

    memcpy(to, bytes, size);
    t->at += size;
    return to;
}

static void append64(struct tables *t, uint64_t value) { append(t, &value, sizeof(value)); }

static uint8_t *begin(struct tables *t, const char *signature, uint8_t revision) {
    // Length, revision, checksum; then names and revisions, OEM's and creator's.
    static const char rest[SDT_HEADER - SIGNATURE_SIZE] = "\0\0\0\0\0\0TAKT  TAKTPC  \1\0\0\0TAKT\1";

    t->at = ALIGN_UP(t->at, (size_t)TABLE_ALIGN);
    uint8_t *table = append(t, signature, SIGNATURE_SIZE);
    append(t, rest, sizeof(rest));
    table[SDT_REVISION] = revision;
    return table;
}

// Makes the bytes add up to 0.
static void seal(uint8_t *bytes, size_t size, unsigned checksum) { bytes[checksum] = (uint8_t)-acpi_sum(bytes, size); }

// Returns where the table lies.
static gpa_t end(const struct tables *t, uint8_t *table) {
    size_t size = (size_t)(t->area + t->at - table);

    store_le32(table + SDT_LENGTH, (uint32_t)size);
    seal(table, size, SDT_CHECKSUM);
    return t->gpa + (gpa_t)(table - t->area);
}

static void end_listed(struct tables *t, uint8_t *table) { t->listed[t->count++] = end(t, table); }

// ---- DSDT -------------------------------------------------------------------------------------------------

// Templates in AML, as a compiler makes it of what stands above each. The terminator of a string is its last byte.
#define NAME      "\x08"
#define BYTE      "\x0a"
#define STRING    "\x0d"
#define DEVICE    "\x5b\x82\0" // and its length, which put_device() knows
#define CRS       NAME "_CRS\x11"
#define INTERRUPT "\x89\6\0"

// Name (_S5, Package () {5, 5, 0, 0}): hardware-reduced, the first counts
// Scope (\_SB_)
static const char dsdt[] = NAME "_S5_\x12\x08\4" BYTE "\5" BYTE "\5\0\0\x10\0\0\\_SB_";
enum { DSDT_SIZE = sizeof(dsdt) - 1, SCOPE_SIZE = DSDT_SIZE - 7, SCOPE_MAX = 1 << (AML_PKG_LOW_BITS + 8) };
_Static_assert(PC_SLEEP_TYPE_S5 == 5, "what _S5 says");

// Device (CP00) {Name (_UID, 0) Name (_HID, "ACPI0007")}
static const char processor[] = DEVICE "CP00" NAME "_UID" BYTE "\0" NAME "_HID" STRING "ACPI0007";
enum { DEVICE_LENGTH = 2, DEVICE_DIGIT = 6, DEVICE_UID = 13 };

// Device (COM1) {Name (_UID, 0) Name (_HID, "PNP0501") Name (_CRS, ResourceTemplate () {
//     IO (Decode16, 0x3f8, 0x3f8, 1, 8) Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) {4}})}
static const char com1[] = DEVICE "COM1" NAME "_UID" BYTE "\0" NAME "_HID" STRING "PNP0501\0" CRS "\x16" BYTE "\x13"
                                  "\x47\1\xf8\3\xf8\3\1\x08" INTERRUPT "\3\1\4\0\0\0\x79";

// Device (VR00) {Name (_UID, 0) Name (_HID, "LNRO0005") Name (_CRS, ResourceTemplate () {
//     Memory32Fixed (ReadWrite, 0, 0x1000) Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) {0}})}
static const char virtio[] = DEVICE "VR00" NAME "_UID" BYTE "\0" NAME "_HID" STRING "LNRO0005\0" CRS "\x1a" BYTE "\x17"
                                    "\x86\x09\0\1\0\0\0\0\0\x10\0\0" INTERRUPT "\1\1\0\0\0\0\x79";
enum { VIRTIO_GSI = sizeof(virtio) - 6, VIRTIO_BASE = VIRTIO_GSI - 13 };

static uint8_t *put_device(struct tables *t, const char *device, size_t size, unsigned number) {
    uint8_t *to = append(t, device, size);

    to[DEVICE_LENGTH] = (uint8_t)(size - DEVICE_LENGTH);
    to[DEVICE_DIGIT] = (uint8_t)(to[DEVICE_DIGIT] + number);
    to[DEVICE_UID] = (uint8_t)number;
    return to;
}
_Static_assert(sizeof(virtio) - DEVICE_LENGTH <= AML_PKG_SHORT_MASK, "a device's length has one byte");
_Static_assert(MAX_VCPUS <= 10 && GUEST_ACPI_VIRTIO_MAX <= 10, "a device's number has one digit");
_Static_assert((MAX_VCPUS + GUEST_ACPI_VIRTIO_MAX + 2) * sizeof(virtio) < SCOPE_MAX, "its length has two bytes");

static gpa_t put_dsdt(struct tables *t, const struct guest_acpi *what) {
    uint8_t *table = begin(t, "DSDT", REVISION_DSDT), *length = append(t, dsdt, DSDT_SIZE) + SCOPE_SIZE;

    for (unsigned i = 0; i < what->vcpus; i++) { put_device(t, processor, sizeof(processor), i); }
    if (what->com1) { put_device(t, com1, sizeof(com1), 0); }
    for (unsigned i = 0; i < what->virtio_count; i++) {
        uint8_t *device = put_device(t, virtio, sizeof(virtio), i);
        store_le32(device + VIRTIO_BASE, GUEST_VIRTIO_BASE + i * PAGE_SIZE);
        device[VIRTIO_GSI] = (uint8_t)(GUEST_VIRTIO_GSI + i);
    }
    size_t size = (size_t)(t->area + t->at - length);
    length[0] = (uint8_t)(1u << AML_PKG_FOLLOW_SHIFT | (size & AML_PKG_LOW_MASK));
    length[1] = (uint8_t)(size >> AML_PKG_LOW_BITS);
    return end(t, table);
}

// ---- FADT, MADT, MCFG -------------------------------------------------------------------------------------

#define FLAGS (FADT_WBINVD | FADT_RESET_REG_SUP | FADT_HW_REDUCED_ACPI)
#define PORT(field, port)                                                                     \
    {(field) + GAS_SPACE, ACPI_SPACE_IO | 8 << 8}, {(field) + GAS_ACCESS, GAS_ACCESS_BYTE}, { \
        (field) + GAS_ADDRESS, port                                                           \
    }

static void put_fadt(struct tables *t, const struct guest_acpi *what, gpa_t dsdt_at) {
    static const struct {
        uint16_t field, value;
    } constant[] = {
        {FADT_IAPC_BOOT_ARCH, IAPC_VGA_NOT_PRESENT | IAPC_CMOS_RTC_NOT_PRESENT},
        {FADT_FLAGS, FLAGS & 0xffff},
        {FADT_FLAGS + 2, FLAGS >> 16},
        PORT(FADT_RESET_REG, PC_RESET_CONTROL),
        {FADT_RESET_VALUE, PC_RESET_VALUE},
        {FADT_MINOR_VERSION, REVISION_FADT_MINOR},
        PORT(FADT_SLEEP_CONTROL_REG, PC_SLEEP_CONTROL),
        PORT(FADT_SLEEP_STATUS_REG, PC_SLEEP_STATUS),
    };
    uint8_t *table = begin(t, "FACP", REVISION_FADT);

    for (unsigned i = 0; i < ARRAY_SIZE(constant); i++) {
        table[constant[i].field] = (uint8_t)constant[i].value;
        table[constant[i].field + 1] = (uint8_t)(constant[i].value >> 8);
    }
    if (what->ecam == 0) { table[FADT_IAPC_BOOT_ARCH] |= IAPC_MSI_NOT_SUPPORTED; }
    store_le32(table + FADT_DSDT, (uint32_t)dsdt_at);
    store_le64(table + FADT_X_DSDT, dsdt_at);
    t->at += FADT_V6_LENGTH - SDT_HEADER;
    end_listed(t, table);
}

static void put_madt(struct tables *t, unsigned vcpus) {
    uint8_t *table = begin(t, "APIC", REVISION_MADT);

    append64(t, GUEST_LOCAL_APIC);         // flags 0: no 8259
    for (uint64_t i = 0; i < vcpus; i++) { // _UID and APIC id are i
        append64(t, LAPIC_TYPE | LAPIC_LENGTH << 8 | i << 16 | i << 24 | (uint64_t)MADT_CPU_ENABLED << 32);
    }
    append64(t, IO_APIC_TYPE | IO_APIC_LENGTH << 8 | (uint64_t)GUEST_IO_APIC << 32); // its id is 0
    t->at += sizeof(uint32_t);                                                       // its first GSI is 0
    end_listed(t, table);
}

static void put_mcfg(struct tables *t, const struct guest_acpi *what) {
    uint8_t *table = begin(t, "MCFG", REVISION_1);

    t->at += MCFG_ENTRIES - SDT_HEADER;
    append64(t, what->ecam);
    append64(t, (uint64_t)what->last_bus << 8 * (MCFG_LAST_BUS - MCFG_SEGMENT)); // segment 0, from bus 0 on
    end_listed(t, table);
}

// ---- all --------------------------------------------------------------------------------------------------

size_t guest_acpi_build(const struct guest_acpi *what, gpa_t gpa, uint8_t *area) {
    // Signature, checksum, OEM's name, revision, no RSDT, length: what stands before the XSDT's address.
    static const char rsdp[RSDP_XSDT] = RSDP_SIGNATURE "\0TAKT  \2\0\0\0\0\x24";
    struct tables t = {.area = area, .gpa = gpa, .at = RSDP_V2_LENGTH};

    ASSERT(what->vcpus >= 1 && what->vcpus <= MAX_VCPUS && what->virtio_count <= GUEST_ACPI_VIRTIO_MAX);
    put_fadt(&t, what, put_dsdt(&t, what));
    put_madt(&t, what->vcpus);
    if (what->ecam != 0) { put_mcfg(&t, what); }
    uint8_t *xsdt = begin(&t, "XSDT", REVISION_1);
    append(&t, t.listed, t.count * sizeof(t.listed[0]));
    memcpy(area, rsdp, sizeof(rsdp));
    store_le64(area + RSDP_XSDT, end(&t, xsdt));
    seal(area, RSDP_V1_LENGTH, RSDP_CHECKSUM);
    seal(area, RSDP_V2_LENGTH, RSDP_EXTENDED_CHECKSUM);
    return t.at;
}
