// SPDX-License-Identifier: Apache-2.0
// The guest's accesses: one table of registers, seen through a page (xAPIC, SDM 11.4.1) or as MSRs (x2APIC, SDM 11.12.1.2),
// and IA32_APIC_BASE, which chooses.
#include "arch/x86/vlapic_internal.h"

// Where a register is there, and can be written. LDR and ID are the machine's in x2APIC mode.
enum {
    XAPIC = 0x1,
    XAPIC_WRITE = 0x2,
    X2APIC_READ = 0x4,
    X2APIC_WRITE = 0x8,
    CONSTANT = XAPIC | X2APIC_READ,
    FULL = XAPIC | XAPIC_WRITE | X2APIC_READ | X2APIC_WRITE,
    STATUS = 0x10, // has read-only bits that are no fault to write back as MSR
};

#define CONSTANTS(first) /* eight */                                                             \
    [first] = {0, CONSTANT}, [(first) + 1] = {0, CONSTANT}, [(first) + 2] = {0, CONSTANT},       \
    [(first) + 3] = {0, CONSTANT}, [(first) + 4] = {0, CONSTANT}, [(first) + 5] = {0, CONSTANT}, \
    [(first) + 6] = {0, CONSTANT}, [(first) + 7] = {0, CONSTANT}
#define LVT_FIXED (APIC_VECTOR_MASK | APIC_LVT_MASKED)
#define LVT_LOCAL (LVT_FIXED | APIC_LVT_MODE)
#define LVT_PIN   (LVT_LOCAL | APIC_LVT_POLARITY | APIC_LVT_LEVEL)

// The focus bit of SVR has no effect since the Pentium 4, yet is written by some 32-bit guests.
static const struct reg {
    uint32_t writable; // what of a value is written
    uint8_t faces;
} registers[APIC_REGISTERS] = {
    [APIC_ID] = {0, CONSTANT},
    [APIC_VERSION] = {0, CONSTANT},
    [APIC_TPR] = {APIC_VECTOR_MASK, FULL},
    [APIC_PPR] = {0, CONSTANT},
    [APIC_EOI] = {0, XAPIC | XAPIC_WRITE | X2APIC_WRITE},
    [APIC_LDR] = {APIC_LDR_XAPIC_MASK, CONSTANT | XAPIC_WRITE},
    [APIC_DFR] = {APIC_DFR_MODEL, XAPIC | XAPIC_WRITE},
    [APIC_SVR] = {APIC_VECTOR_MASK | APIC_SVR_ENABLE | APIC_SVR_FOCUS, FULL},
    CONSTANTS(APIC_ISR),
    CONSTANTS(APIC_TMR),
    CONSTANTS(APIC_IRR),
    [APIC_ESR] = {0, FULL},
    [APIC_ICR_LOW] = {APIC_ICR_DEFINED, FULL | STATUS},
    [APIC_ICR_HIGH] = {APIC_LDR_XAPIC_MASK, XAPIC | XAPIC_WRITE},
    [APIC_LVT_TIMER] = {LVT_FIXED | APIC_LVT_TIMER_MODE, FULL | STATUS},
    [APIC_LVT_THERMAL] = {LVT_LOCAL, FULL | STATUS},
    [APIC_LVT_PERFORMANCE] = {LVT_LOCAL, FULL | STATUS},
    [APIC_LVT_LINT0] = {LVT_PIN, FULL | STATUS},
    [APIC_LVT_LINT1] = {LVT_PIN, FULL | STATUS},
    [APIC_LVT_ERROR] = {LVT_FIXED, FULL | STATUS},
    [APIC_INITIAL_COUNT] = {UINT32_MAX, FULL},
    [APIC_CURRENT_COUNT] = {0, CONSTANT},
    [APIC_DIVIDE] = {APIC_DIVIDE_MASK, FULL},
    [APIC_SELF_IPI] = {APIC_VECTOR_MASK, X2APIC_WRITE},
};
static uint32_t read_register(struct vlapic *vlapic, unsigned number) {
    uint32_t value = vlapic_picture(&vlapic->registers[number]);

    switch (number) {
    case APIC_ID: return vlapic_is_x2apic(vlapic) ? value : value << APIC_XAPIC_ID_SHIFT;
    case APIC_PPR: return vlapic_ppr(vlapic);
    case APIC_CURRENT_COUNT: return vlapic_timer_current(vlapic);
    default: return value;
    }
}

// Disabled by software, every LVT entry is masked, and stays so after it is enabled again (SDM 11.4.7.2).
static void write_svr(struct vlapic *vlapic, uint32_t value) {
    uint32_t *lvt = &vlapic->registers[APIC_LVT_TIMER];

    vlapic_publish(&vlapic->registers[APIC_SVR], value);
    if (vlapic_software_enabled(vlapic)) { return; }
    vlapic_timer_lvt_write(vlapic, *lvt | APIC_LVT_MASKED);
    for (unsigned i = 1; i < VLAPIC_LVTS; i++) { vlapic_publish(&lvt[i], lvt[i] | APIC_LVT_MASKED); }
}

static void write_register(struct vlapic *vlapic, unsigned number, uint32_t value) {
    value &= registers[number].writable;
    if (number - APIC_LVT_TIMER < VLAPIC_LVTS && !vlapic_software_enabled(vlapic)) { value |= APIC_LVT_MASKED; }
    switch (number) {
    case APIC_TPR: vlapic_set_tpr(vlapic, (uint8_t)value); break;
    case APIC_EOI: vlapic_eoi(vlapic); break;
    case APIC_SVR: write_svr(vlapic, value); break;
    case APIC_ESR: vlapic->registers[number] = __atomic_exchange_n(&vlapic->errors, 0, __ATOMIC_RELAXED); break;
    case APIC_ICR_LOW:
        vlapic->registers[number] = value;
        vlapic_send_icr(vlapic);
        break;
    case APIC_LVT_TIMER: vlapic_timer_lvt_write(vlapic, value); break;
    case APIC_INITIAL_COUNT: vlapic_timer_set_initial(vlapic, value); break;
    case APIC_DIVIDE: vlapic_timer_set_divide(vlapic, value); break;
    case APIC_SELF_IPI: vlapic_send_self(vlapic, (uint8_t)value); break;
    case APIC_DFR: vlapic_publish(&vlapic->registers[number], value | APIC_DFR_ONES); break;
    default: vlapic_publish(&vlapic->registers[number], value);
    }
}

// ---- xAPIC ------------------------------------------------------------------------------------------------

// What is possible with the register at `offset`; if it is not there, an error in ESR.
static uint8_t find(struct vlapic *vlapic, unsigned offset) {
    unsigned number = offset >> APIC_REGISTER_SHIFT;
    uint8_t found = number < APIC_REGISTERS ? registers[number].faces : 0;

    if ((found & XAPIC) == 0) { vlapic_error(vlapic, APIC_ESR_ILLEGAL_REGISTER); }
    return found;
}

static bool is_xapic(const struct vlapic *vlapic) { return (vlapic->base & APIC_BASE_MODE) == APIC_BASE_EN; }

int vlapic_mmio_read(struct vlapic *vlapic, unsigned offset, unsigned size, uint64_t *value) {
    unsigned within = offset % APIC_REGISTER_STRIDE;

    *value = 0;
    if (!is_xapic(vlapic)) { return ERR_DENIED; }
    if (within < sizeof(uint32_t) && (find(vlapic, offset) & XAPIC) != 0) {
        uint64_t word = read_register(vlapic, offset >> APIC_REGISTER_SHIFT) >> within * 8;
        *value = size < sizeof(uint32_t) ? word & ((1ull << size * 8) - 1) : word;
    }
    return OK;
}

int vlapic_mmio_write(struct vlapic *vlapic, unsigned offset, unsigned size, uint64_t value) {
    if (!is_xapic(vlapic)) { return ERR_DENIED; }
    if (size != sizeof(uint32_t) || offset % APIC_REGISTER_STRIDE != 0) { return OK; }
    if ((find(vlapic, offset) & XAPIC_WRITE) != 0) {
        write_register(vlapic, offset >> APIC_REGISTER_SHIFT, (uint32_t)value);
    }
    return OK;
}

// ---- x2APIC -----------------------------------------------------------------------------------------------

// What is possible with the register; nothing: #GP.
static uint8_t find_msr(const struct vlapic *vlapic, unsigned number) {
    return vlapic_is_x2apic(vlapic) && number < APIC_REGISTERS ? registers[number].faces : 0;
}

int vlapic_msr_read(struct vlapic *vlapic, uint32_t msr, uint64_t *value) {
    unsigned number = msr - APIC_MSR_FIRST;

    if ((find_msr(vlapic, number) & X2APIC_READ) == 0) { return ERR_DENIED; }
    *value = read_register(vlapic, number);
    if (number == APIC_ICR_LOW) { *value |= (uint64_t)vlapic->registers[APIC_ICR_HIGH] << APIC_ICR_DESTINATION_SHIFT; }
    return OK;
}

int vlapic_msr_write(struct vlapic *vlapic, uint32_t msr, uint64_t value) {
    unsigned number = msr - APIC_MSR_FIRST;

    if ((find_msr(vlapic, number) & X2APIC_WRITE) == 0) { return ERR_DENIED; }
    uint64_t defined = registers[number].writable;
    if ((registers[number].faces & STATUS) != 0) { defined |= APIC_LVT_STATUS | APIC_LVT_REMOTE_IRR; }
    if (number == APIC_ICR_LOW) { defined |= (uint64_t)UINT32_MAX << APIC_ICR_DESTINATION_SHIFT; }
    if ((value & ~defined) != 0) { return ERR_DENIED; }
    if (number == APIC_ICR_LOW) { vlapic->registers[APIC_ICR_HIGH] = (uint32_t)(value >> APIC_ICR_DESTINATION_SHIFT); }
    write_register(vlapic, number, (uint32_t)value);
    return OK;
}

// ---- IA32_APIC_BASE: SDM 11.4.3, 11.4.4, 11.12.1, 11.12.5 -------------------------------------------------

uint64_t vlapic_base_read(const struct vlapic *vlapic) { return APIC_DEFAULT_BASE | vlapic->base; }

static bool may_change(uint32_t from, uint32_t to) {
    switch (to) {
    case 0: return true;
    case APIC_BASE_EN: return from != APIC_BASE_MODE;
    case APIC_BASE_MODE: return from != 0;
    default: return false; // x2APIC, but not enabled
    }
}

int vlapic_base_write(struct vlapic *vlapic, uint64_t value) {
    uint32_t before = vlapic->base & APIC_BASE_MODE, after = (uint32_t)value & APIC_BASE_MODE;

    if ((value & ~(uint64_t)(APIC_BASE_MODE | APIC_BASE_BSP)) != APIC_DEFAULT_BASE || !may_change(before, after)) {
        return ERR_DENIED;
    }
    if (after == before) { return OK; }
    vlapic_publish(&vlapic->base, (vlapic->base & APIC_BASE_BSP) | after);
    if (after == 0) {
        vlapic_reset_state(vlapic);
    } else if (after == APIC_BASE_MODE) {
        vlapic_publish(&vlapic->registers[APIC_LDR], vlapic_x2apic_ldr(vlapic->registers[APIC_ID]));
        vlapic->registers[APIC_ICR_LOW] = vlapic->registers[APIC_ICR_HIGH] =
            0; // the upper half has another meaning now
    }
    return OK;
}
