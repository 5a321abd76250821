// SPDX-License-Identifier: Apache-2.0
#include "kernel/sysdesc_split.h"

void sysdesc_may_split(struct sysdesc_check *c, struct sched_machine *machine, unsigned count) {
    const struct system_desc *sys = c->sys;

    machine->by_count = sysdesc_by_count(sys);
    machine->splits = sys->migration_ns != 0 && !sys->smt; // with smt a core belongs to one VM
    machine->switch_cost = clock_ns_to_ticks_up(&c->rate, sys->overhead_ns);
    machine->migration_cost = clock_ns_to_ticks_up(&c->rate, sys->migration_ns);
    for (unsigned i = 0; i < count; i++) {
        struct sched_request *request = &c->sys->scratch.requests[i];
        const struct vm_desc *vm = &sys->vms[request->vm];
        request->whole = sys->scratch.vcpus[i] == &vm->vcpus[0] && vm->irq_count != 0; // devices interrupt one core
    }
}

void sysdesc_take_pieces(struct sysdesc_check *c, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        const struct sched_placement *p = &c->sys->scratch.placements[i];
        struct vcpu_desc *vcpu = c->sys->scratch.vcpus[i];
        vcpu->second = p->second < 0 ? CORE_AUTO : (uint8_t)p->second;
        memcpy(vcpu->pieces, p->pieces, sizeof(vcpu->pieces));
    }
}

bool sysdesc_has_piece(const struct system_desc *sys, unsigned core) {
    for (unsigned v = 0; v < sys->vm_count; v++) {
        for (unsigned i = 0; i < sys->vms[v].vcpu_count; i++) {
            const struct vcpu_desc *vcpu = &sys->vms[v].vcpus[i];
            if (vcpu->second != CORE_AUTO && (vcpu->placed == core || vcpu->second == core)) { return true; }
        }
    }
    return false;
}
