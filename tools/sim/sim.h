// SPDX-License-Identifier: Apache-2.0
/*
 * Discrete-event simulation of cores that are dispatched by the hypervisor's own sched/ and timer/.
 *
 * A core is a sched_core and a timer_queue, used as kernel/dispatch.c uses them: expired timers that matter fire, the
 * scheduler picks, the one timer is armed to the earlier of the decision's end and the next event that matters to it. What
 * the guests do is made up (sim_behaviour); deciding and switching take no time, interrupts take what they are said to.
 *
 * A VCPU that is split over two cores is two servers. It runs on the first core while that piece has eligible budget, else
 * on the second; that is all that cores of one machine have to do with each other, and the rest is one machine per core.
 *
 * Time: ticks of a counter of 1 GHz, from 0. A run is decided by its seed alone.
 */
#ifndef TOOLS_SIM_SIM_H
#define TOOLS_SIM_SIM_H

#include "sched/admission.h"
#include "sched/sched.h"
#include "timer/timer_queue.h"
#include "tools/sim/random.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_PIECES_MAX     2u
#define SIM_CHAIN_MAX      32u /* a power of two */
#define SIM_CORE_VCPUS_MAX (SCHED_ENTITIES_MAX - 1)

enum sim_behaviour {
    SIM_RUNS,     /* never waits */
    SIM_PERIODIC, /* a job of the whole budget in each period */
    SIM_SPORADIC, /* a job of a part of it, a period or more after the last one */
    SIM_HOSTILE,  /* waits and wakes at boundaries of servers, its own and its neighbours' */
    SIM_BEHAVIOURS,
};

/* What may not happen. Each is counted apart and none is ever right on admitted systems. */
enum sim_fault {
    SIM_FAULT_MISS, /* by the scheduler's own count */
    SIM_FAULT_SLOW, /* a wake-up with budget waited longer than its latency */
    SIM_FAULT_LATE, /* by the supply that the simulator saw: a job, or the budget of a period, came after its deadline */
    SIM_FAULT_STARVED, /* runnable for longer than a server's longest gap without supply */
    SIM_FAULT_OVERRUN, /* a server supplied more than its budget between a release and a period later */
    SIM_FAULT_ORDER,   /* somebody with a later deadline ran, or a refill was overlooked */
    SIM_FAULT_TIMER,   /* the timer was armed for later than an event that matters */
    SIM_FAULT_TWICE,   /* both pieces of a split VCPU at once */
    SIM_FAULT_BOOKS,   /* the scheduler accounted other ticks than were supplied */
    SIM_FAULTS,
};

struct sim_counts {
    uint64_t events; /* moments at which a core had to do something */
    uint64_t dispatches;
    uint64_t switches;
    uint64_t interrupts;
    uint64_t activations;
    uint64_t promises;  /* jobs and periods' budgets whose end was compared with a deadline */
    uint64_t wakes;     /* whose start was compared with a latency */
    uint64_t reclaimed; /* ticks beyond the budget of a period */
    uint64_t moves;     /* of split VCPUs from core to core */
    uint64_t idle;      /* ticks, as the next two */
    uint64_t reserved;
    uint64_t in_interrupts;
    int64_t lateness; /* of the promise that came closest to its deadline, or furthest behind it */
    uint64_t faults[SIM_FAULTS];
};

struct sim_core;

/* What one activation got; those that began within a period may not sum up to more than the budget. */
struct sim_supply {
    uint64_t release;
    uint64_t amount;
};

/* One server, or one best-effort entity, on one core. */
struct sim_piece {
    struct sched_entity entity; /* first: a decision names it */
    struct sim_core *core;
    struct sim_vcpu *vcpu;
    uint64_t supplied;
    uint64_t chain_sum;
    uint32_t chain_first, chain_count;
    struct sim_supply chain[SIM_CHAIN_MAX];
};

struct sim_vcpu {
    struct sched_task task; /* the whole promise; of best effort nothing */
    enum sim_behaviour behaviour;
    bool charged;     /* interrupts take from its budget: what is left is promised by the scheduler's count alone */
    bool interrupted; /* hostile: the next wake-up is a device's, not its own timer's */
    bool stoppable;   /* hostile: other cores stop it while it is out of turn */
    uint32_t piece_count;
    struct sim_piece *active; /* where it is while it is runnable; NULL: it waits */
    uint64_t act_at;          /* hostile: its next move */
    uint64_t release;         /* of its job */
    uint64_t work;            /* left of its job */
    uint64_t supplied;
    uint64_t last_supply;
    uint64_t due;             /* by here, if it stays runnable, ... */
    uint64_t due_supplied;    /* ... this much must have been supplied */
    uint64_t latency;         /* of a wake-up with budget, at most; SCHED_NEVER: nothing is promised */
    uint64_t start_by;        /* that it may wait for */
    uint64_t woken;           /* for the first time; SCHED_NEVER: not yet */
    struct timer_event alarm; /* its own timer, while it waits */
    struct timer_event home;  /* split: its first piece has budget again */
    struct sim_piece pieces[SIM_PIECES_MAX];
};

struct sim_core {
    struct sched_core sched;
    struct sched_spare spare;
    struct timer_queue timers;
    struct sim_machine *machine;
    struct sim_piece *run;
    struct sim_vcpu *loaded; /* whose registers the core holds; idling in between changes nothing */
    uint64_t since;          /* it runs `run` from here, or is idle */
    uint64_t busy_until;     /* handles an interrupt until here */
    uint64_t armed;
    uint64_t next; /* when it has something to do */
    bool dirty;    /* somebody came or went: decide again */
    struct sched_source source;
    struct sim_vcpu *source_owner; /* who pays for the interrupt, or NULL */
    uint64_t interrupt_at;
    uint32_t piece_count;
    struct sim_piece *pieces[SCHED_ENTITIES_MAX];
    struct sim_counts counts;
};

struct sim_machine {
    struct random random;
    bool apart;
    uint64_t now;
    uint32_t core_count, vcpu_count, vcpus_max;
    struct sim_core *cores;
    struct sim_vcpu *vcpus;
};

/* Memory for a machine of up to `cores` cores and `vcpus` VCPUs, best effort included; false: none is left. */
bool sim_create(struct sim_machine *machine, uint32_t cores, uint32_t vcpus);
void sim_destroy(struct sim_machine *machine);

/* Empties it. `cores` at most what it was created with. */
void sim_reset(struct sim_machine *machine, uint32_t cores, uint64_t seed);

/* Adds a VCPU; NULL: no room. sim_split() gives it a second piece: the core of sim_add_reserved() promises `task` of then,
 * the second one its own, and both together `whole`. */
struct sim_vcpu *sim_add_reserved(struct sim_machine *machine, uint32_t core, const struct sched_task *task,
                                  enum sim_behaviour behaviour);
bool sim_split(struct sim_machine *machine, struct sim_vcpu *vcpu, uint32_t core, const struct sched_task *task,
               const struct sched_task *whole);
struct sim_vcpu *sim_add_best_effort(struct sim_machine *machine, uint32_t core, uint32_t weight,
                                     enum sim_behaviour behaviour);

/* Its VCPUs, with all their deadlines at the end of their periods, reclaim what others spare. */
void sim_reclaim(struct sim_machine *machine, uint32_t core);

/* One interrupt source per core. `owner`, who pays for its interrupts, may be NULL. */
void sim_add_source(struct sim_machine *machine, uint32_t core, const struct sched_source *source,
                    struct sim_vcpu *owner);

/* Plays until `end`, once per reset. Everybody wakes at 0 and interrupts come at their highest rate from there on, or
 * (apart) each has a moment of his own in his first period, and some interrupts are later than they could be. */
void sim_run(struct sim_machine *machine, uint64_t end, bool apart);

/* Sums of a run. */
struct sim_counts sim_counts_zero(void);
void sim_counts_add(struct sim_counts *sum, const struct sim_counts *counts);
uint64_t sim_faults(const struct sim_counts *counts);
const char *sim_fault_name(enum sim_fault fault);

/* Between the files of the simulator: what is checked, in O(1) per event but for the last, which is O(n) per decision. */
void sim_check_supply(struct sim_piece *piece, uint64_t from, uint64_t to);
void sim_check_wake(struct sim_vcpu *vcpu, uint64_t at);
void sim_check_wait(struct sim_vcpu *vcpu, uint64_t now);
void sim_check_decision(struct sim_core *core, const struct sched_decision *decision);
void sim_check_end(struct sim_machine *machine);

/* Notes a promise: `amount` more by `due`. */
void sim_promise(struct sim_vcpu *vcpu, uint64_t due, uint64_t amount);

static inline struct sim_piece *sim_piece_of(struct sched_entity *entity) { return (struct sim_piece *)(void *)entity; }

static inline bool sim_is_reserved(const struct sim_vcpu *vcpu) {
    return vcpu->pieces[0].entity.class == SCHED_RESERVED;
}

#endif
