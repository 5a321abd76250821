// SPDX-License-Identifier: Apache-2.0
// Rows of the benchmark table by the architecture's names, and work to measure.
#ifndef RTPROBE_ROWS_H
#define RTPROBE_ROWS_H

#include <stdint.h>

#define ROW_TIMER_ASLEEP  "timer_wfi"
#define ROW_REMOTE        "sgi_remote"
#define ROW_REMOTE_ASLEEP "sgi_remote_wfi"

#define WORK_LOOPS        2007000 // two instructions each: 4.014 ms at one instruction per ns

static inline void work(void) {
    uint64_t loops = WORK_LOOPS;
    __asm__ volatile("1: subs %0, %0, #1\n\tb.ne 1b" : "+r"(loops)::"cc");
}

#endif
