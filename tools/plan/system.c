// SPDX-License-Identifier: Apache-2.0
// A plan from a system image: the checker is the hypervisor's (kernel/sysdesc.h).
#include "tools/plan/plan.h"

static void number_vcpus(struct plan *plan, struct system_desc *sys) {
    for (unsigned i = 0; i < ARRAY_SIZE(sys->scratch.vcpus) && sys->scratch.vcpus[i] != NULL; i++) {
        const struct vm_desc *vm = &sys->vms[sys->scratch.requests[i].vm];
        plan->vcpus[plan->vcpu_count++] = (struct plan_vcpu){
            .vm = vm->name,
            .index = (unsigned)(sys->scratch.vcpus[i] - vm->vcpus),
            .desc = sys->scratch.vcpus[i],
            .placement = &sys->scratch.placements[i],
        };
    }
}

bool plan_system(struct plan *plan, uint64_t hz) {
    const struct blob *image = &plan->input[0], *dtb = &plan->input[1];
    struct board *board = plan_allocate(plan, 1, sizeof(*board));
    struct system_desc *sys = plan_allocate(plan, 1, sizeof(*sys));

    if (tree_check(dtb->data, dtb->size) != OK || board_parse(dtb->data, board) != OK) {
        fprintf(stderr, "takt-plan: the board's device tree is malformed\n");
        return false;
    }
    (void)sysdesc_parse(image->data, image->size, board, hz, sys, &plan->sink);
    (void)sysdesc_verify(sys, &plan->sink);
    plan->source = sys->source;
    plan->machine = board->model;
    plan->hz = hz;
    plan->overhead_ns = sys->overhead_ns;
    plan->migration_ns = sys->migration_ns;
    plan->smt = sys->smt;
    plan->core_count = sysdesc_cores(board, sys);
    plan->cores = sys->cores;
    plan->vcpus = plan_allocate(plan, ARRAY_SIZE(sys->scratch.vcpus), sizeof(*plan->vcpus));
    plan->sys = sys;
    (void)clock_rate_init(&plan->rate, hz);
    number_vcpus(plan, sys);
    plan_explain(plan, &(struct sysdesc_check){.board = board, .sys = sys, .rate = plan->rate, .file = sys->source});
    return true;
}
