// SPDX-License-Identifier: Apache-2.0
#include "kernel/hypercall.h"

#include "kernel/arch.h"
#include "kernel/call_timer.h"
#include "kernel/control.h"
#include "kernel/trace.h"
#include "takt/hypercall.h"

#define CALL(id) ((id) - TAKT_HC_BASE)

static int64_t call_version(UNUSED struct vcpu *vcpu, UNUSED uint64_t *x) {
    return TAKT_HC_VERSION_MAJOR << 16 | TAKT_HC_VERSION_MINOR;
}

// ---- figures ----------------------------------------------------------------------------------------------

static uint64_t sum_of(const uint64_t *counts, unsigned count) {
    uint64_t sum = 0;

    for (unsigned i = 0; i < count; i++) { sum += counts[i]; }
    return sum;
}

// What a guest may know of itself; what tells of its neighbours is for an observer only.
#define OWN_FIGURES (BIT(TAKT_STAT_COUNT) | BIT(TAKT_STAT_EXITS) | BIT(TAKT_STAT_TIME_USED) | BIT(TAKT_STAT_MISSES))

static uint64_t figure(const struct vcpu *vcpu, uint64_t index) {
    const struct cpu_stats *core = &vcpu->cpu->stats;
    uint64_t expiries = core->timer.expiries;

    switch (index) {
    case TAKT_STAT_COUNT: return TAKT_STATS;
    case TAKT_STAT_MASKED_MAX: return core->masked_max;
    case TAKT_STAT_TIMER_EXPIRIES: return expiries;
    case TAKT_STAT_TIMER_LATE_MIN: return expiries == 0 ? 0 : core->timer.late_min;
    case TAKT_STAT_TIMER_LATE_MEAN: return expiries == 0 ? 0 : core->timer.late_sum / expiries;
    case TAKT_STAT_TIMER_LATE_MAX: return core->timer.late_max;
    case TAKT_STAT_SWITCHES: return core->switches;
    case TAKT_STAT_EXITS: return sum_of(vcpu->stats.exits, EXIT_REASONS);
    case TAKT_STAT_TIME_USED: return vcpu->entity.stats.supplied + vcpu->entity.stats.charged;
    case TAKT_STAT_MISSES: return sum_of(vcpu->entity.stats.misses, SCHED_MISS_CAUSES);
    case TAKT_STAT_BOOT_HASH: return cpus[0]->stats.hashing_ticks;
    case TAKT_STAT_BOOT_COPY: return vcpu->vm->stats.copy_ticks;
    default: return vcpu->vm->stats.scrub_ticks; // TAKT_STAT_BOOT_SCRUB
    }
}

static COLD int64_t call_stats(struct vcpu *vcpu, uint64_t *x) {
    uint64_t index = x[1];

    if (index >= TAKT_STATS) { return TAKT_HC_INVALID; }
    if ((OWN_FIGURES & BIT(index)) == 0 && !vcpu->vm->desc->observer) { return TAKT_HC_DENIED; }
    x[1] = figure(vcpu, index);
    return TAKT_HC_OK;
}

static int64_t call_mark(struct vcpu *vcpu, uint64_t *x) {
    trace(vcpu->cpu, TRACE_MARK, vcpu, 0, x[1]);
    x[1] = arch_clock();
    x[2] = x[1] - arch_vcpu_clock_offset(vcpu);
    return TAKT_HC_OK;
}

const guest_call_t hypercalls[HYPERCALLS] = {
    [CALL(TAKT_HC_VERSION)] = call_version,
    [CALL(TAKT_HC_TIMER_SET)] = call_timer_set,
    [CALL(TAKT_HC_TIMER_CANCEL)] = call_timer_cancel,
    [CALL(TAKT_HC_TIMER_REPORT)] = call_timer_report,
    [CALL(TAKT_HC_STATS)] = call_stats,
    [CALL(TAKT_HC_MARK)] = call_mark,
#if TAKT_CONTROL
    [CALL(TAKT_HC_CONTROL)] = call_control,
    [CALL(TAKT_HC_CONTROL_RESULT)] = call_control_result,
    [CALL(TAKT_HC_CONTROL_LIST)] = call_control_list,
#endif
};

// ---- who this is --------------------------------------------------------------------------------------------

static int64_t vendor_count(UNUSED struct vcpu *vcpu, UNUSED uint64_t *x) {
    return VENDOR_CALLS - 1 + HYPERCALLS_DEFINED;
}

static int64_t vendor_uid(UNUSED struct vcpu *vcpu, uint64_t *x) {
    x[1] = TAKT_HC_UID_1;
    x[2] = TAKT_HC_UID_2;
    x[3] = TAKT_HC_UID_3;
    return TAKT_HC_UID_0;
}

static int64_t vendor_revision(UNUSED struct vcpu *vcpu, uint64_t *x) {
    x[1] = TAKT_HC_VERSION_MINOR;
    return TAKT_HC_VERSION_MAJOR;
}

const guest_call_t vendor_calls[VENDOR_CALLS] = {
    [SMCCC_VENDOR_HYP_COUNT & 3] = vendor_count,
    [SMCCC_VENDOR_HYP_UID & 3] = vendor_uid,
    [SMCCC_VENDOR_HYP_REVISION & 3] = vendor_revision,
};
