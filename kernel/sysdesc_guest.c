// SPDX-License-Identifier: Apache-2.0
// What must hold within one VM: its memory, and that nothing of it is in the way of what its platform has there.
#include "kernel/assign.h"
#include "kernel/guest_platform.h"

// Numbers of the interrupt controller: those that all VCPUs share begin here.
enum { FIRST_SHARED = 32 };

static const struct guest_platform *platform(const struct sysdesc_check *c) { return arch_guest_platform(c->board); }

// Says so when [base, base + size) overlaps what stands at `other`.
static bool clashes(struct sysdesc_check *c, const char *property, const char *remedy, gpa_t base, uint64_t size,
                    const struct guest_window *other) {
    if (!range_overlaps(&(struct range){base, size}, &(struct range){other->base, other->size})) { return false; }
    sysdesc_mistake(c, property, remedy, "0x%lx bytes at 0x%lx overlap %s at 0x%lx", size, base, other->what,
                    other->base);
    return true;
}

static bool in_window(struct sysdesc_check *c, const char *property, const char *remedy, gpa_t base, uint64_t size) {
    for (const struct guest_window *w = platform(c)->windows; w->size != 0; w++) {
        if (clashes(c, property, remedy, base, size, w)) { return true; }
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
    return !in_window(c, "memory", platform(c)->memory_remedy, base, size);
}

// Blocks that are not good are taken out, so that each mistake is told once.
static void check_memory(struct sysdesc_check *c, struct vm_desc *vm) {
    unsigned kept = 0;

    for (unsigned i = 0; i < vm->memory_count; i++) {
        struct vm_memory_desc block = vm->memory[i];
        bool good = good_block(c, block.base, block.size);
        for (unsigned j = 0; j < kept && good; j++) {
            struct guest_window other = {vm->memory[j].base, vm->memory[j].size, "the block"};
            good = !clashes(c, "memory", "give each block its own addresses", block.base, block.size, &other);
        }
        if (good) { vm->memory[kept++] = block; }
    }
    vm->memory_count = kept;
}

void sysdesc_guest(struct sysdesc_check *c, struct vm_desc *vm) {
    check_memory(c, vm);
    if (vm->kernel.data != NULL && vm->memory_count != 0) { platform(c)->place(c, vm); }
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
        struct guest_window memory = {vm->memory[i].base, vm->memory[i].size, "the VM's memory"};
        (void)clashes(c, property, elsewhere, base, size, &memory);
    }
    for (unsigned d = 0; d < vm->device_count; d++) {
        const struct device_desc *device = &vm->devices[d];
        for (unsigned i = 0; i < device->page_count; i++) {
            struct guest_window other = {device->guest_base[i], device->pages[i].size, device->path};
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

// Where the guest sees it: as the description says, or where the board has it.
static void place_device(struct sysdesc_check *c, struct device_desc *device) {
    unsigned given = c->device.guest_count;

    if (given != 0 && given != device->page_count) {
        sysdesc_mistake(c, "guest-address", sysdesc_remedy(c, "%u, or none for the board's own", device->page_count),
                        "%u addresses for %u MMIO ranges", given, device->page_count);
    } else if (given != 0) {
        memcpy(device->guest_base, c->device.guest_base, sizeof(device->guest_base));
    }
}

void sysdesc_device(struct sysdesc_check *c) {
    struct device_desc *device = &c->device.desc;
    const struct refusal_text *refusal = assign_check(c->board, device->path, device);

    if (refusal != NULL) {
        sysdesc_mistake(c, "device", refusal->remedy, "%s: %s", device->path, refusal->wrong);
        return;
    }
    place_device(c, device);
    if (!unshared(c, device)) { return; }
    for (unsigned i = 0; i < device->page_count; i++) { check_place(c, device->guest_base[i], device->pages[i].size); }
    for (unsigned i = 0; i < device->irq_count; i++) {
        if (device->irq[i] >= FIRST_SHARED + c->vm->spi_count) {
            sysdesc_mistake(c, "device", "raise spis, or leave the device out",
                            "its interrupt, SPI %u, is beyond the VM's %u", device->irq[i] - FIRST_SHARED,
                            c->vm->spi_count);
        }
    }
    if (c->vm->device_count == MAX_VM_DEVICES) {
        sysdesc_mistake(c, NULL, sysdesc_remedy(c, "at most %u", (unsigned)MAX_VM_DEVICES),
                        "more devices than a VM can have");
        return;
    }
    c->vm->devices[c->vm->device_count++] = *device;
    c->vm->irq_count += device->irq_count;
}
