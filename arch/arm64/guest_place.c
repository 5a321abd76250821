// SPDX-License-Identifier: Apache-2.0
// What an arm64 guest finds around it, and where its kernel goes. Linux images: Documentation/arch/arm64/booting.rst.
#include "kernel/guest_fdt.h"
#include "kernel/guest_platform.h"

// Where a guest that was made for QEMU's virt machine finds its virtual devices; memory cannot be there.
static const struct guest_window windows[] = {
    {0x08000000, 0x01000000, "the virtual interrupt controller"},
    {0x09000000, 0x00001000, "the virtual console UART"},
    {0x0a000000, 0x00004000, "the virtio devices"},
    {0},
};

static const struct vm_memory_desc *block_of(const struct vm_desc *vm, gpa_t at) {
    for (unsigned i = 0; i < vm->memory_count; i++) {
        if (at >= vm->memory[i].base && at - vm->memory[i].base < vm->memory[i].size) { return &vm->memory[i]; }
    }
    return NULL;
}

// ---- the image --------------------------------------------------------------------------------------------

// The header of a Linux Image, little-endian.
enum { LINUX_TEXT_OFFSET = 8, LINUX_IMAGE_SIZE = 16, LINUX_MAGIC = 56, LINUX_HEADER = 64 };

static uint64_t load_le64(const uint8_t *p) {
    uint64_t value = 0;

    for (unsigned i = 8; i-- > 0;) { value = value << 8 | p[i]; }
    return value;
}

static bool has_linux_header(const struct blob *kernel) {
    return kernel->size >= LINUX_HEADER && memcmp((const uint8_t *)kernel->data + LINUX_MAGIC, "ARM\x64", 4) == 0;
}

// The file says where it wants to be: text_offset bytes above the start of memory, with image_size bytes for itself,
// more than the file has. Kernels that leave image_size 0 (before 3.17) do not say how much they need.
static uint64_t place_linux(struct sysdesc_check *c, struct vm_desc *vm) {
    const uint8_t *header = vm->kernel.data;
    uint64_t size = load_le64(header + LINUX_IMAGE_SIZE);

    if ((c->seen & (BIT(VM_LOAD) | BIT(VM_ENTRY))) != 0) {
        sysdesc_mistake(c, (c->seen & BIT(VM_LOAD)) != 0 ? "load-address" : "entry-address",
                        "remove it, or add type = \"raw\"", "a Linux image says itself where it is loaded");
    }
    if (size == 0) {
        sysdesc_mistake(c, "kernel", "take a kernel from 3.17 on, or type = \"raw\"",
                        "its header does not say how much memory it needs");
        return 0;
    }
    vm->load = vm->memory[0].base + load_le64(header + LINUX_TEXT_OFFSET);
    vm->entry = vm->load;
    return MAX(size, vm->kernel.size);
}

static uint64_t place_raw(struct sysdesc_check *c, struct vm_desc *vm) {
    if ((c->seen & BIT(VM_LOAD)) == 0) {
        sysdesc_mistake(c, "load-address",
                        (c->seen & BIT(VM_TYPE)) != 0
                            ? "say where the first byte goes"
                            : "name an uncompressed arm64 Image, or say where the raw binary goes",
                        (c->seen & BIT(VM_TYPE)) != 0 ? "is missing" : "is missing, and kernel is no Linux image");
        return 0;
    }
    if ((c->seen & BIT(VM_ENTRY)) == 0) {
        vm->entry = vm->load;
    } else if (vm->entry < vm->load || vm->entry - vm->load >= vm->kernel.size) {
        sysdesc_mistake(c, "entry-address", "an address inside the image",
                        "0x%lx is not in the image, 0x%lx bytes at 0x%lx", vm->entry, vm->kernel.size, vm->load);
    }
    return vm->kernel.size;
}

// ---- where the loader puts what ---------------------------------------------------------------------------

static void too_large(struct sysdesc_check *c, const char *property, uint64_t size, uint64_t room) {
    sysdesc_mistake(c, property, "give the VM more memory, or a smaller file",
                    "too large: it needs 0x%lx bytes, there are 0x%lx for it", size, room);
}

// The device tree goes to the top of the first GiB of the block that holds the image, the initrd below it: out of the
// way of whatever a raw image uses behind its end, and in the one GiB that booting.rst allows for Linux.
static void place_rest(struct sysdesc_check *c, struct vm_desc *vm, uint64_t size) {
    const struct vm_memory_desc *block = block_of(vm, vm->load);

    if (block == NULL) {
        sysdesc_mistake(c, vm->type == IMAGE_RAW ? "load-address" : "kernel", "load it into the VM's memory",
                        "its place, 0x%lx, is not memory of the VM", vm->load);
        return;
    }
    uint64_t room = block->size - (vm->load - block->base);
    if (size > room) {
        too_large(c, "kernel", size, room);
        return;
    }
    gpa_t end = vm->load + size;
    gpa_t top = block->base + MIN(block->size, 1ull << 30);
    room = top > end ? top - end : 0;
    if (room < GUEST_FDT_MAX) {
        too_large(c, "kernel", size + GUEST_FDT_MAX, size + room);
        return;
    }
    vm->dtb_gpa = top - GUEST_FDT_MAX;
    room -= GUEST_FDT_MAX;
    if (ALIGN_UP(vm->initrd.size, PAGE_SIZE) > room) {
        too_large(c, "initrd", vm->initrd.size, ALIGN_DOWN(room, PAGE_SIZE));
    } else if (vm->initrd.size != 0) {
        vm->initrd_gpa = vm->dtb_gpa - ALIGN_UP(vm->initrd.size, PAGE_SIZE);
    }
}

static void check_tree(struct sysdesc_check *c, const char *property, const struct blob *tree) {
    if (tree->data == NULL) { return; }
    if (tree->size > GUEST_FDT_MAX / 2) {
        too_large(c, property, tree->size, GUEST_FDT_MAX / 2);
    } else if (tree_check(tree->data, tree->size) != OK) {
        sysdesc_mistake(c, property, "compile it with dtc", "is no device tree");
    }
}

static void place(struct sysdesc_check *c, struct vm_desc *vm) {
    bool linux_header = has_linux_header(&vm->kernel);

    check_tree(c, "device-tree", &vm->dtb);
    check_tree(c, "overlay", &vm->overlay);
    if ((c->seen & BIT(VM_TYPE)) == 0) {
        vm->type = linux_header ? IMAGE_LINUX : IMAGE_RAW;
    } else if (vm->type != IMAGE_RAW && !(vm->type == IMAGE_LINUX && linux_header)) {
        sysdesc_mistake(c, "kernel", "name an uncompressed arm64 Image", "is no arm64 Linux image");
        return;
    }
    uint64_t size = vm->type == IMAGE_LINUX ? place_linux(c, vm) : place_raw(c, vm);
    if (size == 0) { return; }
    vm->segments[0] = (struct image_segment){0, vm->kernel.size, vm->load};
    vm->segment_count = 1;
    place_rest(c, vm, size);
}

const struct guest_platform virt_platform = {
    .windows = windows,
    .memory_remedy = "put it elsewhere: 0x40000000 is where virt has it",
    .virtio_base = 0x0a000000,
    .virtio_irq = 48,
    .place = place,
    .device = sysdesc_device,
};
