// SPDX-License-Identifier: Apache-2.0
#include "kernel/hypercall.h"

#include "kernel/arch.h"
#include "kernel/cpu.h"
#include "kernel/vm.h"
#include "takt/hypercall.h"
#include "timer/clock.h"

#define CALL(id) ((id) - TAKT_HC_BASE)

static int64_t call_version(struct vcpu *vcpu, uint64_t *x) {
    (void)vcpu;
    (void)x;
    return TAKT_HC_VERSION_MAJOR << 16 | TAKT_HC_VERSION_MINOR;
}

// ---- the timer --------------------------------------------------------------------------------------------

static void call_timer_fired(struct timer_event *event, uint64_t now) {
    struct vcpu *vcpu = container_of(event, struct vcpu, call_timer);

    (void)now;
    arch_vcpu_inject(vcpu, vcpu->call_interrupt);
}

static int64_t call_timer_set(struct vcpu *vcpu, uint64_t *x) {
    struct cpu *cpu = vcpu->cpu;
    uint64_t offset = arch_vcpu_clock_offset(vcpu);
    uint64_t distance = clock_ns_to_ticks_up(&clock_rate, vcpu->vm->desc->timer_distance_us * 1000ull);
    uint64_t earliest = clock_add_saturating(arch_clock(), distance);
    uint64_t interrupt = x[3] == 0 ? TAKT_HC_TIMER_INTID : x[3];

    if (x[1] >= TAKT_HC_TIMER_SLOTS || interrupt > UINT8_MAX || !arch_vcpu_interrupt_free(vcpu, (unsigned)interrupt)) {
        return TAKT_HC_INVALID;
    }
    uint64_t when = MAX(clock_add_saturating(x[2], offset), earliest);
    vcpu->call_timer.fire = call_timer_fired;
    vcpu->call_timer.slack = 0; // it is the one that runs
    if (timer_queue_add(&cpu->timers, &vcpu->call_timer, when) != TIMER_QUEUE_OK) { return TAKT_HC_DENIED; }
    vcpu->call_interrupt = (uint8_t)interrupt;
    cpu->todo |= TODO_DISPATCH; // programs the hardware timer
    x[1] = when - offset;
    return TAKT_HC_OK;
}

static int64_t call_timer_cancel(struct vcpu *vcpu, uint64_t *x) {
    if (x[1] >= TAKT_HC_TIMER_SLOTS) { return TAKT_HC_INVALID; }
    x[1] = timer_queue_queued(&vcpu->call_timer);
    timer_queue_remove(&vcpu->cpu->timers, &vcpu->call_timer);
    return TAKT_HC_OK;
}

// ---- figures ----------------------------------------------------------------------------------------------

static uint64_t stat_count(const struct vcpu *vcpu) {
    (void)vcpu;
    return TAKT_STATS;
}

static uint64_t stat_masked_max(const struct vcpu *vcpu) { return vcpu->cpu->stats.masked_max; }

static uint64_t stat_expiries(const struct vcpu *vcpu) { return vcpu->cpu->stats.timer.expiries; }

static uint64_t stat_late_min(const struct vcpu *vcpu) {
    return stat_expiries(vcpu) == 0 ? 0 : vcpu->cpu->stats.timer.late_min;
}

static uint64_t stat_late_mean(const struct vcpu *vcpu) {
    uint64_t expiries = stat_expiries(vcpu);
    return expiries == 0 ? 0 : vcpu->cpu->stats.timer.late_sum / expiries;
}

static uint64_t stat_late_max(const struct vcpu *vcpu) { return vcpu->cpu->stats.timer.late_max; }

static uint64_t stat_switches(const struct vcpu *vcpu) { return vcpu->cpu->stats.switches; }

static uint64_t stat_exits(const struct vcpu *vcpu) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < EXIT_REASONS; i++) { sum += vcpu->stats.exits[i]; }
    return sum;
}

static uint64_t stat_time_used(const struct vcpu *vcpu) {
    return vcpu->entity.stats.supplied + vcpu->entity.stats.charged;
}

static uint64_t stat_misses(const struct vcpu *vcpu) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < SCHED_MISS_CAUSES; i++) { sum += vcpu->entity.stats.misses[i]; }
    return sum;
}

static uint64_t stat_boot_hash(const struct vcpu *vcpu) {
    (void)vcpu;
    return cpus[0]->stats.hashing_ticks;
}

static uint64_t stat_boot_copy(const struct vcpu *vcpu) { return vcpu->vm->stats.copy_ticks; }

static uint64_t stat_boot_scrub(const struct vcpu *vcpu) { return vcpu->vm->stats.scrub_ticks; }

// What tells of neighbours is for an observer only.
static const struct {
    uint64_t (*read)(const struct vcpu *vcpu);
    bool own;
} figures[TAKT_STATS] = {
    [TAKT_STAT_COUNT] = {stat_count, true},
    [TAKT_STAT_MASKED_MAX] = {stat_masked_max, false},
    [TAKT_STAT_TIMER_EXPIRIES] = {stat_expiries, false},
    [TAKT_STAT_TIMER_LATE_MIN] = {stat_late_min, false},
    [TAKT_STAT_TIMER_LATE_MEAN] = {stat_late_mean, false},
    [TAKT_STAT_TIMER_LATE_MAX] = {stat_late_max, false},
    [TAKT_STAT_SWITCHES] = {stat_switches, false},
    [TAKT_STAT_EXITS] = {stat_exits, true},
    [TAKT_STAT_TIME_USED] = {stat_time_used, true},
    [TAKT_STAT_MISSES] = {stat_misses, true},
    [TAKT_STAT_BOOT_HASH] = {stat_boot_hash, false},
    [TAKT_STAT_BOOT_COPY] = {stat_boot_copy, false},
    [TAKT_STAT_BOOT_SCRUB] = {stat_boot_scrub, false},
};

static int64_t call_stats(struct vcpu *vcpu, uint64_t *x) {
    uint64_t index = x[1];

    if (index >= TAKT_STATS) { return TAKT_HC_INVALID; }
    if (!figures[index].own && !vcpu->vm->desc->observer) { return TAKT_HC_DENIED; }
    x[1] = figures[index].read(vcpu);
    return TAKT_HC_OK;
}

static int64_t call_mark(struct vcpu *vcpu, uint64_t *x) {
    x[1] = arch_clock();
    x[2] = x[1] - arch_vcpu_clock_offset(vcpu);
    return TAKT_HC_OK;
}

const guest_call_t hypercalls[HYPERCALLS] = {
    [CALL(TAKT_HC_VERSION)] = call_version,
    [CALL(TAKT_HC_TIMER_SET)] = call_timer_set,
    [CALL(TAKT_HC_TIMER_CANCEL)] = call_timer_cancel,
    [CALL(TAKT_HC_STATS)] = call_stats,
    [CALL(TAKT_HC_MARK)] = call_mark,
};
