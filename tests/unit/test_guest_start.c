// SPDX-License-Identifier: Apache-2.0
// What each kind of guest finds in memory and registers when it begins. Offsets and register values are written out here
// as the manuals have them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arch/x86/acpi.h"
#include "arch/x86/boot_info.h"
#include "arch/x86/guest_image.h"
#include "arch/x86/guest_start.h"
#include "guest_files.h"

enum { AREA = 0xe0000 };

static const char command[] = "console=ttyS0 quiet";
static uint8_t *area; // its size, so that the sanitizer sees a step beside it
static size_t size;
static struct guest_registers regs;
static struct vm_desc vm;

static int setup(void **state) {
    (void)state;
    area = malloc(GUEST_START_SIZE);
    vm = (struct vm_desc){
        .memory_count = 2,
        .memory = {{0, 0x4000000}, {0x100000000, 0x200000}},
        .vcpu_count = 1,
        .initrd = {.size = 0x12345},
        .bootargs = command,
        .vpl011 = true,
    };
    return 0;
}

static int teardown(void **state) {
    (void)state;
    free(area);
    return 0;
}

static void build(enum image_type type) {
    struct guest_image image = {.vm = &vm};

    vm.type = type;
    vm.kernel = (struct blob){file, file_size};
    assert_int_equal(guest_image_place(&image), OK);
    memset(area, 0xee, GUEST_START_SIZE);
    size = guest_start_build(&vm, area, &regs);
    assert_in_range(size, 1, GUEST_START_SIZE);
    assert_int_equal(size % PAGE_SIZE, 0);
}

static uint64_t get(gpa_t gpa, unsigned bytes) {
    uint64_t value = 0;

    assert_in_range(gpa, AREA, AREA + size - bytes);
    memcpy(&value, area + (gpa - AREA), bytes);
    return value;
}

static const char *text(gpa_t gpa) {
    assert_in_range(gpa, AREA, AREA + size - 1);
    return (const char *)area + (gpa - AREA);
}

static const void *map(void *context, paddr_t pa, size_t bytes) {
    (void)context;
    return pa < AREA || pa - AREA > size || bytes > size - (pa - AREA) ? NULL : area + (pa - AREA);
}

static const struct physical physical = {.map = map};

static void acpi_is_at(paddr_t rsdp) {
    static struct acpi_machine machine;

    assert_int_equal(acpi_read(&physical, rsdp, &machine), OK);
    assert_int_equal(machine.cpu_count, 1);
}

// Address, size, type: entries of all memory maps.
static void entry_is(gpa_t at, uint64_t base, uint64_t bytes, uint32_t type) {
    assert_int_equal(get(at, 8), base);
    assert_int_equal(get(at + 8, 8), bytes);
    assert_int_equal(get(at + 16, 4), type);
}

static void map_is(gpa_t at, unsigned step) {
    entry_is(at, 0, 0xa0000, 1);
    entry_is(at + step, 0xa0000, 0x60000, 2);
    entry_is(at + 2 * step, 0x100000, 0x3f00000, 1);
    entry_is(at + 3 * step, 0x100000000, 0x200000, 1);
}

// ---- registers --------------------------------------------------------------------------------------------

static void segment_is(const struct guest_segment *s, uint16_t selector, uint16_t attributes, uint32_t limit,
                       uint64_t base) {
    assert_int_equal(s->selector, selector);
    assert_int_equal(s->attributes, attributes);
    assert_int_equal(s->limit, limit);
    assert_int_equal(s->base, base);
}

static void segments_are(const struct guest_segment *code, const struct guest_segment *data) {
    for (unsigned i = 0; i < SEGMENTS; i++) {
        const struct guest_segment *s = i == SEGMENT_CS ? code : data;
        segment_is(&regs.segments[i], s->selector, s->attributes, s->limit, s->base);
    }
    segment_is(&regs.ldtr, 0, 0x82, 0xffff, 0);
    segment_is(&regs.tr, 0, 0x8b, 0xffff, 0);
}

static void only(unsigned mask) {
    for (unsigned i = 0; i < 16; i++) {
        if ((mask >> i & 1) == 0) { assert_int_equal(regs.gpr[i], 0); }
    }
    assert_int_equal(regs.rflags, 2);
}

static void control(uint64_t cr0, uint64_t cr4, uint64_t efer) {
    assert_int_equal(regs.cr0, cr0);
    assert_int_equal(regs.cr4, cr4);
    assert_int_equal(regs.efer, efer);
}

static void startup_ipi(void **state) {
    (void)state;
    guest_registers_startup(0x9a, &regs);
    assert_int_equal(regs.rip, 0);
    control(0x10, 0, 0);
    segments_are(&(struct guest_segment){0x9a00, 0x9b, 0xffff, 0x9a000}, &(struct guest_segment){0, 0x93, 0xffff, 0});
    assert_int_equal(regs.idtr.limit, 0xffff);
    assert_int_equal(regs.idtr.base, 0);
}

static void attributes_of_a_vmcs(void **state) {
    (void)state;
    assert_int_equal(guest_attributes_vmcs(SEGMENT_CODE | SEGMENT_PAGES | SEGMENT_LONG), 0xa09b);
    assert_int_equal(guest_attributes_vmcs(SEGMENT_BUSY_TSS), 0x8b);
}

static void flat_32(gpa_t entry) {
    assert_int_equal(regs.rip, entry);
    control(0x11, 0, 0);
    segments_are(&(struct guest_segment){0x10, 0xc9b, 0xffffffff, 0},
                 &(struct guest_segment){0x18, 0xc93, 0xffffffff, 0});
    assert_int_equal(regs.gdtr.limit, 31);
    assert_int_equal(get(regs.gdtr.base, 8), 0);
    assert_int_equal(get(regs.gdtr.base + 0x10, 8), 0x00cf9b000000ffff);
    assert_int_equal(get(regs.gdtr.base + 0x18, 8), 0x00cf93000000ffff);
    assert_int_equal(regs.idtr.limit, 0);
}

// ---- kinds ------------------------------------------------------------------------------------------------

static void linux_gets_its_zero_page(void **state) {
    (void)state;
    make_linux();
    build(IMAGE_LINUX);
    gpa_t zero_page = regs.gpr[GPR_RSI];
    only(1 << GPR_RSI);
    assert_int_equal(get(zero_page + 0x1ef, 1), 0); // the sentinel: everything but the header is zero
    for (unsigned at = 0; at < 0x1f1; at++) {
        if (at != 0x1e8 && at / 8 != 0x70 / 8) { assert_int_equal(get(zero_page + at, 1), 0); }
    }
    assert_int_equal(get(zero_page + 0x1f1, 1), 2); // the header as in the file, but
    assert_int_equal(get(zero_page + 0x206, 2), 0x20f);
    assert_int_equal(get(zero_page + 0x258, 8), 0x1000000);
    assert_int_equal(get(zero_page + 0x26b, 1), 0x5a); // its last byte
    assert_int_equal(get(zero_page + 0x26c, 1), 0);
    assert_int_equal(get(zero_page + 0x210, 1), 0xff);
    assert_string_equal(text(get(zero_page + 0x228, 4)), command);
    assert_int_equal(get(zero_page + 0x218, 4), 0x3fed000);
    assert_int_equal(get(zero_page + 0x21c, 4), 0x12345);
    acpi_is_at(get(zero_page + 0x70, 8));
    assert_int_equal(get(zero_page + 0x1e8, 1), 4);
    map_is(zero_page + 0x2d0, 20);
}

static void linux_begins_in_long_mode(void **state) {
    (void)state;
    make_linux();
    build(IMAGE_LINUX);
    assert_int_equal(regs.rip, 0x1000200);
    control(0x80000011, 0x20, 0x500);
    segments_are(&(struct guest_segment){0x10, 0xa9b, 0xffffffff, 0},
                 &(struct guest_segment){0x18, 0xc93, 0xffffffff, 0});
    assert_int_equal(get(regs.gdtr.base + 0x10, 8), 0x00af9b000000ffff);
    assert_int_equal(get(regs.gdtr.base + 0x18, 8), 0x00cf93000000ffff);
    assert_int_equal(regs.cr3 % 4096, 0);
    for (uint64_t va = 0; va < 1ull << 32; va += 1 << 21) {
        uint64_t pml4e = get(regs.cr3 + 8 * (va >> 39), 8);
        uint64_t pdpte = get((pml4e & ~0xfffull) + 8 * (va >> 30 & 511), 8);
        assert_int_equal(pml4e & 0xfff, 3);
        assert_int_equal(pdpte & 0xfff, 3);
        assert_int_equal(get((pdpte & ~0xfffull) + 8 * (va >> 21 & 511), 8), va | 0x83);
    }
    assert_int_equal(get(regs.cr3 + 8, 8), 0);
}

static void pvh_gets_its_start_info(void **state) {
    (void)state;
    make_elf(true);
    build(IMAGE_PVH);
    flat_32(0x100040);
    only(1 << GPR_RBX);
    gpa_t info = regs.gpr[GPR_RBX];
    assert_int_equal(get(info, 4), 0x336ec578);
    assert_int_equal(get(info + 4, 4), 1);
    assert_int_equal(get(info + 8, 4), 0);
    assert_int_equal(get(info + 12, 4), 1);
    gpa_t modules = get(info + 16, 8);
    assert_int_equal(get(modules, 8), 0x3fed000);
    assert_int_equal(get(modules + 8, 8), 0x12345);
    assert_int_equal(get(modules + 16, 8), 0);
    assert_string_equal(text(get(info + 24, 8)), command);
    acpi_is_at(get(info + 32, 8));
    map_is(get(info + 40, 8), 24);
    assert_int_equal(get(info + 48, 4), 4);
    vm.initrd.size = 0;
    build(IMAGE_PVH);
    assert_int_equal(get(info + 12, 4), 0);
    assert_int_equal(get(info + 16, 8), 0);
}

static void multiboot_gets_its_information(void **state) {
    static struct boot_info info;
    (void)state;
    make_flat();
    build(IMAGE_MULTIBOOT);
    flat_32(0x100080);
    assert_int_equal(regs.gpr[GPR_RAX], 0x2badb002);
    only(1 << GPR_RAX | 1 << GPR_RBX);
    gpa_t at = regs.gpr[GPR_RBX];
    assert_int_equal(multiboot_parse(&physical, MULTIBOOT1_MAGIC, at, &info), OK);
    assert_int_equal(info.memory_count, 4);
    map_is(get(at + 48, 4) + 4, 24);
    assert_int_equal(info.system.base, 0x3fed000);
    assert_int_equal(info.system.size, 0x12345);
    assert_string_equal(text(get(at + 16, 4)), command);
    assert_int_equal(get(at + 4, 4), 640);
    assert_int_equal(get(at + 8, 4), 0x3f00000 / 1024);
    assert_string_equal(text(get(get(at + 24, 4) + 8, 4)), "");
    vm.initrd.size = 0;
    build(IMAGE_MULTIBOOT);
    assert_int_equal(get(at + 20, 4), 0);
}

static void raw_begins_in_real_mode(void **state) {
    static const struct {
        gpa_t entry;
        uint16_t selector, ip;
    } rows[] = {{0x7c00, 0, 0x7c00}, {0x10000, 0x1000, 0}, {0x9fff0, 0x9000, 0xfff0}};
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        vm.initrd.size = 0;
        vm.bootargs = "";
        vm.load = vm.entry = rows[i].entry;
        file_size = 16;
        build(IMAGE_RAW);
        assert_int_equal(regs.rip, rows[i].ip);
        control(0x10, 0, 0);
        only(0);
        uint16_t selector = rows[i].selector;
        segments_are(&(struct guest_segment){selector, 0x9b, 0xffff, selector * 16u},
                     &(struct guest_segment){selector, 0x93, 0xffff, selector * 16u});
        assert_int_equal(regs.idtr.limit, 0xffff);
        acpi_is_at(AREA);
    }
}

static void the_longest_command_line(void **state) {
    char longest[GUEST_COMMAND_MAX + 1];
    (void)state;
    memset(longest, 'x', GUEST_COMMAND_MAX);
    longest[GUEST_COMMAND_MAX] = '\0';
    vm.bootargs = longest;
    make_elf(false);
    build(IMAGE_PVH);
    assert_string_equal(text(get(regs.gpr[GPR_RBX] + 24, 8)), longest);
}

// mov al, 6; mov dx, 0xcf9; out dx, al; hlt; jmp to the hlt
static void real_mode_at_f000_fff0_resets(void **state) {
    (void)state;
    static const uint8_t expected[GUEST_RESET_SIZE] = {0xb0, 6, 0xba, 0xf9, 0x0c, 0xee, 0xf4, 0xeb, 0xfd};
    assert_memory_equal(guest_reset_code, expected, sizeof(expected));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(startup_ipi),
        cmocka_unit_test(attributes_of_a_vmcs),
        cmocka_unit_test_setup_teardown(linux_gets_its_zero_page, setup, teardown),
        cmocka_unit_test_setup_teardown(linux_begins_in_long_mode, setup, teardown),
        cmocka_unit_test_setup_teardown(pvh_gets_its_start_info, setup, teardown),
        cmocka_unit_test_setup_teardown(multiboot_gets_its_information, setup, teardown),
        cmocka_unit_test_setup_teardown(raw_begins_in_real_mode, setup, teardown),
        cmocka_unit_test_setup_teardown(the_longest_command_line, setup, teardown),
        cmocka_unit_test(real_mode_at_f000_fff0_resets),
    };
    return cmocka_run_group_tests_name("guest_start", tests, NULL, NULL);
}
