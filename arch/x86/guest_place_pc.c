// SPDX-License-Identifier: Apache-2.0
// What a PC guest finds around it, and where its kernel goes (guest_image.h judges that).
#include "arch/x86/guest_place_pc.h"

#include "arch/x86/guest_start.h"
#include "kernel/guest_platform.h"

_Static_assert(sizeof(((struct vm_desc *)0)->segments) >= GUEST_SEGMENTS_MAX * sizeof(struct image_segment),
               "every segment has a place");

static const struct guest_window windows[] = {
    {0xc0000000, 0x40000000, "the devices of a PC"},
    {0},
};

static const enum guest_image_kind kinds[] = {
    [IMAGE_LINUX] = GUEST_IMAGE_LINUX,
    [IMAGE_RAW] = GUEST_IMAGE_RAW,
    [IMAGE_PVH] = GUEST_IMAGE_PVH,
    [IMAGE_MULTIBOOT] = GUEST_IMAGE_MULTIBOOT,
};

enum guest_image_kind pc_image_kind(enum image_type type) { return kinds[type]; }

static enum image_type type_of(enum guest_image_kind kind) {
    unsigned type = 0;

    while (kinds[type] != kind) { type++; }
    return type;
}

static int read_raw(struct sysdesc_check *c, struct vm_desc *vm, struct guest_image *image, struct guest_refusal *why) {
    if ((c->seen & BIT(VM_LOAD)) == 0) {
        *why = (struct guest_refusal){.problem = "is no kernel that says where it goes",
                                      .remedy = "name a bzImage, PVH or Multiboot kernel, or give load-address"};
        return ERR_INVALID;
    }
    if ((c->seen & BIT(VM_ENTRY)) == 0) { vm->entry = vm->load; }
    return guest_image_raw(vm->kernel.size, vm->load, vm->entry, image, why);
}

static int read(struct sysdesc_check *c, struct vm_desc *vm, struct guest_image *image, struct guest_refusal *why) {
    const struct blob *kernel = &vm->kernel;

    if ((c->seen & BIT(VM_TYPE)) == 0) { vm->type = type_of(guest_image_kind(kernel->data, kernel->size)); }
    if (vm->type == IMAGE_RAW) { return read_raw(c, vm, image, why); }
    if ((c->seen & (BIT(VM_LOAD) | BIT(VM_ENTRY))) != 0) {
        *why = (struct guest_refusal){.problem = "says itself where it is loaded",
                                      .remedy = "remove load-address and entry-address, or add type = \"raw\""};
        return ERR_INVALID;
    }
    return guest_image_read(kernel->data, kernel->size, kinds[vm->type], image, why);
}

static void place(struct sysdesc_check *c, struct vm_desc *vm) {
    struct range ram[MAX_VM_MEMORY];
    struct guest_image image;
    struct guest_refusal why = {0};

    if (vm->dtb.data != NULL || vm->overlay.data != NULL) {
        sysdesc_mistake(c, vm->dtb.data != NULL ? "device-tree" : "overlay", "remove it",
                        "a PC guest gets ACPI tables, not a device tree");
    }
    for (unsigned i = 0; i < vm->memory_count; i++) { ram[i] = (struct range){vm->memory[i].base, vm->memory[i].size}; }
    int status = read(c, vm, &image, &why);
    if (status == OK) {
        status = guest_image_place(&image, ram, vm->memory_count, vm->initrd.size, strlen(vm->bootargs),
                                   &vm->initrd_gpa, &why);
    }
    if (status != OK) {
        sysdesc_mistake(c, "kernel", why.remedy, why.value != 0 ? "%s (0x%lx)" : "%s", why.problem, why.value);
        return;
    }
    for (unsigned i = 0; i < image.segment_count; i++) {
        const struct guest_image_segment *s = &image.segments[i];
        vm->segments[i] = (struct image_segment){s->offset, s->size, s->gpa};
    }
    vm->segment_count = image.segment_count;
    vm->entry = image.entry;
    vm->dtb_gpa = GUEST_START_GPA;
}

// What is on a PC's buses does DMA, and no IOMMU is driven.
static void refuse_device(struct sysdesc_check *c) {
    sysdesc_mistake(c, "device", "remove the node", "no device of a PC can be assigned");
}

const struct guest_platform pc_platform = {
    .windows = windows,
    .memory_remedy = "put it elsewhere: from 0 on, and from 0x100000000 on what is more than 3 GiB",
    .virtio_base = 0xfeb00000,
    .virtio_irq = 16,
    .place = place,
    .device = refuse_device,
};
