// SPDX-License-Identifier: Apache-2.0
// Requests, priorities, errors, and the states that a local APIC goes through. See vlapic.h.
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
    int serviced = bitmap_top(&vlapic->registers[APIC_ISR]);
    uint32_t isr_class = serviced == VLAPIC_NONE ? 0 : priority_class((uint32_t)serviced);

    return priority_class(vlapic->registers[APIC_TPR]) >= isr_class ? vlapic->registers[APIC_TPR] : isr_class;
}

int vlapic_pending_vector(const struct vlapic *vlapic) {
    int vector = bitmap_top(&vlapic->registers[APIC_IRR]);

    if (vector == VLAPIC_NONE || vlapic->waits ||
        priority_class((uint32_t)vector) <= priority_class(vlapic_ppr(vlapic))) {
        return VLAPIC_NONE;
    }
    return vector;
}

int vlapic_requested_vector(const struct vlapic *vlapic) {
    int vector = bitmap_top(&vlapic->registers[APIC_IRR]);

    if (vector == VLAPIC_NONE || vlapic->waits) { return VLAPIC_NONE; }
    int in_service = bitmap_top(&vlapic->registers[APIC_ISR]);
    if (in_service != VLAPIC_NONE && priority_class((uint32_t)vector) <= priority_class((uint32_t)in_service)) {
        return VLAPIC_NONE;
    }
    return vector;
}

// Priorities have changed.
static void recheck(struct vlapic *vlapic) {
    if (vlapic_pending_vector(vlapic) != VLAPIC_NONE) { vlapic->ops->kick(vlapic->context); }
}

void vlapic_accept(struct vlapic *vlapic, unsigned vector) {
    ASSERT(vector <= APIC_VECTOR_MASK && bitmap_has(&vlapic->registers[APIC_IRR], vector));
    vlapic->registers[APIC_ISR + vector / 32] |= 1u << vector % 32;
    bitmap_clear(&vlapic->registers[APIC_IRR], vector);
}

uint8_t vlapic_tpr(const struct vlapic *vlapic) { return (uint8_t)vlapic->registers[APIC_TPR]; }

void vlapic_set_tpr(struct vlapic *vlapic, uint8_t tpr) {
    vlapic_publish(&vlapic->registers[APIC_TPR], tpr);
    recheck(vlapic);
}

// ---- what arrives -----------------------------------------------------------------------------------------

static void raise_event(struct vlapic *vlapic, uint32_t event) {
    if ((__atomic_fetch_or(&vlapic->events, event, __ATOMIC_RELEASE) & event) == 0) {
        vlapic->ops->kick(vlapic->context);
    }
}

// False: it was requested before. TMR says how the request that is in IRR came (SDM 11.8.4). It is in place before the
// request can be taken.
static inline __attribute__((always_inline)) bool requested_anew(struct vlapic *vlapic, unsigned vector, bool level) {
    if (level != bitmap_has(&vlapic->registers[APIC_TMR], vector)) {
        if (level) {
            bitmap_set(&vlapic->registers[APIC_TMR], vector);
        } else {
            bitmap_clear(&vlapic->registers[APIC_TMR], vector);
        }
    }
    return bitmap_set(&vlapic->registers[APIC_IRR], vector);
}

static void request(struct vlapic *vlapic, unsigned vector, bool level) {
    if (requested_anew(vlapic, vector, level)) { vlapic->ops->kick(vlapic->context); }
}

// One interrupt until ESR is written: that rearms it (SDM 11.5.3). If its own vector is illegal, that is an error too.
COLD void vlapic_error(struct vlapic *vlapic, uint32_t error) {
    uint32_t lvt = vlapic_picture(&vlapic->registers[APIC_LVT_ERROR]), vector = lvt & APIC_VECTOR_MASK;

    if (__atomic_fetch_or(&vlapic->errors, error, __ATOMIC_RELAXED) != 0 || (lvt & APIC_LVT_MASKED) != 0) { return; }
    if (vector >= APIC_FIRST_VECTOR) {
        request(vlapic, vector, false);
    } else {
        __atomic_fetch_or(&vlapic->errors, APIC_ESR_RECEIVE_ILLEGAL_VECTOR, __ATOMIC_RELAXED);
    }
}

static inline __attribute__((always_inline)) bool takes(struct vlapic *vlapic, unsigned vector) {
    if (!vlapic_software_enabled(vlapic)) { return false; }
    if (vector < APIC_FIRST_VECTOR) { vlapic_error(vlapic, APIC_ESR_RECEIVE_ILLEGAL_VECTOR); }
    return vector >= APIC_FIRST_VECTOR;
}

bool vlapic_request(struct vlapic *vlapic, unsigned vector) {
    return vlapic_enabled(vlapic) && takes(vlapic, vector) && requested_anew(vlapic, vector, false);
}

// Disabled by its base it hears nothing; by software no more than what is not an interrupt by vector (SDM 11.4.7.2).
void vlapic_receive(struct vlapic *vlapic, const struct vlapic_message *message) {
    if (!vlapic_enabled(vlapic)) { return; }
    switch (message->mode) {
    case APIC_MODE_FIXED:
    case APIC_MODE_LOWEST:
        if (takes(vlapic, message->vector)) { request(vlapic, message->vector, message->level); }
        break;
    case APIC_MODE_NMI: raise_event(vlapic, VLAPIC_EVENT_NMI); break;
    case APIC_MODE_INIT: // a later one undoes a STARTUP that has not been seen
        __atomic_fetch_and(&vlapic->events, ~VLAPIC_EVENT_STARTUP, __ATOMIC_RELAXED);
        raise_event(vlapic, VLAPIC_EVENT_INIT);
        break;
    case APIC_MODE_STARTUP:
        vlapic_publish(&vlapic->startup_vector, message->vector);
        raise_event(vlapic, VLAPIC_EVENT_STARTUP);
        break;
    default: break; // SMI, ExtINT, reserved
    }
}

// SDM 11.8.5. Without an interrupt in service it does nothing.
void vlapic_eoi(struct vlapic *vlapic) {
    int top = bitmap_top(&vlapic->registers[APIC_ISR]);

    if (top == VLAPIC_NONE) { return; }
    unsigned vector = (unsigned)top;
    vlapic->registers[APIC_ISR + vector / 32] &= ~(1u << vector % 32);
    if (unlikely(bitmap_has(&vlapic->registers[APIC_TMR], vector))) {
        vlapic->ops->level_eoi(vlapic->context, (uint8_t)vector);
    }
    recheck(vlapic);
}

// ---- towards the guest ------------------------------------------------------------------------------------

bool vlapic_may_end_quietly(const struct vlapic *vlapic) {
    unsigned in_service = 0;

    for (unsigned i = 0; i < APIC_BITMAP_WORDS; i++) {
        uint32_t isr = vlapic->registers[APIC_ISR + i];
        if (vlapic_picture(&vlapic->registers[APIC_IRR + i]) != 0 || (isr & (isr - 1)) != 0 ||
            (isr & vlapic_picture(&vlapic->registers[APIC_TMR + i])) != 0) {
            return false;
        }
        in_service += isr != 0;
    }
    return in_service == 1;
}

bool vlapic_event_pending(const struct vlapic *vlapic) {
    return (__atomic_load_n(&vlapic->events, __ATOMIC_ACQUIRE) & (VLAPIC_EVENT_INIT | VLAPIC_EVENT_NMI)) != 0;
}

bool vlapic_nmi_pending(const struct vlapic *vlapic) {
    return (__atomic_load_n(&vlapic->events, __ATOMIC_ACQUIRE) & VLAPIC_EVENT_NMI) != 0 && !vlapic->waits;
}

bool vlapic_take_nmi(struct vlapic *vlapic) {
    if (!vlapic_nmi_pending(vlapic)) { return false; }
    __atomic_fetch_and(&vlapic->events, ~VLAPIC_EVENT_NMI, __ATOMIC_RELAXED);
    return true;
}

// ---- states: SDM 11.4.7, 9.4.2 ----------------------------------------------------------------------------

COLD void vlapic_reset_state(struct vlapic *vlapic) {
    uint32_t *registers = vlapic->registers, id = registers[APIC_ID];

    for (unsigned i = APIC_ID + 1; i < APIC_REGISTERS; i++) { vlapic_publish(&registers[i], 0); } // below it are none
    for (unsigned i = 0; i < VLAPIC_LVTS; i++) { vlapic_publish(&registers[APIC_LVT_TIMER + i], APIC_LVT_MASKED); }
    registers[APIC_VERSION] = APIC_VERSION_INTEGRATED | (VLAPIC_LVTS - 1) << APIC_MAX_LVT_SHIFT;
    vlapic_publish(&registers[APIC_LDR], vlapic_is_x2apic(vlapic) ? vlapic_x2apic_ldr(id) : 0);
    vlapic_publish(&registers[APIC_DFR], APIC_DFR_FLAT | APIC_DFR_ONES);
    vlapic_publish(&registers[APIC_SVR], APIC_VECTOR_MASK);
    vlapic_publish(&vlapic->errors, 0);
    vlapic_timer_reset(vlapic);
}

// INIT keeps id and base, and with it the mode (SDM 11.4.7.3, 11.12.5.1); the BSP does not wait afterwards.
bool vlapic_take_events(struct vlapic *vlapic) {
    const uint32_t both = VLAPIC_EVENT_INIT | VLAPIC_EVENT_STARTUP;

    if (likely((__atomic_load_n(&vlapic->events, __ATOMIC_RELAXED) & both) == 0)) { return false; }
    uint32_t taken = __atomic_fetch_and(&vlapic->events, ~both, __ATOMIC_ACQUIRE);
    if ((taken & VLAPIC_EVENT_INIT) != 0) {
        __atomic_fetch_and(&vlapic->events, ~VLAPIC_EVENT_NMI, __ATOMIC_RELAXED);
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

COLD void vlapic_reset(struct vlapic *vlapic) {
    bool bsp = (vlapic->base & APIC_BASE_BSP) != 0;

    vlapic_publish(&vlapic->base, APIC_BASE_EN | (bsp ? APIC_BASE_BSP : 0));
    __atomic_store_n(&vlapic->events, 0, __ATOMIC_RELAXED);
    vlapic_publish(&vlapic->startup_vector, 0);
    vlapic->waits = !bsp;
    vlapic_reset_state(vlapic);
}

COLD int vlapic_init(struct vlapic *vlapic, uint32_t id, bool bsp, const struct vlapic_config *config,
                     const struct vlapic_ops *ops, void *context) {
    if (id > APIC_LEGACY_ID_MAX) { return ERR_RANGE; }
    *vlapic = (struct vlapic){.ops = ops, .context = context, .config = config, .registers = {[APIC_ID] = id}};
    vlapic->base = bsp ? APIC_BASE_BSP : 0;
    vlapic->timer.wanted = VLAPIC_NEVER;
    vlapic_reset(vlapic);
    return OK;
}
