// SPDX-License-Identifier: Apache-2.0
// What boot found, for the rest of arch/x86; constant afterwards.
#ifndef X86_MACHINE_H
#define X86_MACHINE_H

#include "arch/x86/acpi.h"
#include "arch/x86/boot_info.h"

struct machine {
    struct boot_info boot;
    struct acpi_machine acpi;
    paddr_t trampoline; // a page below 1 MiB for cores that start; 0: none
    uint64_t clock_hz;
    uint32_t switch_ns;  // what the defences at a change of VM take
    uint64_t xcr0;       // what of the processor's state is switched with a guest
    uint32_t xsave_size; // how many bytes that has
    bool tsc_aux;        // RDTSCP is there, and its MSR
};
extern struct machine machine;

// The machine as a device tree, which is what kernel/ reads: as long as no cores are found with the console alone, so that
// what goes wrong until then can be said; then with all of it. In one buffer. NULL: it does not fit. Boot core.
const void *board_tree(const struct machine *found);

#endif
