// SPDX-License-Identifier: Apache-2.0
// Requests, priorities, errors, local pins, and the states that a local APIC goes through. See vlapic.h.
#include "arch/x86/vlapic_internal.h"
#include "kernel/log.h"

static bool bitmap_has(const uint32_t *words, unsigned vector) {
    return (__atomic_load_n(&words[vector / 32], __ATOMIC_RELAXED) >> vector % 32 & 1) != 0;
}

// The highest vector in a bitmap; VLAPIC_NONE.
static int bitmap_top(const uint32_t *words) {
    for (int i = APIC_BITMAP_WORDS - 1; i >= 0; i--) {
        uint32_t word = __atomic_load_n(&words[i], __ATOMIC_RELAXED);
        if (word != 0) { return i * 32 + 31 - __builtin_clz(word); }
    }
    return VLAPIC_NONE;
}

// Those of irr and tmr, which other cores change at the same time.
static bool bitmap_set(uint32_t *words, unsigned vector) { // false: it was set
    uint32_t bit = 1u << vector % 32;

    return (__atomic_fetch_or(&words[vector / 32], bit, __ATOMIC_RELEASE) & bit) == 0;
}

static void bitmap_clear(uint32_t *words, unsigned vector) {
    __atomic_fetch_and(&words[vector / 32], ~(1u << vector % 32), __ATOMIC_ACQUIRE);
}

static uint32_t priority_class(uint32_t priority) { return priority & APIC_PRIORITY_CLASS; }

// ---- priorities: SDM 11.8.3 -------------------------------------------------------------------------------

uint32_t vlapic_ppr(const struct vlapic *vlapic) {
    int serviced = bitmap_top(vlapic->isr);
    uint32_t isr_class = serviced == VLAPIC_NONE ? 0 : priority_class((uint32_t)serviced);

    return priority_class(vlapic->tpr) >= isr_class ? vlapic->tpr : isr_class;
}

int vlapic_pending_vector(const struct vlapic *vlapic) {
    int vector = bitmap_top(vlapic->irr);

    if (vector == VLAPIC_NONE || vlapic->waits ||
        priority_class((uint32_t)vector) <= priority_class(vlapic_ppr(vlapic))) {
        return VLAPIC_NONE;
    }
    return vector;
}

int vlapic_requested_vector(const struct vlapic *vlapic) {
    int vector = bitmap_top(vlapic->irr);

    if (vector == VLAPIC_NONE || vlapic->waits) { return VLAPIC_NONE; }
    int in_service = bitmap_top(vlapic->isr);
    if (in_service != VLAPIC_NONE && priority_class((uint32_t)vector) <= priority_class((uint32_t)in_service)) {
        return VLAPIC_NONE;
    }
    return vector;
}

void vlapic_recheck(struct vlapic *vlapic) {
    if (vlapic_pending_vector(vlapic) != VLAPIC_NONE) { vlapic->ops->kick(vlapic->context); }
}

void vlapic_accept(struct vlapic *vlapic, unsigned vector) {
    ASSERT(vector <= APIC_VECTOR_MASK && bitmap_has(vlapic->irr, vector));
    vlapic->isr[vector / 32] |= 1u << vector % 32;
    bitmap_clear(vlapic->irr, vector);
}

uint8_t vlapic_tpr(const struct vlapic *vlapic) { return (uint8_t)vlapic->tpr; }

void vlapic_set_tpr(struct vlapic *vlapic, uint8_t tpr) {
    vlapic_publish(&vlapic->tpr, tpr);
    vlapic_recheck(vlapic);
}

// ---- what arrives -----------------------------------------------------------------------------------------

static void raise_event(struct vlapic *vlapic, uint32_t event) {
    if ((__atomic_fetch_or(&vlapic->events, event, __ATOMIC_RELEASE) & event) == 0) {
        vlapic->ops->kick(vlapic->context);
    }
}

// TMR says how the request that is in IRR came (SDM 11.8.4). It is in place before the request can be taken.
static void request(struct vlapic *vlapic, unsigned vector, bool level) {
    if (level != bitmap_has(vlapic->tmr, vector)) {
        if (level) {
            bitmap_set(vlapic->tmr, vector);
        } else {
            bitmap_clear(vlapic->tmr, vector);
        }
    }
    if (bitmap_set(vlapic->irr, vector)) { vlapic->ops->kick(vlapic->context); }
}

// One interrupt until ESR is written: that rearms it (SDM 11.5.3). If its own vector is illegal, that is an error too.
void vlapic_error(struct vlapic *vlapic, uint32_t error) {
    uint32_t lvt = vlapic_picture(vlapic_lvt(vlapic, APIC_LVT_ERROR)), vector = lvt & APIC_VECTOR_MASK;

    if (__atomic_fetch_or(&vlapic->errors, error, __ATOMIC_RELAXED) != 0 || (lvt & APIC_LVT_MASKED) != 0) { return; }
    if (vector >= APIC_FIRST_VECTOR) {
        request(vlapic, vector, false);
    } else {
        __atomic_fetch_or(&vlapic->errors, APIC_ESR_RECEIVE_ILLEGAL_VECTOR, __ATOMIC_RELAXED);
    }
}

void vlapic_latch_errors(struct vlapic *vlapic) {
    vlapic->esr = __atomic_exchange_n(&vlapic->errors, 0, __ATOMIC_RELAXED);
}

static void request_checked(struct vlapic *vlapic, unsigned vector, bool level) {
    if (!vlapic_software_enabled(vlapic)) { return; }
    if (vector >= APIC_FIRST_VECTOR) {
        request(vlapic, vector, level);
    } else {
        vlapic_error(vlapic, APIC_ESR_RECEIVE_ILLEGAL_VECTOR);
    }
}

// A later INIT undoes a STARTUP that has not been seen.
static void receive_init(struct vlapic *vlapic) {
    __atomic_fetch_and(&vlapic->events, ~VLAPIC_EVENT_STARTUP, __ATOMIC_RELAXED);
    raise_event(vlapic, VLAPIC_EVENT_INIT);
}

static void receive_startup(struct vlapic *vlapic, uint8_t vector) {
    vlapic_publish(&vlapic->startup_vector, vector);
    raise_event(vlapic, VLAPIC_EVENT_STARTUP);
}

// Disabled by its base it hears nothing; by software no more than what is not an interrupt by vector (SDM 11.4.7.2).
static void deliver(struct vlapic *vlapic, unsigned mode, uint8_t vector, bool level) {
    if (!vlapic_enabled(vlapic)) { return; }
    switch (mode) {
    case APIC_MODE_FIXED:
    case APIC_MODE_LOWEST: request_checked(vlapic, vector, level); break;
    case APIC_MODE_NMI: raise_event(vlapic, VLAPIC_EVENT_NMI); break;
    case APIC_MODE_INIT: receive_init(vlapic); break;
    case APIC_MODE_STARTUP: receive_startup(vlapic, vector); break;
    case APIC_MODE_EXTINT: raise_event(vlapic, VLAPIC_EVENT_EXTINT); break;
    default: break; // SMI, reserved
    }
}

void vlapic_receive(struct vlapic *vlapic, const struct vlapic_message *message) {
    deliver(vlapic, message->mode, message->vector, message->level);
}

// ---- local sources: SDM 11.5 ------------------------------------------------------------------------------

static unsigned lvt_mode(uint32_t lvt) { return (lvt & APIC_LVT_MODE) >> APIC_LVT_MODE_SHIFT; }

void vlapic_local_interrupt(struct vlapic *vlapic, enum apic_register reg) {
    uint32_t lvt = vlapic_picture(vlapic_lvt(vlapic, reg));

    if ((lvt & APIC_LVT_MASKED) == 0) { deliver(vlapic, lvt_mode(lvt), (uint8_t)lvt, false); }
}

// A level stays a request until its EOI, and becomes the next one then: remote IRR stands between. It matters for fixed
// delivery only; NMI, SMI and INIT are edges, ExtINT a level that the 8259 takes back itself (SDM 11.5.1).
static bool is_level(uint32_t lvt) { return lvt_mode(lvt) == APIC_MODE_FIXED && (lvt & APIC_LVT_LEVEL) != 0; }

static bool asserted(const struct vlapic *vlapic, unsigned pin) { return (vlapic->lines >> pin & 1) != 0; }

static void lint_raise(struct vlapic *vlapic, unsigned pin, bool rising) {
    uint32_t *lvt = vlapic_lvt(vlapic, APIC_LVT_LINT0 + pin);

    if (!asserted(vlapic, pin) || (*lvt & APIC_LVT_MASKED) != 0) { return; }
    if (is_level(*lvt)) {
        if ((*lvt & APIC_LVT_REMOTE_IRR) != 0) { return; }
        vlapic_publish(lvt, *lvt | APIC_LVT_REMOTE_IRR);
        deliver(vlapic, APIC_MODE_FIXED, (uint8_t)*lvt, true);
    } else if (lvt_mode(*lvt) == APIC_MODE_EXTINT) {
        vlapic->ops->kick(vlapic->context);
    } else if (rising) {
        deliver(vlapic, lvt_mode(*lvt), (uint8_t)*lvt, false);
    }
}

void vlapic_set_lint(struct vlapic *vlapic, unsigned pin, bool level) {
    ASSERT(pin < VLAPIC_LINTS);
    bool before = asserted(vlapic, pin);

    vlapic->lines = (vlapic->lines & ~(1u << pin)) | (uint32_t)level << pin;
    lint_raise(vlapic, pin, level && !before);
}

// Remote IRR belongs to the vector that was delivered: with another one, or as an edge, it would never be cleared.
void vlapic_lint_changed(struct vlapic *vlapic, unsigned pin, uint32_t before) {
    uint32_t *lvt = vlapic_lvt(vlapic, APIC_LVT_LINT0 + pin);

    if (((*lvt ^ before) & (APIC_VECTOR_MASK | APIC_LVT_MODE | APIC_LVT_LEVEL)) != 0) {
        vlapic_publish(lvt, *lvt & ~APIC_LVT_REMOTE_IRR);
    }
    lint_raise(vlapic, pin, false);
}

static void lint_ended(struct vlapic *vlapic, unsigned pin, unsigned vector) {
    uint32_t *lvt = vlapic_lvt(vlapic, APIC_LVT_LINT0 + pin);

    if ((*lvt & APIC_LVT_REMOTE_IRR) != 0 && (*lvt & APIC_VECTOR_MASK) == vector) {
        vlapic_publish(lvt, *lvt & ~APIC_LVT_REMOTE_IRR);
        lint_raise(vlapic, pin, false);
    }
}

// SDM 11.8.5. Without an interrupt in service it does nothing.
void vlapic_eoi(struct vlapic *vlapic) {
    int top = bitmap_top(vlapic->isr);

    if (top == VLAPIC_NONE) { return; }
    unsigned vector = (unsigned)top;
    vlapic->isr[vector / 32] &= ~(1u << vector % 32);
    if (unlikely(bitmap_has(vlapic->tmr, vector))) {
        for (unsigned pin = 0; pin < VLAPIC_LINTS; pin++) { lint_ended(vlapic, pin, vector); }
        vlapic->ops->level_eoi(vlapic->context, (uint8_t)vector);
    }
    vlapic_recheck(vlapic);
}

// ---- towards the guest ------------------------------------------------------------------------------------

static uint32_t events(const struct vlapic *vlapic) {
    uint32_t seen = __atomic_load_n(&vlapic->events, __ATOMIC_ACQUIRE);

    return vlapic->waits ? seen & (VLAPIC_EVENT_INIT | VLAPIC_EVENT_STARTUP) : seen;
}

bool vlapic_has_pending(const struct vlapic *vlapic) {
    return events(vlapic) != 0 || vlapic_extint_pending(vlapic) || vlapic_pending_vector(vlapic) != VLAPIC_NONE;
}

bool vlapic_may_end_quietly(const struct vlapic *vlapic) {
    unsigned in_service = 0;

    for (unsigned i = 0; i < APIC_BITMAP_WORDS; i++) {
        uint32_t isr = vlapic->isr[i];
        if (vlapic_picture(&vlapic->irr[i]) != 0 || (isr & (isr - 1)) != 0 ||
            (isr & vlapic_picture(&vlapic->tmr[i])) != 0) {
            return false;
        }
        in_service += isr != 0;
    }
    return in_service == 1;
}

bool vlapic_nmi_pending(const struct vlapic *vlapic) { return (events(vlapic) & VLAPIC_EVENT_NMI) != 0; }

bool vlapic_take_nmi(struct vlapic *vlapic) {
    if (!vlapic_nmi_pending(vlapic)) { return false; }
    __atomic_fetch_and(&vlapic->events, ~VLAPIC_EVENT_NMI, __ATOMIC_RELAXED);
    return true;
}

bool vlapic_extint_pending(const struct vlapic *vlapic) {
    if (vlapic->waits) { return false; }
    if ((events(vlapic) & VLAPIC_EVENT_EXTINT) != 0) { return true; }
    for (unsigned pin = 0; pin < VLAPIC_LINTS; pin++) {
        uint32_t lvt = vlapic->lvt[APIC_LVT_LINT0 - APIC_LVT_TIMER + pin];
        if (asserted(vlapic, pin) && (lvt & APIC_LVT_MASKED) == 0 && lvt_mode(lvt) == APIC_MODE_EXTINT) { return true; }
    }
    return false;
}

void vlapic_extint_taken(struct vlapic *vlapic) {
    __atomic_fetch_and(&vlapic->events, ~VLAPIC_EVENT_EXTINT, __ATOMIC_RELAXED);
}

bool vlapic_waits(const struct vlapic *vlapic) { return vlapic->waits; }

// ---- states: SDM 11.4.7, 8.4.2 ----------------------------------------------------------------------------

void vlapic_reset_state(struct vlapic *vlapic) {
    for (unsigned i = 0; i < APIC_BITMAP_WORDS; i++) {
        vlapic->isr[i] = 0;
        vlapic_publish(&vlapic->irr[i], 0);
        vlapic_publish(&vlapic->tmr[i], 0);
    }
    vlapic_publish(&vlapic->errors, 0);
    vlapic_publish(&vlapic->tpr, 0);
    vlapic_publish(&vlapic->ldr, vlapic_is_x2apic(vlapic) ? vlapic_x2apic_ldr(vlapic->id) : 0);
    vlapic_publish(&vlapic->dfr, APIC_DFR_FLAT | APIC_DFR_ONES);
    vlapic_publish(&vlapic->svr, APIC_VECTOR_MASK);
    for (unsigned i = 0; i < VLAPIC_LVTS; i++) { vlapic_publish(&vlapic->lvt[i], APIC_LVT_MASKED); }
    vlapic->esr = 0;
    vlapic->icr = 0;
    vlapic_timer_reset(vlapic);
}

// INIT keeps id and base, and with it the mode (SDM 11.4.7.3, 11.12.5.1); the BSP does not wait afterwards.
bool vlapic_take_events(struct vlapic *vlapic) {
    const uint32_t both = VLAPIC_EVENT_INIT | VLAPIC_EVENT_STARTUP;

    if (likely((__atomic_load_n(&vlapic->events, __ATOMIC_RELAXED) & both) == 0)) { return false; }
    uint32_t taken = __atomic_fetch_and(&vlapic->events, ~both, __ATOMIC_ACQUIRE);
    if ((taken & VLAPIC_EVENT_INIT) != 0) {
        __atomic_fetch_and(&vlapic->events, ~(VLAPIC_EVENT_NMI | VLAPIC_EVENT_EXTINT), __ATOMIC_RELAXED);
        vlapic_reset_state(vlapic);
        vlapic->waits = (vlapic->base & APIC_BASE_BSP) == 0;
        vlapic->ops->init(vlapic->context);
    }
    if ((taken & VLAPIC_EVENT_STARTUP) != 0 && vlapic->waits) {
        vlapic->waits = false;
        vlapic->ops->startup(vlapic->context, (uint8_t)vlapic_picture(&vlapic->startup_vector));
    }
    return true;
}

void vlapic_reset(struct vlapic *vlapic) {
    bool bsp = (vlapic->base & APIC_BASE_BSP) != 0;

    vlapic_publish(&vlapic->base, APIC_BASE_EN | (bsp ? APIC_BASE_BSP : 0));
    __atomic_store_n(&vlapic->events, 0, __ATOMIC_RELAXED);
    vlapic_publish(&vlapic->startup_vector, 0);
    vlapic->lines = 0;
    vlapic->waits = !bsp;
    vlapic_reset_state(vlapic);
}

COLD int vlapic_init(struct vlapic *vlapic, uint32_t id, bool bsp, const struct vlapic_config *config,
                     const struct vlapic_ops *ops, void *context) {
    if (id > APIC_LEGACY_ID_MAX || config->timer_hz < VLAPIC_TIMER_HZ_MIN || config->timer_hz > VLAPIC_TIMER_HZ_MAX ||
        config->clock_hz < config->timer_hz || config->clock_hz > VLAPIC_CLOCK_HZ_MAX || config->least_period == 0 ||
        config->least_period > config->clock_hz * VLAPIC_PERIOD_MAX_S) {
        return ERR_RANGE;
    }
    *vlapic = (struct vlapic){.ops = ops, .context = context, .config = config, .id = id};
    vlapic->base = bsp ? APIC_BASE_BSP : 0;
    vlapic->timer.wanted = VLAPIC_NEVER;
    vlapic_reset(vlapic);
    return OK;
}
