// SPDX-License-Identifier: Apache-2.0
// What must hold within one VM: its memory, its image, and that everything the loader puts there fits. Linux images:
// Documentation/arch/arm64/booting.rst of Linux.
#include "kernel/assign.h"
#include "kernel/guest_fdt.h"
#include "kernel/sysdesc_check.h"

// Where a guest that was made for QEMU's virt machine finds its virtual devices; memory cannot be there.
static const struct window {
    gpa_t base;
    uint64_t size;
    const char *what;
} windows[] = {
    {0x08000000, 0x01000000, "the virtual interrupt controller"},
    {0x09000000, 0x00001000, "the virtual console UART"},
    {0x0a000000, 0x00004000, "the virtio devices"},
};

// GIC interrupt numbers: the shared peripheral interrupts begin here.
enum { FIRST_SPI = 32 };

// Says so when [base, base + size) overlaps what stands at `other`.
static bool clashes(struct sysdesc_check *c, const char *property, const char *remedy, gpa_t base, uint64_t size,
                    const struct window *other) {
    if (!range_overlaps(&(struct range){base, size}, &(struct range){other->base, other->size})) { return false; }
    sysdesc_mistake(c, property, remedy, "0x%lx bytes at 0x%lx overlap %s at 0x%lx", size, base, other->what,
                    other->base);
    return true;
}

static bool in_window(struct sysdesc_check *c, const char *property, const char *remedy, gpa_t base, uint64_t size) {
    for (unsigned i = 0; i < ARRAY_SIZE(windows); i++) {
        if (clashes(c, property, remedy, base, size, &windows[i])) { return true; }
    }
    return false;
}

// ---- memory -----------------------------------------------------------------------------------------------

static bool good_block(struct sysdesc_check *c, gpa_t base, uint64_t size) {
    if ((base | size) % GUEST_BLOCK != 0 || size == 0) {
        sysdesc_mistake(c, "memory", "address and size are multiples of 2 MiB, 0x200000",
                        "0x%lx bytes at 0x%lx are not whole blocks", size, base);
        return false;
    }
    if (base >= GUEST_ADDRESS_MAX || size > GUEST_ADDRESS_MAX - base) {
        sysdesc_mistake(c, "memory", "all memory lies below 0x8000000000",
                        "0x%lx bytes at 0x%lx end beyond what a guest can address", size, base);
        return false;
    }
    return !in_window(c, "memory", "put it elsewhere: 0x40000000 is where virt has it", base, size);
}

// Blocks that are not good are taken out, so that each mistake is told once.
static void check_memory(struct sysdesc_check *c, struct vm_desc *vm) {
    unsigned kept = 0;

    for (unsigned i = 0; i < vm->memory_count; i++) {
        struct vm_memory_desc block = vm->memory[i];
        bool good = good_block(c, block.base, block.size);
        for (unsigned j = 0; j < kept && good; j++) {
            struct window other = {vm->memory[j].base, vm->memory[j].size, "the block"};
            good = !clashes(c, "memory", "give each block its own addresses", block.base, block.size, &other);
        }
        if (good) { vm->memory[kept++] = block; }
    }
    vm->memory_count = kept;
}

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

void sysdesc_guest(struct sysdesc_check *c, struct vm_desc *vm) {
    check_memory(c, vm);
    check_tree(c, "device-tree", &vm->dtb);
    check_tree(c, "overlay", &vm->overlay);
    if (vm->kernel.data == NULL || vm->memory_count == 0) { return; }
    bool linux_header = has_linux_header(&vm->kernel);
    if ((c->seen & BIT(VM_TYPE)) == 0) {
        vm->type = linux_header ? IMAGE_LINUX : IMAGE_RAW;
    } else if (vm->type == IMAGE_LINUX && !linux_header) {
        sysdesc_mistake(c, "kernel", "name an uncompressed arm64 Image", "is no arm64 Linux image");
        return;
    }
    uint64_t size = vm->type == IMAGE_LINUX ? place_linux(c, vm) : place_raw(c, vm);
    if (size != 0) { place_rest(c, vm, size); }
}

// ---- assigned devices -------------------------------------------------------------------------------------

// Where the VM is to see registers of the device: nothing else may be there.
static void check_place(struct sysdesc_check *c, gpa_t base, uint64_t size) {
    static const char property[] = "guest-address", elsewhere[] = "say where else the guest is to see it";
    const struct vm_desc *vm = c->vm;

    if (base % PAGE_SIZE != 0 || base >= GUEST_ADDRESS_MAX || size > GUEST_ADDRESS_MAX - base) {
        sysdesc_mistake(c, property, "a multiple of 4 KiB, 0x1000, below 0x8000000000",
                        "0x%lx is no place for 0x%lx bytes of registers", base, size);
    } else {
        (void)in_window(c, property, elsewhere, base, size);
    }
    for (unsigned i = 0; i < vm->memory_count; i++) {
        struct window memory = {vm->memory[i].base, vm->memory[i].size, "the VM's memory"};
        (void)clashes(c, property, elsewhere, base, size, &memory);
    }
    for (unsigned d = 0; d < vm->device_count; d++) {
        const struct device_desc *device = &vm->devices[d];
        for (unsigned i = 0; i < device->page_count; i++) {
            struct window other = {device->guest_base[i], device->pages[i].size, device->path};
            (void)clashes(c, property, "give each device its own addresses", base, size, &other);
        }
    }
}

// One device cannot be in two places, nor can two devices share what separates their owners.
static bool unshared(struct sysdesc_check *c, const struct device_desc *device) {
    for (unsigned v = 0; v < c->sys->vm_count; v++) {
        const struct vm_desc *vm = &c->sys->vms[v];
        for (unsigned d = 0; d < vm->device_count; d++) {
            if (assign_conflict(&vm->devices[d], device)) {
                sysdesc_mistake(c, "device", "assign it once",
                                "%s shares registers or an interrupt with %s, which %s has", device->path,
                                vm->devices[d].path, vm->name);
                return false;
            }
        }
    }
    return true;
}

bool sysdesc_device(struct sysdesc_check *c, const struct device_desc *device) {
    if (!unshared(c, device)) { return false; }
    for (unsigned i = 0; i < device->page_count; i++) { check_place(c, device->guest_base[i], device->pages[i].size); }
    for (unsigned i = 0; i < device->irq_count; i++) {
        if (device->irq[i] >= FIRST_SPI + c->vm->spi_count) {
            sysdesc_mistake(c, "device", "raise spis, or leave the device out",
                            "its interrupt, SPI %u, is beyond the VM's %u", device->irq[i] - FIRST_SPI,
                            c->vm->spi_count);
        }
    }
    return true;
}
