// SPDX-License-Identifier: Apache-2.0
// What the files of the local APIC's model share; vlapic.h is the manual.
#ifndef X86_VLAPIC_INTERNAL_H
#define X86_VLAPIC_INTERNAL_H

#include "arch/x86/vlapic.h"

// struct vlapic.events
#define VLAPIC_EVENT_NMI     (1u << 0)
#define VLAPIC_EVENT_INIT    (1u << 1)
#define VLAPIC_EVENT_STARTUP (1u << 2)

// Fields that other cores read as a picture.
static inline __attribute__((always_inline)) uint32_t vlapic_picture(const uint32_t *field) {
    return __atomic_load_n(field, __ATOMIC_RELAXED);
}

static inline __attribute__((always_inline)) void vlapic_publish(uint32_t *field, uint32_t value) {
    __atomic_store_n(field, value, __ATOMIC_RELAXED);
}

static inline bool vlapic_enabled(const struct vlapic *vlapic) { // IA32_APIC_BASE.EN
    return (vlapic_picture(&vlapic->base) & APIC_BASE_EN) != 0;
}

static inline bool vlapic_is_x2apic(const struct vlapic *vlapic) {
    return (vlapic_picture(&vlapic->base) & APIC_BASE_EXTD) != 0;
}

static inline bool vlapic_software_enabled(const struct vlapic *vlapic) {
    return (vlapic_picture(&vlapic->registers[APIC_SVR]) & APIC_SVR_ENABLE) != 0;
}

// vlapic.c
uint32_t vlapic_ppr(const struct vlapic *vlapic);
void vlapic_error(struct vlapic *vlapic, uint32_t error);    // any core: a bit of ESR
bool vlapic_request(struct vlapic *vlapic, unsigned vector); // any core: an edge, if it is enabled; true: kick
void vlapic_reset_state(struct vlapic *vlapic);              // own core: after power-on and INIT; not base, not `waits`

// vlapic_ipi.c; own core
void vlapic_send_icr(struct vlapic *vlapic);
void vlapic_send_self(struct vlapic *vlapic, uint8_t vector);
uint32_t vlapic_x2apic_ldr(uint32_t id);

// vlapic_timer.c; own core
void vlapic_timer_reset(struct vlapic *vlapic);
void vlapic_timer_lvt_write(struct vlapic *vlapic, uint32_t value);
void vlapic_timer_set_initial(struct vlapic *vlapic, uint32_t value);
void vlapic_timer_set_divide(struct vlapic *vlapic, uint32_t value);
uint32_t vlapic_timer_current(struct vlapic *vlapic);

#endif
