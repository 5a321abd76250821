// SPDX-License-Identifier: Apache-2.0
// A VCPU in two pieces on two cores (C=D, docs/scheduling.md). Part `split`.
//
// Each piece is a server of its own core and stays a member of it while the VM runs. The VCPU is on one core at a time:
// vcpu->entity is the piece of that core, the other one is parked. The rule:
//   - the first piece has to wait for a refill: the VCPU goes to the second core;
//   - that refill has come: it goes back, whether it runs, is out of turn, or waits; once in a period at most.
// Decided in vcpu_attend(), out of the core's inbox, where no handler is in the middle of anything.
#ifndef KERNEL_PIECES_H
#define KERNEL_PIECES_H

#include "kernel/hand_over.h"

struct vcpu_pieces {
    struct vcpu *vcpu;
    struct cpu *core[2];           // of the first and the second piece; constant
    struct sched_entity parked[2]; // the piece that the VCPU is not in: that core's own
    uint8_t current;               // the piece that it is in, or comes from
    bool leaving;                  // it goes off, by way of both cores
    uint64_t since;                // when it began to want the piece that it comes to
    uint64_t back_at;              // in the second: the first has budget again
    uint64_t returned;             // back_at of the last time; 0: never
    struct timer_event back;       // in the queue of the second core
    uint64_t moves;                // from either core to the other, ever
    uint64_t arrived;              // on its core
};

#if TAKT_SPLIT
static inline bool vcpu_moves(const struct vcpu *vcpu) { return vcpu->moves; }

// Makes a VCPU that was just set up one in two pieces, if its description says so. VM creation. ERR_NO_MEMORY, ERR_INVALID.
int pieces_init(struct vcpu *vcpu, uint32_t migration_ns);
// A first piece of this core may have run out: its VCPU finds a message. Where a decision of sched_pick() is found to be over.
void pieces_look(struct cpu *cpu);
// What follows is for a VCPU with vcpu_moves(), on its core, in handler context.
// A handler may be at work for it: it is left in the inbox. False: it comes out of there.
bool pieces_not_now(struct vcpu *vcpu);
// It has come here: takes it over. True: it is going off.
bool pieces_arrive(struct vcpu *vcpu);
// Sends it to its other core if the rule says so. True: it is not this core's any more.
bool pieces_go(struct vcpu *vcpu);
// It goes off: sends it where one of its pieces is still a member. False: nowhere, it can go off here.
bool pieces_leave(struct vcpu *vcpu);
// It asks to go off: it will when this handler ends. True.
bool pieces_off(struct vcpu *vcpu);
// The piece on that core, or of a whole one all; NULL: it has none there. Any core, a picture.
const struct sched_entity *pieces_on(const struct vcpu *vcpu, const struct cpu *cpu);
// Has it come to its core since then? Its core.
static inline bool pieces_moved_since(const struct vcpu *vcpu, uint64_t since) {
    return vcpu_moves(vcpu) && vcpu->pieces->arrived >= since;
}
// Has the machine lost time on one of its cores since then, or before without having caught up? Any core, a picture.
bool pieces_lost_time(const struct vcpu *vcpu, uint64_t since);
// How often it went from one core to the other; 0 of who does not. Any core, a picture.
static inline uint64_t pieces_moves(const struct vcpu *vcpu) { return vcpu_moves(vcpu) ? vcpu->pieces->moves : 0; }
#else
static inline bool vcpu_moves(UNUSED const struct vcpu *vcpu) { return false; }
static inline int pieces_init(UNUSED struct vcpu *vcpu, UNUSED uint32_t migration_ns) { return OK; }
static inline void pieces_look(UNUSED struct cpu *cpu) {}
static inline bool pieces_not_now(UNUSED struct vcpu *vcpu) { return false; }
static inline bool pieces_arrive(UNUSED struct vcpu *vcpu) { return false; }
static inline bool pieces_go(UNUSED struct vcpu *vcpu) { return false; }
static inline bool pieces_leave(UNUSED struct vcpu *vcpu) { return false; }
static inline bool pieces_off(UNUSED struct vcpu *vcpu) { return false; }
static inline const struct sched_entity *pieces_on(const struct vcpu *vcpu, const struct cpu *cpu) {
    return vcpu->cpu == cpu ? &vcpu->entity : NULL;
}
static inline bool pieces_moved_since(UNUSED const struct vcpu *vcpu, UNUSED uint64_t since) { return false; }
static inline bool pieces_lost_time(UNUSED const struct vcpu *vcpu, UNUSED uint64_t since) { return false; }
static inline uint64_t pieces_moves(UNUSED const struct vcpu *vcpu) { return 0; }
#endif

#endif
