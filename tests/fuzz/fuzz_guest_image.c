// SPDX-License-Identifier: Apache-2.0
// covers: arch/x86/guest_image.c arch/x86/guest_start.c
// Any kernel file: what is accepted lies within the file and within what a guest may have, and can be started.
// Input: two bytes that say how much memory the guest has and how long its initrd is, then the file.
#include <stdlib.h>
#include <string.h>

#include "arch/x86/guest_image.h"
#include "arch/x86/guest_start.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t area[GUEST_START_SIZE];

static void require(bool holds) {
    if (!holds) { abort(); }
}

static void check(const struct guest_image *image) {
    const struct vm_desc *vm = image->vm;
    bool entered = false;

    require(vm->segment_count >= 1 && vm->segment_count <= MAX_IMAGE_SEGMENTS &&
            image->command_max <= GUEST_COMMAND_MAX && image->initrd_end <= GUEST_IMAGE_END);
    for (unsigned i = 0; i < vm->segment_count; i++) {
        const struct image_segment *s = &vm->segments[i];
        uint64_t memory = image->memory[i], size = vm->kernel.size;
        gpa_t end = s->gpa + memory;
        require(s->offset <= size && s->size <= size - s->offset && s->size <= memory && memory > 0);
        require(end > s->gpa && end <= image->end && image->end <= GUEST_IMAGE_END && end <= vm->memory[0].size);
        require(end <= GUEST_LOW_END || s->gpa >= GUEST_HIGH);
        entered |= vm->entry >= s->gpa && vm->entry < end;
    }
    require(entered);
    if (vm->initrd.size != 0) {
        gpa_t initrd = vm->initrd_gpa, end = initrd + vm->initrd.size;
        require(initrd >= image->end && initrd % PAGE_SIZE == 0 && end <= vm->memory[0].size);
        require(initrd >= GUEST_HIGH && end <= image->initrd_end);
    }
}

static bool begin(struct vm_desc *vm) {
    struct guest_image image = {.vm = vm};
    struct guest_registers registers;

    if (guest_image_place(&image) != OK) {
        require(image.why.problem != NULL && image.why.remedy != NULL);
        return false;
    }
    check(&image);
    size_t used = guest_start_build(vm, area, &registers);
    require(used >= PAGE_SIZE && used <= GUEST_START_SIZE && registers.rflags == 2);
    require(registers.segments[SEGMENT_CS].base + registers.rip == vm->entry);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct vm_desc vm = {.memory_count = 1, .vcpu_count = 1, .vpl011 = true, .virtio_console = true, .bootargs = ""};

    if (size < 2) { return 0; }
    vm.memory[0].size = (uint64_t)(data[0] + 1) << 24;
    vm.kernel = (struct blob){data + 2, size - 2};
    // Every kind once without an initrd, once with it.
    for (unsigned with = 0; with < 2; with++) {
        vm.initrd.size = with * (uint64_t)data[1] * 50000;
        const struct guest_image image = {.vm = &vm};
        enum image_type found = guest_image_type(&image);
        for (vm.type = IMAGE_LINUX; vm.type <= IMAGE_MULTIBOOT; vm.type++) {
            vm.load = vm.entry = vm.memory[0].size >> 12;
            require(!begin(&vm) || vm.type == IMAGE_RAW || (found != IMAGE_RAW && found <= vm.type));
        }
    }
    return 0;
}
