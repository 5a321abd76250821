// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/acpi.h"

#include "arch/x86/acpi_table.h"
#include "kernel/log.h"
#include "kernel/string.h"

// ---- MADT (5.2.12) ----------------------------------------------------------------------------------------

static void add_cpu(struct acpi_machine *machine, uint32_t apic_id, uint32_t uid, uint32_t flags) {
    struct acpi_cpu cpu = {.apic_id = apic_id, .uid = uid, .enabled = (flags & MADT_CPU_ENABLED) != 0};

    if ((flags & (MADT_CPU_ENABLED | MADT_CPU_ONLINE_CAPABLE)) == 0) { return; }
    // Some firmware lists a core as local APIC and as x2APIC.
    for (unsigned i = 0; i < machine->cpu_count; i++) {
        if (machine->cpus[i].apic_id == apic_id) {
            machine->cpus[i].enabled |= cpu.enabled;
            return;
        }
    }
    machine->cpu_total++;
    if (machine->cpu_count < ACPI_MAX_CPUS) { machine->cpus[machine->cpu_count++] = cpu; }
}

static int read_lapic(const struct acpi_table *t, const struct acpi_entry *e, struct acpi_machine *machine) {
    uint8_t id = acpi_u8(t, e->at + LAPIC_ID);

    if (id != XAPIC_ID_NONE) { add_cpu(machine, id, acpi_u8(t, e->at + LAPIC_UID), acpi_u32(t, e->at + LAPIC_FLAGS)); }
    return OK;
}

static int read_x2apic(const struct acpi_table *t, const struct acpi_entry *e, struct acpi_machine *machine) {
    uint32_t id = acpi_u32(t, e->at + X2APIC_ID);

    if (id != X2APIC_ID_NONE) {
        add_cpu(machine, id, acpi_u32(t, e->at + X2APIC_UID), acpi_u32(t, e->at + X2APIC_FLAGS));
    }
    return OK;
}

static int read_io_apic(const struct acpi_table *t, const struct acpi_entry *e, struct acpi_machine *machine) {
    struct acpi_io_apic io_apic = {.base = acpi_u32(t, e->at + IO_APIC_ADDRESS),
                                   .gsi_base = acpi_u32(t, e->at + IO_APIC_GSI_BASE),
                                   .id = acpi_u8(t, e->at + IO_APIC_ID)};

    if (io_apic.base == 0) {
        return acpi_corrupt(t, e->at + IO_APIC_ADDRESS, "an I/O APIC has no address", io_apic.base);
    }
    if (machine->io_apic_count == ACPI_MAX_IO_APICS) {
        return acpi_full(t, e->at, "too many I/O APICs", ACPI_MAX_IO_APICS);
    }
    machine->io_apics[machine->io_apic_count++] = io_apic;
    return OK;
}

static int read_override(const struct acpi_table *t, const struct acpi_entry *e, struct acpi_machine *machine) {
    uint8_t bus = acpi_u8(t, e->at + ISO_BUS), source = acpi_u8(t, e->at + ISO_SOURCE);
    unsigned flags = acpi_u16(t, e->at + ISO_FLAGS), polarity = flags & INTI_POLARITY, trigger = flags & INTI_TRIGGER;

    if (bus != 0) { return acpi_corrupt(t, e->at + ISO_BUS, "an interrupt override is of a bus that is not ISA", bus); }
    if (source >= ACPI_ISA_IRQS) {
        return acpi_corrupt(t, e->at + ISO_SOURCE, "an interrupt override is of no ISA interrupt", source);
    }
    if (polarity == INTI_POLARITY_RESERVED || trigger == INTI_TRIGGER_RESERVED) {
        return acpi_corrupt(t, e->at + ISO_FLAGS, "an interrupt override has reserved flags", flags);
    }
    machine->isa[source] = (struct acpi_isa_irq){.gsi = acpi_u32(t, e->at + ISO_GSI),
                                                 .level_triggered = trigger == INTI_LEVEL,
                                                 .active_low = polarity == INTI_ACTIVE_LOW};
    return OK;
}

static int read_lapic_override(const struct acpi_table *t, const struct acpi_entry *e, struct acpi_machine *machine) {
    machine->local_apic = acpi_u64(t, e->at + LAPIC_OVERRIDE_ADDRESS);
    return OK;
}

static int read_madt(const struct acpi_table *t, struct acpi_machine *machine) {
    static const struct acpi_row rows[] = {
        {LAPIC_TYPE, LAPIC_LENGTH, read_lapic},    {IO_APIC_TYPE, IO_APIC_LENGTH, read_io_apic},
        {ISO_TYPE, ISO_LENGTH, read_override},     {LAPIC_OVERRIDE_TYPE, LAPIC_OVERRIDE_LENGTH, read_lapic_override},
        {X2APIC_TYPE, X2APIC_LENGTH, read_x2apic},
    };
    static const struct acpi_format format = {.width = 1, .row_count = ARRAY_SIZE(rows), .rows = rows};
    bool enabled = false;

    machine->local_apic = acpi_u32(t, MADT_LOCAL_APIC);
    machine->has_8259 = (acpi_u32(t, MADT_FLAGS) & MADT_PCAT_COMPAT) != 0;
    for (unsigned i = 0; i < ACPI_ISA_IRQS; i++) { machine->isa[i] = (struct acpi_isa_irq){.gsi = i}; }
    int status = acpi_walk(t, &format, MADT_ENTRIES, t->length, machine);
    if (status != OK) { return status; }
    if (!acpi_good_address(machine->local_apic, PAGE_SIZE)) {
        return acpi_corrupt(t, MADT_LOCAL_APIC, "the local APICs have no page of their own", machine->local_apic);
    }
    for (unsigned i = 0; i < machine->cpu_count; i++) { enabled |= machine->cpus[i].enabled; }
    return enabled ? OK : acpi_corrupt(t, MADT_ENTRIES, "no core is enabled; usable later", machine->cpu_total);
}

// ---- FADT (5.2.9) -----------------------------------------------------------------------------------------

static struct acpi_register read_gas(const struct acpi_table *t, uint32_t offset) {
    struct acpi_register reg = {.address = acpi_u64(t, offset + GAS_ADDRESS),
                                .space = acpi_u8(t, offset + GAS_SPACE),
                                .width = acpi_u8(t, offset + GAS_WIDTH)};
    struct acpi_table left_out = *t;

    if (reg.address == 0 || reg.space <= ACPI_SPACE_PCI) { return reg; }
    left_out.loss = "this register, for reset or power-off";
    acpi_corrupt(&left_out, offset, "a register is in an unknown address space", reg.space);
    return (struct acpi_register){0};
}

// The extended form counts if it says anything.
static struct acpi_register read_pm1(const struct acpi_table *t, uint32_t extended, uint32_t block) {
    struct acpi_register reg = read_gas(t, extended);

    if (reg.address == 0) {
        reg = (struct acpi_register){.address = acpi_u32(t, block),
                                     .space = ACPI_SPACE_IO,
                                     .width = (uint8_t)(acpi_u8(t, FADT_PM1_CNT_LEN) * 8)};
    }
    return reg;
}

static int read_fadt(const struct acpi_table *t, struct acpi_machine *machine) {
    uint32_t flags = acpi_u32(t, FADT_FLAGS);
    unsigned boot = acpi_u16(t, FADT_IAPC_BOOT_ARCH);

    if (acpi_u8(t, SDT_REVISION) < FADT_REVISION_2_0) { boot = IAPC_LEGACY_DEVICES | IAPC_8042; }
    machine->legacy_devices = (boot & IAPC_LEGACY_DEVICES) != 0;
    machine->has_8042 = (boot & IAPC_8042) != 0;
    machine->has_vga = (boot & IAPC_VGA_NOT_PRESENT) == 0;
    machine->has_msi = (boot & IAPC_MSI_NOT_SUPPORTED) == 0;
    machine->has_cmos_rtc = (boot & IAPC_CMOS_RTC_NOT_PRESENT) == 0;
    machine->hardware_reduced = (flags & FADT_HW_REDUCED_ACPI) != 0;
    if ((flags & FADT_RESET_REG_SUP) != 0) {
        machine->reset = read_gas(t, FADT_RESET_REG);
        machine->reset_value = acpi_u8(t, FADT_RESET_VALUE);
    }
    if (machine->hardware_reduced) {
        machine->sleep_control = read_gas(t, FADT_SLEEP_CONTROL_REG);
    } else {
        machine->sci = acpi_u16(t, FADT_SCI_INT);
        machine->pm1a_control = read_pm1(t, FADT_X_PM1A_CNT_BLK, FADT_PM1A_CNT_BLK);
        machine->pm1b_control = read_pm1(t, FADT_X_PM1B_CNT_BLK, FADT_PM1B_CNT_BLK);
    }
    machine->dsdt = acpi_u64(t, FADT_X_DSDT);
    if (machine->dsdt == 0) { machine->dsdt = acpi_u32(t, FADT_DSDT); }
    return OK;
}

// ---- DSDT: \_S5 (7.4.2) -----------------------------------------------------------------------------------

// An integer of at most SLEEP_TYPE_MAX at `*at`, which moves behind it.
static bool sleep_type(const struct acpi_table *t, uint32_t *at, uint8_t *value) {
    uint8_t prefix = acpi_u8(t, (*at)++);

    *value = prefix == AML_BYTE ? acpi_u8(t, (*at)++) : prefix;
    return prefix == AML_BYTE ? *value <= SLEEP_TYPE_MAX : prefix == AML_ZERO || prefix == AML_ONE;
}

// A package of two sleep types or more begins at `at`: PackageOp PkgLength NumElements elements.
static bool s5_package(const struct acpi_table *t, uint32_t at, struct acpi_machine *machine) {
    uint32_t begin = at + 1; // PkgLength counts itself
    uint8_t lead = acpi_u8(t, begin);
    uint32_t follow = lead >> AML_PKG_FOLLOW_SHIFT, size = lead & AML_PKG_SHORT_MASK;

    if (acpi_u8(t, at) != AML_PACKAGE) { return false; }
    if (follow != 0) {
        size = (lead & AML_PKG_LOW_MASK) | (uint32_t)acpi_field(t, begin + 1, follow) << AML_PKG_LOW_BITS;
    }
    at = begin + 1 + follow;
    if (begin > t->length || size > t->length - begin || acpi_u8(t, at++) < 2) { return false; }
    return sleep_type(t, &at, &machine->s5_a) && sleep_type(t, &at, &machine->s5_b) && at <= begin + size;
}

static void read_s5(const struct physical *physical, struct acpi_machine *machine) {
    struct acpi_table t = {.name = "DSDT", .loss = "no power-off", .pa = machine->dsdt};

    if (t.pa == 0 || acpi_open(physical, &t, "DSDT", SDT_HEADER) != OK) { return; }
    for (uint32_t at = SDT_HEADER + 1; !machine->has_s5 && at + SIGNATURE_SIZE < t.length; at++) {
        bool name = t.bytes[at - 1] == AML_NAME || (t.bytes[at - 1] == AML_ROOT && t.bytes[at - 2] == AML_NAME);
        machine->has_s5 =
            name && memcmp(t.bytes + at, AML_S5, SIGNATURE_SIZE) == 0 && s5_package(&t, at + SIGNATURE_SIZE, machine);
    }
    if (!machine->has_s5) { machine->s5_a = machine->s5_b = 0; }
}

// ---- MCFG (PCI Firmware Specification 3.3, 4.1.2) ----------------------------------------------------------

static int add_ecam(const struct acpi_table *t, uint32_t at, struct acpi_machine *machine) {
    struct acpi_ecam ecam = {.base = acpi_u64(t, at + MCFG_BASE),
                             .segment = acpi_u16(t, at + MCFG_SEGMENT),
                             .first_bus = acpi_u8(t, at + MCFG_FIRST_BUS),
                             .last_bus = acpi_u8(t, at + MCFG_LAST_BUS)};
    uint64_t size = (uint64_t)(ecam.last_bus + 1) << ECAM_BUS_SHIFT;

    if (!acpi_good_address(ecam.base, BIT(ECAM_BUS_SHIFT)) || size > PHYSICAL_END - ecam.base) {
        return acpi_corrupt(t, at + MCFG_BASE, "a configuration space lies at an address that cannot be", ecam.base);
    }
    if (ecam.first_bus > ecam.last_bus) {
        return acpi_corrupt(t, at + MCFG_FIRST_BUS, "the first bus is behind the last", ecam.first_bus);
    }
    for (unsigned i = 0; i < machine->ecam_count; i++) {
        const struct acpi_ecam *other = &machine->ecams[i];
        if (ecam.segment == other->segment && ecam.first_bus <= other->last_bus && other->first_bus <= ecam.last_bus) {
            return acpi_corrupt(t, at + MCFG_FIRST_BUS, "a bus has two configuration spaces; segment", ecam.segment);
        }
    }
    if (machine->ecam_count == ACPI_MAX_ECAMS) { return acpi_full(t, at, "too many ranges of buses", ACPI_MAX_ECAMS); }
    machine->ecams[machine->ecam_count++] = ecam;
    return OK;
}

static int read_mcfg(const struct acpi_table *t, struct acpi_machine *machine) {
    int status = OK;

    for (uint32_t at = MCFG_ENTRIES; status == OK && at < t->length; at += MCFG_ENTRY) {
        status = t->length - at < MCFG_ENTRY
                     ? acpi_corrupt(t, at, "an entry is cut off after so many bytes", t->length - at)
                     : add_ecam(t, at, machine);
    }
    if (status != OK) {
        memset(machine->ecams, 0, sizeof(machine->ecams));
        machine->ecam_count = 0;
    }
    return status;
}

// ---- DMAR (VT-d chapter 8) --------------------------------------------------------------------------------

static int add_scope(const struct acpi_table *t, const struct acpi_entry *e, struct acpi_machine *machine) {
    struct acpi_dmar *dmar = &machine->dmar;
    struct acpi_scope scope = {
        .type = (uint8_t)e->type, .id = acpi_u8(t, e->at + SCOPE_ID), .bus = acpi_u8(t, e->at + SCOPE_BUS)};
    uint32_t path = e->length - SCOPE_PATH;

    if (path % SCOPE_STEP != 0) { return acpi_corrupt(t, e->at, "a device scope's path ends within a step", path); }
    if (path > ACPI_MAX_PATH * SCOPE_STEP) { return acpi_full(t, e->at, "too many steps in a path", ACPI_MAX_PATH); }
    for (uint32_t at = e->at + SCOPE_PATH; at < e->at + e->length; at += SCOPE_STEP) {
        uint8_t device = acpi_u8(t, at), function = acpi_u8(t, at + 1);
        if (device >= PCI_DEVICES || function >= PCI_FUNCTIONS) {
            return acpi_corrupt(t, at, "a device scope names no PCI function", acpi_u16(t, at));
        }
        scope.path[scope.depth++] = (uint8_t)(device * PCI_FUNCTIONS + function);
    }
    if (dmar->scope_count == ACPI_MAX_SCOPES) { return acpi_full(t, e->at, "too many device scopes", ACPI_MAX_SCOPES); }
    dmar->scopes[dmar->scope_count++] = scope;
    return OK;
}

static int read_scopes(const struct acpi_table *t, const struct acpi_entry *e, uint32_t offset,
                       struct acpi_machine *machine) {
    static const struct acpi_row rows[] = {
        {ACPI_SCOPE_ENDPOINT, SCOPE_LENGTH, add_scope},  {ACPI_SCOPE_BRIDGE, SCOPE_LENGTH, add_scope},
        {ACPI_SCOPE_IO_APIC, SCOPE_LENGTH, add_scope},   {ACPI_SCOPE_HPET, SCOPE_LENGTH, add_scope},
        {ACPI_SCOPE_NAMESPACE, SCOPE_LENGTH, add_scope},
    };
    static const struct acpi_format format = {.width = 1, .row_count = ARRAY_SIZE(rows), .rows = rows};

    return acpi_walk(t, &format, e->at + offset, e->at + e->length, machine);
}

static int read_drhd(const struct acpi_table *t, const struct acpi_entry *e, struct acpi_machine *machine) {
    struct acpi_dmar *dmar = &machine->dmar;
    struct acpi_drhd drhd = {.base = acpi_u64(t, e->at + DRHD_BASE),
                             .size = PAGE_SIZE << (acpi_u8(t, e->at + DRHD_SIZE) & DRHD_SIZE_MASK),
                             .segment = acpi_u16(t, e->at + DRHD_SEGMENT),
                             .include_pci_all = (acpi_u8(t, e->at + DRHD_FLAGS) & DRHD_INCLUDE_PCI_ALL) != 0,
                             .first_scope = (uint16_t)dmar->scope_count};

    if (!acpi_good_address(drhd.base, PAGE_SIZE)) {
        return acpi_corrupt(t, e->at + DRHD_BASE, "a remapping unit lies at an address that cannot be", drhd.base);
    }
    for (unsigned i = 0; i < dmar->drhd_count; i++) {
        if (dmar->drhds[i].base == drhd.base) {
            return acpi_corrupt(t, e->at + DRHD_BASE, "two remapping units have one address", drhd.base);
        }
        if (drhd.include_pci_all && dmar->drhds[i].include_pci_all && dmar->drhds[i].segment == drhd.segment) {
            return acpi_corrupt(t, e->at + DRHD_FLAGS, "two units have INCLUDE_PCI_ALL; segment", drhd.segment);
        }
    }
    if (dmar->drhd_count == ACPI_MAX_DRHDS) { return acpi_full(t, e->at, "too many remapping units", ACPI_MAX_DRHDS); }
    int status = read_scopes(t, e, DRHD_SCOPES, machine);
    drhd.scope_count = (uint16_t)(dmar->scope_count - drhd.first_scope);
    dmar->drhds[dmar->drhd_count++] = drhd;
    return status;
}

static int read_rmrr(const struct acpi_table *t, const struct acpi_entry *e, struct acpi_machine *machine) {
    struct acpi_dmar *dmar = &machine->dmar;
    struct acpi_rmrr rmrr = {.base = acpi_u64(t, e->at + RMRR_BASE),
                             .limit = acpi_u64(t, e->at + RMRR_LIMIT),
                             .segment = acpi_u16(t, e->at + RMRR_SEGMENT),
                             .first_scope = (uint16_t)dmar->scope_count};

    if (!acpi_good_address(rmrr.base, PAGE_SIZE) || (rmrr.limit & PAGE_MASK) != PAGE_MASK || rmrr.limit < rmrr.base ||
        rmrr.limit >= PHYSICAL_END) {
        return acpi_corrupt(t, e->at + RMRR_BASE, "reserved memory is no range of whole pages; its limit", rmrr.limit);
    }
    if (dmar->rmrr_count == ACPI_MAX_RMRRS) { return acpi_full(t, e->at, "too many reserved regions", ACPI_MAX_RMRRS); }
    int status = read_scopes(t, e, RMRR_SCOPES, machine);
    rmrr.scope_count = (uint16_t)(dmar->scope_count - rmrr.first_scope);
    dmar->rmrrs[dmar->rmrr_count++] = rmrr;
    return status;
}

static int read_dmar(const struct acpi_table *t, struct acpi_machine *machine) {
    static const struct acpi_row rows[] = {{DRHD_TYPE, DRHD_SCOPES, read_drhd}, {RMRR_TYPE, RMRR_SCOPES, read_rmrr}};
    static const struct acpi_format format = {.width = 2, .row_count = ARRAY_SIZE(rows), .rows = rows};
    struct acpi_dmar *dmar = &machine->dmar;
    unsigned width = acpi_u8(t, DMAR_HOST_ADDRESS_WIDTH) + 1u; // stored as N - 1
    unsigned flags = acpi_u8(t, DMAR_FLAGS);
    int status = OK;

    if (width > 64) { status = acpi_corrupt(t, DMAR_HOST_ADDRESS_WIDTH, "addresses are wider than 64 bits", width); }
    if (status == OK) { status = acpi_walk(t, &format, DMAR_ENTRIES, t->length, machine); }
    if (status == OK && dmar->drhd_count == 0) {
        status = acpi_corrupt(t, DMAR_ENTRIES, "there is no remapping unit; bytes", t->length);
    }
    if (status != OK) {
        memset(dmar, 0, sizeof(*dmar));
        return status;
    }
    dmar->present = true;
    dmar->interrupt_remapping = (flags & DMAR_INTR_REMAP) != 0;
    dmar->x2apic_opt_out = (flags & DMAR_X2APIC_OPT_OUT) != 0;
    dmar->address_width = (uint8_t)width;
    return OK;
}

static int read_ivrs(UNUSED const struct acpi_table *t, struct acpi_machine *machine) {
    machine->has_ivrs = true;
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

static int find_rsdp(const struct physical *physical, paddr_t *rsdp) {
    const uint8_t *segment = physical_map(physical, EBDA_SEGMENT, sizeof(uint16_t));
    paddr_t ebda = segment == NULL ? 0 : load_le(segment, sizeof(uint16_t)) << REAL_MODE_SHIFT;

    *rsdp = ebda < REAL_MODE_VECTORS ? 0 : search(physical, ebda, EBDA_SEARCHED);
    if (*rsdp == 0) { *rsdp = search(physical, BIOS_AREA, BIOS_AREA_SIZE); }
    if (*rsdp != 0) { return OK; }
    log_line("ACPI: no RSDP in the EBDA or at 0x%x to 0x%x; enable ACPI in the firmware, or boot through UEFI",
             BIOS_AREA, BIOS_AREA + BIOS_AREA_SIZE - 1);
    return ERR_NOT_FOUND;
}

// What the RSDP points at (5.2.5.3); 0: it has no such pointer.
struct roots {
    paddr_t xsdt, rsdt;
};

static int read_rsdp_v2(const struct physical *physical, struct acpi_table *t) {
    t->bytes = physical_map(physical, t->pa, RSDP_V2_LENGTH);
    if (t->bytes == NULL) { return acpi_unreadable(t, RSDP_V2_LENGTH); }
    t->length = RSDP_V2_LENGTH;
    uint32_t length = acpi_u32(t, RSDP_LENGTH);
    if (length < RSDP_V2_LENGTH || length > RSDP_LENGTH_MAX) {
        return acpi_corrupt(t, RSDP_LENGTH, "no RSDP has this length", length);
    }
    t->bytes = physical_map(physical, t->pa, length);
    if (t->bytes == NULL) { return acpi_unreadable(t, length); }
    uint8_t total = acpi_sum(t->bytes, length);
    return total == 0 ? OK : acpi_corrupt(t, RSDP_EXTENDED_CHECKSUM, "the extended checksum fails; the sum", total);
}

static int read_rsdp(const struct physical *physical, paddr_t pa, struct roots *roots) {
    struct acpi_table t = {
        .name = "RSDP", .pa = pa, .bytes = physical_map(physical, pa, RSDP_V1_LENGTH), .length = RSDP_V1_LENGTH};
    int status = OK;

    if (t.bytes == NULL) { return acpi_unreadable(&t, t.length); }
    if (memcmp(t.bytes, RSDP_SIGNATURE, strlen(RSDP_SIGNATURE)) != 0) {
        return acpi_complain(&t, ERR_CORRUPT, 0, "no RSDP is there", acpi_u64(&t, 0),
                             "the loader must pass on its address, or 0 for a search");
    }
    uint8_t total = acpi_sum(t.bytes, RSDP_V1_LENGTH);
    if (total != 0) { return acpi_corrupt(&t, RSDP_CHECKSUM, "the checksum fails; the bytes' sum is not 0", total); }
    if (acpi_u8(&t, RSDP_REVISION) >= RSDP_REVISION_2_0) { status = read_rsdp_v2(physical, &t); }
    if (status != OK) { return status; }
    roots->rsdt = acpi_u32(&t, RSDP_RSDT);
    roots->xsdt = acpi_u64(&t, RSDP_XSDT);
    return roots->rsdt != 0 || roots->xsdt != 0 ? OK : acpi_corrupt(&t, RSDP_RSDT, "neither RSDT nor XSDT", 0);
}

// The RSDT or XSDT: the list of all other tables.
struct list {
    struct acpi_table table;
    unsigned width; // bytes of an address
    unsigned count;
};

static int open_list(const struct physical *physical, struct list *list) {
    int status = acpi_open(physical, &list->table, list->table.name, SDT_HEADER);

    if (status != OK) { return status; }
    list->table.loss = NULL; // from here on all depends on it
    list->count = (list->table.length - SDT_HEADER) / list->width;
    return list->count <= ACPI_MAX_TABLES ? OK
                                          : acpi_full(&list->table, SDT_LENGTH, "too many tables", ACPI_MAX_TABLES);
}

static int open_root(const struct physical *physical, paddr_t rsdp, struct list *list) {
    struct roots roots = {0};
    int status = read_rsdp(physical, rsdp, &roots);

    if (status != OK) { return status; }
    if (roots.xsdt != 0) {
        *list = (struct list){.table = {.name = "XSDT", .pa = roots.xsdt}, .width = XSDT_ENTRY};
        if (roots.rsdt != 0) { list->table.loss = "the RSDT counts instead"; }
        status = open_list(physical, list);
        if (status == OK || roots.rsdt == 0) { return status; }
    }
    *list = (struct list){.table = {.name = "RSDT", .pa = roots.rsdt}, .width = RSDT_ENTRY};
    return open_list(physical, list);
}

static const struct kind {
    const char *signature, *name, *loss; // as in struct acpi_table
    uint32_t minimum;                    // bytes
    int (*read)(const struct acpi_table *t, struct acpi_machine *machine);
} kinds[] = {
    {"APIC", "MADT", NULL, MADT_ENTRIES, read_madt},
    {"FACP", "FADT", NULL, FADT_V1_LENGTH, read_fadt},
    {"MCFG", "MCFG", "PCI configuration space by ports only", MCFG_ENTRIES, read_mcfg},
    {"DMAR", "DMAR", "no DMA remapping, so no device for a VM", DMAR_ENTRIES, read_dmar},
    {"IVRS", "IVRS", "no DMA remapping, so no device for a VM", SDT_HEADER, read_ivrs},
};

static const struct kind *kind_of(const uint8_t *signature) {
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (memcmp(signature, kinds[i].signature, SIGNATURE_SIZE) == 0) { return &kinds[i]; }
    }
    return NULL;
}

// Bit i of `seen`: a table of kinds[i] was there.
static int read_listed(const struct physical *physical, const struct list *list, uint32_t at, uint32_t *seen,
                       struct acpi_machine *machine) {
    struct acpi_table listing = list->table;
    const uint8_t *bytes = physical_map(physical, listing.pa + at, list->width);

    if (bytes == NULL) { return acpi_unreadable(&listing, at + list->width); }
    struct acpi_table t = {.pa = load_le(bytes, list->width)};
    if (t.pa == 0) { return OK; }
    bytes = physical_map(physical, t.pa, SIGNATURE_SIZE);
    if (bytes == NULL) {
        listing.loss = "that table";
        acpi_corrupt(&listing, at, "it lists a table that cannot be read", t.pa);
        return OK;
    }
    const struct kind *kind = kind_of(bytes);
    if (kind == NULL || (*seen & BIT(kind - kinds)) != 0) { return OK; }
    *seen |= (uint32_t)BIT(kind - kinds);
    t.name = kind->name;
    t.loss = kind->loss;
    int status = acpi_open(physical, &t, kind->signature, kind->minimum);
    if (status == OK) { status = kind->read(&t, machine); }
    return kind->loss == NULL ? status : OK;
}

int acpi_read(const struct physical *physical, paddr_t rsdp, struct acpi_machine *machine) {
    struct list list;
    uint32_t seen = 0;
    int status = rsdp != 0 ? OK : find_rsdp(physical, &rsdp);

    memset(machine, 0, sizeof(*machine));
    if (status == OK) { status = open_root(physical, rsdp, &list); }
    for (unsigned i = 0; status == OK && i < list.count; i++) {
        status = read_listed(physical, &list, SDT_HEADER + i * list.width, &seen, machine);
    }
    for (unsigned i = 0; status == OK && i < ARRAY_SIZE(kinds); i++) {
        if (kinds[i].loss == NULL && (seen & BIT(i)) == 0) {
            log_line("ACPI: %s at 0x%llx lists no %s; enable ACPI and the APICs in the firmware, or update it",
                     list.table.name, (unsigned long long)list.table.pa, kinds[i].name);
            status = ERR_NOT_FOUND;
        }
    }
    if (status == OK) { read_s5(physical, machine); }
    return status;
}
