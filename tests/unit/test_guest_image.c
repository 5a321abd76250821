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

static struct guest_image image;
static struct guest_refusal why;
static gpa_t initrd;

// Reads a copy of exactly the file's size, so that the sanitizer sees a step beside it.
static int read_as(enum guest_image_kind kind) {
    uint8_t *copy = malloc(file_size + 1);

    memcpy(copy, file, file_size);
    why = (struct guest_refusal){0};
    int status = guest_image_read(copy, file_size, kind, &image, &why);
    free(copy);
    return status;
}

static void segment_is(unsigned i, uint64_t offset, uint64_t size, gpa_t gpa, uint64_t memory) {
    const struct guest_image_segment *s = &image.segments[i];

    assert_int_equal(s->offset, offset);
    assert_int_equal(s->size, size);
    assert_int_equal(s->gpa, gpa);
    assert_int_equal(s->memory, memory);
}

static void said(int status, const char *problem) {
    assert_int_equal(status, ERR_INVALID);
    assert_non_null(why.problem);
    assert_non_null(why.remedy);
    if (strstr(why.problem, problem) == NULL) { fail_msg("said \"%s\", not \"%s\"", why.problem, problem); }
}

static void refused(enum guest_image_kind kind, const char *problem) { said(read_as(kind), problem); }

// ---- sound files ------------------------------------------------------------------------------------------

static void a_bzimage(void **state) {
    (void)state;
    make_linux();
    assert_int_equal(guest_image_kind(file, file_size), GUEST_IMAGE_LINUX);
    assert_int_equal(read_as(GUEST_IMAGE_LINUX), OK);
    assert_int_equal(image.kind, GUEST_IMAGE_LINUX);
    assert_int_equal(image.segment_count, 1);
    segment_is(0, 0x600, 0x1000, 0x1000000, 0x300000);
    assert_int_equal(image.entry, 0x1000200);
    assert_int_equal(image.end, 0x1300000);
    assert_int_equal(image.initrd_end, 0x80000000);
    assert_int_equal(image.command_max, 1000);
    put(0x1f1, 0, 1); // as of old: four sectors
    put(0x1f4, 0x80, 4);
    put(0x260, 0x100, 4); // less than the file has
    put(0x238, 1 << 20, 4);
    assert_int_equal(read_as(GUEST_IMAGE_LINUX), OK);
    segment_is(0, 0xa00, 0x800, 0x1000000, 0x800);
    assert_int_equal(image.command_max, GUEST_COMMAND_MAX);
}

static void a_bzimage_that_cannot_be_moved(void **state) {
    (void)state;
    make_linux();
    put(0x234, 0, 1);
    put(0x258, 0x101000, 8);
    assert_int_equal(read_as(GUEST_IMAGE_LINUX), OK);
    assert_int_equal(image.entry, 0x101200);
}

static void a_pvh_kernel(void **state) {
    (void)state;
    for (unsigned is_64 = 0; is_64 < 2; is_64++) {
        make_elf(is_64);
        assert_int_equal(guest_image_kind(file, file_size), GUEST_IMAGE_PVH);
        assert_int_equal(read_as(GUEST_IMAGE_PVH), OK);
        assert_int_equal(image.segment_count, 1);
        segment_is(0, 0x400, 0x300, 0x100000, 0x2000);
        assert_int_equal(image.entry, 0x100040);
        assert_int_equal(image.end, 0x102000);
        assert_int_equal(image.initrd_end, 0xfffff000);
        assert_int_equal(image.command_max, GUEST_COMMAND_MAX);
    }
    put(64 + 32, 20 + 16 + 8, 8); // the entry in 8 bytes, as Linux has it
    put(0x218, 8, 4);
    assert_int_equal(read_as(GUEST_IMAGE_PVH), OK);
    assert_int_equal(image.entry, 0x100040);
}

static void a_multiboot_kernel(void **state) {
    (void)state;
    make_multiboot_elf();
    assert_int_equal(guest_image_kind(file, file_size), GUEST_IMAGE_MULTIBOOT);
    assert_int_equal(read_as(GUEST_IMAGE_MULTIBOOT), OK);
    segment_is(0, 0x400, 0x300, 0x100000, 0x2000);
    assert_int_equal(image.entry, 0x100010);
    make_flat();
    assert_int_equal(guest_image_kind(file, file_size), GUEST_IMAGE_MULTIBOOT);
    assert_int_equal(read_as(GUEST_IMAGE_MULTIBOOT), OK);
    segment_is(0, 0, 0x800, 0x100000, 0x1000);
    assert_int_equal(image.entry, 0x100080);
    put(0x50, 0x100010, 4); // without the first 16 bytes; to an end of its own; without bss
    put(0x54, 0x100210, 4);
    put(0x58, 0, 4);
    assert_int_equal(read_as(GUEST_IMAGE_MULTIBOOT), OK);
    segment_is(0, 0x10, 0x200, 0x100010, 0x200);
    assert_int_equal(image.end, 0x100210);
}

static void a_false_header_before_the_true_one(void **state) {
    (void)state;
    make_flat();
    put(0, 0x1badb002, 4);
    put(8, 1, 4);
    assert_int_equal(read_as(GUEST_IMAGE_MULTIBOOT), OK);
    assert_int_equal(image.entry, 0x100080);
}

static void a_raw_image(void **state) {
    (void)state;
    memset(file, 0xf4, sizeof(file));
    file_size = 0x200;
    assert_int_equal(guest_image_kind(file, file_size), GUEST_IMAGE_RAW);
    assert_int_equal(guest_image_kind(file, 0), GUEST_IMAGE_RAW);
    assert_int_equal(guest_image_raw(0x200, 0x7c00, 0x7c10, &image, &why), OK);
    assert_int_equal(image.segment_count, 1);
    segment_is(0, 0, 0x200, 0x7c00, 0x200);
    assert_int_equal(image.entry, 0x7c10);
    assert_int_equal(image.initrd_end, 0);
    said(guest_image_raw(0x200, 0x7c00, 0x7e00, &image, &why), "entry is not in");
    said(guest_image_raw(0x200, 0x7c00, 0x7bff, &image, &why), "entry is not in");
    said(guest_image_raw(0, 0x7c00, 0x7c00, &image, &why), "entry is not in");
    said(guest_image_raw(0x200, 0x9ff00, 0x9ff00, &image, &why), "where firmware is");
    said(guest_image_raw(UINT64_MAX, 0x1000, 0x1000, &image, &why), "beyond 4 GiB");
    said(guest_image_raw(0x200, 0x100000, 0x100000, &image, &why), "real mode does not reach it");
}

// ---- files that lie ---------------------------------------------------------------------------------------

struct lie {
    unsigned at;
    uint64_t value;
    unsigned size;
    const char *problem;
};

static void tell(const struct lie *lies, unsigned count, enum guest_image_kind kind, void (*make)(void)) {
    for (unsigned i = 0; i < count; i++) {
        make();
        put(lies[i].at, lies[i].value, lies[i].size);
        refused(kind, lies[i].problem);
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
    tell(lies, ARRAY_SIZE(lies), GUEST_IMAGE_LINUX, make_linux);
    make_linux();
    file_size = 0x260;
    refused(GUEST_IMAGE_LINUX, "setup header cannot end there");
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
    tell(lies_32, ARRAY_SIZE(lies_32), GUEST_IMAGE_PVH, make_elf_32);
    tell(lies_64, ARRAY_SIZE(lies_64), GUEST_IMAGE_PVH, make_elf_64);
    make_elf_32();
    put(44, 3, 2); // the third header is cut off
    put(28, 0x700 - 64, 4);
    memmove(file + 0x700 - 64, file + 52, 64);
    refused(GUEST_IMAGE_PVH, "a program header is not in the file");
}

static void more_segments_than_are_loaded(void **state) {
    (void)state;
    make_elf(false);
    put(44, 2 + GUEST_SEGMENTS_MAX - 1, 2);
    memmove(file + 0x300, file + 52, 64);
    put(28, 0x300, 4);
    for (unsigned i = 2; i <= GUEST_SEGMENTS_MAX; i++) { memmove(file + 0x300 + 32 * i, file + 0x320, 32); }
    file_size = 0x800;
    assert_int_equal(read_as(GUEST_IMAGE_PVH), OK);
    assert_int_equal(image.segment_count, GUEST_SEGMENTS_MAX);
    put(44, 2 + GUEST_SEGMENTS_MAX, 2);
    memmove(file + 0x300 + 32 * (GUEST_SEGMENTS_MAX + 1), file + 0x320, 32);
    refused(GUEST_IMAGE_PVH, "more segments");
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
    tell(flat, ARRAY_SIZE(flat), GUEST_IMAGE_MULTIBOOT, make_flat);
    make_flat();
    put_multiboot(0x40, 1u << 16 | 1u << 2);
    refused(GUEST_IMAGE_MULTIBOOT, "as a video mode");
    put_multiboot(0x40, 3);
    refused(GUEST_IMAGE_MULTIBOOT, "neither an ELF file");
    make_flat();
    memmove(file + 0x7f0, file + 0x40, 16);
    memset(file + 0x40, 0, 16);
    refused(GUEST_IMAGE_MULTIBOOT, "ends in its Multiboot header");
    make_elf(true);
    put_multiboot(0x400, 3);
    refused(GUEST_IMAGE_MULTIBOOT, "neither an ELF file");
    make_flat();
    memmove(file + 8192 - 8, file + 0x40, 32); // the last word is too far
    memset(file + 0x40, 0, 32);
    file_size = 0x3000;
    refused(GUEST_IMAGE_MULTIBOOT, "no Multiboot 1 header");
}

// ---- in memory --------------------------------------------------------------------------------------------

static const struct range ram[] = {{0, 0x2000000}, {0x100000000, 0x200000}};

static int place(uint64_t initrd_size, uint64_t command_size) {
    return guest_image_place(&image, ram, ARRAY_SIZE(ram), initrd_size, command_size, &initrd, &why);
}

static void what_fits(void **state) {
    (void)state;
    make_linux();
    assert_int_equal(read_as(GUEST_IMAGE_LINUX), OK);
    assert_int_equal(place(0, 1000), OK);
    assert_int_equal(initrd, 0);
    assert_int_equal(place(1, 0), OK);
    assert_int_equal(initrd, 0x1fff000);
    assert_int_equal(place(0x2000000 - 0x1300000, 0), OK);
    assert_int_equal(initrd, 0x1300000);
    image.initrd_end = 0x1800000;
    assert_int_equal(place(0x1001, 0), OK);
    assert_int_equal(initrd, 0x17fe000);
    assert_int_equal(guest_image_raw(0x200, 0x7c00, 0x7c00, &image, &why), OK);
    assert_int_equal(place(0, 0), OK);
    make_flat(); // below 1 MiB, but its initrd is not
    assert_int_equal(read_as(GUEST_IMAGE_MULTIBOOT), OK);
    image.segments[0].gpa = 0x10000;
    image.end = 0x11000;
    assert_int_equal(place(0x2000000 - 0x100000, 0), OK);
    assert_int_equal(initrd, 0x100000);
}

static void what_does_not_fit(void **state) {
    static const struct range from_1_mib = {0x100000, 0x2000000}, little = {0, 0x80000};
    (void)state;
    make_linux();
    assert_int_equal(read_as(GUEST_IMAGE_LINUX), OK);
    said(place(0x2000000 - 0x1300000 + 1, 0), "initrd does not fit");
    assert_int_equal(why.value, 0xd00000);
    said(place(UINT64_MAX, 0), "initrd does not fit");
    said(place(0, 1001), "command line is too long");
    image.end = 0x1300100;
    image.initrd_end = 0x1300800; // less than a page of room, and that on no border
    said(place(0x400, 0), "initrd does not fit");
    image.initrd_end = 0x1000000;
    said(place(1, 0), "initrd does not fit");
    image.segments[0].memory = 0x1000001;
    said(place(0, 0), "not all memory of the VM");
    said(guest_image_place(&image, &from_1_mib, 1, 0, 0, &initrd, &why), "from 0 to 1 MiB");
    said(guest_image_place(&image, &little, 1, 0, 0, &initrd, &why), "from 0 to 1 MiB");
    assert_int_equal(guest_image_raw(0x200, 0x7c00, 0x7c00, &image, &why), OK);
    said(place(1, 0), "cannot be told of an initrd");
    said(place(0, 1), "command line is too long");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bzimage),
        cmocka_unit_test(a_bzimage_that_cannot_be_moved),
        cmocka_unit_test(a_pvh_kernel),
        cmocka_unit_test(a_multiboot_kernel),
        cmocka_unit_test(a_false_header_before_the_true_one),
        cmocka_unit_test(a_raw_image),
        cmocka_unit_test(a_bzimage_lies),
        cmocka_unit_test(an_elf_file_lies),
        cmocka_unit_test(more_segments_than_are_loaded),
        cmocka_unit_test(a_multiboot_kernel_lies),
        cmocka_unit_test(what_fits),
        cmocka_unit_test(what_does_not_fit),
    };
    return cmocka_run_group_tests_name("guest_image", tests, NULL, NULL);
}
