// SPDX-License-Identifier: Apache-2.0
// What acpi_read() makes of a firmware's tables, sound and broken ones. The tables lie in a small physical memory; what
// is mapped is a copy of just the bytes asked for, gone with the next call, so that the sanitizer sees a step beside it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/acpi.h"
#include "arch/x86/acpi_layout.h"
#include "kernel/log.h"

enum {
    RAM_SIZE = 0x150000,
    EBDA = 0x9fc00,
    RSDP = 0xf0010,
    MADT = 0x100000,
    FADT = 0x110000,
    MCFG = 0x118000,
    XSDT = 0x120004,
    RSDT = 0x124004,
    DMAR = 0x130000,
    IVRS = 0x13c000,
    DSDT = 0x140000,
    ISA_SCI = 9,
};

static struct {
    uint8_t ram[RAM_SIZE];
    void *mapped;
    unsigned maps_left; // then map refuses
    paddr_t hole;       // a byte that cannot be read
    paddr_t end;        // of the table that is being written
    uint64_t cursor;
    char said[4096];
} world;
static struct acpi_machine machine;

// ---- physical memory ----------------------------------------------------------------------------------------

static const void *map(void *context, paddr_t pa, size_t size) {
    assert_ptr_equal(context, &world);
    assert_in_range(size, 1, ACPI_TABLE_MAX);
    assert_true(pa + size > pa);
    free(world.mapped);
    world.mapped = NULL;
    if (world.maps_left == 0 || pa >= RAM_SIZE || size > RAM_SIZE - pa) { return NULL; }
    if (world.hole >= pa && world.hole < pa + size) { return NULL; }
    world.maps_left--;
    world.mapped = malloc(size);
    memcpy(world.mapped, world.ram + pa, size);
    return world.mapped;
}

static void put(paddr_t pa, unsigned size, uint64_t value) {
    for (unsigned i = 0; i < size; i++) { world.ram[pa + i] = (uint8_t)(value >> (8 * i)); }
}

static uint32_t get32(paddr_t pa) {
    return world.ram[pa] | world.ram[pa + 1] << 8 | world.ram[pa + 2] << 16 | (uint32_t)world.ram[pa + 3] << 24;
}

static void fix_sum(paddr_t pa, uint32_t length, uint32_t checksum) {
    uint8_t total = 0;

    world.ram[pa + checksum] = 0;
    for (uint32_t i = 0; i < length; i++) { total = (uint8_t)(total + world.ram[pa + i]); }
    world.ram[pa + checksum] = (uint8_t)-total;
}

static void seal(paddr_t table) { fix_sum(table, get32(table + 4), 9); }

static void begin(paddr_t table, const char *signature, uint8_t revision, uint32_t size) {
    memset(world.ram + table, 0, size);
    memcpy(world.ram + table, signature, 4);
    put(table + 8, 1, revision);
    put(table + 4, 4, size);
    world.end = table + size;
    seal(table);
}

// Appends a field to the table that was begun last; it stays sealed.
static void add(paddr_t table, unsigned size, uint64_t value) {
    put(world.end, size, value);
    world.end += size;
    put(table + 4, 4, world.end - table);
    seal(table);
}

// Changes a field of a sealed table.
static void change(paddr_t table, uint32_t offset, unsigned size, uint64_t value) {
    put(table + offset, size, value);
    seal(table);
}

// ---- the tables of a PC ---------------------------------------------------------------------------------------

static void add_lapic(uint8_t uid, uint8_t id, uint32_t flags) {
    add(MADT, 2, 8 << 8 | 0);
    add(MADT, 2, uid | id << 8);
    add(MADT, 4, flags);
}

static void add_x2apic(uint32_t uid, uint32_t id, uint32_t flags) {
    add(MADT, 4, 16 << 8 | 9);
    add(MADT, 4, id);
    add(MADT, 4, flags);
    add(MADT, 4, uid);
}

static void add_io_apic(uint8_t id, uint32_t base, uint32_t gsi) {
    add(MADT, 4, 12 << 8 | 1 | id << 16);
    add(MADT, 4, base);
    add(MADT, 4, gsi);
}

static void add_override(uint8_t bus, uint8_t source, uint32_t gsi, uint16_t flags) {
    add(MADT, 2, 10 << 8 | 2);
    add(MADT, 2, bus | source << 8);
    add(MADT, 4, gsi);
    add(MADT, 2, flags);
}

static void begin_madt(void) {
    begin(MADT, "APIC", 5, 44);
    change(MADT, 36, 4, 0xfee00000);
    change(MADT, 40, 4, 1);
}

static void write_madt(void) {
    begin_madt();
    add_lapic(0, 0, 1);
    add_lapic(1, 2, 1);
    add_lapic(2, 4, 0);    // neither enabled nor to be enabled
    add_lapic(3, 6, 2);    // to be enabled
    add_lapic(4, 0xff, 1); // no APIC id
    add_io_apic(8, 0xfec00000, 0);
    add_io_apic(9, 0xfec01000, 24);
    add_override(0, 0, 2, 0);
    add_override(0, ISA_SCI, ISA_SCI, 0xd); // level-triggered, active high
    add_override(0, 10, 30, 0xf);           // level-triggered, active low
    add(MADT, 6, 6 << 8 | 4);               // an NMI: skipped
}

static void write_gas(uint32_t offset, uint8_t space, uint8_t width, uint64_t address) {
    change(FADT, offset, 2, space | width << 8);
    change(FADT, offset + 4, 8, address);
}

static void write_fadt(void) {
    begin(FADT, "FACP", 6, 276);
    change(FADT, 40, 4, 0xdead0000); // the extended one counts
    change(FADT, 46, 2, ISA_SCI);
    change(FADT, 64, 4, 0x604);
    change(FADT, 68, 4, 0x704);
    change(FADT, 112, 4, 1u << 10);
    write_gas(116, ACPI_SPACE_IO, 8, 0xcf9);
    change(FADT, 128, 1, 6);
    change(FADT, 140, 8, DSDT);
    write_gas(172, ACPI_SPACE_IO, 16, 0x904);
}

static void add_ecam(uint64_t base, uint16_t segment, uint8_t first, uint8_t last) {
    add(MCFG, 8, base);
    add(MCFG, 2, segment);
    add(MCFG, 2, first | last << 8);
    add(MCFG, 4, 0);
}

static void write_mcfg(void) {
    begin(MCFG, "MCFG", 1, 44);
    add_ecam(0xb0000000, 0, 0, 0x7f);
    add_ecam(0x4000000000, 1, 0x10, 0xff);
}

static const uint8_t s5[] = {0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 0x05, 0x01, 0x00, 0x00};

static void add_bytes(paddr_t table, const void *bytes, unsigned size) {
    for (unsigned i = 0; i < size; i++) { add(table, 1, ((const uint8_t *)bytes)[i]); }
}

static void write_dsdt(const void *aml, unsigned size) {
    begin(DSDT, "DSDT", 2, 36);
    add_bytes(DSDT, "abcd", 4);
    add_bytes(DSDT, aml, size);
}

static void write_rsdp(paddr_t rsdp, uint8_t revision) {
    memset(world.ram + rsdp, 0, revision >= 2 ? 36 : 20);
    memcpy(world.ram + rsdp, "RSD PTR ", 8);
    put(rsdp + 15, 1, revision);
    put(rsdp + 16, 4, RSDT);
    if (revision >= 2) {
        put(rsdp + 20, 4, 36);
        put(rsdp + 24, 8, XSDT);
    }
    fix_sum(rsdp, 20, 8);
    if (revision >= 2) { fix_sum(rsdp, 36, 32); }
}

static int setup(void **state) {
    (void)state;
    memset(world.ram, 0, sizeof(world.ram));
    world.maps_left = UINT32_MAX;
    world.hole = UINT64_MAX;
    write_rsdp(RSDP, 2);
    begin(RSDT, "RSDT", 1, 36);
    add(RSDT, 4, FADT);
    add(RSDT, 4, MADT);
    begin(XSDT, "XSDT", 1, 36);
    add(XSDT, 8, FADT);
    add(XSDT, 8, 0);
    add(XSDT, 8, MADT);
    write_madt();
    write_fadt();
    write_dsdt(s5, sizeof(s5));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    free(world.mapped);
    world.mapped = NULL;
    return 0;
}

// ---- asking ---------------------------------------------------------------------------------------------------

static int read_at(paddr_t rsdp) {
    const struct physical memory = {.map = map, .context = &world};
    size_t length;
    int status;

    while (log_read(&world.cursor, world.said, sizeof(world.said) - 1) != 0) {}
    memset(&machine, 0xa5, sizeof(machine));
    status = acpi_read(&memory, rsdp, &machine);
    length = log_read(&world.cursor, world.said, sizeof(world.said) - 1);
    world.said[length] = '\0';
    return status;
}

// One line, with these words.
static void said(const char *words) {
    const char *end = strchr(world.said, '\n');

    if (strstr(world.said, words) == NULL) { print_error("wanted \"%s\", got: %s", words, world.said); }
    assert_non_null(strstr(world.said, words));
    assert_memory_equal(world.said, "ACPI: ", 6);
    assert_non_null(end);
    assert_string_equal(end, "\n");
}

static void good(void) {
    int status = read_at(RSDP);

    assert_string_equal(world.said, "");
    assert_int_equal(status, OK);
}

static void refused(int status, const char *words) {
    assert_int_equal(read_at(RSDP), status);
    said(words);
}

// A table that the machine can do without: one line, and the rest is read.
static void left_out(const char *words) {
    assert_int_equal(read_at(RSDP), OK);
    said(words);
    assert_non_null(strstr(world.said, "; left out: "));
    assert_int_equal(machine.cpu_count, 2);
}

// ---- from the RSDP to the tables ------------------------------------------------------------------------------

static void every_table_is_found_through_the_xsdt(void **state) {
    (void)state;
    write_mcfg();
    begin(DMAR, "DMAR", 1, 48);
    begin(IVRS, "IVRS", 1, 48);
    begin(RSDT, "RSDT", 1, 36); // does not count
    world.end = XSDT + get32(XSDT + 4);
    add(XSDT, 8, MCFG);
    add(XSDT, 8, DSDT); // of no interest here
    add(XSDT, 8, DMAR);
    add(XSDT, 8, IVRS);
    good();
    assert_int_equal(machine.cpu_count, 2);
    assert_int_equal(machine.reset, 0xcf9);
    assert_int_equal(machine.ecam_count, 2);
    assert_true(machine.dmar.length == 48 && machine.ivrs.length == 48 && machine.has_s5);
}

static void an_old_rsdp_has_an_rsdt_only(void **state) {
    (void)state;
    write_rsdp(RSDP, 0);
    memset(world.ram + XSDT, 0, 64);
    good();
    assert_int_equal(machine.cpu_count, 2);
    assert_true(machine.dmar.length == 0 && machine.ivrs.length == 0 && machine.ecam_count == 0);
}

static void without_an_address_the_rsdp_is_searched(void **state) {
    (void)state;
    assert_int_equal(read_at(0), OK);
    // A broken one does not count, nor one beside the boundary.
    memcpy(world.ram + RSDP - 0x100, "RSD PTR x", 9);
    memcpy(world.ram + RSDP - 0x108, world.ram + RSDP, 20);
    assert_int_equal(read_at(0), OK);
    // The last place where it fits.
    memset(world.ram + 0xe0000, 0, 0x20000);
    write_rsdp(0xfffe0, 0);
    assert_int_equal(read_at(0), OK);
    memset(world.ram + 0xe0000, 0, 0x20000);
    assert_int_equal(read_at(0), ERR_NOT_FOUND);
    said("no RSDP in the EBDA or at 0xe0000 to 0xfffff; enable ACPI");
    put(0x40e, 2, EBDA >> 4);
    write_rsdp(EBDA + 16 * 61, 2);
    assert_int_equal(read_at(0), OK);
    // Beyond the first KiB.
    memset(world.ram + EBDA, 0, 1024);
    write_rsdp(EBDA + 1024, 2);
    assert_int_equal(read_at(0), ERR_NOT_FOUND);
    world.maps_left = 0;
    assert_int_equal(read_at(0), ERR_NOT_FOUND);
}

static void a_broken_rsdp_is_refused(void **state) {
    (void)state;
    world.ram[RSDP + 9] ^= 1;
    refused(ERR_CORRUPT, "RSDP at 0xf0010, offset 0x8: the checksum fails");
    world.ram[RSDP] = 'r';
    refused(ERR_CORRUPT, "RSDP at 0xf0010, offset 0x0: another signature is there");
    assert_int_equal(read_at(RAM_SIZE - 19), ERR_RANGE);
    said("RSDP at 0x14ffed, offset 0x0: so many bytes cannot be read there (0x14)");
    assert_int_equal(read_at(UINT64_MAX), ERR_RANGE);
}

static void a_broken_extension_of_the_rsdp_is_refused(void **state) {
    (void)state;
    world.ram[RSDP + 33] ^= 1;
    refused(ERR_CORRUPT, "offset 0x20: the checksum fails");
    put(RSDP + 20, 4, 35);
    refused(ERR_CORRUPT, "offset 0x14: it cannot have this length (0x23)");
    put(RSDP + 20, 4, 257);
    refused(ERR_CORRUPT, "it cannot have this length (0x101)");
    put(RSDP + 20, 4, 256);
    fix_sum(RSDP, 256, 32);
    good();
    put(RSDP + 20, 4, 37);
    world.hole = RSDP + 36;
    refused(ERR_RANGE, "RSDP at 0xf0010, offset 0x0: so many bytes cannot be read there (0x25)");
    world.hole = RSDP + 35;
    refused(ERR_RANGE, "so many bytes cannot be read there (0x24)");
    write_rsdp(RSDP, 0);
    put(RSDP + 16, 4, 0);
    fix_sum(RSDP, 20, 8);
    refused(ERR_CORRUPT, "offset 0x10: neither RSDT nor XSDT");
}

static void a_broken_xsdt_leaves_the_rsdt(void **state) {
    (void)state;
    world.ram[XSDT + 20] ^= 1;
    left_out("XSDT at 0x120004, offset 0x9: the checksum fails");
    put(XSDT, 4, 0);
    left_out("XSDT at 0x120004, offset 0x0: another signature is there (0x0)");
    // Without one, the XSDT's fault is the end.
    put(RSDP + 16, 4, 0);
    fix_sum(RSDP, 20, 8);
    fix_sum(RSDP, 36, 32);
    refused(ERR_CORRUPT, "XSDT at 0x120004, offset 0x0");
    assert_null(strstr(world.said, "left out"));
}

static void an_rsdt_must_hold_too(void **state) {
    (void)state;
    write_rsdp(RSDP, 0);
    change(RSDT, 4, 4, 35);
    refused(ERR_CORRUPT, "RSDT at 0x124004, offset 0x4: it cannot have this length (0x23)");
    put(RSDT + 4, 4, ACPI_TABLE_MAX + 1);
    refused(ERR_CORRUPT, "RSDT at 0x124004, offset 0x4: it cannot have this length (0x400001)");
    put(RSDT + 4, 4, ACPI_TABLE_MAX);
    refused(ERR_RANGE, "RSDT at 0x124004, offset 0x0: so many bytes cannot be read there (0x400000)");
    world.hole = RSDT;
    refused(ERR_RANGE, "RSDT at 0x124004, offset 0x0: so many bytes cannot be read there (0x24)");
}

static void a_list_has_its_limit(void **state) {
    (void)state;
    while (get32(XSDT + 4) < 36 + 8 * ACPI_MAX_TABLES) {
        world.end = XSDT + get32(XSDT + 4);
        add(XSDT, 8, 0);
    }
    good();
    put(RSDP + 16, 4, 0); // no RSDT
    fix_sum(RSDP, 20, 8);
    fix_sum(RSDP, 36, 32);
    add(XSDT, 8, 0);
    refused(ERR_UNSUPPORTED, "XSDT at 0x120004, offset 0x4: too many tables (0x100)");
}

static void what_is_required_must_be_listed(void **state) {
    (void)state;
    begin(XSDT, "XSDT", 1, 36);
    refused(ERR_NOT_FOUND, "XSDT at 0x120004 lists no MADT; enable ACPI");
    add(XSDT, 8, MADT);
    refused(ERR_NOT_FOUND, "XSDT at 0x120004 lists no FADT; enable ACPI");
}

static void an_unknown_table_that_cannot_be_read_is_left_out(void **state) {
    (void)state;
    world.end = XSDT + get32(XSDT + 4);
    add(XSDT, 8, UINT64_MAX - 2);
    left_out("XSDT at 0x120004, offset 0x3c: it lists a table that cannot be read (0xfffffffffffffffd)");
}

static void what_lies_behind_a_list_does_not_count(void **state) {
    (void)state;
    put(XSDT + get32(XSDT + 4), 8, RAM_SIZE);
    good();
    write_rsdp(RSDP, 0);
    put(RSDT + get32(RSDT + 4), 8, RAM_SIZE);
    good();
}

static void of_two_the_first_counts(void **state) {
    (void)state;
    memcpy(world.ram + IVRS, world.ram + MADT, 0x200);
    change(IVRS, 36, 4, 1);
    world.end = XSDT + get32(XSDT + 4);
    add(XSDT, 8, IVRS);
    good();
}

// Wherever map begins to refuse: an error with one line, or an optional part left out.
static void memory_may_end_anywhere(void **state) {
    unsigned refusals = 0;

    (void)state;
    for (unsigned maps = 0; maps < 100; maps++) {
        world.maps_left = maps;
        if (read_at(RSDP) == OK && world.said[0] == '\0') {
            assert_true(refusals > 10);
            return;
        }
        refusals++;
        assert_non_null(strstr(world.said, "ACPI: "));
    }
    fail();
}

// ---- MADT -----------------------------------------------------------------------------------------------------

static void the_madt_gives_cores_and_controllers(void **state) {
    (void)state;
    good();
    assert_int_equal(machine.local_apic, 0xfee00000);
    assert_true(machine.has_8259);
    assert_int_equal(machine.io_apic_count, 2);
    assert_int_equal(machine.io_apics[1].base, 0xfec01000);
    assert_int_equal(machine.io_apics[1].gsi_base, 24);
}

static void cores_that_can_be_started_are_listed_once(void **state) {
    static const uint32_t ids[] = {0, 2, 0x100, 6};

    (void)state;
    write_madt();
    add_x2apic(5, 0x100, 1);
    add_x2apic(6, 2, 1);
    add_x2apic(7, UINT32_MAX, 1);
    good();
    assert_int_equal(machine.cpu_count, 3);
    add_x2apic(3, 6, 1);
    good();
    assert_int_equal(machine.cpu_count, ARRAY_SIZE(ids));
    for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) { assert_int_equal(machine.apic_ids[i], ids[i]); }
}

static void cores_beyond_the_limit_are_left_out(void **state) {
    (void)state;
    begin_madt();
    for (uint32_t i = 0; i < ACPI_MAX_CPUS + 3; i++) { add_x2apic(i, i, 1); }
    good();
    assert_int_equal(machine.cpu_count, ACPI_MAX_CPUS);
    assert_int_equal(machine.apic_ids[ACPI_MAX_CPUS - 1], ACPI_MAX_CPUS - 1);
}

static void isa_interrupts_go_where_the_overrides_say(void **state) {
    (void)state;
    good();
    assert_int_equal(machine.isa[0].gsi, 2);
    assert_int_equal(machine.isa[1].gsi, 1);
    assert_false(machine.isa[1].level_triggered || machine.isa[1].active_low || machine.isa[0].level_triggered);
    assert_true(machine.isa[ISA_SCI].level_triggered);
    assert_false(machine.isa[ISA_SCI].active_low);
    assert_int_equal(machine.isa[10].gsi, 30);
    assert_true(machine.isa[10].level_triggered && machine.isa[10].active_low);
    assert_int_equal(machine.isa[15].gsi, 15);
}

static void the_local_apics_address_may_be_overridden(void **state) {
    (void)state;
    write_madt();
    change(MADT, 36, 4, 0);
    change(MADT, 40, 4, 0);
    refused(ERR_CORRUPT, "MADT at 0x100000, offset 0x24: the local APICs have no page of their own (0x0)");
    add(MADT, 4, 12 << 8 | 5);
    add(MADT, 8, 0xf00000000);
    good();
    assert_int_equal(machine.local_apic, 0xf00000000);
    assert_false(machine.has_8259);
    add(MADT, 4, 12 << 8 | 5);
    add(MADT, 8, 0xf00000010);
    refused(ERR_CORRUPT, "no page of their own (0xf00000010)");
    put(world.end - 8, 8, BIT(52));
    seal(MADT);
    refused(ERR_CORRUPT, "no page of their own (0x10000000000000)");
}

static void broken_entries_of_the_madt_are_refused(void **state) {
    (void)state;
    begin_madt();
    add(MADT, 1, 0);
    refused(ERR_CORRUPT, "MADT at 0x100000, offset 0x2c: an entry is too short for its type (0x0)");
    add(MADT, 1, 0);
    refused(ERR_CORRUPT, "offset 0x2c: an entry is too short for its type (0x0); update the firmware");
    change(MADT, 45, 1, 1);
    refused(ERR_CORRUPT, "offset 0x2c: an entry is too short for its type (0x1); update the firmware");
    change(MADT, 45, 1, 3);
    refused(ERR_CORRUPT, "offset 0x2c: an entry is too short for its type (0x3)");
    change(MADT, 44, 2, 7 << 8);
    add(MADT, 5, 0);
    refused(ERR_CORRUPT, "offset 0x2c: an entry is too short for its type (0x7)");
    change(MADT, 44, 2, 8 << 8);
    refused(ERR_CORRUPT, "offset 0x2c: an entry overruns the table (0x8)");
    change(MADT, 44, 2, 0xff | 8 << 8); // of a type that is skipped
    refused(ERR_CORRUPT, "offset 0x2c: an entry overruns the table (0x8)");
    change(MADT, 44, 2, 0xff | 1 << 8);
    refused(ERR_CORRUPT, "offset 0x2c: an entry is too short for its type (0x1)");
    begin(MADT, "APIC", 1, 43);
    refused(ERR_CORRUPT, "MADT at 0x100000, offset 0x4: it cannot have this length (0x2b)");
    begin_madt();
    add_lapic(0, 0, 2);
    refused(ERR_CORRUPT, "offset 0x2c: no core is enabled; bytes (0x34)");
    add_lapic(1, 1, 1);
    good();
    world.ram[MADT + 50] ^= 1;
    refused(ERR_CORRUPT, "MADT at 0x100000, offset 0x9: the checksum fails");
}

static void broken_interrupt_controllers_are_refused(void **state) {
    (void)state;
    begin_madt();
    add_io_apic(0, 0, 0);
    refused(ERR_CORRUPT, "MADT at 0x100000, offset 0x30: an I/O APIC has no address");
    begin_madt();
    add_override(1, 0, 0, 0);
    refused(ERR_CORRUPT, "offset 0x2e: an override is of no ISA interrupt; bus and source (0x1)");
    begin_madt();
    add_override(0, 16, 0, 0);
    refused(ERR_CORRUPT, "offset 0x2e: an override is of no ISA interrupt; bus and source (0x1000)");
    begin_madt();
    add_override(0, 1, 0, 2);
    refused(ERR_CORRUPT, "offset 0x34: an interrupt override has reserved flags (0x2)");
    change(MADT, 0x34, 2, 8);
    refused(ERR_CORRUPT, "offset 0x34: an interrupt override has reserved flags (0x8)");
    begin_madt();
    add_lapic(0, 0, 1);
    for (unsigned i = 0; i < ACPI_MAX_IO_APICS; i++) { add_io_apic(0, 0xfec00000, 24 * i); }
    good();
    add_io_apic(0, 0xfec00000, 0);
    refused(ERR_UNSUPPORTED, "too many I/O APICs (0x20); that is the limit: raise");
}

// ---- FADT and DSDT ----------------------------------------------------------------------------------------------

static void the_fadt_gives_registers(void **state) {
    (void)state;
    good();
    assert_int_equal(machine.reset, 0xcf9);
    assert_int_equal(machine.reset_value, 6);
    assert_int_equal(machine.pm1a_control, 0x904);
    assert_int_equal(machine.pm1b_control, 0x704);
    assert_int_equal(machine.sleep_control, 0);
    assert_int_equal(machine.dsdt, DSDT);
}

static void an_old_fadt_is_short(void **state) {
    (void)state;
    change(FADT, 40, 4, DSDT);
    change(FADT, 8, 1, 1);
    change(FADT, 4, 4, 116);
    good();
    assert_int_equal(machine.reset, 0);
    assert_int_equal(machine.pm1a_control, 0x604);
    assert_int_equal(machine.dsdt, DSDT);
    assert_true(machine.has_s5);
    change(FADT, 4, 4, 115);
    refused(ERR_CORRUPT, "FADT at 0x110000, offset 0x4: it cannot have this length (0x73)");
}

static void a_reduced_machine_has_other_registers(void **state) {
    (void)state;
    change(FADT, 112, 4, 1u << 20); // and no reset register, whatever stands there
    write_gas(244, ACPI_SPACE_IO, 8, 0x600);
    good();
    assert_int_equal(machine.sleep_control, 0x600);
    assert_int_equal(machine.reset, 0);
    assert_int_equal(machine.pm1a_control, 0);
    assert_int_equal(machine.pm1b_control, 0);
}

static void a_register_that_is_no_port_is_left_out(void **state) {
    static const uint8_t elsewhere[] = {0, 2, 3, 0x7f}; // memory, PCI, and more

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(elsewhere); i++) {
        write_gas(116, elsewhere[i], 8, 0x1000);
        left_out("FADT at 0x110000, offset 0x74: a register is at no port, but at (0x1000)");
        assert_int_equal(machine.reset, 0);
        assert_int_equal(machine.pm1a_control, 0x904);
    }
    write_gas(116, ACPI_SPACE_IO, 8, 0x10000);
    left_out("FADT at 0x110000, offset 0x74: a register is at no port, but at (0x10000)");
    write_gas(116, ACPI_SPACE_IO, 8, 0xffff);
    good();
    assert_int_equal(machine.reset, 0xffff);
    write_gas(172, 0, 16, 0xfed40000);
    left_out("FADT at 0x110000, offset 0xac: a register is at no port, but at (0xfed40000)");
    assert_int_equal(machine.pm1a_control, 0);
    assert_int_equal(machine.pm1b_control, 0x704);
}

static void s5_is(bool there, const void *aml, unsigned size) {
    write_dsdt(aml, size);
    good();
    assert_int_equal(machine.has_s5, there);
    assert_true(there || (machine.s5_a == 0 && machine.s5_b == 0));
}

static void the_dsdt_gives_the_sleep_type_of_power_off(void **state) {
    static const uint8_t root[] = {0x08, '\\', '_', 'S', '5', '_', 0x12, 0x06, 0x02, 0x0a, 0x07, 0x0a, 0x06};
    static const uint8_t wide[] = {0x08, '_', 'S', '5', '_', 0x12, 0x40, 0x01, 0x02, 0x00, 0x0a,
                                   0x07, 1,   2,   3,   4,   5,    6,    7,    8,    9,    0};

    (void)state;
    s5_is(true, s5, sizeof(s5));
    assert_int_equal(machine.s5_a, 5);
    assert_int_equal(machine.s5_b, 1);
    s5_is(true, root, sizeof(root));
    assert_int_equal(machine.s5_a, 7);
    assert_int_equal(machine.s5_b, 6);
    s5_is(true, wide, sizeof(wide));
    assert_int_equal(machine.s5_a, 0);
    assert_int_equal(machine.s5_b, 7);
    change(FADT, 140, 8, 0);
    change(FADT, 40, 4, 0);
    good();
    assert_false(machine.has_s5);
}

static void what_only_looks_like_s5_is_none(void **state) {
    static const struct {
        unsigned at, value;
    } changes[] = {
        {0, 0x09},  // no Name
        {5, 0x13},  // no Package
        {6, 0x04},  // ends within the second element
        {6, 0x09},  // reaches beyond the table
        {6, 0x4f},  // the same, in two bytes
        {7, 0x01},  // one element
        {9, 0x08},  // no sleep type
        {10, 0x0b}, // no byte
        {8, 0x70},  // no constant
    };
    uint8_t aml[sizeof(s5)];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(changes); i++) {
        memcpy(aml, s5, sizeof(s5));
        aml[changes[i].at] = (uint8_t)changes[i].value;
        s5_is(false, aml, sizeof(aml));
    }
    s5_is(false, "\\_S5_\x12\x06\x04\x0a\x05\x01\x00", 12); // no Name
    for (unsigned size = 0; size < sizeof(s5) - 1; size++) { s5_is(false, s5, size); }
    begin(DSDT, "DSDT", 2, 36);
    good();
    assert_false(machine.has_s5);
}

static void a_broken_dsdt_is_left_out(void **state) {
    (void)state;
    world.ram[DSDT + 30] ^= 1;
    left_out("DSDT at 0x140000, offset 0x9: the checksum fails");
    assert_non_null(strstr(world.said, "no power-off"));
    assert_false(machine.has_s5);
}

// ---- MCFG -------------------------------------------------------------------------------------------------------

static int setup_mcfg(void **state) {
    setup(state);
    world.end = XSDT + get32(XSDT + 4);
    add(XSDT, 8, MCFG);
    write_mcfg();
    return 0;
}

static void no_mcfg(const char *words) {
    left_out(words);
    assert_int_equal(machine.ecam_count, 0);
    write_mcfg();
}

static void the_mcfg_gives_configuration_spaces(void **state) {
    (void)state;
    good();
    assert_int_equal(machine.ecam_count, 2);
    assert_int_equal(machine.ecams[0].base, 0xb0000000);
    assert_int_equal(machine.ecams[0].last_bus, 0x7f);
    assert_int_equal(machine.ecams[1].base, 0x4000000000);
    assert_int_equal(machine.ecams[1].segment, 1);
    assert_int_equal(machine.ecams[1].first_bus, 0x10);
    add_ecam(0xb0000000, 0, 0x80, 0xff);
    add_ecam(BIT(52) - BIT(28), 2, 1, 0xff); // up to the last address
    add_ecam(BIT(52) - BIT(20), 2, 0, 0);
    good();
    assert_int_equal(machine.ecam_count, 5);
}

static void a_broken_mcfg_is_left_out(void **state) {
    (void)state;
    add(MCFG, 8, 0);
    no_mcfg("MCFG at 0x118000, offset 0x4c: an entry is cut off after so many bytes (0x8)");
    change(MCFG, 44 + 10, 2, 0x0001);
    no_mcfg("offset 0x36: the first bus is behind the last (0x1)");
    change(MCFG, 60, 8, 0);
    no_mcfg("offset 0x3c: a configuration space lies at an address that cannot be (0x0)");
    change(MCFG, 60, 8, 0xb0001000);
    no_mcfg("lies at an address that cannot be (0xb0001000)");
    change(MCFG, 60, 8, BIT(52) - BIT(27));
    no_mcfg("lies at an address that cannot be (0xffffff8000000)");
    add_ecam(BIT(52) - BIT(27), 2, 0, 0x80);
    no_mcfg("offset 0x4c: a configuration space lies at an address that cannot be (0xffffff8000000)");
    add_ecam(0xc0000000, 1, 0, 0x10);
    no_mcfg("offset 0x56: a bus has two configuration spaces; segment (0x1)");
    add_ecam(0xc0000000, 1, 0xff, 0xff);
    no_mcfg("offset 0x56: a bus has two configuration spaces; segment (0x1)");
    change(MCFG, 4, 4, 43);
    no_mcfg("MCFG at 0x118000, offset 0x4: it cannot have this length (0x2b)");
    for (unsigned i = 2; i < ACPI_MAX_ECAMS; i++) { add_ecam(0xb0000000, (uint16_t)i, 0, 0); }
    good();
    assert_int_equal(machine.ecam_count, ACPI_MAX_ECAMS);
    add_ecam(0xb0000000, ACPI_MAX_ECAMS, 0, 0);
    no_mcfg("too many ranges of buses (0x20)");
}

// ---- DMAR and IVRS ----------------------------------------------------------------------------------------------

static void write_kept(paddr_t table, const char *signature) {
    begin(table, signature, 1, 48);
    add(table, 8, 0x1234);
}

static int setup_kept(void **state) {
    setup(state);
    world.end = XSDT + get32(XSDT + 4);
    add(XSDT, 8, DMAR);
    add(XSDT, 8, IVRS);
    write_kept(DMAR, "DMAR");
    write_kept(IVRS, "IVRS");
    return 0;
}

static void the_tables_of_dma_remapping_are_kept(void **state) {
    (void)state;
    good();
    assert_int_equal(machine.dmar.pa, DMAR);
    assert_int_equal(machine.dmar.length, 56);
    assert_int_equal(machine.ivrs.pa, IVRS);
    assert_int_equal(machine.ivrs.length, 56);
}

static void a_broken_table_of_dma_remapping_is_left_out(void **state) {
    static const struct {
        paddr_t table;
        const char *signature, *checksum, *length, *end;
    } kept[] = {
        {DMAR, "DMAR", "DMAR at 0x130000, offset 0x9: the checksum fails",
         "DMAR at 0x130000, offset 0x4: it cannot have",
         "DMAR at 0x130000, offset 0x0: so many bytes cannot be read there (0x38)"},
        {IVRS, "IVRS", "IVRS at 0x13c000, offset 0x9: the checksum fails",
         "IVRS at 0x13c000, offset 0x4: it cannot have",
         "IVRS at 0x13c000, offset 0x0: so many bytes cannot be read there (0x38)"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(kept); i++) {
        const char *const words[] = {kept[i].checksum, kept[i].length, kept[i].end};
        for (unsigned wrong = 0; wrong < ARRAY_SIZE(words); wrong++) {
            if (wrong == 0) { world.ram[kept[i].table + 50] ^= 1; }
            if (wrong == 1) { change(kept[i].table, 4, 4, 47); }
            if (wrong == 2) { world.hole = kept[i].table + 55; }
            left_out(words[wrong]);
            assert_non_null(strstr(world.said, "no DMA remapping"));
            assert_int_equal(i == 0 ? machine.dmar.length : machine.ivrs.length, 0);
            assert_int_equal(i == 0 ? machine.ivrs.length : machine.dmar.length, 56);
            write_kept(kept[i].table, kept[i].signature);
            world.hole = UINT64_MAX;
        }
    }
}

#define TEST(f)       cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_OF(s, f) cmocka_unit_test_setup_teardown(f, s, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_table_is_found_through_the_xsdt),
        TEST(an_old_rsdp_has_an_rsdt_only),
        TEST(without_an_address_the_rsdp_is_searched),
        TEST(a_broken_rsdp_is_refused),
        TEST(a_broken_extension_of_the_rsdp_is_refused),
        TEST(a_broken_xsdt_leaves_the_rsdt),
        TEST(an_rsdt_must_hold_too),
        TEST(a_list_has_its_limit),
        TEST(what_is_required_must_be_listed),
        TEST(an_unknown_table_that_cannot_be_read_is_left_out),
        TEST(what_lies_behind_a_list_does_not_count),
        TEST(of_two_the_first_counts),
        TEST(memory_may_end_anywhere),
        TEST(the_madt_gives_cores_and_controllers),
        TEST(cores_that_can_be_started_are_listed_once),
        TEST(cores_beyond_the_limit_are_left_out),
        TEST(isa_interrupts_go_where_the_overrides_say),
        TEST(the_local_apics_address_may_be_overridden),
        TEST(broken_entries_of_the_madt_are_refused),
        TEST(broken_interrupt_controllers_are_refused),
        TEST(the_fadt_gives_registers),
        TEST(an_old_fadt_is_short),
        TEST(a_reduced_machine_has_other_registers),
        TEST(a_register_that_is_no_port_is_left_out),
        TEST(the_dsdt_gives_the_sleep_type_of_power_off),
        TEST(what_only_looks_like_s5_is_none),
        TEST(a_broken_dsdt_is_left_out),
        TEST_OF(setup_mcfg, the_mcfg_gives_configuration_spaces),
        TEST_OF(setup_mcfg, a_broken_mcfg_is_left_out),
        TEST_OF(setup_kept, the_tables_of_dma_remapping_are_kept),
        TEST_OF(setup_kept, a_broken_table_of_dma_remapping_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
