// SPDX-License-Identifier: Apache-2.0
// The binding as tables, in the order of docs/system-description.md, and the rules that hold within one node.
#include "kernel/assign.h"
#include "kernel/string.h"
#include "kernel/sysdesc_schema.h"

#define FIELD(type, member) .offset = offsetof(struct type, member)

static void *enter_same(struct sysdesc_check *c, void *object, const char *name) {
    (void)c;
    (void)name;
    return object;
}

// ---- vcpu@N -----------------------------------------------------------------------------------------------

enum { VCPU_REG, VCPU_BUDGET, VCPU_PERIOD, VCPU_DEADLINE, VCPU_WEIGHT, VCPU_CORE };

static const struct property vcpu_properties[] = {
    [VCPU_REG] = {"reg", CELL, true, 0, MAX_VCPUS - 1, FIELD(sysdesc_check, vcpu.reg)},
    [VCPU_BUDGET] = {"budget-us", CELL, false, BUDGET_US_MIN, PERIOD_US_MAX, FIELD(sysdesc_check, vcpu.desc.budget_us)},
    [VCPU_PERIOD] = {"period-us", CELL, false, BUDGET_US_MIN, PERIOD_US_MAX, FIELD(sysdesc_check, vcpu.desc.period_us)},
    [VCPU_DEADLINE] = {"deadline-us", CELL, false, BUDGET_US_MIN, PERIOD_US_MAX,
                       FIELD(sysdesc_check, vcpu.desc.deadline_us)},
    [VCPU_WEIGHT] = {"weight", CELL, false, 1, 10000, FIELD(sysdesc_check, vcpu.desc.weight)},
    [VCPU_CORE] = {"core", CORE, false, 0, 0, FIELD(sysdesc_check, vcpu.desc.core)},
};

static void *enter_vcpu(struct sysdesc_check *c, void *object, const char *name) {
    (void)object;
    (void)name;
    c->vcpus_nodes++;
    memset(&c->vcpu, 0, sizeof(c->vcpu));
    c->vcpu.reg = MAX_VCPUS; // none, until a good one is read
    c->vcpu.desc.weight = 100;
    c->vcpu.desc.core = CORE_AUTO;
    return c;
}

static void check_reservation(struct sysdesc_check *c, struct vcpu_desc *vcpu, uint32_t seen) {
    static const uint32_t both = BIT(VCPU_BUDGET) | BIT(VCPU_PERIOD);

    if ((seen & both) != both) {
        sysdesc_mistake(c, (seen & BIT(VCPU_BUDGET)) == 0 ? "budget-us" : "period-us",
                        "give budget-us and period-us, or neither for best effort", "is missing");
        return;
    }
    if ((seen & BIT(VCPU_DEADLINE)) == 0) { vcpu->deadline_us = vcpu->period_us; }
    if ((seen & BIT(VCPU_WEIGHT)) != 0) {
        sysdesc_mistake(c, "weight", "remove it: it is for best effort",
                        "has no meaning for a VCPU with a reservation");
    }
    // A zero stands for a value that was refused.
    if (vcpu->deadline_us > vcpu->period_us && vcpu->period_us != 0) {
        sysdesc_mistake(c, "deadline-us", sysdesc_remedy(c, "at most %u", vcpu->period_us),
                        "%u is more than period-us, %u", vcpu->deadline_us, vcpu->period_us);
    } else if (vcpu->budget_us > vcpu->deadline_us && vcpu->deadline_us != 0) {
        sysdesc_mistake(c, "budget-us", sysdesc_remedy(c, "at most %u", vcpu->deadline_us), "%u is more than %s, %u",
                        vcpu->budget_us, (seen & BIT(VCPU_DEADLINE)) != 0 ? "deadline-us" : "period-us",
                        vcpu->deadline_us);
    }
    vcpu->weight = 0;
    vcpu->reserved = true;
}

static void leave_vcpu(struct sysdesc_check *c, void *object, uint32_t seen) {
    (void)object;
    if ((seen & (BIT(VCPU_BUDGET) | BIT(VCPU_PERIOD) | BIT(VCPU_DEADLINE))) != 0) {
        check_reservation(c, &c->vcpu.desc, seen);
    }
    if (c->vcpu.reg == MAX_VCPUS) { return; }
    if ((c->vcpus_seen & BIT(c->vcpu.reg)) != 0) {
        sysdesc_mistake(c, "reg", "number the VCPUs 0, 1, 2 and so on", "<%u> belongs to another vcpu of this VM",
                        c->vcpu.reg);
        return;
    }
    c->vcpus_seen |= (uint32_t)BIT(c->vcpu.reg);
    c->vm->vcpus[c->vcpu.reg] = c->vcpu.desc;
    c->vm->vcpu_count = MAX(c->vm->vcpu_count, c->vcpu.reg + 1);
}

static const struct schema vcpu_schema = {
    .properties = vcpu_properties,
    .property_count = ARRAY_SIZE(vcpu_properties),
    .leave = leave_vcpu,
};

// ---- vcpus ------------------------------------------------------------------------------------------------

static const struct property vcpus_properties[] = {
    // What dtc wants to see beside reg; of no other meaning here.
    {"#address-cells", CELL, false, 1, 1, FIELD(sysdesc_check, unused)},
    {"#size-cells", CELL, false, 0, 0, FIELD(sysdesc_check, unused)},
};

static void *enter_vcpus(struct sysdesc_check *c, void *object, const char *name) {
    (void)object;
    (void)name;
    c->vcpus_seen = 0;
    c->vcpus_nodes = 0;
    return c;
}

static void leave_vcpus(struct sysdesc_check *c, void *object, uint32_t seen) {
    (void)object;
    (void)seen;
    if (c->vcpus_nodes == 0) { sysdesc_mistake(c, NULL, "add vcpu@0 { reg = <0>; };", "has no vcpu"); }
    for (uint32_t reg = 0; reg < c->vm->vcpu_count; reg++) {
        if ((c->vcpus_seen & BIT(reg)) == 0) {
            sysdesc_mistake(c, NULL, "number the VCPUs 0, 1, 2 and so on",
                            "has no vcpu with reg <%u>, but one with <%u>", reg, c->vm->vcpu_count - 1);
        }
    }
}

static const struct child vcpus_children[] = {
    {"vcpu@", false, enter_vcpu, &vcpu_schema},
};
static const struct schema vcpus_schema = {
    .properties = vcpus_properties,
    .property_count = ARRAY_SIZE(vcpus_properties),
    .children = vcpus_children,
    .child_count = ARRAY_SIZE(vcpus_children),
    .leave = leave_vcpus,
};

// ---- devices ----------------------------------------------------------------------------------------------

enum { DEVICE_PATH, DEVICE_ADDRESS };

static const struct property device_properties[] = {
    [DEVICE_PATH] = {"device", TEXT, true, 0, 255, FIELD(sysdesc_check, device.desc.path)},
    [DEVICE_ADDRESS] = {"guest-address", ADDRESSES, false, 0, 0, FIELD(sysdesc_check, device.desc.guest_base)},
    {"irq-distance-us", CELL, false, 1, PERIOD_US_MAX, FIELD(sysdesc_check, device.desc.irq_distance_us)},
    {"unprotected-dma", FLAG, false, 0, true, FIELD(sysdesc_check, device.desc.unprotected_dma)},
};

static void *enter_device(struct sysdesc_check *c, void *object, const char *name) {
    (void)object;
    (void)name;
    memset(&c->device, 0, sizeof(c->device));
    return c;
}

static void leave_device(struct sysdesc_check *c, void *object, uint32_t seen) {
    struct device_desc *device = &c->device.desc;
    gpa_t addresses[MAX_DEVICE_PAGES];
    const char *wrong = NULL, *remedy = NULL;

    (void)object;
    (void)seen;
    if (device->path == NULL) { return; }
    memcpy(addresses, device->guest_base, sizeof(addresses));
    if (assign_check(c->board, device->path, device, &wrong, &remedy) != OK) {
        sysdesc_mistake(c, "device", remedy, "%s: %s", device->path, wrong);
        return;
    }
    if (c->device.guest_count != 0 && c->device.guest_count != device->page_count) {
        sysdesc_mistake(c, "guest-address", sysdesc_remedy(c, "%u, or none for the board's own", device->page_count),
                        "%u addresses for %u MMIO ranges", c->device.guest_count, device->page_count);
    } else if (c->device.guest_count != 0) {
        memcpy(device->guest_base, addresses, sizeof(addresses));
    }
    if (!sysdesc_device(c, device)) { return; }
    if (c->vm->device_count == MAX_VM_DEVICES) {
        sysdesc_mistake(c, NULL, sysdesc_remedy(c, "at most %u", (unsigned)MAX_VM_DEVICES),
                        "more devices than a VM can have");
        return;
    }
    c->vm->devices[c->vm->device_count++] = *device;
}

static const struct schema device_schema = {
    .properties = device_properties,
    .property_count = ARRAY_SIZE(device_properties),
    .leave = leave_device,
};
static const struct child devices_children[] = {{NULL, false, enter_device, &device_schema}};
static const struct schema devices_schema = {
    .children = devices_children,
    .child_count = ARRAY_SIZE(devices_children),
};

// ---- a VM -------------------------------------------------------------------------------------------------

static const char *const image_types[] = {"linux", "raw", NULL};
static const char *const restart_policies[] = {"never", "on-failure", "always", NULL};

enum { VM_MEMORY, VM_KERNEL, VM_TYPE, VM_LOAD, VM_ENTRY };

static const struct property vm_properties[] = {
    [VM_MEMORY] = {"memory", MEMORY, true, 0, 0, FIELD(vm_desc, memory)},
    [VM_KERNEL] = {"kernel", PATH, true, 0, 0, FIELD(vm_desc, kernel)},
    [VM_TYPE] = {"type", CHOICE, false, 0, 0, FIELD(vm_desc, type), image_types},
    [VM_LOAD] = {"load-address", ADDRESS, false, 0, 0, FIELD(vm_desc, load)},
    [VM_ENTRY] = {"entry-address", ADDRESS, false, 0, 0, FIELD(vm_desc, entry)},
    {"initrd", PATH, false, 0, 0, FIELD(vm_desc, initrd)},
    {"bootargs", TEXT, false, 0, BOOTARGS_MAX, FIELD(vm_desc, bootargs)},
    {"device-tree", PATH, false, 0, 0, FIELD(vm_desc, dtb)},
    {"overlay", PATH, false, 0, 0, FIELD(vm_desc, overlay)},
    {"restart", CHOICE, false, 0, 0, FIELD(vm_desc, restart), restart_policies},
    {"restart-limit", CELL, false, 1, UINT32_MAX, FIELD(vm_desc, restart_limit)},
    {"no-autostart", FLAG, false, 0, false, FIELD(vm_desc, start)},
    {"no-vpl011", FLAG, false, 0, false, FIELD(vm_desc, vpl011)},
    {"no-virtio-console", FLAG, false, 0, false, FIELD(vm_desc, virtio_console)},
    {"spis", CELL, false, 32, SPIS_MAX, FIELD(vm_desc, spi_count)},
    {"observer", FLAG, false, 0, true, FIELD(vm_desc, observer)},
    {"timer-distance-us", CELL, false, 1, PERIOD_US_MAX, FIELD(vm_desc, timer_distance_us)},
};

static bool name_char(char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '-' || ch == '_';
}

static bool good_name(const char *name) {
    size_t length = 0;

    while (length < MAX_NAME && name_char(name[length])) { length++; }
    return length < MAX_NAME && name[length] == '\0';
}

static void *enter_vm(struct sysdesc_check *c, void *object, const char *name) {
    struct system_desc *sys = object;

    if (!good_name(name)) { sysdesc_mistake(c, NULL, "1 to 23 letters, digits, - and _", "is no name for a VM"); }
    for (unsigned i = 0; i < sys->vm_count; i++) {
        if (strcmp(sys->vms[i].name, name) == 0) {
            sysdesc_mistake(c, NULL, "give each VM a name of its own", "is given twice");
        }
    }
    if (sys->vm_count == MAX_VMS) {
        sysdesc_mistake(c, NULL, sysdesc_remedy(c, "at most %u", (unsigned)MAX_VMS),
                        "more VMs than the hypervisor keeps");
        return NULL;
    }
    c->vm = &sys->vms[sys->vm_count++];
    memset(c->vm, 0, sizeof(*c->vm));
    c->vm->name = name;
    c->vm->bootargs = "";
    c->vm->restart_limit = 5;
    c->vm->start = c->vm->vpl011 = c->vm->virtio_console = true;
    c->vm->timer_distance_us = 100;
    c->vm->spi_count = SPIS_MAX;
    return c->vm;
}

static void leave_vm(struct sysdesc_check *c, void *object, uint32_t seen) {
    struct vm_desc *vm = object;

    if (vm->spi_count % 32 != 0) {
        sysdesc_mistake(c, "spis", sysdesc_remedy(c, "%u", ALIGN_UP(vm->spi_count, 32u)), "%u is not a multiple of 32",
                        vm->spi_count);
    }
    sysdesc_guest(c, vm,
                  ((seen & BIT(VM_TYPE)) != 0 ? VM_HAS_TYPE : 0) | ((seen & BIT(VM_LOAD)) != 0 ? VM_HAS_LOAD : 0) |
                      ((seen & BIT(VM_ENTRY)) != 0 ? VM_HAS_ENTRY : 0));
}

static const struct child vm_children[] = {
    {"vcpus", true, enter_vcpus, &vcpus_schema},
    {"devices", false, enter_same, &devices_schema},
};
static const struct schema vm_schema = {
    .properties = vm_properties,
    .property_count = ARRAY_SIZE(vm_properties),
    .children = vm_children,
    .child_count = ARRAY_SIZE(vm_children),
    .leave = leave_vm,
};

// ---- vms and the root -------------------------------------------------------------------------------------

static void leave_vms(struct sysdesc_check *c, void *object, uint32_t seen) {
    const struct system_desc *sys = object;

    (void)seen;
    if (sys->vm_count == 0) { sysdesc_mistake(c, NULL, "describe at least one VM", "is empty"); }
}

static const struct child vms_children[] = {{NULL, false, enter_vm, &vm_schema}};
static const struct schema vms_schema = {
    .children = vms_children,
    .child_count = ARRAY_SIZE(vms_children),
    .leave = leave_vms,
};

static const char *const system_binding[] = {"takt,system-1", NULL};
static const char *const board_binding[] = {"takt,board-1", NULL};

static const struct property system_properties[] = {
    {"compatible", COMPATIBLE, true, 0, 0, 0, system_binding},
    {"deterministic", FLAG, false, 0, true, FIELD(system_desc, deterministic)},
    {"console-focus", TEXT, false, 0, 0, FIELD(system_desc, console_focus)},
};

static void leave_system(struct sysdesc_check *c, void *object, uint32_t seen) {
    const struct system_desc *sys = object;

    (void)seen;
    if (sys->console_focus == NULL) { return; }
    for (unsigned i = 0; i < sys->vm_count; i++) {
        if (strcmp(sys->vms[i].name, sys->console_focus) == 0) { return; }
    }
    sysdesc_mistake(c, "console-focus", "the name of a node in /vms", "there is no VM \"%s\"", sys->console_focus);
}

static const struct child system_children[] = {{"vms", true, enter_same, &vms_schema}};
const struct schema sysdesc_system_schema = {
    .properties = system_properties,
    .property_count = ARRAY_SIZE(system_properties),
    .children = system_children,
    .child_count = ARRAY_SIZE(system_children),
    .leave = leave_system,
};

// ---- the board's data -------------------------------------------------------------------------------------

static const struct property board_properties[] = {
    {"compatible", COMPATIBLE, true, 0, 0, 0, board_binding},
    {"overhead-ns", CELL, true, 1, 1000000, FIELD(system_desc, overhead_ns)},
    {"irq-cost-ns", CELL, true, 1, 1000000, FIELD(system_desc, irq_cost_ns)},
    {"console-core", CELL, false, 0, MAX_CORES - 1, FIELD(system_desc, console_core)},
    {"console-irq-distance-us", CELL, true, 1, PERIOD_US_MAX, FIELD(system_desc, console_irq_distance_us)},
};
const struct schema sysdesc_board_schema = {
    .properties = board_properties,
    .property_count = ARRAY_SIZE(board_properties),
};
