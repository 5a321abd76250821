// SPDX-License-Identifier: Apache-2.0
// covers: arch/x86/guest_image.c arch/x86/guest_start.c
// Any kernel file: what is accepted lies within the file and within what a guest may have, and can be started.
// Input: two bytes that say how much memory the guest has and how long its initrd is, then the file.
#include <stdlib.h>
#include <string.h>

#include "arch/x86/guest_start.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t area[GUEST_START_SIZE];

static void require(bool holds) {
    if (!holds) { abort(); }
}

static void check(const struct guest_image *image, size_t size) {
    bool entered = false;

    require(image->segment_count >= 1 && image->segment_count <= GUEST_SEGMENTS_MAX &&
            image->command_max <= GUEST_COMMAND_MAX);
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct guest_image_segment *s = &image->segments[i];
        gpa_t end = s->gpa + s->memory;
        require(s->offset <= size && s->size <= size - s->offset && s->size <= s->memory && s->memory > 0);
        require(end > s->gpa && end <= image->end && image->end <= GUEST_IMAGE_END);
        require(end <= GUEST_LOW_END || s->gpa >= GUEST_HIGH);
        entered |= image->entry >= s->gpa && image->entry < end;
    }
    require(entered && image->initrd_end <= GUEST_IMAGE_END);
}

static void begin(const struct guest_image *image, const uint8_t *file, const struct range *ram, uint64_t initrd_size) {
    struct guest_start start = {
        .image = image, .kernel = file, .command = "", .ram = ram, .ram_count = 1, .acpi = {.vcpus = 1}};
    struct guest_refusal why = {0};
    struct guest_registers registers;

    start.initrd_size = initrd_size;
    if (guest_image_place(image, ram, 1, initrd_size, 0, &start.initrd, &why) != OK) {
        require(why.problem != NULL && why.remedy != NULL);
        return;
    }
    for (unsigned i = 0; i < image->segment_count; i++) {
        require(image->segments[i].gpa + image->segments[i].memory <= ram->size);
    }
    if (initrd_size != 0) {
        require(start.initrd >= image->end && start.initrd % PAGE_SIZE == 0 && start.initrd + initrd_size <= ram->size);
        require(start.initrd >= GUEST_HIGH && start.initrd + initrd_size <= image->initrd_end);
    }
    size_t used = guest_start_build(&start, area, &registers);
    require(used >= PAGE_SIZE && used <= GUEST_START_SIZE && registers.rflags == 2);
    require(registers.segments[SEGMENT_CS].base + registers.rip == image->entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct guest_image image;
    struct guest_refusal why = {0};

    if (size < 2) { return 0; }
    struct range ram = {0, (uint64_t)(data[0] + 1) << 24};
    uint64_t initrd_size = (uint64_t)data[1] * 50000;
    data += 2;
    size -= 2;
    enum guest_image_kind found = guest_image_kind(data, size);
    for (enum guest_image_kind kind = GUEST_IMAGE_LINUX; kind <= GUEST_IMAGE_MULTIBOOT; kind++) {
        if (guest_image_read(data, size, kind, &image, &why) == OK) {
            require(image.kind == kind && found != GUEST_IMAGE_RAW && found <= kind);
            check(&image, size);
            begin(&image, data, &ram, initrd_size);
        } else {
            require(why.problem != NULL && why.remedy != NULL);
        }
    }
    if (guest_image_raw(size, ram.size >> 12, ram.size >> 12, &image, &why) == OK) {
        check(&image, size);
        begin(&image, data, &ram, 0);
    }
    return 0;
}
