// SPDX-License-Identifier: Apache-2.0
// The local APIC's timer: SDM 11.5.4.
//
// Times are exact: the count that runs was loaded at `start` and `fraction` timer_hz-ths of a tick, and ends `length` of
// the timer's clocks later. An expiry is that moment rounded up to a tick, so it is never early, and less than a tick late; a
// period is added to the exact moment, not to when anybody noticed, so nothing drifts. What is read as the current count
// is rounded up: it reaches 0 at the expiry, not before.
//
// Every access first lets happen what is due (catch_up), with the LVT as it stood: whether the host's timer or the guest
// comes first, each expiry is one interrupt. A masked timer counts on, and needs no timer of the host's.
//
// No overflow, with timer_hz < 2^31, timer_hz <= clock_hz <= 2^33: a remainder below clock_hz times timer_hz, or the
// other way round, fits 64 bits, and so do 2^32 counts divided by 128 at 1 MHz, in ticks.
#include "arch/x86/vlapic_internal.h"

static uint64_t add(uint64_t a, uint64_t b) { return a + b < a ? UINT64_MAX : a + b; }

static uint64_t read_clock(const struct vlapic *vlapic) { return vlapic->ops->now(vlapic->context); }

static uint32_t lvt(const struct vlapic *vlapic) { return vlapic->lvt[0]; }

static uint32_t mode(const struct vlapic *vlapic) { return lvt(vlapic) & APIC_LVT_TIMER_MODE; }

static bool is_masked(const struct vlapic *vlapic) { return (lvt(vlapic) & APIC_LVT_MASKED) != 0; }

// One-shot or periodic; both bits together are reserved, nothing runs then.
static bool counts(const struct vlapic *vlapic) { return mode(vlapic) == 0 || mode(vlapic) == APIC_LVT_TIMER_PERIODIC; }

// Bits 3, 1, 0: 000 divides by 2, ... 110 by 128, 111 by 1.
static unsigned divider_shift(const struct vlapic_timer *timer) {
    uint32_t value = (timer->divide >> 1 & 4) | (timer->divide & 3);

    return (value + 1) & 7;
}

static uint64_t period(const struct vlapic_timer *timer) { return (uint64_t)timer->initial << divider_shift(timer); }

// ---- the timer's clocks and ticks -------------------------------------------------------------------------

struct moment {
    uint64_t ticks;
    uint32_t fraction;
};

static struct moment later(const struct vlapic *vlapic, uint64_t clocks) {
    const struct vlapic_config *config = vlapic->config;
    const struct vlapic_timer *timer = &vlapic->timer;
    uint64_t parts = clocks % config->timer_hz * config->clock_hz + timer->fraction;
    uint64_t ticks = clocks / config->timer_hz * config->clock_hz + parts / config->timer_hz;

    return (struct moment){add(timer->start, ticks), (uint32_t)(parts % config->timer_hz)};
}

static uint64_t expiry(const struct vlapic *vlapic, uint64_t clocks) {
    struct moment end = later(vlapic, clocks);

    return add(end.ticks, end.fraction != 0);
}

// Clocks that have passed since the count was loaded, rounded down.
static uint64_t elapsed(const struct vlapic *vlapic, uint64_t now) {
    const struct vlapic_config *config = vlapic->config;
    const struct vlapic_timer *timer = &vlapic->timer;
    uint64_t ticks = now - MIN(now, timer->start);
    uint64_t whole = ticks / config->clock_hz * config->timer_hz, parts = ticks % config->clock_hz * config->timer_hz;

    if (parts >= timer->fraction) { return whole + (parts - timer->fraction) / config->clock_hz; }
    return whole - (whole != 0); // the fraction is less than a clock
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
    timer->fraction = 0;
    timer->length = length;
    timer->deadline = length == 0 ? VLAPIC_NEVER : expiry(vlapic, length);
}

// All periods that have ended by now are one interrupt, and the next is at the end of the first period that ends
// least_period after this one should have been: a shorter period has an interrupt for every so many.
static void next_period(struct vlapic *vlapic, uint64_t now) {
    struct vlapic_timer *timer = &vlapic->timer;
    uint64_t each = period(timer), ended = (elapsed(vlapic, now) - timer->length) / each;
    struct moment start = later(vlapic, timer->length + ended * each);
    uint64_t beyond = MAX(now, add(timer->deadline, vlapic->config->least_period - 1));

    timer->start = start.ticks;
    timer->fraction = start.fraction;
    timer->length = each;
    timer->deadline = expiry(vlapic, (elapsed(vlapic, beyond) / each + 1) * each);
    if (!is_masked(vlapic)) { timer->coalesced += ended; }
}

static void catch_up(struct vlapic *vlapic, uint64_t now) {
    struct vlapic_timer *timer = &vlapic->timer;

    if (timer->deadline == VLAPIC_NEVER || now < timer->deadline) { return; }
    if (mode(vlapic) == APIC_LVT_TIMER_PERIODIC) {
        next_period(vlapic, now);
    } else {
        stop(timer);
    }
    vlapic_local_interrupt(vlapic, APIC_LVT_TIMER);
}

uint64_t vlapic_timer_deadline(const struct vlapic *vlapic) {
    return is_masked(vlapic) ? VLAPIC_NEVER : vlapic->timer.deadline;
}

static void program(struct vlapic *vlapic) {
    uint64_t when = vlapic_timer_deadline(vlapic);

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

void vlapic_timer_reset(struct vlapic *vlapic) {
    struct vlapic_timer *timer = &vlapic->timer;

    stop(timer);
    timer->initial = 0;
    timer->divide = 0;
    program(vlapic);
}

// A change of the mode disarms (SDM 11.5.4.1).
void vlapic_timer_lvt_write(struct vlapic *vlapic, uint32_t value) {
    uint32_t before = mode(vlapic);

    catch_up(vlapic, read_clock(vlapic));
    vlapic_publish(&vlapic->lvt[0], value);
    if (mode(vlapic) != before) { stop(&vlapic->timer); }
    program(vlapic);
}

// 0 stops. In TSC-deadline mode the register cannot be written (SDM 11.5.4.1).
void vlapic_timer_set_initial(struct vlapic *vlapic, uint32_t value) {
    uint64_t now = read_clock(vlapic);

    if (!counts(vlapic)) { return; }
    catch_up(vlapic, now);
    vlapic->timer.initial = value;
    load(vlapic, now, period(&vlapic->timer));
    program(vlapic);
}

static uint32_t count_at(const struct vlapic *vlapic, uint64_t now) {
    const struct vlapic_timer *timer = &vlapic->timer;
    uint64_t clocks = elapsed(vlapic, now), rest;
    unsigned shift = divider_shift(timer);

    if (!counts(vlapic) || timer->length == 0) { return 0; }
    if (clocks < timer->length) {
        rest = timer->length - clocks;
    } else { // periods that are left out
        rest = period(timer) - (clocks - timer->length) % period(timer);
    }
    return (uint32_t)((rest + (1u << shift) - 1) >> shift);
}

uint32_t vlapic_timer_current(struct vlapic *vlapic) {
    uint64_t now = read_clock(vlapic);

    catch_up(vlapic, now);
    program(vlapic);
    return count_at(vlapic, now);
}

// What is left of the count goes on at the new rate.
void vlapic_timer_set_divide(struct vlapic *vlapic, uint32_t value) {
    uint64_t now = read_clock(vlapic);

    catch_up(vlapic, now);
    uint32_t left = count_at(vlapic, now);
    vlapic->timer.divide = value;
    if (left != 0) { load(vlapic, now, (uint64_t)left << divider_shift(&vlapic->timer)); }
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

uint64_t vlapic_tsc_deadline_read(struct vlapic *vlapic) {
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

void vlapic_set_tsc_offset(struct vlapic *vlapic, uint64_t offset) {
    uint64_t now = read_clock(vlapic);

    catch_up(vlapic, now);
    vlapic->timer.tsc_offset = offset;
    if (vlapic->timer.tsc_deadline != 0) { set_tsc_deadline(vlapic, now, vlapic->timer.tsc_deadline); }
    program(vlapic);
}
