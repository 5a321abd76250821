// SPDX-License-Identifier: Apache-2.0
// The trace: what each core decided and when, in a ring of fixed-size records that only this core writes. docs/tracing.md
// is the format as scripts read it.
//
// Cost. Off: dispatch() tests one bit of `cpu->todo` when it has done its work, and few other places do, none of them where a
// guest waits for an exit alone. On: that same bit sends every way out through dispatch(), which then compares what is counted
// anyway with what the trace says already. So no path that is traced knows of it, and events of one handler have one time.
//
// A part (scripts/parts.mk): without it every hook is empty.
#ifndef KERNEL_TRACE_H
#define KERNEL_TRACE_H

#include "kernel/cpu.h"
#include "kernel/sysdesc.h"
#include "kernel/types.h"
#include "kernel/vm.h"

enum { TRACE_VERSION = 1 };

// Numbers are part of the format: new ones at the end. What `who` did or what happened to it; `detail`; `value`.
enum trace_kind {
    TRACE_NONE,     // never written
    TRACE_ON,       // tracing begins on this core
    TRACE_OFF,      // and ends
    TRACE_DISPATCH, // runs from now on, after `other`; the lower half of irq_ticks, so that what interrupts of others took
                    // can be told from supply; absolute deadline, or UINT64_MAX
    TRACE_WAKE,     // wants to run; enum trace_cause; since when
    TRACE_BLOCK,    // waits; 0; when it left the guest
    TRACE_START,    // VCPU on; 0; 0
    TRACE_STOP,     // VCPU off; enum vm_end of its VM; 0
    TRACE_ACTIVATION, // budget is there, after a wake or by replenishment; ticks of it (at most 2^32 - 1); its release
    TRACE_EXHAUSTED,  // its budget ended; 0; when there is some again
    TRACE_MISS,       // budget came too late; 1: after the machine lost time; 0
    TRACE_INJECT, // an interrupt becomes pending for it, told by the core that made it so; number; 0. Or it takes the
                  // core with its timer expired: TRACE_OWN_TIMER; how late, ticks
    TRACE_EXIT,   // left the guest; enum exit_reason; when. The record's time is when that was handled
    TRACE_MARK,   // hypercall MARK; 0; the guest's value
    TRACE_DISTORTION, // the machine lost time; 0; the time up to which it did
    TRACE_MIGRATE,    // goes on elsewhere; the other core; 0
    TRACE_LATE, // when it leaves its core: its timer brought it there later than promised; 1: after the machine lost time; by how
                // much, ticks
    TRACE_KINDS,
};

enum trace_cause { TRACE_BY_TIMER, TRACE_BY_INTERRUPT };
enum {
    TRACE_NOBODY = 0xff, // the core waits
    TRACE_THREAD = 0xfe, // the core's own thread
    TRACE_OWN_TIMER = UINT16_MAX,
};

struct trace_record {
    uint64_t time; // arch_clock(); never decreases on one core
    uint64_t value;
    uint32_t detail;
    uint8_t kind;
    uint8_t who, other; // vm * MAX_VCPUS + index, or one of the above
    uint8_t unused;     // 0
};
_Static_assert(sizeof(struct trace_record) == 24, "the format");

struct trace_ring {
    uint64_t head; // records ever written; published after the record
    uint32_t mask; // how many it holds, less one; a power of two less one
    bool wanted;   // published: by trace_switch for the core
    // Own core, while on: what the trace says already.
    struct vcpu *running;
    uint8_t who; // runs: its number
    uint64_t deadline, distortions, exits[EXIT_REASONS];
    struct trace_record records[];
};

#if TAKT_TRACE

// A ring for each core, of desc->trace_records rounded up to a power of two; none with 0. With desc->trace tracing is on before
// anything starts. Boot, after cpus_start. ERR_NO_MEMORY.
int trace_init(const struct system_desc *desc);

// On or off, on every core: each follows when it next handles anything, at once unless it runs a reservation's VCPU that
// nothing interrupts. ERR_UNSUPPORTED: there are no rings. Thread context.
int trace_switch(bool on);

// Copies record `index` (0: the first ever written); false: it is overwritten, or not there yet. Any core, any context; no
// lock: what was overwritten while it was copied is not shown.
bool trace_read(const struct trace_ring *ring, uint64_t index, struct trace_record *out);

// ---- own core, handler context ----------------------------------------------------------------------------
// A record, of this core whosever VCPU `who` is; NULL: nobody. Only while it traces.
void trace_write(struct cpu *cpu, enum trace_kind kind, const struct vcpu *who, uint32_t detail, uint64_t value);
// At the end of a handler, before what it chose runs: records what has changed. Bounded by the core's VCPUs.
void trace_look(struct cpu *cpu);
void trace_start(struct cpu *cpu, struct vcpu *vcpu); // it is on from now on, and about to wake
void trace_follow(struct cpu *cpu);                   // does what trace_switch asked for

static inline bool trace_is_on(const struct cpu *cpu) { return unlikely((cpu->todo & TODO_TRACE) != 0); }

#else

static inline int trace_init(UNUSED const struct system_desc *desc) { return OK; }

static inline void trace_write(UNUSED struct cpu *cpu, UNUSED enum trace_kind kind, UNUSED const struct vcpu *who,
                               UNUSED uint32_t detail, UNUSED uint64_t value) {}

static inline void trace_look(UNUSED struct cpu *cpu) {}

static inline void trace_start(UNUSED struct cpu *cpu, UNUSED struct vcpu *vcpu) {}

static inline void trace_follow(UNUSED struct cpu *cpu) {}

static inline bool trace_is_on(UNUSED const struct cpu *cpu) { return false; }

#endif

// trace_write, if this core traces.
static inline void trace(struct cpu *cpu, enum trace_kind kind, const struct vcpu *who, uint32_t detail,
                         uint64_t value) {
    if (trace_is_on(cpu)) { trace_write(cpu, kind, who, detail, value); }
}

#endif
