// SPDX-License-Identifier: Apache-2.0
// What a PC guest finds around it, and where its kernel goes (guest_image.h judges that).
#include "arch/x86/guest_acpi.h"
#include "arch/x86/guest_image.h"
#include "arch/x86/guest_start.h"
#include "kernel/guest_platform.h"

static const struct guest_window windows[] = {
    {0xc0000000, 0x40000000, "the devices of a PC"},
    {0},
};

// With the VM's load address and entry, which only a raw image has.
static void place_kernel(const struct sysdesc_check *c, struct guest_image *image) {
    bool load = (c->seen & BIT(VM_LOAD)) != 0, entry = (c->seen & BIT(VM_ENTRY)) != 0;
    struct vm_desc *vm = image->vm;

    if ((c->seen & BIT(VM_TYPE)) == 0) { vm->type = guest_image_type(image); }
    if (vm->type == IMAGE_RAW && !load) {
        image->why = (struct guest_refusal){
            .problem = "is no kernel that says where it goes",
            .remedy = "name a bzImage, PVH or Multiboot kernel (with its header in the first 8 KiB), "
                      "or give load-address"};
    } else if (vm->type != IMAGE_RAW && (load || entry)) {
        image->why = (struct guest_refusal){.problem = "says itself where it is loaded",
                                            .remedy = "remove load-address and entry-address, or add type = \"raw\""};
    } else {
        if (!entry) { vm->entry = vm->load; }
        (void)guest_image_place(image);
    }
}

static void place(struct sysdesc_check *c, struct vm_desc *vm) {
    struct guest_image image = {.vm = vm};
    const struct guest_refusal *why = &image.why;

    if (vm->dtb.data != NULL || vm->overlay.data != NULL) {
        sysdesc_mistake(c, vm->dtb.data != NULL ? "device-tree" : "overlay", "remove it",
                        "a PC guest gets ACPI tables, not a device tree");
    }
    place_kernel(c, &image);
    if (why->problem != NULL) {
        sysdesc_mistake(c, "kernel", why->remedy, why->value != 0 ? "%s (0x%lx)" : "%s", why->problem, why->value);
    }
    vm->dtb_gpa = GUEST_START_GPA;
}

// What is on a PC's buses does DMA, and no IOMMU is driven.
static void refuse_device(struct sysdesc_check *c) {
    sysdesc_mistake(c, "device", "remove the node", "no device can be assigned on x86-64 yet");
}

const struct guest_platform pc_platform = {
    .windows = windows,
    .memory_remedy = "put it elsewhere: from 0 on, and from 0x100000000 on what is more than 3 GiB",
    .virtio_base = GUEST_VIRTIO_BASE,
    .virtio_irq = GUEST_VIRTIO_GSI,
    .place = place,
    .device = refuse_device,
};
