// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/acpi.h"

#include "arch/x86/acpi_layout.h"
#include "arch/x86/little_endian.h"
#include "kernel/log.h"
#include "kernel/string.h"

// ---- one table: its bytes with bounds and checksum, its fields, complaints about it -------------------------

struct table {
    const struct physical *physical;
    const char *name;
    const char *loss; // what the machine does without this table; NULL: it is required
    paddr_t pa;
    const uint8_t *bytes; // until the next physical_map()
    uint32_t length;
};

// One line: where, what is wrong, a value that belongs to it, what helps. Returns `status`.
static int complain(const struct table *t, int status, uint32_t offset, const char *problem, uint64_t value) {
    log_line("ACPI: %s at 0x%llx, offset 0x%x: %s (0x%llx); %s%s%s", t->name, (unsigned long long)t->pa, offset,
             problem, (unsigned long long)value,
             status == ERR_UNSUPPORTED ? "that is the limit: raise ACPI_MAX_... in arch/x86/acpi.h"
                                       : "update the firmware or the boot loader",
             t->loss == NULL ? "" : "; left out: ", t->loss == NULL ? "" : t->loss);
    return status;
}

static int corrupt(const struct table *t, uint32_t offset, const char *problem, uint64_t value) {
    return complain(t, ERR_CORRUPT, offset, problem, value);
}

// A field that lies beyond the table's end, as in older revisions, is 0.
static uint64_t field(const struct table *t, uint32_t offset, unsigned size) {
    return offset > t->length || size > t->length - offset ? 0 : load_le(t->bytes + offset, size);
}

static uint8_t u8(const struct table *t, uint32_t offset) { return (uint8_t)field(t, offset, 1); }
static uint16_t u16(const struct table *t, uint32_t offset) { return (uint16_t)field(t, offset, 2); }
static uint32_t u32(const struct table *t, uint32_t offset) { return (uint32_t)field(t, offset, 4); }
static uint64_t u64(const struct table *t, uint32_t offset) { return field(t, offset, 8); }

uint8_t acpi_sum(const uint8_t *bytes, size_t size) {
    uint8_t total = 0;

    while (size-- > 0) { total = (uint8_t)(total + bytes[size]); }
    return total;
}

static bool good_address(paddr_t address, uint64_t alignment) {
    return address != 0 && address < PHYSICAL_END && (address & (alignment - 1)) == 0;
}

static int map_table(struct table *t, uint32_t length) {
    t->bytes = physical_map(t->physical, t->pa, length);
    t->length = length;
    return t->bytes != NULL ? OK : complain(t, ERR_RANGE, 0, "so many bytes cannot be read there", length);
}

// How a table begins: with its signature; how long it is, and where it says that, 0: nowhere; its checksum.
struct shape {
    const char *signature;
    uint32_t least, most, length_at, checksum_at;
};

// Maps the table at t->pa, first what it must have, and checks signature, length and checksum.
static int open_shape(struct table *t, const struct shape *shape) {
    uint32_t length = shape->least;
    int status = map_table(t, length);

    if (status != OK) { return status; }
    if (memcmp(t->bytes, shape->signature, strlen(shape->signature)) != 0) {
        return corrupt(t, 0, "another signature is there", u32(t, 0));
    }
    if (shape->length_at != 0) {
        length = u32(t, shape->length_at);
        if (length < shape->least || length > shape->most) {
            return corrupt(t, shape->length_at, "it cannot have this length", length);
        }
        status = map_table(t, length);
        if (status != OK) { return status; }
    }
    uint8_t total = acpi_sum(t->bytes, length);
    return total == 0 ? OK : corrupt(t, shape->checksum_at, "the checksum fails; the bytes' sum is not 0", total);
}

// Every table but the RSDP.
static int open_table(struct table *t, const char *signature, uint32_t least) {
    return open_shape(t, &(struct shape){signature, least, ACPI_TABLE_MAX, SDT_LENGTH, SDT_CHECKSUM});
}

// ---- MADT (5.2.12) ----------------------------------------------------------------------------------------

// Some firmware lists a core as local APIC and as x2APIC.
static void add_cpu(struct acpi_machine *machine, uint32_t apic_id, uint32_t none, uint32_t flags) {
    if (apic_id == none || (flags & MADT_CPU_ENABLED) == 0) { return; }
    for (unsigned i = 0; i < machine->cpu_count; i++) {
        if (machine->apic_ids[i] == apic_id) { return; }
    }
    if (machine->cpu_count < ACPI_MAX_CPUS) { machine->apic_ids[machine->cpu_count++] = apic_id; }
}

static int add_io_apic(const struct table *t, uint32_t at, struct acpi_machine *machine) {
    struct acpi_io_apic io_apic = {.base = u32(t, at + IO_APIC_ADDRESS), .gsi_base = u32(t, at + IO_APIC_GSI_BASE)};

    if (io_apic.base == 0) { return corrupt(t, at + IO_APIC_ADDRESS, "an I/O APIC has no address", 0); }
    if (machine->io_apic_count == ACPI_MAX_IO_APICS) {
        return complain(t, ERR_UNSUPPORTED, at, "too many I/O APICs", ACPI_MAX_IO_APICS);
    }
    machine->io_apics[machine->io_apic_count++] = io_apic;
    return OK;
}

static int add_override(const struct table *t, uint32_t at, struct acpi_machine *machine) {
    unsigned bus = u8(t, at + ISO_BUS), source = u8(t, at + ISO_SOURCE);
    unsigned flags = u16(t, at + ISO_FLAGS), polarity = flags & INTI_POLARITY, trigger = flags & INTI_TRIGGER;

    if (bus != 0 || source >= ACPI_ISA_IRQS) {
        return corrupt(t, at + ISO_BUS, "an override is of no ISA interrupt; bus and source", bus | source << 8);
    }
    if (polarity == INTI_POLARITY_RESERVED || trigger == INTI_TRIGGER_RESERVED) {
        return corrupt(t, at + ISO_FLAGS, "an interrupt override has reserved flags", flags);
    }
    machine->isa[source] = (struct acpi_isa_irq){.gsi = u32(t, at + ISO_GSI),
                                                 .level_triggered = trigger == INTI_LEVEL,
                                                 .active_low = polarity == INTI_ACTIVE_LOW};
    return OK;
}

static int read_madt_entry(const struct table *t, uint32_t at, unsigned type, struct acpi_machine *machine) {
    switch (type) {
    case LAPIC_TYPE: add_cpu(machine, u8(t, at + LAPIC_ID), XAPIC_ID_NONE, u32(t, at + LAPIC_FLAGS)); return OK;
    case X2APIC_TYPE: add_cpu(machine, u32(t, at + X2APIC_ID), X2APIC_ID_NONE, u32(t, at + X2APIC_FLAGS)); return OK;
    case IO_APIC_TYPE: return add_io_apic(t, at, machine);
    case ISO_TYPE: return add_override(t, at, machine);
    case LAPIC_OVERRIDE_TYPE: machine->local_apic = u64(t, at + LAPIC_OVERRIDE_ADDRESS); return OK;
    default: return OK;
    }
}

static int read_madt(const struct table *t, struct acpi_machine *machine) {
    // The least that an entry of a type has; of one that is not read here: type and length, so that each step goes forward.
    static const uint8_t least[] = {[LAPIC_TYPE] = LAPIC_LENGTH,
                                    [IO_APIC_TYPE] = IO_APIC_LENGTH,
                                    [ISO_TYPE] = ISO_LENGTH,
                                    [LAPIC_OVERRIDE_TYPE] = LAPIC_OVERRIDE_LENGTH,
                                    [X2APIC_TYPE] = X2APIC_LENGTH};

    machine->local_apic = u32(t, MADT_LOCAL_APIC);
    machine->has_8259 = (u32(t, MADT_FLAGS) & MADT_PCAT_COMPAT) != 0;
    for (unsigned i = 0; i < ACPI_ISA_IRQS; i++) { machine->isa[i].gsi = i; }
    for (uint32_t at = MADT_ENTRIES, length; at < t->length; at += length) {
        unsigned type = u8(t, at);
        length = u8(t, at + 1);
        if (length < MADT_ENTRY_HEADER || (type < ARRAY_SIZE(least) && length < least[type])) {
            return corrupt(t, at, "an entry is too short for its type", length);
        }
        if (length > t->length - at) { return corrupt(t, at, "an entry overruns the table", length); }
        int status = read_madt_entry(t, at, type, machine);
        if (status != OK) { return status; }
    }
    if (!good_address(machine->local_apic, PAGE_SIZE)) {
        return corrupt(t, MADT_LOCAL_APIC, "the local APICs have no page of their own", machine->local_apic);
    }
    return machine->cpu_count != 0 ? OK : corrupt(t, MADT_ENTRIES, "no core is enabled; bytes", t->length);
}

// ---- FADT (5.2.9) -----------------------------------------------------------------------------------------

// PCs have the registers for reset and power-off at ports; elsewhere they are left alone.
static uint16_t read_register(const struct table *t, uint32_t offset) {
    uint64_t address = u64(t, offset + GAS_ADDRESS);
    struct table left_out = *t;

    if (address == 0 || (u8(t, offset + GAS_SPACE) == ACPI_SPACE_IO && address <= UINT16_MAX)) {
        return (uint16_t)address;
    }
    left_out.loss = "this register, for reset or power-off";
    corrupt(&left_out, offset, "a register is at no port, but at", address);
    return 0;
}

// The extended form counts if it says anything.
static uint16_t read_pm1(const struct table *t, uint32_t extended, uint32_t block) {
    return u64(t, extended + GAS_ADDRESS) != 0 ? read_register(t, extended) : u16(t, block);
}

static int read_fadt(const struct table *t, struct acpi_machine *machine) {
    uint32_t flags = u32(t, FADT_FLAGS);

    if ((flags & FADT_RESET_REG_SUP) != 0) {
        machine->reset = read_register(t, FADT_RESET_REG);
        machine->reset_value = u8(t, FADT_RESET_VALUE);
    }
    if ((flags & FADT_HW_REDUCED_ACPI) != 0) {
        machine->sleep_control = read_register(t, FADT_SLEEP_CONTROL_REG);
    } else {
        machine->pm1a_control = read_pm1(t, FADT_X_PM1A_CNT_BLK, FADT_PM1A_CNT_BLK);
        machine->pm1b_control = read_pm1(t, FADT_X_PM1B_CNT_BLK, FADT_PM1B_CNT_BLK);
    }
    machine->dsdt = u64(t, FADT_X_DSDT);
    if (machine->dsdt == 0) { machine->dsdt = u32(t, FADT_DSDT); }
    return OK;
}

// ---- DSDT: \_S5 (7.4.2) -----------------------------------------------------------------------------------

// An integer of at most SLEEP_TYPE_MAX at `*at`, which moves behind it.
static bool sleep_type(const struct table *t, uint32_t *at, uint8_t *value) {
    uint8_t prefix = u8(t, (*at)++);

    *value = prefix == AML_BYTE ? u8(t, (*at)++) : prefix;
    return prefix == AML_BYTE ? *value <= SLEEP_TYPE_MAX : prefix == AML_ZERO || prefix == AML_ONE;
}

// A package of two sleep types or more begins at `at`: PackageOp PkgLength NumElements elements.
static bool s5_package(const struct table *t, uint32_t at, struct acpi_machine *machine) {
    uint32_t begin = at + 1; // PkgLength counts itself
    uint8_t lead = u8(t, begin);
    uint32_t follow = lead >> AML_PKG_FOLLOW_SHIFT, size = lead & AML_PKG_SHORT_MASK;

    if (u8(t, at) != AML_PACKAGE) { return false; }
    if (follow != 0) { size = (lead & AML_PKG_LOW_MASK) | (uint32_t)field(t, begin + 1, follow) << AML_PKG_LOW_BITS; }
    at = begin + 1 + follow;
    if (begin > t->length || size > t->length - begin || u8(t, at++) < 2) { return false; }
    return sleep_type(t, &at, &machine->s5_a) && sleep_type(t, &at, &machine->s5_b) && at <= begin + size;
}

static void read_s5(const struct physical *physical, struct acpi_machine *machine) {
    struct table t = {.physical = physical, .name = "DSDT", .loss = "no power-off", .pa = machine->dsdt};

    if (t.pa == 0 || open_table(&t, "DSDT", SDT_HEADER) != OK) { return; }
    for (uint32_t at = SDT_HEADER + 1; !machine->has_s5 && at + SIGNATURE_SIZE < t.length; at++) {
        bool name = t.bytes[at - 1] == AML_NAME || (t.bytes[at - 1] == AML_ROOT && t.bytes[at - 2] == AML_NAME);
        machine->has_s5 =
            name && memcmp(t.bytes + at, AML_S5, SIGNATURE_SIZE) == 0 && s5_package(&t, at + SIGNATURE_SIZE, machine);
    }
    if (!machine->has_s5) { machine->s5_a = machine->s5_b = 0; }
}

// ---- MCFG (PCI Firmware Specification 3.3, 4.1.2) ----------------------------------------------------------

static int add_ecam(const struct table *t, uint32_t at, struct acpi_machine *machine) {
    struct acpi_ecam ecam = {.base = u64(t, at + MCFG_BASE),
                             .segment = u16(t, at + MCFG_SEGMENT),
                             .first_bus = u8(t, at + MCFG_FIRST_BUS),
                             .last_bus = u8(t, at + MCFG_LAST_BUS)};
    uint64_t size = (uint64_t)(ecam.last_bus + 1) << ECAM_BUS_SHIFT;

    if (t->length - at < MCFG_ENTRY) {
        return corrupt(t, at, "an entry is cut off after so many bytes", t->length - at);
    }
    if (!good_address(ecam.base, BIT(ECAM_BUS_SHIFT)) || size > PHYSICAL_END - ecam.base) {
        return corrupt(t, at + MCFG_BASE, "a configuration space lies at an address that cannot be", ecam.base);
    }
    if (ecam.first_bus > ecam.last_bus) {
        return corrupt(t, at + MCFG_FIRST_BUS, "the first bus is behind the last", ecam.first_bus);
    }
    for (unsigned i = 0; i < machine->ecam_count; i++) {
        const struct acpi_ecam *other = &machine->ecams[i];
        if (ecam.segment == other->segment && ecam.first_bus <= other->last_bus && other->first_bus <= ecam.last_bus) {
            return corrupt(t, at + MCFG_FIRST_BUS, "a bus has two configuration spaces; segment", ecam.segment);
        }
    }
    if (machine->ecam_count == ACPI_MAX_ECAMS) {
        return complain(t, ERR_UNSUPPORTED, at, "too many ranges of buses", ACPI_MAX_ECAMS);
    }
    machine->ecams[machine->ecam_count++] = ecam;
    return OK;
}

static int read_mcfg(const struct table *t, struct acpi_machine *machine) {
    int status = OK;

    for (uint32_t at = MCFG_ENTRIES; status == OK && at < t->length; at += MCFG_ENTRY) {
        status = add_ecam(t, at, machine);
    }
    if (status != OK) { machine->ecam_count = 0; }
    return status;
}

static int keep_dmar(const struct table *t, struct acpi_machine *machine) {
    machine->dmar = (struct acpi_kept){t->pa, t->length};
    return OK;
}

static int keep_ivrs(const struct table *t, struct acpi_machine *machine) {
    machine->ivrs = (struct acpi_kept){t->pa, t->length};
    return OK;
}

// ---- from the RSDP to the tables ---------------------------------------------------------------------------

// The RSDP in these bytes (5.2.5.1): on a 16-byte boundary, with signature and first checksum; or 0.
static paddr_t search(const struct physical *physical, paddr_t pa, uint32_t size) {
    const uint8_t *p = physical_map(physical, pa, size);

    for (uint32_t at = 0; p != NULL && size - at >= RSDP_V1_LENGTH; at += RSDP_ALIGN) {
        if (memcmp(p + at, RSDP_SIGNATURE, strlen(RSDP_SIGNATURE)) == 0 && acpi_sum(p + at, RSDP_V1_LENGTH) == 0) {
            return pa + at;
        }
    }
    return 0;
}

static paddr_t find_rsdp(const struct physical *physical) {
    const uint8_t *segment = physical_map(physical, EBDA_SEGMENT, sizeof(uint16_t));
    paddr_t ebda = segment == NULL ? 0 : load_le(segment, sizeof(uint16_t)) << REAL_MODE_SHIFT;
    paddr_t rsdp = ebda < REAL_MODE_VECTORS ? 0 : search(physical, ebda, EBDA_SEARCHED);

    if (rsdp == 0) { rsdp = search(physical, BIOS_AREA, BIOS_AREA_SIZE); }
    if (rsdp == 0) {
        log_line("ACPI: no RSDP in the EBDA or at 0x%x to 0x%x; enable ACPI in the firmware, or boot through UEFI",
                 BIOS_AREA, BIOS_AREA + BIOS_AREA_SIZE - 1);
    }
    return rsdp;
}

// The list of all tables, RSDT or XSDT; `width`: the bytes of an address in it.
static int open_list(const struct physical *physical, paddr_t rsdp, struct table *list, unsigned *width) {
    static const struct shape v1 = {RSDP_SIGNATURE, RSDP_V1_LENGTH, 0, 0, RSDP_CHECKSUM};
    static const struct shape v2 = {RSDP_SIGNATURE, RSDP_V2_LENGTH, RSDP_LENGTH_MAX, RSDP_LENGTH,
                                    RSDP_EXTENDED_CHECKSUM};
    struct table t = {.physical = physical, .name = "RSDP", .pa = rsdp};
    int status = open_shape(&t, &v1);

    if (status == OK && u8(&t, RSDP_REVISION) >= RSDP_REVISION_2_0) { status = open_shape(&t, &v2); }
    if (status != OK) { return status; }
    paddr_t xsdt = u64(&t, RSDP_XSDT), rsdt = u32(&t, RSDP_RSDT); // 0: it has no such pointer
    if (xsdt == 0 && rsdt == 0) { return corrupt(&t, RSDP_RSDT, "neither RSDT nor XSDT", 0); }
    *list = (struct table){.physical = physical, .name = "XSDT", .pa = xsdt};
    if (rsdt != 0) { list->loss = "the RSDT counts instead"; }
    *width = XSDT_ENTRY;
    if (xsdt != 0) { status = open_table(list, list->name, SDT_HEADER); }
    if (rsdt != 0 && (xsdt == 0 || status != OK)) {
        *list = (struct table){.physical = physical, .name = "RSDT", .pa = rsdt};
        *width = RSDT_ENTRY;
        status = open_table(list, list->name, SDT_HEADER);
    }
    list->loss = NULL; // from here on all depends on it
    return status;
}

static const struct kind {
    const char *signature, *name, *loss; // as in struct table
    uint32_t least;                      // bytes
    int (*read)(const struct table *t, struct acpi_machine *machine);
} kinds[] = {
    {"APIC", "MADT", NULL, MADT_ENTRIES, read_madt},
    {"FACP", "FADT", NULL, FADT_V1_LENGTH, read_fadt},
    {"MCFG", "MCFG", "PCI configuration space by ports only", MCFG_ENTRIES, read_mcfg},
    {"DMAR", "DMAR", "no DMA remapping, so no device for a VM", DMAR_ENTRIES, keep_dmar},
    {"IVRS", "IVRS", "no DMA remapping, so no device for a VM", IVRS_ENTRIES, keep_ivrs},
};

// Bit i of `seen`: a table of kinds[i] was there.
static int read_listed(struct table *list, uint32_t at, unsigned width, uint32_t *seen, struct acpi_machine *machine) {
    int status = map_table(list, list->length); // reading the one before took its bytes away
    paddr_t pa = status == OK ? field(list, at, width) : 0;

    if (pa == 0) { return status; }
    const uint8_t *signature = physical_map(list->physical, pa, SIGNATURE_SIZE);
    if (signature == NULL) {
        list->loss = "that table";
        corrupt(list, at, "it lists a table that cannot be read", pa);
        list->loss = NULL;
        return OK;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        const struct kind *kind = &kinds[i];
        if (memcmp(signature, kind->signature, SIGNATURE_SIZE) != 0 || (*seen & BIT(i)) != 0) { continue; }
        *seen |= (uint32_t)BIT(i);
        struct table t = {.physical = list->physical, .name = kind->name, .loss = kind->loss, .pa = pa};
        status = open_table(&t, kind->signature, kind->least);
        if (status == OK) { status = kind->read(&t, machine); }
        return kind->loss == NULL ? status : OK;
    }
    return OK;
}

int acpi_read(const struct physical *physical, paddr_t rsdp, struct acpi_machine *machine) {
    struct table list;
    unsigned width;
    uint32_t seen = 0;

    memset(machine, 0, sizeof(*machine));
    if (rsdp == 0) { rsdp = find_rsdp(physical); }
    if (rsdp == 0) { return ERR_NOT_FOUND; }
    int status = open_list(physical, rsdp, &list, &width);
    if (status == OK && (list.length - SDT_HEADER) / width > ACPI_MAX_TABLES) {
        status = complain(&list, ERR_UNSUPPORTED, SDT_LENGTH, "too many tables", ACPI_MAX_TABLES);
    }
    for (uint32_t at = SDT_HEADER; status == OK && list.length - at >= width; at += width) {
        status = read_listed(&list, at, width, &seen, machine);
    }
    for (unsigned i = 0; status == OK && i < ARRAY_SIZE(kinds); i++) {
        if (kinds[i].loss == NULL && (seen & BIT(i)) == 0) {
            log_line("ACPI: %s at 0x%llx lists no %s; enable ACPI and the APICs in the firmware, or update it",
                     list.name, (unsigned long long)list.pa, kinds[i].name);
            status = ERR_NOT_FOUND;
        }
    }
    if (status == OK) { read_s5(physical, machine); }
    return status;
}
