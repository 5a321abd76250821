// SPDX-License-Identifier: Apache-2.0
// hostile: a guest that does what it must not. Each attack is a row of a table; a new one is a
// function and a line in its file's table.
//
// Boot arguments:
//   attack=NAME[,NAME...]   runs these rows, in the tables' order
//   attack=all-survivable   runs every row that is expected to continue, in order
//   attack=list             prints `hostile: attack NAME expects OUTCOME` for every row and ends
//   repeat=N                does it N times, 0 for ever (default 1)
//   address=N               for read-at, write-at, execute-at: the guest-physical address
//   seed=N                  of the random attacks
//   cycles=N                how often smp-on-off and smp-double-on switch the other VCPUs on and off (300)
//
// Each attack prints `hostile: NAME start` and, if the guest is still there,
// `hostile: NAME survived trapped T passed P`: of the single steps, T ended in an exception that the
// guest caught and P did not. An attack that the machine lacks the means for says `skipped`. At the
// end comes `hostile: done N` and the machine is switched off.
#ifndef HOSTILE_H
#define HOSTILE_H

#include "guest.h"

#include <stdbool.h>
#include <stdint.h>

// What a correct hypervisor makes of an attack. Never: it harms anyone else.
enum outcome {
    CONTINUES, // the guest goes on, with an exception or an error code where that is due
    DIES,      // the hypervisor ends the VM and says why
    EITHER,    // one of the two: the architecture leaves no good answer
    SPINS,     // the guest has only harmed itself and runs, or waits, for ever
};

struct attack {
    const char *name; // NULL ends a table
    void (*run)(void);
    enum outcome expected;
};

extern const struct attack call_attacks[], interrupt_attacks[], console_attacks[], virtio_attacks[], smp_attacks[];

// All tables in order, these and the architecture's own; NULL ends them.
extern const struct attack *const attack_tables[];

// One step of an attack on the calling VCPU: function(argument) with its exceptions caught and
// counted. Returns true if there was one. Boot VCPU only.
bool step(void (*function)(void *), void *argument);
// Counts a step that needed no guarding.
void step_passed(void);
// The attack cannot be made on this machine.
void skip(const char *why);

// A repeatable stream of random numbers.
uint64_t random64(void);

// Half of these are near the ids of calls that exist, the others anything; none that does what it is asked.
uint64_t random_call_id(void);
// At the edges as well as anywhere.
uint64_t random_argument(void);

// Takes interrupts for a while.
void drain(void);

// Runs the function on all other VCPUs for a while. It has to return when smp_stop is true.
void smp_run(void (*function)(void));
extern volatile bool smp_stop;

// The guest-physical address of a device's registers that the hypervisor emulates.
uint64_t a_device(void);

// A virtual address at which the guest-physical `address` appears until the next call, mapped as
// normal or device memory, executable or not.
void *window(uint64_t address, bool normal, bool executable);

struct access {
    uintptr_t address;
    uint64_t value;
    unsigned width; // log2 of bytes
    bool write;
};

// One access, by a step: `access` is a struct access.
void make_access(void *access);
// `count` accesses to [base, base + size), each aligned to its width; none to the 16 bytes at `spared`, 0: everywhere.
void access_at_random(uintptr_t base, uint64_t size, unsigned count, uintptr_t spared);

// Interrupts of this VM as they were at the start.
void restore_interrupts(void);

#endif
