// SPDX-License-Identifier: Apache-2.0
// The architecture's nodes of a guest's device tree. Linux bindings: arm/cpus.yaml, arm/psci.yaml,
// timer/arm,arch_timer.yaml, interrupt-controller/arm,gic.yaml and arm,gic-v3.yaml.
#include <libfdt.h>

#include "arch/arm64/gic.h"
#include "kernel/arch.h"
#include "kernel/guest_fdt.h"
#include "kernel/log.h"

enum { CELL_SPI = 0, CELL_PPI = 1, EDGE_RISING = 1, LEVEL_HIGH = 4, PPI_BASE = 16, SPI_BASE = 32 };
enum { PPI_CPUS_SHIFT = 8, GIC_CELLS = 3 }; // v2: which CPUs have the PPI

static int add_cpus(void *fdt, const struct vm *vm) {
    int cpus_node = fdt_add_subnode(fdt, 0, "cpus");
    int error = MIN(cpus_node, 0);
    char name[sizeof("cpu@") + 3];

    error |= fdt_setprop_u32(fdt, cpus_node, "#address-cells", 1);
    error |= fdt_setprop_u32(fdt, cpus_node, "#size-cells", 0);
    // Backwards: a new subnode becomes the first.
    for (unsigned i = vm->vcpu_count; i-- > 0 && error == 0;) {
        format_string(name, sizeof(name), "cpu@%x", i);
        int node = fdt_add_subnode(fdt, cpus_node, name);
        error |= fdt_setprop_string(fdt, node, "device_type", "cpu");
        error |= fdt_setprop_string(fdt, node, "compatible", "arm,armv8");
        error |= fdt_setprop_string(fdt, node, "enable-method", "psci");
        error |= fdt_setprop_u32(fdt, node, "reg", i); // affinity 0, as in MPIDR_EL1
    }
    return error;
}

static int add_psci(void *fdt) {
    static const char compatible[] = "arm,psci-1.0\0arm,psci-0.2";
    int node = fdt_add_subnode(fdt, 0, "psci");
    int error = fdt_setprop(fdt, node, "compatible", compatible, sizeof(compatible));

    return error | fdt_setprop_string(fdt, node, "method", "hvc");
}

static int add_timer(void *fdt, const struct vm *vm) {
    static const char compatible[] = "arm,armv8-timer\0arm,armv7-timer";
    // Secure and non-secure physical, virtual, hypervisor. A guest has the second and the third.
    static const uint8_t ppis[] = {29, GIC_PPI_PTIMER, GIC_PPI_VTIMER, 26};
    uint32_t cpu_mask = gic->version == 2 ? (1u << vm->vcpu_count) - 1 : 0;
    int node = fdt_add_subnode(fdt, 0, "timer");
    int error = fdt_setprop(fdt, node, "compatible", compatible, sizeof(compatible));

    for (unsigned i = 0; i < sizeof(ppis); i++) {
        error |= fdt_appendprop_u32(fdt, node, "interrupts", CELL_PPI);
        error |= fdt_appendprop_u32(fdt, node, "interrupts", ppis[i] - PPI_BASE);
        error |= fdt_appendprop_u32(fdt, node, "interrupts", cpu_mask << PPI_CPUS_SHIFT | LEVEL_HIGH);
    }
    return error | fdt_setprop(fdt, node, "always-on", NULL, 0);
}

static int add_intc(void *fdt, const struct vm *vm) {
    bool v3 = gic->version == 3;
    int node = fdt_add_subnode(fdt, 0, "intc@8000000");
    int error = fdt_setprop_string(fdt, node, "compatible", v3 ? "arm,gic-v3" : "arm,cortex-a15-gic");

    error |= fdt_setprop_u32(fdt, node, "#interrupt-cells", GIC_CELLS);
    error |= fdt_setprop(fdt, node, "interrupt-controller", NULL, 0);
    error |= fdt_appendprop_addrrange(fdt, 0, node, "reg", VGIC_GICD_BASE, VGIC_GICD_SIZE);
    error |= v3 ? fdt_appendprop_addrrange(fdt, 0, node, "reg", VGIC_GICR_BASE, vm->vcpu_count * VGIC_GICR_STRIDE)
                : fdt_appendprop_addrrange(fdt, 0, node, "reg", VGIC_GICC_BASE, VGIC_GICC_SIZE);
    return error | fdt_setprop_u32(fdt, node, "phandle", GUEST_PHANDLE_INTC);
}

int arch_guest_fdt(void *fdt, struct vm *vm) {
    int error = add_intc(fdt, vm);

    error |= add_timer(fdt, vm);
    error |= add_psci(fdt);
    return error | add_cpus(fdt, vm);
}

int arch_guest_fdt_interrupt(void *fdt, int node, unsigned id, bool edge) {
    int error = fdt_appendprop_u32(fdt, node, "interrupts", CELL_SPI);

    error |= fdt_appendprop_u32(fdt, node, "interrupts", id - SPI_BASE);
    return error | fdt_appendprop_u32(fdt, node, "interrupts", edge ? EDGE_RISING : LEVEL_HIGH);
}

int arch_guest_describe(struct vm *vm, void *buffer, UNUSED size_t size) {
    int error = guest_fdt_build(vm, buffer, vm->desc->initrd_gpa, vm->desc->initrd.size);

    return error != 0 ? error : (int)fdt_totalsize(buffer);
}
