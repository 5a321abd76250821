// SPDX-License-Identifier: Apache-2.0
#include "kernel/sysdesc_reclaim.h"

#include "kernel/sysdesc_check.h"
#include "kernel/sysdesc_control.h"

bool sysdesc_reclaims(const struct system_desc *sys, unsigned core) {
    for (unsigned v = 0; v < sys->vm_count; v++) {
        for (unsigned i = 0; i < sys->vms[v].vcpu_count; i++) {
            const struct vcpu_desc *vcpu = &sys->vms[v].vcpus[i];
            if (vcpu->reclaim && vcpu->placed == core) { return true; }
        }
    }
    return false;
}

static bool all_have_whole_periods(const struct sched_core_load *load) {
    for (uint32_t i = 0; i < load->task_count; i++) {
        if (load->tasks[i].deadline != load->tasks[i].period) { return false; }
    }
    return true;
}

static void check(struct sysdesc_check *c, const struct vcpu_desc *vcpu) {
    const struct sched_core_load *load = &c->sys->cores[vcpu->placed];

    if (sched_may_reclaim(load->tasks, load->task_count, load->sources, load->source_count)) { return; }
    if (all_have_whole_periods(load)) {
        sysdesc_mistake(c, "reclaim", "ask less of that core, or remove reclaim",
                        "with its interrupts core %u has too little time left for that", vcpu->placed);
    } else {
        sysdesc_mistake(c, "reclaim", "give it another core, remove that deadline-us, or remove reclaim",
                        "a reservation on core %u, or a piece of one, has a deadline before its period ends",
                        vcpu->placed);
    }
}

void sysdesc_check_reclaim(struct sysdesc_check *c) {
    for (unsigned v = 0; v < c->sys->vm_count; v++) {
        const struct vm_desc *vm = &c->sys->vms[v];
        for (unsigned i = 0; i < vm->vcpu_count; i++) {
            const struct vcpu_desc *vcpu = &vm->vcpus[i];
            if (!vcpu->reclaim) { continue; }
            sysdesc_at(c, vm, (int)i);
            if (!vcpu->reserved) {
                sysdesc_mistake(c, "reclaim", "give budget-us and period-us, or remove it",
                                "has no meaning for best effort, which has what nobody else wants");
            } else if (sysdesc_on_demand(vm)) {
                sysdesc_mistake(c, "reclaim", "remove it, or on-demand of its VM",
                                "a core where somebody reclaims does not change while it runs");
            } else if (vcpu->placed != CORE_AUTO) {
                check(c, vcpu);
            }
        }
    }
}
