// SPDX-License-Identifier: Apache-2.0
// The fake machine as a test sees it: one core (arch_types.h has its clock, context and interrupt mask), RAM with the
// model of its caches (model.h), and a record of what kernel/ asked the architecture for.
//
// Every fake is a weak symbol: a test that needs other behaviour defines the function itself.
#ifndef ARCH_HOST_H
#define ARCH_HOST_H

#include <setjmp.h>

#include "kernel/arch.h"

#define HOST_CLOCK_HZ 1000000000ull

// What kernel/ asked for since host_reset. Arrays of cores are indexed by their logical number.
struct host_record {
    uint64_t timer; // last arch_timer_arm, UINT64_MAX: off
    unsigned timer_arms;
    unsigned ipis[MAX_CORES], starts[MAX_CORES];
    unsigned saves, loads, pauses, resumes, syncs, yields;
    struct vcpu *resumed; // last arch_resume_set; NULL: the thread
    struct vcpu *injected;
    unsigned injected_id, injections;
    unsigned lines_set;
    unsigned irq_claimed; // last interrupt of each, 0: none
    struct cpu *irq_claimer;
    unsigned irq_assigned, irq_switched;
};
extern struct host_record host_record;

// What the fake VCPUs answer.
extern bool host_has_interrupt;
extern uint64_t host_timer_deadline; // arch_vcpu_timer_deadline
extern unsigned host_pa_range;       // PARange as ID_AA64MMFR0_EL1 encodes it, 2: 40 bits
extern int host_cpu_start_status;    // arch_cpu_start returns it

// RAM empty, memory_init done with all of MODEL_RAM, one core in thread context, records cleared.
void host_reset(void);

// Functions that never return (arch_park, arch_enter, arch_system_off, arch_system_reset) come back here:
//     switch (HOST_CATCH()) {
//     case 0: panic("x"); break;          // runs until one of them is called
//     case HOST_PARKED: ...               // it was arch_park
//     }
// Without a catch they end the program.
enum host_end { HOST_RUNNING, HOST_PARKED, HOST_ENTERED, HOST_OFF, HOST_RESET };
extern jmp_buf host_catch;
extern bool host_catching;
#define HOST_CATCH() (host_catching = true, setjmp(host_catch))

#endif
