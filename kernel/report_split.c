// SPDX-License-Identifier: Apache-2.0
#include "kernel/report_split.h"

#include "kernel/cpu.h"
#include "kernel/log.h"

static struct decimal to_us(uint64_t ticks) { return format_thousandths(clock_ticks_to_ns_up(&clock_rate, ticks)); }

void report_piece(const struct vm_desc *vm, unsigned index, unsigned core) {
    const struct vcpu_desc *vcpu = &vm->vcpus[index];
    unsigned piece = core == vcpu->placed ? 0 : 1;
    const struct sched_task *task = &vcpu->pieces[piece];

    if (vcpu->second == CORE_AUTO || (piece == 1 && core != vcpu->second)) { return; }
    log_line("%4u %-23s %4u %11s %9s %9u %11s              piece %u of 2, with overhead", core, vm->name, index,
             format_percent(sched_utilisation(task) * 1000 / SCHED_UTILISATION_ONE).text, to_us(task->budget).text,
             vcpu->period_us, to_us(task->deadline).text, piece + 1);
}
