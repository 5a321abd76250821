// SPDX-License-Identifier: Apache-2.0
// Rows of the benchmark table by the architecture's names, and work to measure.
#ifndef RTPROBE_ROWS_H
#define RTPROBE_ROWS_H

#include <stdint.h>

#define ROW_TIMER_ASLEEP  "timer_hlt"
#define ROW_REMOTE        "ipi_remote"
#define ROW_REMOTE_ASLEEP "ipi_remote_hlt"

#define WORK_LOOPS        2007000 // two instructions each: 4.014 ms at one instruction per ns

static inline void work(void) {
    uint64_t loops = WORK_LOOPS;
    __asm__ volatile("1: subq $1, %0\n\tjnz 1b" : "+r"(loops)::"cc");
}

#endif
