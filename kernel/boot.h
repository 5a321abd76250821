// SPDX-License-Identifier: Apache-2.0
// Walk 2 of the house: from the firmware's device tree and the system image to running VMs. main.c is its table of
// contents; this header names the steps that live elsewhere. Boot core only.
#ifndef KERNEL_BOOT_H
#define KERNEL_BOOT_H

#include "kernel/board.h"

// Makes the per-core structures and stacks of every core of the board, its threads included: who uses them decides later.
int cpus_create(const struct board *board);
// Starts the other cores and waits until all are up.
int cpus_start(void);

// Moments of the boot, counter ticks, for the report and `make bench`.
struct boot_times {
    uint64_t entered; // kernel_main
    uint64_t hashing; // spent on hashes
    uint64_t checked; // the description is accepted
};

#endif
