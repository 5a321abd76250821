// SPDX-License-Identifier: Apache-2.0
// Interprocessor interrupts: what an ICR means, and whom a message reaches. SDM 11.6, 11.12.9, 11.12.10.
#include "arch/x86/vlapic_internal.h"

// ---- destinations -----------------------------------------------------------------------------------------

uint32_t vlapic_x2apic_ldr(uint32_t id) {
    return id / APIC_CLUSTER_MEMBERS << APIC_CLUSTER_SHIFT | 1u << id % APIC_CLUSTER_MEMBERS;
}

static bool logical_match(const struct vlapic *vlapic, uint32_t destination) {
    const uint32_t members = (1u << APIC_CLUSTER_MEMBERS) - 1;
    uint32_t ldr = vlapic_picture(&vlapic->registers[APIC_LDR]);

    if (vlapic_is_x2apic(vlapic)) {
        return (destination & ~members) == (ldr & ~members) && (destination & ldr & members) != 0;
    }
    ldr >>= APIC_XAPIC_ID_SHIFT;
    if (destination > APIC_XAPIC_BROADCAST) { return false; }
    if ((vlapic_picture(&vlapic->registers[APIC_DFR]) & APIC_DFR_MODEL) == APIC_DFR_FLAT) {
        return (destination & ldr) != 0;
    }
    return ((destination ^ ldr) & APIC_LDR_CLUSTER) == 0 && (destination & ldr & APIC_LDR_MEMBERS) != 0;
}

static bool matches(const struct vlapic *vlapic, const struct vlapic *sender, const struct vlapic_message *message) {
    switch (message->shorthand) {
    case APIC_SHORTHAND_SELF: return vlapic == sender;
    case APIC_SHORTHAND_ALL: return true;
    case APIC_SHORTHAND_OTHERS: return vlapic != sender;
    default: break;
    }
    if (message->destination == APIC_X2APIC_BROADCAST) { return true; }
    return message->logical ? logical_match(vlapic, message->destination)
                            : vlapic->registers[APIC_ID] == message->destination;
}

// SDM 11.6.2.4. Which of several at the same priority is the machine's choice; by the vector, interrupts are spread and
// each stays where it is.
static uint32_t lowest_priority(struct vlapic *const *all, uint32_t set, unsigned vector) {
    uint32_t lowest = 0, best = UINT32_MAX;
    unsigned equals = 0;

    for (uint32_t rest = set; rest != 0; rest &= rest - 1) {
        const struct vlapic *vlapic = all[__builtin_ctz(rest)];
        uint32_t priority = vlapic_picture(&vlapic->registers[APIC_TPR]);
        if (!vlapic_software_enabled(vlapic) || priority > best) { continue; }
        if (priority < best) {
            best = priority;
            lowest = 0;
            equals = 0;
        }
        lowest |= rest & -rest;
        equals++;
    }
    if (equals == 0) { return 0; }
    for (unsigned skip = vector % equals; skip > 0; skip--) { lowest &= lowest - 1; }
    return lowest & -lowest;
}

uint32_t vlapic_destinations(struct vlapic *const *all, unsigned count, const struct vlapic *sender,
                             const struct vlapic_message *message) {
    uint32_t set = 0;

    for (unsigned i = 0; i < MIN(count, MAX_VCPUS); i++) {
        if (vlapic_enabled(all[i]) && matches(all[i], sender, message)) { set |= 1u << i; }
    }
    return message->mode == APIC_MODE_LOWEST ? lowest_priority(all, set, message->vector) : set;
}

void vlapic_deliver(struct vlapic *const *all, unsigned count, const struct vlapic *sender,
                    const struct vlapic_message *message) {
    for (uint32_t rest = vlapic_destinations(all, count, sender, message); rest != 0; rest &= rest - 1) {
        vlapic_receive(all[__builtin_ctz(rest)], message);
    }
}

// ---- sending ----------------------------------------------------------------------------------------------

static bool by_vector(unsigned mode) { return mode == APIC_MODE_FIXED || mode == APIC_MODE_LOWEST; }

// SDM table 11-3; what is reserved or invalid is not sent. So is INIT level de-assert, which nothing hears any more (SDM
// 11.6.1). A level means nothing else to an IPI: each is an edge.
static bool can_be_sent(const struct vlapic_message *message, uint32_t icr) {
    switch (message->mode) {
    case APIC_MODE_FIXED: return true;
    case APIC_MODE_INIT:
        if ((icr & (APIC_ICR_LEVEL | APIC_ICR_ASSERT)) == APIC_ICR_LEVEL) { return false; }
        break;
    case APIC_MODE_RESERVED:
    case APIC_MODE_EXTINT: return false;
    default: break;
    }
    return message->shorthand == APIC_SHORTHAND_NONE || message->shorthand == APIC_SHORTHAND_OTHERS;
}

static void send(struct vlapic *vlapic, const struct vlapic_message *message) {
    if (by_vector(message->mode) && message->vector < APIC_FIRST_VECTOR) {
        vlapic_error(vlapic, APIC_ESR_SEND_ILLEGAL_VECTOR);
    } else if (message->shorthand == APIC_SHORTHAND_SELF) {
        vlapic_receive(vlapic, message);
    } else {
        vlapic->ops->send(vlapic->context, message);
    }
}

void vlapic_send_icr(struct vlapic *vlapic) {
    uint32_t icr = vlapic->registers[APIC_ICR_LOW], destination = vlapic->registers[APIC_ICR_HIGH];
    struct vlapic_message message = {
        .destination =
            vlapic_is_x2apic(vlapic) ? destination : vlapic_destination8((uint8_t)(destination >> APIC_XAPIC_ID_SHIFT)),
        .vector = (uint8_t)icr,
        .mode = icr >> APIC_ICR_MODE_SHIFT & APIC_ICR_MODE_MASK,
        .shorthand = icr >> APIC_ICR_SHORTHAND_SHIFT & APIC_ICR_SHORTHAND_MASK,
        .logical = (icr & APIC_ICR_LOGICAL) != 0,
    };

    if (can_be_sent(&message, icr)) { send(vlapic, &message); }
}

void vlapic_send_self(struct vlapic *vlapic, uint8_t vector) {
    send(vlapic, &(struct vlapic_message){.vector = vector, .shorthand = APIC_SHORTHAND_SELF});
}
