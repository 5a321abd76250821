// SPDX-License-Identifier: Apache-2.0
// Monitor commands that show what is counted. Values are read while they change: each is whole, no two are of exactly
// the same instant. A table starts with its header line; columns are separated by blanks and never empty.
#include "kernel/cpu.h"
#include "kernel/log.h"
#include "kernel/monitor_commands.h"
#include "kernel/pieces.h"
#include "kernel/string.h"
#include "kernel/vm.h"

static uint64_t to_ns(uint64_t ticks) { return clock_ticks_to_ns_up(&clock_rate, ticks); }

static uint64_t to_us(uint64_t ticks) { return to_ns(ticks) / 1000; }

// `part` of `whole` as "12.3%".
static struct decimal share_of(uint64_t part, uint64_t whole) {
    while (part > UINT64_MAX / 1000) { // both are far beyond what the quotient needs
        part >>= 1;
        whole >>= 1;
    }
    return format_percent(whole != 0 ? part * 1000 / whole : 0);
}

struct vcpu *monitor_vcpu(unsigned index) {
    for (unsigned i = 0; i < vm_count; i++) {
        if (index < vms[i]->vcpu_count) { return vms[i]->vcpus[index]; }
        index -= vms[i]->vcpu_count;
    }
    return NULL;
}

// `used` in the time since it was last asked for.
static struct decimal share_since(struct monitor_seen *seen, uint64_t now, uint64_t used) {
    uint64_t since = seen->at != 0 ? seen->at : monitor->began;
    struct decimal share = share_of(used > seen->used ? used - seen->used : 0, now - since);

    *seen = (struct monitor_seen){.at = now, .used = used};
    return share;
}

// ---- cores ------------------------------------------------------------------------------------------------

static struct decimal promised(const struct cpu *cpu) {
    const struct vcpu *vcpu;
    uint64_t ppm = 0;

    for (unsigned i = 0; (vcpu = monitor_vcpu(i)) != NULL; i++) {
        const struct sched_entity *share = pieces_on(vcpu, cpu);
        if (share != NULL && share->class == SCHED_RESERVED && !VM_ABSENT(vcpu->vm)) {
            ppm += share->budget * 1000000 / share->period;
        }
    }
    return share_of(ppm, 1000000);
}

// Who has the core alone, if somebody does.
static void owner(const struct cpu *cpu, char *text, size_t size) {
    const struct vcpu *vcpu;

    format_string(text, size, "-");
    for (unsigned i = 0; sched_sole(&cpu->sched) && (vcpu = monitor_vcpu(i)) != NULL; i++) {
        if (vcpu->entity.core == &cpu->sched) { format_string(text, size, "%s/%u", vcpu->vm->name, vcpu->index); }
    }
}

static uint64_t idle_ticks(const struct cpu *cpu, uint64_t now) {
    uint64_t since = __atomic_load_n(&cpu->stats.idle_since, __ATOMIC_RELAXED);

    return cpu->stats.idle_ticks + (since != 0 && now > since ? now - since : 0);
}

static void print_core(struct cpu *cpu) {
    uint64_t now = arch_clock();
    uint64_t age = now - monitor->began;
    uint64_t idle = MIN(idle_ticks(cpu, now), age);
    uint64_t used = age - idle;
    char owned_by[MAX_NAME + 4];

    owner(cpu, owned_by, sizeof(owned_by));
    monitor_print("%4u %8s %6s %9s %6s %12lu %13lu %9lu %9lu %4lu %s\n", cpu->id, promised(cpu).text,
                  share_since(&monitor->core_seen[cpu->id], now, used).text, share_of(used, age).text,
                  share_of(idle, age).text, to_us(cpu->stats.irq_ticks), to_ns(cpu->stats.masked_max),
                  cpu->stats.switches, cpu->stats.ipis_sent, cpu->sched.distortions, owned_by);
}

bool monitor_row_cpus(unsigned row) {
    print_core(cpus[row]);
    return row + 1 < cpu_count;
}

// ---- VCPUs ------------------------------------------------------------------------------------------------

static uint64_t platform_misses(const struct vcpu *vcpu) {
    const uint64_t *misses = vcpu->entity.stats.misses;

    return misses[SCHED_MISS_PLATFORM] + misses[SCHED_MISS_BACKLOG];
}

static const char *const state_names[] = {[VCPU_OFF] = "off", [VCPU_READY] = "ready", [VCPU_BLOCKED] = "waits"};

// What runs is accounted when it stops: an owner of its core may run for ever.
static uint64_t used_ticks(const struct vcpu *vcpu, uint64_t now) {
    const struct sched_core *core = &vcpu->cpu->sched;
    uint64_t used = vcpu->entity.stats.supplied + vcpu->entity.stats.charged;
    uint64_t since = core->run_start;

    return core->running == &vcpu->entity && now > since ? used + (now - since) : used;
}

static void print_vcpu(const struct vcpu *vcpu) {
    const struct sched_stats *stats = &vcpu->entity.stats;
    const struct vcpu_desc *desc = &vcpu->vm->desc->vcpus[vcpu->index];
    struct monitor_seen *seen = &monitor->vcpu_seen[vcpu->vm->id][vcpu->index];
    uint64_t now = arch_clock(), used = used_ticks(vcpu, now);

    monitor_print("%-23s %4u %4u %-5s %9u %9u %11u %6u %6s %9lu %9lu %6lu %8lu %8lu\n", vcpu->vm->name, vcpu->index,
                  vcpu->cpu->id, state_names[vcpu->state], desc->budget_us, desc->period_us, desc->deadline_us,
                  desc->weight, share_since(seen, now, used).text, to_us(used) / 1000, stats->exhaustions,
                  stats->misses[SCHED_MISS_DISPATCH], platform_misses(vcpu), pieces_moves(vcpu));
}

bool monitor_row_vcpus(unsigned row) {
    print_vcpu(monitor_vcpu(row));
    return monitor_vcpu(row + 1) != NULL;
}

bool monitor_row_timers(unsigned row) {
    const struct vcpu *vcpu = monitor_vcpu(row);
    const struct histogram *h = &vcpu->stats.lateness;
    uint64_t count = h->count;

    monitor_print("%-23s %4u %9lu %10lu %10lu %10lu %10lu\n", vcpu->vm->name, vcpu->index, count, to_ns(h->min),
                  to_ns(count != 0 ? h->sum / count : 0), to_ns(histogram_quantile(h, 990)), to_ns(h->max));
    return monitor_vcpu(row + 1) != NULL;
}

static void print_total_misses(void) {
    uint64_t own = 0, platform = 0;
    const struct vcpu *vcpu;

    for (unsigned i = 0; (vcpu = monitor_vcpu(i)) != NULL; i++) {
        own += vcpu->entity.stats.misses[SCHED_MISS_DISPATCH];
        platform += platform_misses(vcpu);
    }
    monitor_print("misses: %lu own, %lu platform\n", own, platform);
}

// Own: nothing but the hypervisor or the admission can have caused it. Platform: the machine lost time before.
bool monitor_row_misses(unsigned row) {
    const struct vcpu *vcpu = monitor_vcpu(row);

    if (vcpu == NULL) {
        print_total_misses();
        return false;
    }
    if (vcpu->entity.class == SCHED_RESERVED) {
        monitor_print("%-23s %4u %11lu %8lu %8lu\n", vcpu->vm->name, vcpu->index, vcpu->entity.stats.activations,
                      vcpu->entity.stats.misses[SCHED_MISS_DISPATCH], platform_misses(vcpu));
    }
    return true;
}

// One reason of one VM in a row, when there were any.
bool monitor_row_exits(unsigned row) {
    unsigned vm = row / EXIT_REASONS, reason = row % EXIT_REASONS;
    uint64_t count = 0;

    for (unsigned i = 0; i < vms[vm]->vcpu_count; i++) { count += vms[vm]->vcpus[i]->stats.exits[reason]; }
    if (count > 0 && (monitor->word_count < 2 || strcmp(monitor->words[1], vms[vm]->name) == 0)) {
        monitor_print("%-23s %-11s %10lu\n", vms[vm]->name, exit_reason_names[reason], count);
    }
    return row + 1 < vm_count * EXIT_REASONS;
}
