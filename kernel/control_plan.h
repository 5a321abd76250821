// SPDX-License-Identifier: Apache-2.0
// What the files of part `control` share: control.c drives, control_plan.c decides, control_apply.c does it.
#ifndef KERNEL_CONTROL_PLAN_H
#define KERNEL_CONTROL_PLAN_H

#include "kernel/control.h"
#include "kernel/cpu.h"
#include "kernel/sysdesc_check.h"
#include "kernel/vm.h"
#include "sched/advice.h"
#include "sched/latency.h"

// Of one VCPU.
struct control_change {
    struct vcpu *vcpu;
    struct vcpu_desc desc; // as it is to be
    uint8_t from, to;      // whose load it leaves, whose it enters; CORE_AUTO: none's
    bool applied;          // the VCPU is as it is to be; written on its core
};

enum control_phase { PHASE_NONE, PHASE_RESERVE, PHASE_CHANGE, PHASE_RESTORE };

// A core's own job, while it is asked to do its part.
struct control_core {
    struct job job;
    uint8_t wanted; // enum control_phase; under control->lock
    uint64_t spent; // ticks that its thread had for this request
};

// What a controller is told of its last request; lengths in ticks.
struct control_result {
    bool decided;
    uint8_t outcome, core;
    uint32_t ticket; // 0: it has asked nothing
    uint64_t latency, at, demand, excess, largest_budget, smallest_period;
};

struct control;
// Does a slice's worth at most of some work, about 3 us: JOB_AGAIN, call `stage` again, which it may have changed.
typedef enum job_result (*control_stage_t)(struct control *c);

struct control {
    struct spinlock lock;
    struct job job;                       // of the request that is being worked off, on `cpu`
    struct cpu *cpu;                      // constant: the console's
    bool slept;                           // in its last slice it went to sleep
    control_stage_t stage;                // NULL: nothing is asked
    uint64_t slice;                       // ticks after which the job gives way
    uint64_t patience;                    // ticks that a core has to find an instant
    struct control_request request, next; // the operator's that waits, if `queued`
    bool queued;
    struct system_desc *system;
    struct sysdesc_check check; // says why in the words of the checker, into `text`
    struct sysdesc_sink sink;
    char text[320];

    struct sched_core_load work[MAX_CORES]; // what each core would have
    struct control_change changes[MAX_VCPUS];
    unsigned change_count, at; // and which is looked at
    bool judged;               // by admission, which `placement` tells of
    uint32_t tried;            // cores for that one
    struct sched_placement placement;
    struct sched_test test;
    struct sched_advice advice;
#if TAKT_ANALYSIS
    struct sched_latency_search search;
    uint64_t injection;
#endif
    uint64_t latency[MAX_VMS][MAX_VCPUS]; // of reservations on a core that is concerned; 0: not decided
    uint32_t concerned;                   // cores, a bit each
    unsigned core, vm, vcpu;              // where a stage is
    uint8_t phase;                        // enum control_phase
    uint64_t give_up;
    struct control_core cores[MAX_CORES];
    struct control_result results[MAX_VMS];
    struct {
        uint64_t asked, done, refused;
        uint64_t commit_max; // ticks with interrupts masked, on one core for one request
        uint64_t core_max;   // ticks that a core spent on its part of a change, both phases
    } stats;
};
extern struct control *control;

// control.c. The request ends, with a reason (printf-like) or, NULL, with what is in `text`: nothing has changed.
enum job_result control_refuse(struct control *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
// It ends, and has been done.
enum job_result control_finish(struct control *c);

// control_call.c. Its asker's results are of this request; it has ended.
void control_note_begin(struct control *c, const struct control_request *request);
void control_note_end(struct control *c, bool done);

// control_plan.c: the first stage. The last is control_commit.
enum job_result control_prepare(struct control *c);
// The change that concerns this VCPU, or NULL.
struct control_change *control_change_of(struct control *c, const struct vm *vm, unsigned vcpu);
// The core that a VCPU will be on; CORE_AUTO: none.
unsigned control_core_of(struct control *c, const struct vm *vm, unsigned vcpu);
// Its description as it will be.
const struct vcpu_desc *control_desc_of(struct control *c, const struct vm *vm, unsigned vcpu);

// control_apply.c: everything has been admitted.
enum job_result control_commit(struct control *c);

#endif
