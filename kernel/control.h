// SPDX-License-Identifier: Apache-2.0
// Part `control`: changes while the system runs. Each is asked of the same admission as at boot, and keeps its promises.
//
// One request at a time; a second one is refused as busy, but for the operator's, of whom one may wait. A request goes
// through stages, as a job on the console's core, best effort, in slices of at most 10 us:
//   what it means, what each core has, the exact test, what would have fitted, latencies;
//   then reserve: each core that it concerns promises its VCPUs the longer of the old and the new latency;
//   then change: on each core, in an instant at which no reservation there has anything to do (sched/change.h), a job of
//   that core changes, hands over or lets go what it is about; then the new latencies count.
// Cores are asked one after the other; nobody waits for another core. Until the second step nothing has changed, and a
// refusal or a core that has no such instant in time leaves everything as it was.
#ifndef KERNEL_CONTROL_H
#define KERNEL_CONTROL_H

#include "kernel/types.h"
#include "takt/control.h"

struct board;
struct cpu;
struct system_desc;
struct vcpu;
struct vm;

enum control_operation {
    CONTROL_RESERVE, // another reservation for a VCPU that has one
    CONTROL_MOVE,    // a VCPU to another core
    CONTROL_CREATE,  // the VM's VCPUs are admitted and placed, and it starts
    CONTROL_DESTROY, // it ends, and what its VCPUs had is free
    CONTROL_START,   // these three as vm_start(), vm_stop(), vm_restart()
    CONTROL_STOP,
    CONTROL_RESTART,
    CONTROL_OPERATIONS
};

struct control_request {
    uint8_t operation;
    uint8_t vm;   // index in vms[]
    uint8_t vcpu; // RESERVE, MOVE
    uint8_t core; // MOVE
    uint32_t budget_us, deadline_us, period_us;
    struct vcpu *asker; // of a controller, NULL: the operator. This and what follows for kernel/control_call.c
    uint64_t life;      // how often its VM had been started
    uint8_t interrupt;  // to tell it by, 0: none
};

#if TAKT_CONTROL

// Boot, after vm_create_all. ERR_NO_MEMORY. `desc` is what reports and the monitor read; it follows the changes.
int control_init(const struct board *board, struct system_desc *desc);

// Somebody asks. Any context. OK: it is being decided, or, of the operator, waits for that; the log tells how it ends.
// ERR_BUSY: not now. ERR_RANGE: no such VM, VCPU or core.
int control_ask(const struct control_request *request);

// The hypercalls. Handler context.
int64_t call_control(struct vcpu *vcpu, uint64_t *x);
int64_t call_control_result(struct vcpu *vcpu, uint64_t *x);
int64_t call_control_list(struct vcpu *vcpu, uint64_t *x);

// A VCPU that control handed over has come to this core. From vcpu_attend().
void control_arrive(struct vcpu *vcpu);

// The VM is described, but has no place now: it cannot be started. Any context.
static inline bool control_absent(const bool *absent) { return __atomic_load_n(absent, __ATOMIC_RELAXED); }
#define VM_ABSENT(vm)    control_absent(&(vm)->absent)
#define VCPU_COMES(vcpu) ((vcpu)->comes)

#else

static inline int control_init(UNUSED const struct board *board, UNUSED struct system_desc *desc) { return OK; }
static inline void control_arrive(UNUSED struct vcpu *vcpu) {}
#define VM_ABSENT(vm)    false
#define VCPU_COMES(vcpu) false

#endif
#endif
