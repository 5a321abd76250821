// SPDX-License-Identifier: Apache-2.0
#include "kernel/report.h"

#include "kernel/boot.h"
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/promise.h"
#include "kernel/report_split.h"
#include "kernel/report_test.h"
#include "kernel/sysdesc_control.h"
#include "kernel/sysdesc_reclaim.h"
#include "kernel/vm.h"

static struct decimal ticks_to_us(uint64_t ticks) {
    return format_thousandths(clock_ticks_to_ns_up(&clock_rate, ticks));
}

static void print_range(const char *what, const struct range *r, const char *end) {
    log_line("  %-23s 0x%010lx..0x%010lx %7lu KiB%s", what, r->base, (r->base + r->size - 1), (r->size >> 10), end);
}

// ---- memory -----------------------------------------------------------------------------------------------

static void report_guest_memory(const struct vm *vm) {
    char end[40];

    for (unsigned i = 0; i < vm->memory_count; i++) {
        const struct vm_memory *m = &vm->memory[i];
        format_string(end, sizeof(end), ", seen at 0x%lx", m->gpa);
        print_range(vm->name, &(struct range){m->pa, m->size}, end);
    }
}

static void report_memory(const struct board *board) {
    struct memory_report report;

    memory_report(&report);
    log_line("memory: %lu MiB; %lu KiB hypervisor, %lu MiB guests, %lu MiB free", (report.total >> 20),
             (report.hypervisor >> 10), (report.guests >> 20), (report.free >> 20));
    for (unsigned i = 0; i < board->memory_count; i++) { print_range("board", &board->memory[i], ""); }
    for (unsigned i = 0; i < board->reserved_count; i++) {
        print_range("reserved by firmware", &board->reserved[i], "");
    }
    print_range("system image", &board->initrd, "");
    for (unsigned i = 0; i < vm_count; i++) { report_guest_memory(vms[i]); }
}

// ---- admission --------------------------------------------------------------------------------------------

static void report_vcpu(const struct system_desc *desc, const struct vm_desc *vm, unsigned index) {
    const struct vcpu_desc *vcpu = &vm->vcpus[index];
    const char *owns = desc->cores[vcpu->placed].member_count == 1 ? "  owns the core" : "";
    char blackout[24] = "withdrawn", latency[PROMISE_TEXT];

    if (!vcpu->reserved) {
        log_line("%4u %-23s %4u  best effort, weight %u%s", vcpu->placed, vm->name, index, vcpu->weight, owns);
        return;
    }
    if (!desc->smt) { format_string(blackout, sizeof(blackout), "%lu", sysdesc_blackout_us(vcpu)); }
    promise_text(latency, sizeof(latency), desc, vcpu);
    log_line("%4u %-23s %4u %11s %9u %9u %11u %11s%s%s%s", vcpu->placed, vm->name, index,
             format_percent(vcpu->budget_us * 1000ull / vcpu->period_us).text, vcpu->budget_us, vcpu->period_us,
             vcpu->deadline_us, blackout, latency, owns, REPORT_RECLAIMS(vcpu));
}

static void report_core(const struct system_desc *desc, unsigned core) {
    uint64_t used = sched_core_utilisation(&desc->cores[core]);

    for (unsigned i = 0; i < desc->vm_count; i++) {
        for (unsigned j = 0; j < desc->vms[i].vcpu_count && !sysdesc_on_demand(&desc->vms[i]); j++) {
            if (desc->vms[i].vcpus[j].placed == core) { report_vcpu(desc, &desc->vms[i], j); }
            report_piece(&desc->vms[i], j, core);
        }
    }
    log_line("%4u %-23s      %11s", core, "all, with overhead",
             format_percent((used * 1000 + SCHED_UTILISATION_ONE / 2) / SCHED_UTILISATION_ONE).text);
}

static void report_admission(const struct board *board, const struct system_desc *desc) {
    log_line(desc->smt ? "admitted, but no bound holds: a core's threads slow each other as they like (`smt`)"
                       : "admitted: every budget, by its deadline, in every period; blackout is the longest wait");
    log_line("core vm                      vcpu utilisation budget-us period-us deadline-us blackout-us" PROMISE_HEAD);
    for (unsigned i = 0; i < sysdesc_cores(board, desc); i++) { report_core(desc, i); }
    log_line("overhead: %s us added to each budget, %s us for each console or device interrupt",
             format_thousandths(desc->overhead_ns).text, format_thousandths(desc->irq_cost_ns).text);
    report_test(desc, sysdesc_cores(board, desc));
}

// ---- warnings ---------------------------------------------------------------------------------------------

static void warn(const struct board *board, const struct system_desc *desc) {
    if (board->cpu_total > board->cpu_count) {
        log_line("warning: %u of the board's %u cores are used: that is the limit", board->cpu_count, board->cpu_total);
    }
    if (board->thread_count != 0 && !desc->smt) {
        log_line("cores: %u further threads of them stay unused, as without `smt`", board->thread_count);
    }
    if (desc->deterministic) {
        log_line("warning: `deterministic`: the guests' seeds are fixed and known; for tests only");
    }
    for (unsigned i = 0; i < desc->vm_count; i++) {
        const struct vm_desc *vm = &desc->vms[i];
        for (unsigned j = 0; j < vm->device_count; j++) {
            if (vm->devices[j].unprotected_dma) {
                log_line("warning: %s: `unprotected-dma`: %s can reach all memory", vm->name, vm->devices[j].path);
            }
        }
    }
}

void report_system(const struct board *board, const struct system_desc *desc, const struct boot_times *times) {
    log_line("Takt on %s: %u cores, counter %lu Hz, system %s", board->model, sysdesc_cores(board, desc), clock_rate.hz,
             desc->source);
    log_line("boot: system checked after %s us, of which hashing took %s us",
             ticks_to_us(times->checked - times->entered).text, ticks_to_us(times->hashing).text);
    report_memory(board);
    report_admission(board, desc);
    warn(board, desc);
}
