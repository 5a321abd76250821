// SPDX-License-Identifier: Apache-2.0
#include "kernel/report_test.h"

#include "kernel/arch.h"
#include "kernel/cpu.h"
#include "kernel/log.h"

void report_test(const struct system_desc *desc, unsigned cores) {
    struct sched_verdict verdict, slowest = {0};
    uint64_t longest = 0;
    unsigned core = cores;

    for (unsigned i = 0; i < cores; i++) {
        const struct sched_core_load *load = &desc->cores[i];
        if (load->task_count == 0) { continue; }
        uint64_t start = arch_clock();
        (void)sched_admit(load->tasks, load->task_count, load->sources, load->source_count, &verdict);
        uint64_t took = arch_clock() - start;
        if (core == cores || took > longest) {
            longest = took;
            slowest = verdict;
            core = i;
        }
    }
    if (core == cores) { return; }
    log_line("admission: one exact test takes up to %lu ns: core %u, %u reservations, %u steps",
             clock_ticks_to_ns_up(&clock_rate, longest), core, desc->cores[core].task_count, slowest.steps);
}
