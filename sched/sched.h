// SPDX-License-Identifier: Apache-2.0
/*
 * The dispatcher of one core: an EDF queue of sporadic servers, best effort behind them.
 *
 * Model (docs/scheduling.md). A reservation promises budget Q in every period T by relative
 * deadline D, Q <= D <= T. Each is an EDF sporadic server (Sprunt, Sha & Lehoczky 1989; Spuri &
 * Buttazzo 1996) whose budget is a short ordered list of refills (time, amount) that always sums up
 * to Q:
 *
 *   - A wake-up at t opens an activation: release t, deadline t + D, all refills eligible at t.
 *   - A refill that becomes eligible at r while the VCPU is runnable opens one of its own, release
 *     r, deadline r + D, behind those with budget left.
 *   - What an activation consumed returns at its release + T. What a block leaves of it stays
 *     eligible and takes its release from the next wake-up (no premature replenishment, Stanovich
 *     et al. 2010).
 *   - No eligible refill: throttled until the next one. A full list merges by postponing.
 *
 * So each tick of budget is a sporadic job (D, T), and the demand test of sched/admission.h holds
 * for every pattern of blocking. Best effort shares by weight, in order of virtual time, the time
 * that no reservation wants.
 *
 * Units and ranges: times are absolute counter ticks, lengths ticks, both below SCHED_TICKS_MAX.
 * `now` never decreases over the calls for one core.
 *
 * Context: a sched_core and its entities belong to one core and are used on that core with
 * interrupts masked, except sched_remote_preempts(). Nothing blocks, allocates or takes a lock.
 *
 * Costs, n entities on the core: wake, block, charge and pick O(log n), however many refills became
 * eligible since the last pick. With reclaiming a pick is so over time: it can change all shares.
 */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "timer/timer_queue.h"

#include <stdbool.h>
#include <stdint.h>

#define SCHED_ENTITIES_MAX 32u
#define SCHED_REFILLS_MAX  8u /* a power of two */
#define SCHED_TICKS_MAX    (UINT64_C(1) << 62)
#define SCHED_WEIGHT_MAX   1024u /* weights are 1 .. SCHED_WEIGHT_MAX */
#define SCHED_NEVER        UINT64_MAX
#define SCHED_RECLAIMING   2u /* of sched_core.enforced */

enum sched_error { SCHED_OK = 0, SCHED_EINVAL = -1, SCHED_EFULL = -2 };

enum sched_class { SCHED_RESERVED, SCHED_BEST_EFFORT };

enum sched_state {
    SCHED_BLOCKED,   /* not runnable */
    SCHED_AWAY,      /* the same, and its share is or will be spare (sched_reclaim) */
    SCHED_READY,     /* reserved, runnable, an activation with budget is open */
    SCHED_THROTTLED, /* reserved, runnable, waits for a refill */
    SCHED_SHARING,   /* best effort, runnable */
};

/* Why an activation got its budget too late. */
enum sched_miss {
    SCHED_MISS_DISPATCH, /* nothing excuses it: an error in admission, dispatcher or accounting */
    SCHED_MISS_PLATFORM, /* it was open when the machine lost time (sched_distorted) */
    SCHED_MISS_BACKLOG,  /* it opened after that, before the core had caught up once */
    SCHED_MISS_CAUSES,
};

struct sched_refill {
    uint64_t time; /* eligible from here */
    uint64_t amount;
};

struct sched_stats {
    uint64_t supplied;    /* ticks it ran (interrupts of others not included) */
    uint64_t charged;     /* ticks of interrupt handling taken from its budget */
    uint64_t forgiven;    /* ticks that no budget could pay: debt beyond Q, or time that the machine lost */
    uint64_t activations; /* opened */
    uint64_t exhaustions; /* activations whose budget ran out */
    uint64_t misses[SCHED_MISS_CAUSES];
};

struct sched_core;

/* Owned by the scheduler; embed it in the VCPU. Others read `class` .. `weight`, `state` and
 * `stats`. */
struct sched_entity {
    enum sched_class class;
    enum sched_state state;
    uint64_t budget;   /* Q, as enforced */
    uint64_t deadline; /* D, relative; SCHED_NEVER: best effort */
    uint64_t period;   /* T */
    uint32_t weight;

    uint32_t position; /* index in the heap of its state, if that has one */
    uint64_t key;      /* what that heap is ordered by: absolute deadline, virtual time, or what sched_spare says */
    struct timer_event refill; /* in sched_core.throttled: when more is back than it owes */
    struct sched_core *core;

    /* The open activation; `remaining` is 0 when none is. Its absolute deadline is release + D. */
    uint64_t release;
    uint64_t remaining;
    uint64_t consumed;
    uint64_t debt; /* consumed without budget, paid by the next refill; at most Q */
    uint32_t refill_head;
    uint32_t refill_count;
    uint64_t wake_hint; /* published: when a wake-up finds budget, as of the last block */

    uint64_t inverse_weight; /* virtual time per tick */
    uint64_t vtime;

    struct sched_refill refills[SCHED_REFILLS_MAX]; /* ring, by increasing time */
    struct sched_stats stats;

#if TAKT_SPLIT
    /* Another server has budget for the same work from then on, elsewhere; SCHED_NEVER: none has. */
    uint64_t elsewhere;
    bool tells; /* that it waits for a refill, runnable: sched_core.told */
#endif
#if TAKT_RECLAIM
    bool reclaims;  /* pays less while others do not want their shares. Set by the owner before sched_add() */
    bool spares;    /* SCHED_AWAY, and its share counts */
    uint32_t share; /* Q/T, rounded down, of 2^32 */
#endif
};

struct sched_heap {
    uint32_t count;
    struct sched_entity *slot[SCHED_ENTITIES_MAX];
};

#if TAKT_RECLAIM
/* What the servers of a core do not want. */
struct sched_spare {
    uint64_t sum;                                    /* of the shares that are spare now */
    uint64_t counted;                                /* what runs has been credited until then */
    uint32_t fraction;                               /* of a tick, of 2^32, that it was not */
    struct sched_entity *chosen;                     /* by the last pick, if it was a reservation */
    uint64_t (*awaits)(struct sched_entity *entity); /* see sched_reclaim() */
    struct sched_heap leaving;                       /* by when their last refill is back */
    struct sched_heap spares;                        /* by when what they can spare ends */
};
#endif

struct sched_core {
    uint64_t current_deadline; /* published: sched_decision.deadline of the last pick */
    struct sched_entity *running;
    uint64_t run_start; /* what runs is accounted up to here */
    uint64_t clock;     /* latest time seen */
    uint32_t population;
    uint8_t enforced;             /* not 0: budgets count: two or more entities have been here since the last pick */
    bool behind;                  /* the machine lost time and reserved work has not been through since */
    struct sched_entity *turn_of; /* best effort that has the turn */
    uint64_t turn;                /* length of a turn */
    uint64_t turn_left;
    uint64_t vtime;        /* virtual time at which a newcomer starts when nobody shares */
    uint64_t distorted_at; /* last time of sched_distorted, valid while or after `behind` was set */
    uint64_t distortions;
    struct sched_heap ready;   /* by absolute deadline */
    struct sched_heap sharing; /* by virtual time */
    /* Refills, each with the slack D: it opens a deadline, as a wake-up does. One that has come stays as long as that deadline
     * is not the earliest of the core. */
    struct timer_queue throttled;
    struct sched_entity *member[SCHED_ENTITIES_MAX];
    bool told; /* one that `tells` was throttled; the owner clears it. Until then decisions hold for no time */
#if TAKT_RECLAIM
    struct sched_spare *spare; /* see sched_reclaim(); NULL: nobody reclaims */
#endif
};

struct sched_decision {
    struct sched_entity *run; /* NULL: idle */
    uint64_t until;           /* decide again at this time at the latest; SCHED_NEVER: only when something
                          happens */
    uint64_t deadline;        /* of the chosen activation; SCHED_NEVER for best effort, idle and the sole
                          owner. This is the horizon of timer_queue_next() and timer_queue_pop(). */
};

/* Empties the core. `turn` (> 0): how long one best-effort entity runs before the next, when
 * several want to. */
void sched_core_init(struct sched_core *core, uint64_t turn);

/* Sets up an entity, blocked, with its whole budget eligible. SCHED_EINVAL unless 0 < Q <= D <= T <
 * SCHED_TICKS_MAX, or 1 <= weight <= SCHED_WEIGHT_MAX. A server that ran must not be set up again
 * within T of its last activation (it would get a second budget): to restart a VM, add the same
 * entity again as it is. */
int sched_entity_init_reserved(struct sched_entity *entity, uint64_t budget, uint64_t deadline, uint64_t period);
int sched_entity_init_best_effort(struct sched_entity *entity, uint32_t weight);

/* Puts a blocked entity on the core; SCHED_EFULL beyond SCHED_ENTITIES_MAX, SCHED_EINVAL when it is
 * on a core already. The caller has admitted it. Follow with sched_pick(): the owner of a core that
 * was alone is under its budget again, full from that pick on. */
int sched_add(struct sched_core *core, struct sched_entity *entity);

/* Blocks the entity and takes it off. Returns the time by which all its budget is back: the last refill's time, `now` if it
 * consumed nothing. Where every D = T and nothing interrupts its share may be given away from then on, else only in a quiet instant after it left
 * (sched/change.h). An entity of this core only. */
uint64_t sched_remove(struct sched_core *core, struct sched_entity *entity, uint64_t now);

/* A blocked entity of this core lives at `to` from now on: what stood at `from` is no entity any more. O(n). */
#if TAKT_SPLIT
void sched_relocate(struct sched_core *core, struct sched_entity *from, struct sched_entity *to);
#endif

/* The entity becomes runnable; does nothing when it is. `at` is the time of the wake-up and the
 * release of the activation that it opens: pass the expiry of the timer that woke it rather than
 * the time at which the interrupt was handled, so that waiting in the timer queue (horizon rule)
 * does not move its deadline; at <= now. */
void sched_wake(struct sched_core *core, struct sched_entity *entity, uint64_t at);

/* The entity stops being runnable; what runs is accounted first. Does nothing when it is blocked.
 */
void sched_block(struct sched_core *core, struct sched_entity *entity, uint64_t now);

/* Takes `ticks` of interrupt handling from the owner's budget, whatever its state: from the open
 * activation, beyond that as debt from its next refill (at most Q, the rest is counted as
 * forgiven). Call sched_pick() before returning to a guest: the owner may have become throttled. */
void sched_charge(struct sched_core *core, struct sched_entity *owner, uint64_t ticks);

/* What runs does not pay for the last `ticks`. */
void sched_exempt(struct sched_core *core, uint64_t ticks);

/* Accounts what runs, opens the activation of at most one refill, decides. The result is what the core runs from `now`
 * on. O(log n). */
struct sched_decision sched_pick(struct sched_core *core, uint64_t now);

/* The deadline of what a pick would choose now, SCHED_NEVER for best effort: that of the last pick, or an earlier one that
 * woke since. A later one after the pick lets more timers matter. */
static inline uint64_t sched_horizon(const struct sched_core *core) {
    if (!core->enforced || core->ready.count == 0) { return core->current_deadline; }
    return core->ready.slot[0]->key < core->current_deadline ? core->ready.slot[0]->key : core->current_deadline;
}

/* Would waking it at `now` change what its core runs? Asked from another core: reads
 * current_deadline and wake_hint (relaxed) and the constants class and deadline, nothing else of
 * core or entity may be read there. An answer may be stale: the waker sets its wake bit, then
 * executes a full barrier, then asks; the target picks, then executes a full barrier, then reads
 * the bits. Then at least one of the two sees the other. A needless yes is possible, a lost wake-up
 * is not. */
bool sched_remote_preempts(const struct sched_core *core, const struct sched_entity *entity, uint64_t now);

/* Earliest time >= now at which the entity has budget, or would if it were runnable: a timer of a
 * throttled VCPU is postponed to max(expiry, this). `now` for best effort and for the sole owner. Not later than
 * `elsewhere`. */
uint64_t sched_eligible_at(const struct sched_entity *entity, uint64_t now);

/* Exactly one entity is on the core: it runs whenever it wants, its budget is accounted but not
 * enforced. */
static inline bool sched_sole(const struct sched_core *core) { return core->population == 1; }

#if TAKT_RECLAIM
/* From now on who `reclaims` on this core runs longer on its budget while others sleep (sched/reclaim.h). Only where
 * sched_may_reclaim() holds for all reservations that are ever on it. `awaits` says of an entity that is blocked when the first
 * of its own timers expires that may be handled later than that; SCHED_NEVER: it has none. Called by sched_pick(), and not
 * before what blocked it has set them. `spare` is the core's, for ever; called again, this changes nothing. */
void sched_reclaim(struct sched_core *core, struct sched_spare *spare, uint64_t (*awaits)(struct sched_entity *entity));
#endif

/* The machine itself lost time up to `now` (the timer interrupt came far too late, as under an
 * emulator that its host descheduled). What runs does not pay beyond its budget, and misses that
 * follow are counted by cause. O(1). */
void sched_distorted(struct sched_core *core, uint64_t now);

/* After a pick that chose no reservation and with no wake-up left unseen in the timer queue: what the machine lost has been
 * caught up with; a miss from here on has no excuse any more. */
static inline void sched_caught_up(struct sched_core *core) { core->behind = false; }

#endif
