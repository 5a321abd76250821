// SPDX-License-Identifier: Apache-2.0
/* What guests do, and where a VCPU is. Private to the simulator. */
#ifndef TOOLS_SIM_GUEST_H
#define TOOLS_SIM_GUEST_H

#include "tools/sim/sim.h"

#include <stddef.h>

/* Once it is on its core. */
void guest_set_up(struct sim_vcpu *vcpu);
void guest_start(struct sim_vcpu *vcpu);

/* Its core supplied that much of its job. */
void guest_ran(struct sim_vcpu *vcpu, uint64_t ticks);

static inline bool guest_has_jobs(const struct sim_vcpu *vcpu) {
    return vcpu->behaviour == SIM_PERIODIC || vcpu->behaviour == SIM_SPORADIC;
}

/* When it does something if it goes on running from `since`. */
static inline uint64_t guest_acts_at(const struct sim_vcpu *vcpu, uint64_t since) {
    if (guest_has_jobs(vcpu)) { return since + vcpu->work; }
    return vcpu->act_at > since ? vcpu->act_at : since;
}

/* When something is done to it while it does not run. */
static inline uint64_t guest_moved_at(const struct sim_vcpu *vcpu) {
    bool moved = vcpu->active == NULL ? vcpu->interrupted : vcpu->stoppable;

    return moved ? vcpu->act_at : SCHED_NEVER;
}

/* The moment has come. */
void guest_act(struct sim_vcpu *vcpu);

/* After a decision: the first piece of a split VCPU ran until its budget was used up, so the VCPU goes on with the second. */
void guest_left_first_piece(struct sim_piece *piece);

/* Accounts what the core ran until now. */
void sim_settle(struct sim_core *core);

#endif
