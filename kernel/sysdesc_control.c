// SPDX-License-Identifier: Apache-2.0
#include "kernel/sysdesc_control.h"

// Alone on a core without interrupts it has to fit at least.
static void check_vcpu(struct sysdesc_check *c, const struct vm_desc *vm, struct vcpu_desc *vcpu) {
    struct sched_placement alone = {.core = -1};

    vcpu->placed = vcpu->core == CORE_AUTO ? 0 : vcpu->core; // where it waits until it is created
#if TAKT_SPLIT
    vcpu->second = CORE_AUTO;
#endif
    if (!vcpu->reserved || vcpu->budget_us == 0 || vcpu->budget_us > vcpu->deadline_us ||
        vcpu->deadline_us > vcpu->period_us) {
        return; // told
    }
    sysdesc_set_task(c, vcpu);
    if (vcpu->task.budget <= vcpu->task.deadline) { return; }
    sysdesc_at(c, vm, (int)(vcpu - vm->vcpus));
    sysdesc_refused(c, vcpu, &alone);
}

bool sysdesc_left_out(struct sysdesc_check *c, struct vm_desc *vm) {
    if (!vm->on_demand) { return false; }
    vm->start = false;
    for (unsigned i = 0; i < vm->vcpu_count; i++) { check_vcpu(c, vm, &vm->vcpus[i]); }
    if (vm->irq_count != 0) {
        sysdesc_at(c, vm, -1);
        sysdesc_mistake(c, "on-demand", "remove it, or give it no-autostart instead",
                        "its devices interrupt a core, which has to be known at boot");
    }
    return true;
}
