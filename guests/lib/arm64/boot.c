// SPDX-License-Identifier: Apache-2.0
// From the assembly entry to guest_main: device tree, console, interrupt controller; what the tree says of the machine.
#include "entry.h"
#include "fdt.h"
#include "gic.h"
#include "private.h"

uint64_t clock_hz;

static _Noreturn void device_tree_missing(void) {
    say("guest: x0 held no device tree at the entry\n");
    machine_off();
}

void guest_start(const void *device_tree) {
    clock_hz = SYSREG_READ(cntfrq_el0);
    if (!fdt_open(device_tree)) device_tree_missing();
    const char *text = fdt_property(fdt_node("/chosen"), "bootargs", NULL);
    if (text) arguments_init(text);
    console_init();
    firmware_init();
    if (!gic_init())
        say("guest: the device tree has no interrupt controller that this guest knows\n");
    else
        guest_main();
    machine_off();
}

unsigned vcpu_count(void) {
    unsigned count = 0;
    for (int node = FDT_NONE; (node = fdt_next_with(node, "device_type", "cpu")) != FDT_NONE && count < VCPUS_MAX;)
        count++;
    return count;
}

uint64_t memory_end(void) {
    uint64_t address, size, end = 0;
    int node = FDT_NONE;
    while ((node = fdt_next_with(node, "device_type", "memory")) != FDT_NONE)
        for (int i = 0; fdt_reg(node, i, &address, &size); i++)
            if (address + size > end) end = address + size;
    return end;
}

uintptr_t virtio_mmio(unsigned index) {
    uint64_t address, size;
    int node = FDT_NONE;
    do { node = fdt_next_with(node, "compatible", "virtio,mmio"); } while (node != FDT_NONE && index-- > 0);
    return node != FDT_NONE && fdt_reg(node, 0, &address, &size) ? address : 0;
}
