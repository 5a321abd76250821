// SPDX-License-Identifier: Apache-2.0
// The binding as tables, in the order of docs/system-description.md, and the rules that hold within one node.
#include "kernel/guest_platform.h"
#include "kernel/sysdesc_schema.h"
#include "sched/sched.h"

#define FIELD(type, member) .offset = offsetof(struct type, member)
#define RANGE(from, to)     .min = (from), .max = (to)
#define PROPERTIES(rows)    .properties = (rows), .property_count = ARRAY_SIZE(rows)
#define CHILDREN(rows)      .children = (rows), .child_count = ARRAY_SIZE(rows)

// ---- vcpu@N -----------------------------------------------------------------------------------------------

static const struct property vcpu_properties[] = {
    [VCPU_REG] = {"reg", CELL, true, FIELD(vcpu_node, reg), RANGE(0, MAX_VCPUS - 1)},
    [VCPU_BUDGET] = {"budget-us", CELL, false, FIELD(vcpu_node, desc.budget_us), RANGE(BUDGET_US_MIN, PERIOD_US_MAX)},
    [VCPU_PERIOD] = {"period-us", CELL, false, FIELD(vcpu_node, desc.period_us), RANGE(BUDGET_US_MIN, PERIOD_US_MAX)},
    [VCPU_DEADLINE] = {"deadline-us", CELL, false, FIELD(vcpu_node, desc.deadline_us),
                       RANGE(BUDGET_US_MIN, PERIOD_US_MAX)},
    [VCPU_WEIGHT] = {"weight", CELL, false, FIELD(vcpu_node, desc.weight), RANGE(1, SCHED_WEIGHT_MAX)},
    [VCPU_CORE] = {"core", CORE, false, FIELD(vcpu_node, desc.core)},
#if TAKT_RECLAIM
    [VCPU_RECLAIM] = {"reclaim", FLAG, false, FIELD(vcpu_node, desc.reclaim), .max = true},
#endif
};

static void *enter_vcpu(struct sysdesc_check *c) {
    c->vcpus.count++;
    sysdesc_begin_tasks(c);
    // No reg, until a good one is read.
    c->vcpu = (struct vcpu_node){.reg = MAX_VCPUS, .desc = {.weight = 100, .core = CORE_AUTO}};
    return &c->vcpu;
}

void sysdesc_reservation(struct sysdesc_check *c, struct vcpu_desc *vcpu) {
    static const uint32_t both = BIT(VCPU_BUDGET) | BIT(VCPU_PERIOD);

    if ((c->seen & both) != both) {
        sysdesc_mistake(c, (c->seen & BIT(VCPU_BUDGET)) == 0 ? "budget-us" : "period-us",
                        "give budget-us and period-us, or neither for best effort", "is missing");
        return;
    }
    if ((c->seen & BIT(VCPU_DEADLINE)) == 0) { vcpu->deadline_us = vcpu->period_us; }
    if ((c->seen & BIT(VCPU_WEIGHT)) != 0) {
        sysdesc_mistake(c, "weight", "remove it: it is for best effort",
                        "has no meaning for a VCPU with a reservation");
    }
    // A zero stands for a value that was refused.
    if (vcpu->deadline_us > vcpu->period_us && vcpu->period_us != 0) {
        sysdesc_mistake(c, "deadline-us", sysdesc_remedy(c, "at most %u", vcpu->period_us),
                        "%u is more than period-us, %u", vcpu->deadline_us, vcpu->period_us);
    } else if (vcpu->budget_us > vcpu->deadline_us && vcpu->deadline_us != 0) {
        sysdesc_mistake(c, "budget-us", sysdesc_remedy(c, "at most %u", vcpu->deadline_us), "%u is more than %s, %u",
                        vcpu->budget_us, (c->seen & BIT(VCPU_DEADLINE)) != 0 ? "deadline-us" : "period-us",
                        vcpu->deadline_us);
    }
    vcpu->weight = 0;
    vcpu->reserved = true;
}

static void leave_vcpu(struct sysdesc_check *c) {
    if ((c->seen & (BIT(VCPU_BUDGET) | BIT(VCPU_PERIOD) | BIT(VCPU_DEADLINE))) != 0) {
        sysdesc_reservation(c, &c->vcpu.desc);
    }
    sysdesc_check_tasks(c, &c->vcpu.desc);
    if (c->vcpu.reg == MAX_VCPUS) { return; }
    if ((c->vcpus.regs & BIT(c->vcpu.reg)) != 0) {
        sysdesc_mistake(c, "reg", "number the VCPUs 0, 1, 2 and so on", "<%u> belongs to another vcpu of this VM",
                        c->vcpu.reg);
        return;
    }
    c->vcpus.regs |= (uint32_t)BIT(c->vcpu.reg);
    c->vm->vcpus[c->vcpu.reg] = c->vcpu.desc;
    c->vm->vcpu_count = MAX(c->vm->vcpu_count, c->vcpu.reg + 1);
}

// ---- vcpus ------------------------------------------------------------------------------------------------

static const struct property vcpus_properties[] = {
    // What dtc wants to see beside reg; of no other meaning here.
    {"#address-cells", CELL, false, FIELD(vcpus_node, unused), RANGE(1, 1)},
    {"#size-cells", CELL, false, FIELD(vcpus_node, unused), RANGE(0, 0)},
};

static void *enter_vcpus(struct sysdesc_check *c) {
    c->vcpus = (struct vcpus_node){0};
    return &c->vcpus;
}

static void leave_vcpus(struct sysdesc_check *c) {
    if (c->vcpus.count == 0) { sysdesc_mistake(c, NULL, "add vcpu@0 { reg = <0>; };", "has no vcpu"); }
    for (uint32_t reg = 0; reg < c->vm->vcpu_count; reg++) {
        if ((c->vcpus.regs & BIT(reg)) == 0) {
            sysdesc_mistake(c, NULL, "number the VCPUs 0, 1, 2 and so on",
                            "has no vcpu with reg <%u>, but one with <%u>", reg, c->vm->vcpu_count - 1);
        }
    }
}

static const struct schema vcpus_children[] = {
    {"vcpu@", PROPERTIES(vcpu_properties), VCPU_CHILDREN, .enter = enter_vcpu, .leave = leave_vcpu},
};

// ---- devices ----------------------------------------------------------------------------------------------

static const struct property device_properties[] = {
    {"device", TEXT, true, FIELD(device_node, desc.path), .max = 255},
    {"guest-address", ADDRESSES, false, FIELD(device_node, guest_base)},
    {"irq-distance-us", CELL, false, FIELD(device_node, desc.irq_distance_us), RANGE(1, PERIOD_US_MAX)},
    {"unprotected-dma", FLAG, false, FIELD(device_node, desc.unprotected_dma), .max = true},
};

static void *enter_device(struct sysdesc_check *c) {
    c->device = (struct device_node){0};
    return &c->device;
}

static void leave_device(struct sysdesc_check *c) {
    if (c->device.desc.path != NULL) { arch_guest_platform(c->board)->device(c); }
}

static const struct schema devices_children[] = {
    {PROPERTIES(device_properties), .enter = enter_device, .leave = leave_device},
};

// ---- a VM -------------------------------------------------------------------------------------------------

static const struct property vm_properties[] = {
    [VM_TYPE] = {"type", CHOICE, false, FIELD(vm_desc, type), .list = "linux\0raw\0pvh\0multiboot\0"},
    [VM_LOAD] = {"load-address", ADDRESS, false, FIELD(vm_desc, load)},
    [VM_ENTRY] = {"entry-address", ADDRESS, false, FIELD(vm_desc, entry)},
    {"memory", MEMORY, true, FIELD(vm_desc, memory)},
    {"kernel", PATH, true, FIELD(vm_desc, kernel)},
    {"initrd", PATH, false, FIELD(vm_desc, initrd)},
    {"bootargs", TEXT, false, FIELD(vm_desc, bootargs), .max = BOOTARGS_MAX},
    {"device-tree", PATH, false, FIELD(vm_desc, dtb)},
    {"overlay", PATH, false, FIELD(vm_desc, overlay)},
    {"restart", CHOICE, false, FIELD(vm_desc, restart), .list = "never\0on-failure\0always\0"},
    {"restart-limit", CELL, false, FIELD(vm_desc, restart_limit), RANGE(1, UINT32_MAX)},
    {"no-autostart", FLAG, false, FIELD(vm_desc, start)},
    {"no-vpl011", FLAG, false, FIELD(vm_desc, vpl011)},
    {"no-virtio-console", FLAG, false, FIELD(vm_desc, virtio_console)},
    {"spis", CELL, false, FIELD(vm_desc, spi_count), RANGE(32, SPIS_MAX)},
#if TAKT_CONTROL
    {"on-demand", FLAG, false, FIELD(vm_desc, on_demand), .max = true},
    {"controller", FLAG, false, FIELD(vm_desc, controller), .max = true},
#endif
    {"observer", FLAG, false, FIELD(vm_desc, observer), .max = true},
    {"timer-distance-us", CELL, false, FIELD(vm_desc, timer_distance_us), RANGE(1, PERIOD_US_MAX)},
};

static bool name_char(char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '-' || ch == '_';
}

static bool good_name(const char *name) {
    size_t length = 0;

    while (length < MAX_NAME && name_char(name[length])) { length++; }
    return length < MAX_NAME && name[length] == '\0';
}

static void *enter_vm(struct sysdesc_check *c) {
    struct system_desc *sys = c->sys;
    const char *name = c->tree.name;

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
    c->vm->name = name;
    c->vm->bootargs = "";
    c->vm->restart_limit = 5;
    c->vm->start = c->vm->vpl011 = c->vm->virtio_console = true;
    c->vm->timer_distance_us = 100;
    c->vm->spi_count = SPIS_MAX;
    return c->vm;
}

static void leave_vm(struct sysdesc_check *c) {
    uint32_t spis = c->vm->spi_count;

    if (spis % 32 != 0) {
        sysdesc_mistake(c, "spis", sysdesc_remedy(c, "%u", ALIGN_UP(spis, 32u)), "%u is not a multiple of 32", spis);
    }
    sysdesc_guest(c, c->vm);
}

static const struct schema vm_children[] = {
    {"vcpus", PROPERTIES(vcpus_properties), CHILDREN(vcpus_children), .required = true, .enter = enter_vcpus,
     .leave = leave_vcpus},
    {"devices", CHILDREN(devices_children)},
};

// ---- vms and the root -------------------------------------------------------------------------------------

static void leave_vms(struct sysdesc_check *c) {
    if (c->sys->vm_count == 0) { sysdesc_mistake(c, NULL, "describe at least one VM", "is empty"); }
}

static const struct schema vms_children[] = {
    {PROPERTIES(vm_properties), CHILDREN(vm_children), .enter = enter_vm, .leave = leave_vm},
};

static const struct property system_properties[] = {
    {"compatible", COMPATIBLE, true, .list = "takt,system-1\0"},
    {"deterministic", FLAG, false, FIELD(system_desc, deterministic), .max = true},
    {"smt", FLAG, false, FIELD(system_desc, smt), .max = true},
#if TAKT_SPLIT
    {"placement", CHOICE, false, FIELD(system_desc, by_count), .list = "utilisation\0count\0"},
#endif
    {"console-focus", TEXT, false, FIELD(system_desc, console_focus), .max = MAX_NAME - 1},
#if TAKT_TRACE
    {"trace", FLAG, false, FIELD(system_desc, trace), .max = true},
    {"trace-records", CELL, false, FIELD(system_desc, trace_records), RANGE(TRACE_RECORDS_MIN, TRACE_RECORDS_MAX)},
#endif
};

static void leave_system(struct sysdesc_check *c) {
    struct system_desc *sys = c->sys;

#if TAKT_TRACE
    if (sys->trace && sys->trace_records == 0) { sys->trace_records = TRACE_RECORDS_DEFAULT; }
#endif
    if (sys->console_focus == NULL) { return; }
    for (unsigned i = 0; i < sys->vm_count; i++) {
        if (strcmp(sys->vms[i].name, sys->console_focus) == 0) { return; }
    }
    sysdesc_mistake(c, "console-focus", "the name of a node in /vms", "there is no VM \"%s\"", sys->console_focus);
}

static const struct schema system_children[] = {
    {"vms", CHILDREN(vms_children), .required = true, .leave = leave_vms},
};
const struct schema sysdesc_system_schema = {PROPERTIES(system_properties), CHILDREN(system_children),
                                             .leave = leave_system};

// ---- the board's data -------------------------------------------------------------------------------------

static const struct property board_properties[] = {
    {"compatible", COMPATIBLE, true, .list = "takt,board-1\0"},
    {"overhead-ns", CELL, true, FIELD(system_desc, overhead_ns), RANGE(1, OVERHEAD_NS_MAX)},
    {"migration-ns", CELL, false, FIELD(system_desc, migration_ns), RANGE(1, OVERHEAD_NS_MAX)},
    {"irq-cost-ns", CELL, true, FIELD(system_desc, irq_cost_ns), RANGE(1, 1000000)},
    {"injection-ns", CELL, true, FIELD(system_desc, injection_ns), RANGE(1, 1000000)},
    {"masked-ns", CELL, true, FIELD(system_desc, masked_ns), RANGE(1, 1000000)},
    {"masked-vcpu-ns", CELL, true, FIELD(system_desc, masked_vcpu_ns), RANGE(1, 1000000)},
    {"trace-ns", CELL, false, FIELD(system_desc, trace_ns), RANGE(1, 1000000)},
    {"console-core", CELL, false, FIELD(system_desc, console_core), RANGE(0, MAX_CORES - 1)},
    {"console-irq-distance-us", CELL, true, FIELD(system_desc, console_irq_distance_us), RANGE(1, PERIOD_US_MAX)},
};
const struct schema sysdesc_board_schema = {PROPERTIES(board_properties)};
