// SPDX-License-Identifier: Apache-2.0
// What a guest's kernel file says of itself: believed where it is true, refused in every way that it can be wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arch/x86/guest_image.h"
#include "guest_files.h"

enum { MEMORY = 0x2000000 };

static struct vm_desc vm;
static struct guest_image image;
static char command[GUEST_COMMAND_MAX + 2];

static int setup(void **state) {
    (void)state;
    vm = (struct vm_desc){.memory_count = 2, .memory = {{0, MEMORY}, {0x100000000, 0x200000}}, .bootargs = ""};
    return 0;
}

// Places a copy of exactly the file's size, so that the sanitizer sees a step beside it.
static int place_as(enum image_type type) {
    uint8_t *copy = malloc(file_size + 1);

    memcpy(copy, file, file_size);
    vm.type = type;
    vm.kernel = (struct blob){copy, file_size};
    image = (struct guest_image){.vm = &vm};
    int status = guest_image_place(&image);
    free(copy);
    return status;
}

static int place_raw(uint64_t size, gpa_t load, gpa_t entry) {
    vm.type = IMAGE_RAW;
    vm.kernel = (struct blob){file, size};
    vm.load = load;
    vm.entry = entry;
    image = (struct guest_image){.vm = &vm};
    return guest_image_place(&image);
}

static enum image_type type_of(uint64_t size) {
    vm.kernel = (struct blob){file, size};
    image = (struct guest_image){.vm = &vm};
    return guest_image_type(&image);
}

static void segment_is(unsigned i, uint64_t offset, uint64_t size, gpa_t gpa, uint64_t memory) {
    const struct image_segment *s = &vm.segments[i];

    assert_int_equal(s->offset, offset);
    assert_int_equal(s->size, size);
    assert_int_equal(s->gpa, gpa);
    assert_int_equal(image.memory[i], memory);
}

static void said(int status, const char *problem) {
    assert_int_equal(status, ERR_INVALID);
    assert_non_null(image.why.problem);
    assert_non_null(image.why.remedy);
    if (strstr(image.why.problem, problem) == NULL) { fail_msg("said \"%s\", not \"%s\"", image.why.problem, problem); }
}

static void refused(enum image_type type, const char *problem) { said(place_as(type), problem); }

// ---- sound files ------------------------------------------------------------------------------------------

static void a_bzimage(void **state) {
    (void)state;
    make_linux();
    assert_int_equal(type_of(file_size), IMAGE_LINUX);
    assert_int_equal(place_as(IMAGE_LINUX), OK);
    assert_int_equal(vm.type, IMAGE_LINUX);
    assert_int_equal(vm.segment_count, 1);
    segment_is(0, 0x600, 0x1000, 0x1000000, 0x300000);
    assert_int_equal(vm.entry, 0x1000200);
    assert_int_equal(image.end, 0x1300000);
    assert_int_equal(image.initrd_end, 0x80000000);
    assert_int_equal(image.command_max, 1000);
    put(0x1f1, 0, 1); // as of old: four sectors
    put(0x1f4, 0x80, 4);
    put(0x260, 0x100, 4); // less than the file has
    put(0x238, 1 << 20, 4);
    assert_int_equal(place_as(IMAGE_LINUX), OK);
    segment_is(0, 0xa00, 0x800, 0x1000000, 0x800);
    assert_int_equal(image.command_max, GUEST_COMMAND_MAX);
}

static void a_bzimage_that_cannot_be_moved(void **state) {
    (void)state;
    make_linux();
    put(0x234, 0, 1);
    put(0x258, 0x101000, 8);
    assert_int_equal(place_as(IMAGE_LINUX), OK);
    assert_int_equal(vm.entry, 0x101200);
}

static void a_pvh_kernel(void **state) {
    (void)state;
    for (unsigned is_64 = 0; is_64 < 2; is_64++) {
        make_elf(is_64);
        assert_int_equal(type_of(file_size), IMAGE_PVH);
        assert_int_equal(place_as(IMAGE_PVH), OK);
        assert_int_equal(vm.segment_count, 1);
        segment_is(0, 0x400, 0x300, 0x100000, 0x2000);
        assert_int_equal(vm.entry, 0x100040);
        assert_int_equal(image.end, 0x102000);
        assert_int_equal(image.initrd_end, 0xfffff000);
        assert_int_equal(image.command_max, GUEST_COMMAND_MAX);
    }
    put(64 + 32, 20 + 16 + 8, 8); // the entry in 8 bytes, as Linux has it
    put(0x218, 8, 4);
    assert_int_equal(place_as(IMAGE_PVH), OK);
    assert_int_equal(vm.entry, 0x100040);
}

static void a_multiboot_kernel(void **state) {
    (void)state;
    make_multiboot_elf();
    assert_int_equal(type_of(file_size), IMAGE_MULTIBOOT);
    assert_int_equal(place_as(IMAGE_MULTIBOOT), OK);
    segment_is(0, 0x400, 0x300, 0x100000, 0x2000);
    assert_int_equal(vm.entry, 0x100010);
    make_flat();
    assert_int_equal(type_of(file_size), IMAGE_MULTIBOOT);
    assert_int_equal(place_as(IMAGE_MULTIBOOT), OK);
    segment_is(0, 0, 0x800, 0x100000, 0x1000);
    assert_int_equal(vm.entry, 0x100080);
    put(0x50, 0x100010, 4); // without the first 16 bytes; to an end of its own; without bss
    put(0x54, 0x100210, 4);
    put(0x58, 0, 4);
    assert_int_equal(place_as(IMAGE_MULTIBOOT), OK);
    segment_is(0, 0x10, 0x200, 0x100010, 0x200);
    assert_int_equal(image.end, 0x100210);
}

static void a_false_header_before_the_true_one(void **state) {
    (void)state;
    make_flat();
    put(0, 0x1badb002, 4);
    put(8, 1, 4);
    assert_int_equal(place_as(IMAGE_MULTIBOOT), OK);
    assert_int_equal(vm.entry, 0x100080);
}

static void a_raw_image(void **state) {
    (void)state;
    memset(file, 0xf4, sizeof(file));
    file_size = 0x200;
    assert_int_equal(type_of(file_size), IMAGE_RAW);
    assert_int_equal(type_of(0), IMAGE_RAW);
    assert_int_equal(place_raw(0x200, 0x7c00, 0x7c10), OK);
    assert_int_equal(vm.segment_count, 1);
    segment_is(0, 0, 0x200, 0x7c00, 0x200);
    assert_int_equal(vm.entry, 0x7c10);
    assert_int_equal(image.initrd_end, 0);
    said(place_raw(0x200, 0x7c00, 0x7e00), "entry is not in");
    said(place_raw(0x200, 0x7c00, 0x7bff), "entry is not in");
    said(place_raw(0, 0x7c00, 0x7c00), "entry is not in");
    assert_int_equal(place_raw(0x100, 0x9ff00, 0x9ff00), OK);
    said(place_raw(0x101, 0x9ff00, 0x9ff00), "must end below 0xa0000");
    said(place_raw(UINT64_MAX, 0x1000, 0x1000), "must end below 0xa0000");
    said(place_raw(0x200, 0x100000, 0x100000), "must end below 0xa0000");
}

// ---- files that lie ---------------------------------------------------------------------------------------

struct lie {
    unsigned at;
    uint64_t value;
    unsigned size;
    const char *problem;
};

static void tell(const struct lie *lies, unsigned count, enum image_type type, void (*make)(void)) {
    for (unsigned i = 0; i < count; i++) {
        make();
        put(lies[i].at, lies[i].value, lies[i].size);
        refused(type, lies[i].problem);
    }
}

static void a_bzimage_lies(void **state) {
    static const struct lie lies[] = {
        {0x1fe, 0xaa54, 2, "no bzImage"},
        {0x202, 0x53726447, 4, "no bzImage"},
        {0x206, 0x20b, 2, "older than 2.12"},
        {0x201, 0x61, 1, "setup header cannot end there"},
        {0x201, 0x8f, 1, "setup header cannot end there"},
        {0x236, 2, 2, "no 64-bit entry"},
        {0x211, 0x80, 1, "below 1 MiB"},
        {0x230, 0, 4, "none for a kernel"},
        {0x230, 0x300000, 4, "none for a kernel"},
        {0x258, 0x100000, 8, "none for a kernel"},
        {0x258, 0, 8, "none for a kernel"},
        {0x258, 0x8000000000000000, 8, "beyond 4 GiB"},
        {0x258, 0xffe00000, 8, "beyond 4 GiB"},
        {0x260, 0xffffffff, 4, "beyond 4 GiB"},
        {0x1f4, 0x20, 4, "too short"},
        {0x1f4, 0x101, 4, "the file ends before"},
        {0x1f4, 0xffffffff, 4, "the file ends before"},
        {0x1f1, 255, 1, "the file ends before"},
    };
    (void)state;
    tell(lies, ARRAY_SIZE(lies), IMAGE_LINUX, make_linux);
    make_linux();
    file_size = 0x260;
    refused(IMAGE_LINUX, "setup header cannot end there");
}

static void make_elf_32(void) { make_elf(false); }
static void make_elf_64(void) { make_elf(true); }

static void an_elf_file_lies(void **state) {
    static const struct lie lies_32[] = {
        {0, 0, 4, "no ELF file for x86"},
        {5, 2, 1, "no ELF file for x86"},
        {4, 2, 1, "no ELF file for x86"},
        {18, 40, 2, "no ELF file for x86"},
        {28, 0x1000, 4, "no note"},
        {42, 31, 2, "no note"},
        {44, 1, 2, "nothing in it to load"},
        {44, 65, 2, "too many program headers"},
        {44, 64, 2, "program header is not in"},
        {44, 0, 2, "no note"},
        {84 + 4, 0x401, 4, "file ends before"},
        {84 + 4, 0xfffffff0, 4, "file ends before"},
        {84 + 16, 0x2001, 4, "file ends before"},
        {84 + 20, 0x2ff, 4, "more bytes than the memory"},
        {84 + 12, 0xfffff000, 4, "beyond 4 GiB"},
        {84 + 12, 0x9ffff, 4, "where firmware is"},
        {84 + 12, 0xfffff, 4, "where firmware is"},
        {84 + 12, 0xff000, 4, "firmware is"},
        {84 + 12, 0x9f000, 4, "firmware is"},
        {84 + 12, 0x200000, 4, "entry is not in"},
        {84 + 20, 0, 4, "nothing in it to load"},
        {0x21c, 17, 4, "no note"},
        {0x220, 'x', 1, "no note"},
        {0x214, 5, 4, "no note"},
        {0x218, 3, 4, "no note"},
        {0x218, 5, 4, "no note"},
        {0x200, 0xffffffff, 4, "no note"},
        {0x204, 0xffffffff, 4, "no note"},
        {52 + 16, 0xffffffff, 4, "no note"},
        {0x224, 0, 4, "entry is not in"},
    };
    static const struct lie lies_64[] = {
        {120 + 8, UINT64_MAX, 8, "file ends before"}, {120 + 24, UINT64_MAX, 8, "beyond 4 GiB"},
        {120 + 40, UINT64_MAX, 8, "beyond 4 GiB"},    {32, UINT64_MAX - 8, 8, "no note"},
        {64 + 8, UINT64_MAX - 4, 8, "no note"},
    };
    (void)state;
    tell(lies_32, ARRAY_SIZE(lies_32), IMAGE_PVH, make_elf_32);
    tell(lies_64, ARRAY_SIZE(lies_64), IMAGE_PVH, make_elf_64);
    make_elf_32();
    put(44, 3, 2); // the third header is cut off
    put(28, 0x700 - 64, 4);
    memmove(file + 0x700 - 64, file + 52, 64);
    refused(IMAGE_PVH, "a program header is not in the file");
}

static void more_segments_than_are_loaded(void **state) {
    (void)state;
    make_elf(false);
    put(44, 2 + MAX_IMAGE_SEGMENTS - 1, 2);
    memmove(file + 0x300, file + 52, 64);
    put(28, 0x300, 4);
    for (unsigned i = 2; i <= MAX_IMAGE_SEGMENTS; i++) { memmove(file + 0x300 + 32 * i, file + 0x320, 32); }
    file_size = 0x800;
    assert_int_equal(place_as(IMAGE_PVH), OK);
    assert_int_equal(vm.segment_count, MAX_IMAGE_SEGMENTS);
    put(44, 2 + MAX_IMAGE_SEGMENTS, 2);
    memmove(file + 0x300 + 32 * (MAX_IMAGE_SEGMENTS + 1), file + 0x320, 32);
    refused(IMAGE_PVH, "more segments");
}

static void a_multiboot_kernel_lies(void **state) {
    static const struct lie flat[] = {
        {0x40, 0x1badb003, 4, "no Multiboot 1 header"},
        {0x48, 0, 4, "no Multiboot 1 header"},
        {0x50, 0x100041, 4, "would lie before the file"},
        {0x50, 0xfffff, 4, "would lie before the file"},
        {0x54, 0xfffff, 4, "ends before it begins"},
        {0x54, 0x100801, 4, "the file ends before"},
        {0x58, 0x1007ff, 4, "memory ends before"},
        {0x5c, 0x101000, 4, "entry is not in"},
        {0x5c, 0, 4, "entry is not in"},
    };
    (void)state;
    tell(flat, ARRAY_SIZE(flat), IMAGE_MULTIBOOT, make_flat);
    make_flat();
    put_multiboot(0x40, 1u << 16 | 1u << 2);
    refused(IMAGE_MULTIBOOT, "as a video mode");
    put_multiboot(0x40, 3);
    refused(IMAGE_MULTIBOOT, "neither an ELF file");
    make_flat();
    memmove(file + 0x7f0, file + 0x40, 16);
    memset(file + 0x40, 0, 16);
    refused(IMAGE_MULTIBOOT, "ends in its Multiboot header");
    make_elf(true);
    put_multiboot(0x400, 3);
    refused(IMAGE_MULTIBOOT, "neither an ELF file");
    make_flat();
    memmove(file + 8192 - 8, file + 0x40, 32); // the last word is too far
    memset(file + 0x40, 0, 32);
    file_size = 0x3000;
    refused(IMAGE_MULTIBOOT, "no Multiboot 1 header");
}

// ---- in memory --------------------------------------------------------------------------------------------

static int place(enum image_type type, uint64_t initrd_size, unsigned command_size) {
    memset(command, 'x', command_size);
    command[command_size] = '\0';
    vm.bootargs = command;
    vm.initrd.size = initrd_size;
    return place_as(type);
}

static void what_fits(void **state) {
    (void)state;
    make_linux();
    assert_int_equal(place(IMAGE_LINUX, 0, 1000), OK);
    assert_int_equal(vm.initrd_gpa, 0);
    assert_int_equal(place(IMAGE_LINUX, 1, 0), OK);
    assert_int_equal(vm.initrd_gpa, MEMORY - 0x1000);
    assert_int_equal(place(IMAGE_LINUX, MEMORY - 0x1300000, 0), OK);
    assert_int_equal(vm.initrd_gpa, 0x1300000);
    put(0x22c, 0x17fffff, 4);
    assert_int_equal(place(IMAGE_LINUX, 0x1001, 0), OK);
    assert_int_equal(vm.initrd_gpa, 0x17fe000);
    vm.initrd.size = 0;
    assert_int_equal(place_raw(0x200, 0x7c00, 0x7c00), OK);
    make_flat(); // below 1 MiB, but its initrd is not
    put(0x4c, 0x10040, 4);
    put(0x50, 0x10000, 4);
    put(0x58, 0x11000, 4);
    put(0x5c, 0x10080, 4);
    assert_int_equal(place(IMAGE_MULTIBOOT, MEMORY - 0x100000, 0), OK);
    assert_int_equal(vm.segments[0].gpa, 0x10000);
    assert_int_equal(image.end, 0x11000);
    assert_int_equal(vm.initrd_gpa, 0x100000);
}

static void what_does_not_fit(void **state) {
    (void)state;
    make_linux();
    said(place(IMAGE_LINUX, MEMORY - 0x1300000 + 1, 0), "initrd does not fit");
    assert_int_equal(image.why.value, 0xd00000);
    said(place(IMAGE_LINUX, UINT64_MAX, 0), "initrd does not fit");
    said(place(IMAGE_LINUX, 0, 1001), "command line is too long");
    put(0x260, 0x300100, 4);
    put(0x22c, 0x13007ff, 4); // less than a page of room, and that on no border
    said(place(IMAGE_LINUX, 0x400, 0), "initrd does not fit");
    put(0x22c, 0xffffff, 4);
    said(place(IMAGE_LINUX, 1, 0), "initrd does not fit");
    put(0x260, 0x1000001, 4);
    said(place(IMAGE_LINUX, 0, 0), "not all memory of the VM");
    assert_int_equal(image.why.value, MEMORY + 1);
    vm.initrd.size = 0;
    vm.bootargs = "";
    vm.memory_count = 1;
    vm.memory[0].base = 0x100000;
    make_linux();
    refused(IMAGE_LINUX, "from 0 to 1 MiB");
    vm.memory[0] = (struct vm_memory_desc){0, 0x80000};
    refused(IMAGE_LINUX, "from 0 to 1 MiB");
    vm.memory[0].size = MEMORY;
    vm.initrd.size = 1;
    said(place_raw(0x200, 0x7c00, 0x7c00), "cannot be told of an initrd");
    vm.initrd.size = 0;
    vm.bootargs = "x";
    said(place_raw(0x200, 0x7c00, 0x7c00), "command line is too long");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_bzimage, setup),
        cmocka_unit_test_setup(a_bzimage_that_cannot_be_moved, setup),
        cmocka_unit_test_setup(a_pvh_kernel, setup),
        cmocka_unit_test_setup(a_multiboot_kernel, setup),
        cmocka_unit_test_setup(a_false_header_before_the_true_one, setup),
        cmocka_unit_test_setup(a_raw_image, setup),
        cmocka_unit_test_setup(a_bzimage_lies, setup),
        cmocka_unit_test_setup(an_elf_file_lies, setup),
        cmocka_unit_test_setup(more_segments_than_are_loaded, setup),
        cmocka_unit_test_setup(a_multiboot_kernel_lies, setup),
        cmocka_unit_test_setup(what_fits, setup),
        cmocka_unit_test_setup(what_does_not_fit, setup),
    };
    return cmocka_run_group_tests_name("guest_image", tests, NULL, NULL);
}
