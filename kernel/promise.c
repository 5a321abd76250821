// SPDX-License-Identifier: Apache-2.0
#include "kernel/promise.h"

#include "kernel/log.h"
#include "kernel/monitor_commands.h"
#include "kernel/pieces.h"
#include "kernel/trace.h"

static uint64_t to_ns(uint64_t ticks) { return clock_ticks_to_ns_up(&clock_rate, ticks); }

void promise_text(char *text, size_t size, const struct system_desc *desc, const struct vcpu_desc *vcpu) {
    const char *unknown = desc->smt ? "withdrawn" : "undecided";
    uint64_t latency = to_ns(vcpu->latency);

    if (desc->smt || vcpu->latency == 0) {
        format_string(text, size, " %11s %11s", unknown, unknown);
    } else {
        format_string(text, size, " %11s %11s", format_thousandths(latency).text,
                      format_thousandths(latency + promise_wait_us(vcpu) * 1000).text);
    }
}

// Did the machine lose the time? What the scheduler was told of is not caught up with before the VCPU leaves, since it is a
// reservation. Less than that shows in timer interrupts that came later than the longest masked section of ours explains.
static bool machine_lost(const struct vcpu *vcpu) {
    const struct cpu *cpu = vcpu->cpu;
    uint64_t late = cpu->stats.timer.late_sum - vcpu->promise.late_sum;

    if (pieces_moved_since(vcpu, vcpu->promise.from)) { return pieces_lost_time(vcpu, vcpu->promise.from); }
    return cpu->sched.behind || late > (cpu->stats.timer.expiries - vcpu->promise.expiries) * cpu->stats.masked_max;
}

void promise_late(struct vcpu *vcpu) {
    struct vcpu_promise *promise = &vcpu->promise;
    const struct vcpu_desc *desc = &vcpu->vm->desc->vcpus[vcpu->index];
    bool moved = pieces_moved_since(vcpu, promise->from), lost = machine_lost(vcpu);
    uint64_t wait = moved ? clock_ns_to_ticks_up(&clock_rate, promise_wait_us(desc) * 1000) : 0;
    uint64_t excess = vcpu->timer_late - promise->allowed;

    if (excess <= wait) { return; }
    excess -= wait;

    if (excess > promise->worst) { promise->worst = excess; }
    trace(vcpu->cpu, TRACE_LATE, vcpu, lost, excess);
    if (promise->breaches[lost]++ != 0) { return; }
    log_line("%s: vcpu %u: a timer came %s us later than its promise of %s us, %s", vcpu->vm->name, vcpu->index,
             format_thousandths(to_ns(excess)).text, format_thousandths(to_ns(promise->latency + wait)).text,
             lost ? "after the machine lost time"
                  : "by no fault of the machine that is known: see masked-max-ns of `cpus`, and the board's constants");
}

bool monitor_row_promises(unsigned row) {
    const struct vcpu *vcpu = monitor_vcpu(row);
    const struct vcpu_promise *promise = &vcpu->promise;

    if (promise->latency != UINT64_MAX) {
        monitor_print("%-23s %4u %11lu %9lu %9lu %9lu %12lu\n", vcpu->vm->name, vcpu->index, to_ns(promise->latency),
                      promise->checked, promise->breaches[0], promise->breaches[1], to_ns(promise->worst));
    }
    return monitor_vcpu(row + 1) != NULL;
}
