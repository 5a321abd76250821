// SPDX-License-Identifier: Apache-2.0
// The local APIC's timer: SDM 11.5.4.
//
// A count is 2^VLAPIC_CLOCK_SHIFT ticks of the TSC times the divider, so that times are exact: an expiry is at a tick, and
// a period is added to when the last one ended, not to when anybody noticed. What is read as the current count is rounded
// up: it reaches 0 at the expiry, not before. No overflow: 2^32 counts divided by 128 are 2^44 ticks.
//
// Every access first lets happen what is due (catch_up), with the LVT as it stood: whether the host's timer or the guest
// comes first, each expiry is one interrupt. A masked timer counts on, and needs no timer of the host's.
#include "arch/x86/vlapic_internal.h"

static uint64_t add(uint64_t a, uint64_t b) { return a + b < a ? UINT64_MAX : a + b; }

static uint64_t read_clock(const struct vlapic *vlapic) { return vlapic->ops->now(vlapic->context); }

static uint32_t lvt(const struct vlapic *vlapic) { return vlapic->registers[APIC_LVT_TIMER]; }

static uint32_t mode(const struct vlapic *vlapic) { return lvt(vlapic) & APIC_LVT_TIMER_MODE; }

static bool is_masked(const struct vlapic *vlapic) { return (lvt(vlapic) & APIC_LVT_MASKED) != 0; }

// One-shot or periodic; both bits together are reserved, nothing runs then.
static bool counts(const struct vlapic *vlapic) { return mode(vlapic) == 0 || mode(vlapic) == APIC_LVT_TIMER_PERIODIC; }

// Of a count to ticks. Bits 3, 1, 0 of the divider: 000 divides by 2, ... 110 by 128, 111 by 1.
static unsigned count_shift(const struct vlapic *vlapic) {
    uint32_t value = vlapic->registers[APIC_DIVIDE];

    return VLAPIC_CLOCK_SHIFT + ((((value >> 1 & 4) | (value & 3)) + 1) & 7);
}

static uint64_t period(const struct vlapic *vlapic) {
    return (uint64_t)vlapic->registers[APIC_INITIAL_COUNT] << count_shift(vlapic);
}

// ---- expiry -----------------------------------------------------------------------------------------------

static void stop(struct vlapic_timer *timer) {
    timer->deadline = VLAPIC_NEVER;
    timer->length = 0;
    timer->tsc_deadline = 0;
}

static void load(struct vlapic *vlapic, uint64_t now, uint64_t length) {
    struct vlapic_timer *timer = &vlapic->timer;

    timer->start = now;
    timer->length = length;
    timer->deadline = length == 0 ? VLAPIC_NEVER : now + length;
}

// All periods that have ended by now are one interrupt, and the next is at the end of the first period that ends
// least_period after this one should have been: a shorter period has an interrupt for every so many.
static void next_period(struct vlapic *vlapic, uint64_t now) {
    struct vlapic_timer *timer = &vlapic->timer;
    uint64_t each = period(vlapic), first = timer->start + timer->length, ended = (now - first) / each;
    uint64_t beyond = MAX(now, timer->deadline + vlapic->config->least_period - 1);

    timer->start = first + ended * each;
    timer->length = each;
    timer->deadline = timer->start + ((beyond - timer->start) / each + 1) * each;
}

static void catch_up(struct vlapic *vlapic, uint64_t now) {
    struct vlapic_timer *timer = &vlapic->timer;
    uint64_t expiry = timer->deadline;

    if (expiry == VLAPIC_NEVER || now < expiry) { return; }
    if (mode(vlapic) == APIC_LVT_TIMER_PERIODIC) {
        next_period(vlapic, now);
    } else {
        stop(timer);
    }
    if (!is_masked(vlapic) && vlapic_request(vlapic, lvt(vlapic) & APIC_VECTOR_MASK)) {
        vlapic->ops->timer_kick(vlapic->context, expiry);
    }
}

static void program(struct vlapic *vlapic) {
    uint64_t when = is_masked(vlapic) ? VLAPIC_NEVER : vlapic->timer.deadline;

    if (when == vlapic->timer.wanted) { return; }
    vlapic->timer.wanted = when;
    vlapic->ops->timer_arm(vlapic->context, when);
}

// What was wanted is over, also when it came too early.
void vlapic_timer_fired(struct vlapic *vlapic) {
    vlapic->timer.wanted = VLAPIC_NEVER;
    catch_up(vlapic, read_clock(vlapic));
    program(vlapic);
}

// ---- registers --------------------------------------------------------------------------------------------

COLD void vlapic_timer_reset(struct vlapic *vlapic) {
    stop(&vlapic->timer);
    program(vlapic);
}

// A change of the mode disarms (SDM 11.5.4.1).
COLD void vlapic_timer_lvt_write(struct vlapic *vlapic, uint32_t value) {
    uint32_t before = mode(vlapic);

    catch_up(vlapic, read_clock(vlapic));
    vlapic_publish(&vlapic->registers[APIC_LVT_TIMER], value);
    if (mode(vlapic) != before) { stop(&vlapic->timer); }
    program(vlapic);
}

// 0 stops. In TSC-deadline mode the register cannot be written (SDM 11.5.4.1).
void vlapic_timer_set_initial(struct vlapic *vlapic, uint32_t value) {
    uint64_t now = read_clock(vlapic);

    if (!counts(vlapic)) { return; }
    catch_up(vlapic, now);
    vlapic->registers[APIC_INITIAL_COUNT] = value;
    load(vlapic, now, period(vlapic));
    program(vlapic);
}

static COLD uint32_t count_at(const struct vlapic *vlapic, uint64_t now) {
    const struct vlapic_timer *timer = &vlapic->timer;
    uint64_t elapsed = now - MIN(now, timer->start), rest = timer->length - elapsed;
    unsigned shift = count_shift(vlapic);

    if (!counts(vlapic) || timer->length == 0) { return 0; }
    if (elapsed >= timer->length) { // periods that are left out
        rest = period(vlapic) - (elapsed - timer->length) % period(vlapic);
    }
    return (uint32_t)((rest + (1u << shift) - 1) >> shift);
}

COLD uint32_t vlapic_timer_current(struct vlapic *vlapic) {
    uint64_t now = read_clock(vlapic);

    catch_up(vlapic, now);
    program(vlapic);
    return count_at(vlapic, now);
}

// What is left of the count goes on at the new rate.
COLD void vlapic_timer_set_divide(struct vlapic *vlapic, uint32_t value) {
    uint64_t now = read_clock(vlapic);

    catch_up(vlapic, now);
    uint32_t left = count_at(vlapic, now);
    vlapic->registers[APIC_DIVIDE] = value;
    if (left != 0) { load(vlapic, now, (uint64_t)left << count_shift(vlapic)); }
    program(vlapic);
}

// ---- TSC deadline: SDM 11.5.4.1 ---------------------------------------------------------------------------

static void set_tsc_deadline(struct vlapic *vlapic, uint64_t now, uint64_t value) {
    struct vlapic_timer *timer = &vlapic->timer;
    uint64_t tsc = now + timer->tsc_offset;

    timer->tsc_deadline = value;
    timer->deadline = value == 0 ? VLAPIC_NEVER : MIN(add(now, value - MIN(value, tsc)), VLAPIC_NEVER - 1);
    catch_up(vlapic, now);
    program(vlapic);
}

COLD uint64_t vlapic_tsc_deadline_read(struct vlapic *vlapic) {
    catch_up(vlapic, read_clock(vlapic));
    program(vlapic);
    return vlapic->timer.tsc_deadline;
}

void vlapic_tsc_deadline_write(struct vlapic *vlapic, uint64_t value) {
    uint64_t now = read_clock(vlapic);

    if (mode(vlapic) != APIC_LVT_TIMER_DEADLINE) { return; }
    catch_up(vlapic, now);
    set_tsc_deadline(vlapic, now, value);
}

COLD void vlapic_set_tsc_offset(struct vlapic *vlapic, uint64_t offset) {
    uint64_t now = read_clock(vlapic);

    catch_up(vlapic, now);
    vlapic->timer.tsc_offset = offset;
    if (vlapic->timer.tsc_deadline != 0) { set_tsc_deadline(vlapic, now, vlapic->timer.tsc_deadline); }
    program(vlapic);
}
