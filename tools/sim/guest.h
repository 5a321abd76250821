// SPDX-License-Identifier: Apache-2.0
/* What guests do, and where a VCPU is. Private to the simulator. */
#ifndef TOOLS_SIM_GUEST_H
#define TOOLS_SIM_GUEST_H

#include "tools/sim/sim.h"

/* Once it is on its core. */
void guest_set_up(struct sim_vcpu *vcpu);
void guest_start(struct sim_vcpu *vcpu);

/* Its core supplied that much of its job. */
void guest_ran(struct sim_vcpu *vcpu, uint64_t ticks);

/* When it does something if it goes on running from `since`; when something is done to it while it does not run. */
uint64_t guest_acts_at(const struct sim_vcpu *vcpu, uint64_t since);
uint64_t guest_moved_at(const struct sim_vcpu *vcpu);

/* The moment has come. */
void guest_act(struct sim_vcpu *vcpu);

/* After a decision: the first piece of a split VCPU ran until its budget was used up, so the VCPU goes on with the second. */
void guest_left_first_piece(struct sim_piece *piece);

/* Accounts what the core ran until now. */
void sim_settle(struct sim_core *core);

#endif
