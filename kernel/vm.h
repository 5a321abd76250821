// SPDX-License-Identifier: Apache-2.0
// VMs and their VCPUs: structure, life cycle, and what other rooms may ask of them.
//
// A VM is created once, at boot, from its description and never freed; stop, start and restart re-use its memory.
//   VM_STOPPED -> VM_LOADING (a job copies, scrubs, generates) -> VM_RUNNING -> VM_STOPPING (VCPUs leave their
//   cores, devices are quiesced) -> VM_STOPPED, and from there by restart policy back to VM_LOADING.
#ifndef KERNEL_VM_H
#define KERNEL_VM_H

#include "arch_types.h"
#include "kernel/call_timer.h"
#include "kernel/control.h"
#include "kernel/job.h"
#include "kernel/lock.h"
#include "kernel/mmio.h"
#include "kernel/stats.h"
#include "kernel/sysdesc.h"
#include "kernel/types.h"
#include "sched/sched.h"
#include "timer/timer_queue.h"

struct cpu;
struct vm;

enum vcpu_state {
    VCPU_OFF,     // not started by the guest yet, or ended; not known to the dispatcher as runnable
    VCPU_READY,   // wants the core
    VCPU_BLOCKED, // waits for an interrupt (WFI, PSCI suspend)
};

#if TAKT_ANALYSIS
struct vcpu_promise {  // kernel/promise.h
    uint64_t latency;  // in ticks; UINT64_MAX: none was computed
    uint64_t from;     // from when on the timer that it waits for is looked at
    uint64_t allowed;  // how late the timer that it waits for may bring it to its core
    uint64_t late_sum; // of its core's timer interrupts, and how many, when it began to wait
    uint64_t expiries;
    uint64_t checked;     // wake-ups that were held against it
    uint64_t breaches[2]; // later ones: ours, and after the machine lost time
    uint64_t worst;       // by how much
};
#endif

struct vcpu {
    ARCH_VCPU_FIRST
    struct vm *vm;
    struct cpu *cpu; // the core that it is on, or comes to; changes in vcpu_hand_over() only
    uint8_t index;   // in its VM
    uint8_t state;   // enum vcpu_state; written on its own core only
    union {
        struct {
            bool start_pending : 1; // somebody asked to start it; under vm->lock
            bool stop : 1;          // published: its VM ends; it must not run guest code any more; under vm->lock
#if TAKT_SPLIT
            bool moves : 1; // may be handed over to another core (kernel/hand_over.h); constant
#endif
#if TAKT_CONTROL
            bool comes : 1; // was moved by request, and has not arrived yet; under vm->lock
#endif
        };
        uint8_t unusual; // any of these
    };
    bool wfi_traps; // what arch_vcpu_trap_wfi was told last
    bool on;        // started, or about to be; under vm->lock
    ARCH_VCPU_LATER
    struct sched_entity entity;
    struct timer_event guest_timer;  // its virtual timer's deadline while it waits
    struct timer_event device_timer; // the architecture's emulated timer device (arm64: CNTP)
    struct timer_event call_timer;   // the first of its hypercall timers (kernel/call_timer.h)
    uint64_t call_earliest;          // when they may expire again
    uint64_t ready_since;            // when it last began to want the core without having it
    uint64_t stolen;                 // ticks that it wanted the core and did not have it, since it started
    uint64_t timer_due;              // expiry that its next entry delivers, for the lateness statistic; 0: none
    uint64_t timer_late;             // how late the last one entered, until it is counted
    bool timer_measured;
    struct vcpu *inbox_next; // this and the next under the lock of its core's inbox
    bool in_inbox;
#if TAKT_MOVES
    bool arriving;   // handed over to its core, which has not taken it over yet
    uint8_t carried; // which of its timers come with it
#endif
#if TAKT_SPLIT
    struct vcpu_pieces *pieces; // NULL: it is whole
#endif
    gpa_t start_entry;
    uint64_t start_arg;
    struct vcpu_stats stats;
#if TAKT_ANALYSIS
    struct vcpu_promise promise;
#endif
#if TAKT_TRACE
    struct { // what the trace says already; kernel/trace.c
        uint64_t wakeups, activations, exhaustions, misses;
        bool runnable;
    } traced;
#endif
#if TAKT_TIMERS
    struct call_slot call_slots[TAKT_HC_TIMER_SLOTS];
#endif
};

enum vm_state { VM_STOPPED, VM_LOADING, VM_RUNNING, VM_STOPPING };

enum vm_end { // why a VM ended; its text is in vm->reason
    VM_END_NONE,
    VM_END_OFF,    // the guest asked: PSCI SYSTEM_OFF
    VM_END_RESET,  // the guest asked: PSCI SYSTEM_RESET; boots again without counting as a failure
    VM_END_FAULT,  // the guest did what it must not
    VM_END_STOP,   // the operator asked
    VM_END_RESTART // the operator asked
};

struct vm_memory {
    gpa_t gpa;
    paddr_t pa;
    uint64_t size;
};

struct vm {
    const char *name;
    uint8_t id;    // index in vms[]
    uint8_t state; // enum vm_state; under lock
    uint8_t end;   // enum vm_end
    uint8_t vcpu_count;
    uint8_t running_vcpus; // that still are on a core; under lock
    bool stop_asked;       // by the operator, while it was between two runs; under lock
    uint8_t memory_count;
#if TAKT_CONTROL
    bool absent; // it has no place: kernel/control.h; under lock
#endif
    unsigned restarts; // by policy, since the operator last started it
    struct spinlock lock;
    const struct vm_desc *desc;
    struct cpu *home; // where its job runs
    struct vcpu *vcpus[MAX_VCPUS];
    struct arch_vm arch; // stage 2, virtual interrupt controller
    struct mmio_map mmio;
    struct vm_memory memory[MAX_VM_MEMORY];
    struct job job;             // load, tear down
    struct vm_devices *devices; // virtual devices with state: see kernel/devices.h
    struct vm_load *load;       // progress of the load job, private to vm_load.c
    struct vm_stats stats;
    char reason[128]; // how it ended last, for people
};

extern struct vm *vms[MAX_VMS];
extern unsigned vm_count;

// Creates every VM of the description, stopped. Boot core, before the other cores run guests.
int vm_create_all(const struct system_desc *desc);

// Starts, stops, restarts. Any core, thread context; they return at once, work goes on as the VM's job.
// ERR_BUSY while the VM is in between; a stop is kept until then, so that a VM that resets for ever can be stopped.
int vm_start(struct vm *vm);
int vm_stop(struct vm *vm);
int vm_restart(struct vm *vm);

// Ends the VM of the VCPU that traps, or any VM, with a reason (printf-like, see log.h for the conversions). Any core,
// handler context; returns, and the caller resumes normally: the VCPU will not run again. False: it does not run, or
// ends already: the first reason counts.
bool vm_end(struct vm *vm, enum vm_end end, const char *format, ...) __attribute__((format(printf, 3, 4)));

// One slice of making a VM ready: devices and controllers reset, memory scrubbed, image, initrd and device tree
// written. OK: done, JOB-like ERR_BUSY: call again, other: it cannot be loaded (logged). Thread context. vm_load.c.
int vm_load_slice(struct vm *vm);
int vm_load_init(struct vm *vm); // boot
void vm_load_begin(struct vm *vm);

struct vm *vm_find(const char *name);

// ---- VCPUs ------------------------------------------------------------------------------------------------

// Something changed that the VCPU must see (an interrupt became pending, it was started, its VM ends): wakes it if
// it is blocked, makes it take its interrupts if it runs, by IPI where it runs on another core and would run at
// once. Any core, handler or thread context with interrupts masked; takes the target core's inbox lock.
void vcpu_kick(struct vcpu *vcpu);
// The same when nothing but an interrupt became pending, which was stored before.
void vcpu_interrupt(struct vcpu *vcpu);

// The current VCPU waits until vcpu_kick. Handler context, its own core.
void vcpu_block(struct vcpu *vcpu);

// PSCI CPU_ON: starts `vcpu` at `entry` with `arg` in its first register. Any VCPU of the same VM.
// ERR_BUSY: already on or starting.
int vcpu_start(struct vcpu *vcpu, gpa_t entry, uint64_t arg);

// What this VCPU's own timer events must have as slack while it waits: the deadline that a wake-up gives it.
static inline uint64_t vcpu_timer_slack(const struct vcpu *vcpu) { return vcpu->entity.deadline; }
// The same while it runs. Who has woken to take the core from best effort does not wait for the timers of that.
static inline uint64_t vcpu_running_slack(const struct vcpu *vcpu) {
    return vcpu->entity.class == SCHED_RESERVED ? 0 : TIMER_SLACK_BEST_EFFORT;
}

// It stops being current, it becomes current: its timers and the time it does not get. A waiting VCPU
// keeps its timers armed, from when it has budget; one that is out of turn needs none: what expired meanwhile is seen
// when it comes back. vcpu_in returns when the first of its queued timers expires; UINT64_MAX: none.
void vcpu_out(struct vcpu *vcpu, uint64_t now);
uint64_t vcpu_in(struct vcpu *vcpu, uint64_t now);

// Does what was asked of it from elsewhere: stop, start, wake for an interrupt, as of `now`, which may have passed. Its own
// core, handler context.
void vcpu_attend(struct vcpu *vcpu, uint64_t now);

// A VCPU has left its core; with the last one the VM's end goes on as its job. Handler context, vcpu.c only.
void vm_vcpu_left(struct vcpu *vcpu);

// An emulated timer of its own, whose event is device_timer, has made an interrupt pending, for its expiry at `expiry`. If
// it waits it is woken as of when that event stood: its expiry, or when it had budget to act on it. Its own core, handler
// context.
void vcpu_timer_pending(struct vcpu *vcpu, uint64_t expiry);

// Prepares a VCPU that belongs to `vm` and will run on `cpu`. VM creation. ERR_INVALID: the scheduler refuses it.
int vcpu_init(struct vcpu *vcpu, struct vm *vm, unsigned index, const struct vcpu_desc *desc, struct cpu *cpu);

// The VCPU behind what the scheduler chose; NULL: the core's thread, or idle.
struct vcpu *vcpu_of_entity(const struct cpu *cpu, struct sched_entity *entity);

// PSCI CPU_OFF: the current VCPU leaves. Handler context, its own core. When it was the last one its VM ends.
void vcpu_off(struct vcpu *vcpu);

#endif
