// SPDX-License-Identifier: Apache-2.0
// Assigned devices: their pages in the VM's stage 2 for good, their interrupts routed while the VM runs. What may be
// assigned was decided by the checker (kernel/assign_policy.c).
#include "kernel/arch.h"
#include "kernel/devices.h"
#include "kernel/log.h"

static int assign_one(struct vm *vm, const struct device_desc *device) {
    uint64_t distance = clock_ns_to_ticks_up(&clock_rate, device->irq_distance_us * 1000ull);
    int status = OK;

    for (unsigned i = 0; i < device->page_count && status == OK; i++) {
        status = arch_vm_map(vm, device->guest_base[i], device->pages[i].base, device->pages[i].size, STAGE2_DEVICE);
    }
    for (unsigned i = 0; i < device->irq_count && status == OK; i++) {
        status = arch_irq_assign(device->irq[i], vm->vcpus[0], device->irq_edge[i], distance);
    }
    if (status != OK) { log_line("%s: device %s cannot be assigned (%d)", vm->name, device->path, status); }
    return status;
}

int assign_all(struct vm *vm) {
    int status = OK;

    for (unsigned i = 0; i < vm->desc->device_count && status == OK; i++) {
        status = assign_one(vm, &vm->desc->devices[i]);
    }
    return status;
}

void assign_switch(const struct vm *vm, bool on) {
    for (unsigned i = 0; i < vm->desc->device_count; i++) {
        const struct device_desc *device = &vm->desc->devices[i];
        for (unsigned n = 0; n < device->irq_count; n++) { arch_irq_switch(device->irq[n], on); }
    }
}
