// SPDX-License-Identifier: Apache-2.0
// The tables that a guest gets: the hypervisor's own reader finds in them what was put in, and so does ACPICA's
// disassembler, where it is installed.
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/acpi.h"
#include "arch/x86/guest_acpi.h"

enum { BASE = 0xe0000 };

static uint8_t tables[0x20000];
static size_t size;
static bool searched; // the whole area can be read then
static struct acpi_machine machine;
static struct guest_acpi acpi;

static const void *map(void *context, paddr_t pa, size_t bytes) {
    (void)context;
    size_t end = searched ? sizeof(tables) : size;
    return pa < BASE || pa - BASE > end || bytes > end - (pa - BASE) ? NULL : tables + (pa - BASE);
}

static const struct physical physical = {.map = map};

static int setup(void **state) {
    (void)state;
    searched = false;
    acpi = (struct guest_acpi){.vcpus = 2, .com1 = true};
    return 0;
}

static void build(void) {
    uint8_t *area = calloc(1, GUEST_ACPI_SIZE); // so that the sanitizer sees a step beside it

    memset(tables, 0xee, sizeof(tables));
    size = guest_acpi_build(&acpi, BASE, area);
    assert_in_range(size, 1, GUEST_ACPI_SIZE);
    memcpy(tables, area, size);
    free(area);
}

// The first table of that name and its length.
static const uint8_t *table(const char *signature, uint32_t *length) {
    for (size_t at = 48; at < size; at += 16) {
        if (memcmp(tables + at, signature, 4) == 0) {
            memcpy(length, tables + at + 4, 4);
            return tables + at;
        }
    }
    fail_msg("no %s", signature);
    return NULL;
}

static unsigned count(const char *text, size_t text_size) {
    unsigned found = 0;

    for (size_t i = 0; i + text_size <= size; i++) { found += memcmp(tables + i, text, text_size) == 0; }
    return found;
}

static void the_own_reader_finds_it(void **state) {
    (void)state;
    build();
    assert_int_equal(acpi_read(&physical, BASE, &machine), OK);
    assert_int_equal(machine.cpu_count, 2);
    assert_int_equal(machine.apic_ids[1], 1);
    assert_int_equal(machine.local_apic, 0xfee00000);
    assert_false(machine.has_8259);
    assert_int_equal(machine.io_apic_count, 1);
    assert_int_equal(machine.io_apics[0].base, 0xfec00000);
    assert_int_equal(machine.io_apics[0].gsi_base, 0);
    for (unsigned i = 0; i < ACPI_ISA_IRQS; i++) { assert_int_equal(machine.isa[i].gsi, i); }
    assert_int_equal(machine.reset, 0xcf9);
    assert_int_equal(machine.reset_value, 6);
    assert_int_equal(machine.sleep_control, 0x600);
    assert_true(machine.has_s5);
    assert_int_equal(machine.s5_a, 5);
    assert_int_equal(machine.ecam_count, 0);
    assert_true(machine.dmar.length == 0 && machine.ivrs.length == 0);
}

// As a guest does that is not told of them.
static void they_are_found_by_searching(void **state) {
    (void)state;
    build();
    memset(tables + size, 0, sizeof(tables) - size);
    searched = true;
    assert_int_equal(acpi_read(&physical, 0, &machine), OK);
    assert_int_equal(machine.cpu_count, 2);
}

// What acpi_read() does not look at.
static void the_fadt_says_what_is_not_there_and_how_to_sleep(void **state) {
    (void)state;
    build();
    uint32_t length;
    const uint8_t *fadt = table("FACP", &length);
    assert_int_equal(length, 276);
    assert_int_equal(fadt[8], 6); // revision 6.5
    assert_int_equal(fadt[131], 5);
    static const uint8_t status[] = {1, 8, 0, 1, 0x01, 0x06, 0, 0, 0, 0, 0, 0};
    assert_memory_equal(fadt + 256, status, sizeof(status));
    assert_memory_equal(fadt + 40, fadt + 140, 4);                  // DSDT, X_DSDT
    assert_int_equal(fadt[36] | fadt[37] | fadt[38] | fadt[39], 0); // no FACS
    assert_int_equal(fadt[112] & 1, 1);
    assert_int_equal(fadt[114] & 0x10, 0x10);                 // reduced hardware
    assert_int_equal(fadt[109] | fadt[110] << 8, 4 | 8 | 32); // no VGA, MSI, CMOS clock, 8042
    static const uint8_t reset[] = {1, 8, 0, 1, 0xf9, 0x0c, 0, 0, 0, 0, 0, 0};
    assert_memory_equal(fadt + 116, reset, sizeof(reset));
    assert_int_equal(fadt[245], 8); // the sleep control register's bits
    static const uint8_t second[] = {0, 8, 1, 1, 1};
    assert_memory_equal(table("APIC", &length) + 44 + 8, second, sizeof(second)); // its UID, its APIC id
}

static void com1_is_where_every_pc_has_it(void **state) {
    static const char resources[] = "\x47\x01\xf8\x03\xf8\x03\x01\x08"     // ports
                                    "\x89\x06\x00\x03\x01\x04\x00\x00\x00" // consumer, edge, active high, GSI 4
                                    "\x79";
    (void)state;
    build();
    assert_int_equal(count("PNP0501", 8), 1);
    assert_int_equal(count(resources, sizeof(resources)), 1);
    acpi.com1 = false;
    build();
    assert_int_equal(count("PNP0501", 8), 0);
}

static void virtio_devices(void **state) {
    static const char first[] = "\x86\x09\x00\x01\x00\x00\xb0\xfe\x00\x10\x00\x00" // memory
                                "\x89\x06\x00\x01\x01\x10\x00\x00\x00\x79";        // level
    static const char second[] = "\x86\x09\x00\x01\x00\x10\xb0\xfe\x00\x10\x00\x00"
                                 "\x89\x06\x00\x01\x01\x11\x00\x00\x00\x79";
    (void)state;
    acpi.virtio_count = 2;
    build();
    assert_int_equal(count("LNRO0005", 9), 2);
    assert_int_equal(count(first, sizeof(first)), 1);
    assert_int_equal(count(second, sizeof(second)), 1);
    assert_int_equal(count("VR01\x08_UID\x0a\x01", 11), 1);
}

static void pci_has_its_table(void **state) {
    (void)state;
    acpi.ecam = 0xb0000000;
    acpi.last_bus = 0x3f;
    build();
    assert_int_equal(acpi_read(&physical, BASE, &machine), OK);
    assert_int_equal(machine.ecam_count, 1);
    assert_int_equal(machine.ecams[0].base, 0xb0000000);
    assert_int_equal(machine.ecams[0].segment, 0);
    assert_int_equal(machine.ecams[0].first_bus, 0);
    assert_int_equal(machine.ecams[0].last_bus, 0x3f);
    uint32_t length;
    assert_int_equal(table("FACP", &length)[109], 4 | 32); // MSI may be switched on
}

static void the_largest(void) {
    acpi.vcpus = MAX_VCPUS;
    acpi.virtio_count = GUEST_ACPI_VIRTIO_MAX;
    acpi.ecam = 0xb0000000;
    build();
}

static void the_most_that_there_can_be(void **state) {
    (void)state;
    the_largest();
    assert_int_equal(acpi_read(&physical, BASE, &machine), OK);
    assert_int_equal(machine.cpu_count, MAX_VCPUS);
    assert_int_equal(count("ACPI0007", 9), MAX_VCPUS);
}

// iasl says everything that it does not like; a DSDT it also compiles again.
static void disassemble(const char *folder, const char *signature) {
    char path[128], command[512];
    uint32_t length = 0;
    const uint8_t *bytes = table(signature, &length);

    snprintf(path, sizeof(path), "%s/%s.dat", folder, signature);
    FILE *out = fopen(path, "wb");
    if (out == NULL || fwrite(bytes, 1, length, out) != length || fclose(out) != 0) { fail_msg("%s", path); }
    snprintf(command, sizeof(command),
             "cd %s && { iasl -d %s.dat && { test %s != DSDT || iasl %s.dsl; }; } >log 2>&1 && "
             "! grep -Ei 'warning|error' log | grep -v '0 Errors, 0 Warnings' >&2",
             folder, signature, signature, signature);
    assert_int_equal(system(command), 0);
}

static void acpica_reads_them(void **state) {
    static const char *const all[] = {"XSDT", "FACP", "APIC", "MCFG", "DSDT"};
    char folder[] = "/tmp/takt-acpi-XXXXXX", command[64];
    (void)state;
    if (system("command -v iasl >/dev/null") != 0) { skip(); }
    the_largest();
    assert_non_null(mkdtemp(folder));
    for (unsigned i = 0; i < ARRAY_SIZE(all); i++) { disassemble(folder, all[i]); }
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_own_reader_finds_it, setup),
        cmocka_unit_test_setup(they_are_found_by_searching, setup),
        cmocka_unit_test_setup(the_fadt_says_what_is_not_there_and_how_to_sleep, setup),
        cmocka_unit_test_setup(com1_is_where_every_pc_has_it, setup),
        cmocka_unit_test_setup(virtio_devices, setup),
        cmocka_unit_test_setup(pci_has_its_table, setup),
        cmocka_unit_test_setup(the_most_that_there_can_be, setup),
        cmocka_unit_test_setup(acpica_reads_them, setup),
    };
    return cmocka_run_group_tests_name("guest_acpi", tests, NULL, NULL);
}
