// SPDX-License-Identifier: Apache-2.0
// The guest's accesses: one table of registers, seen through a page (xAPIC, SDM 11.4.1) or as MSRs (x2APIC, SDM 11.12.1.2),
// and IA32_APIC_BASE, which chooses.
#include "arch/x86/vlapic_internal.h"

enum { XAPIC = 1, X2APIC = 2, X2APIC_READS = 4 }; // where it is there; X2APIC_READS: but cannot be written there

struct reg {
    uint32_t (*read)(struct vlapic *vlapic, unsigned number);              // NULL: write-only
    void (*write)(struct vlapic *vlapic, unsigned number, uint32_t value); // NULL: read-only
    uint32_t writable;                                                     // what of a value is written
    uint16_t ignored; // read-only bits that are no fault to write back as MSR
    uint8_t faces;
};

// ---- handlers; values are cut to `writable` ---------------------------------------------------------------

static uint32_t read_id(struct vlapic *vlapic, UNUSED unsigned number) {
    return vlapic_is_x2apic(vlapic) ? vlapic->id : vlapic->id << APIC_XAPIC_ID_SHIFT;
}

static uint32_t read_version(UNUSED struct vlapic *vlapic, UNUSED unsigned number) {
    return APIC_VERSION_INTEGRATED | (VLAPIC_LVTS - 1) << APIC_MAX_LVT_SHIFT;
}

static uint32_t read_tpr(struct vlapic *vlapic, UNUSED unsigned number) { return vlapic->tpr; }

static void write_tpr(struct vlapic *vlapic, UNUSED unsigned number, uint32_t value) {
    vlapic_set_tpr(vlapic, (uint8_t)value);
}

static uint32_t read_ppr(struct vlapic *vlapic, UNUSED unsigned number) { return vlapic_ppr(vlapic); }

static void write_eoi(struct vlapic *vlapic, UNUSED unsigned number, UNUSED uint32_t value) { vlapic_eoi(vlapic); }

static uint32_t read_ldr(struct vlapic *vlapic, UNUSED unsigned number) { return vlapic->ldr; }

static void write_ldr(struct vlapic *vlapic, UNUSED unsigned number, uint32_t value) {
    vlapic_publish(&vlapic->ldr, value);
}

static uint32_t read_dfr(struct vlapic *vlapic, UNUSED unsigned number) { return vlapic->dfr; }

static void write_dfr(struct vlapic *vlapic, UNUSED unsigned number, uint32_t value) {
    vlapic_publish(&vlapic->dfr, value | APIC_DFR_ONES);
}

static uint32_t read_svr(struct vlapic *vlapic, UNUSED unsigned number) { return vlapic->svr; }

// Disabled by software, every LVT entry is masked, and stays so after it is enabled again (SDM 11.4.7.2).
static void write_svr(struct vlapic *vlapic, UNUSED unsigned number, uint32_t value) {
    if ((value & APIC_SVR_ENABLE) == 0) {
        vlapic_timer_lvt_write(vlapic, vlapic->lvt[0] | APIC_LVT_MASKED);
        for (unsigned i = 1; i < VLAPIC_LVTS; i++) {
            vlapic_publish(&vlapic->lvt[i], vlapic->lvt[i] | APIC_LVT_MASKED);
        }
    }
    vlapic_publish(&vlapic->svr, value);
}

static uint32_t read_isr(struct vlapic *vlapic, unsigned number) { return vlapic->isr[number - APIC_ISR]; }

static uint32_t read_tmr(struct vlapic *vlapic, unsigned number) {
    return vlapic_picture(&vlapic->tmr[number - APIC_TMR]);
}

static uint32_t read_irr(struct vlapic *vlapic, unsigned number) {
    return vlapic_picture(&vlapic->irr[number - APIC_IRR]);
}

static uint32_t read_esr(struct vlapic *vlapic, UNUSED unsigned number) { return vlapic->esr; }

static void write_esr(struct vlapic *vlapic, UNUSED unsigned number, UNUSED uint32_t value) {
    vlapic_latch_errors(vlapic);
}

static uint32_t read_icr_low(struct vlapic *vlapic, UNUSED unsigned number) { return (uint32_t)vlapic->icr; }

static uint32_t read_icr_high(struct vlapic *vlapic, UNUSED unsigned number) {
    return (uint32_t)(vlapic->icr >> APIC_ICR_DESTINATION_SHIFT);
}

static void write_icr_low(struct vlapic *vlapic, UNUSED unsigned number, uint32_t value) {
    vlapic->icr = vlapic->icr >> APIC_ICR_DESTINATION_SHIFT << APIC_ICR_DESTINATION_SHIFT | value;
    vlapic_send_icr(vlapic);
}

static void write_icr_high(struct vlapic *vlapic, UNUSED unsigned number, uint32_t value) {
    vlapic->icr = (uint64_t)value << APIC_ICR_DESTINATION_SHIFT | (uint32_t)vlapic->icr;
}

static uint32_t read_lvt(struct vlapic *vlapic, unsigned number) { return *vlapic_lvt(vlapic, number); }

static uint32_t masked_if_disabled(const struct vlapic *vlapic, uint32_t value) {
    return vlapic_software_enabled(vlapic) ? value : value | APIC_LVT_MASKED;
}

static void write_lvt(struct vlapic *vlapic, unsigned number, uint32_t value) {
    vlapic_publish(vlapic_lvt(vlapic, number), masked_if_disabled(vlapic, value));
}

static void write_lvt_lint(struct vlapic *vlapic, unsigned number, uint32_t value) {
    uint32_t before = *vlapic_lvt(vlapic, number);

    write_lvt(vlapic, number, value | (before & APIC_LVT_REMOTE_IRR));
    vlapic_lint_changed(vlapic, number - APIC_LVT_LINT0, before);
}

static void write_lvt_timer(struct vlapic *vlapic, UNUSED unsigned number, uint32_t value) {
    vlapic_timer_lvt_write(vlapic, masked_if_disabled(vlapic, value));
}

static uint32_t read_initial(struct vlapic *vlapic, UNUSED unsigned number) { return vlapic->timer.initial; }

static void write_initial(struct vlapic *vlapic, UNUSED unsigned number, uint32_t value) {
    vlapic_timer_set_initial(vlapic, value);
}

static uint32_t read_current(struct vlapic *vlapic, UNUSED unsigned number) { return vlapic_timer_current(vlapic); }

static uint32_t read_divide(struct vlapic *vlapic, UNUSED unsigned number) { return vlapic->timer.divide; }

static void write_divide(struct vlapic *vlapic, UNUSED unsigned number, uint32_t value) {
    vlapic_timer_set_divide(vlapic, value);
}

static void write_self_ipi(struct vlapic *vlapic, UNUSED unsigned number, uint32_t value) {
    vlapic_send_self(vlapic, (uint8_t)value);
}

// ---- the table --------------------------------------------------------------------------------------------

#define BOTH      (XAPIC | X2APIC)
#define LVT_FIXED (APIC_VECTOR_MASK | APIC_LVT_MASKED)
#define LVT_LOCAL (LVT_FIXED | APIC_LVT_MODE)
#define LVT_PIN   (LVT_LOCAL | APIC_LVT_POLARITY | APIC_LVT_LEVEL)
#define BITMAP(first, read)                                                             \
    [first] = {read, NULL, 0, 0, BOTH}, [(first) + 1] = {read, NULL, 0, 0, BOTH},       \
    [(first) + 2] = {read, NULL, 0, 0, BOTH}, [(first) + 3] = {read, NULL, 0, 0, BOTH}, \
    [(first) + 4] = {read, NULL, 0, 0, BOTH}, [(first) + 5] = {read, NULL, 0, 0, BOTH}, \
    [(first) + 6] = {read, NULL, 0, 0, BOTH}, [(first) + 7] = {read, NULL, 0, 0, BOTH}

// The focus bit of SVR has no effect since the Pentium 4, yet is written by some 32-bit guests.
static const struct reg registers[APIC_REGISTERS] = {
    [APIC_ID] = {read_id, NULL, 0, 0, BOTH},
    [APIC_VERSION] = {read_version, NULL, 0, 0, BOTH},
    [APIC_TPR] = {read_tpr, write_tpr, APIC_VECTOR_MASK, 0, BOTH},
    [APIC_PPR] = {read_ppr, NULL, 0, 0, BOTH},
    [APIC_EOI] = {NULL, write_eoi, 0, 0, BOTH},
    [APIC_LDR] = {read_ldr, write_ldr, APIC_LDR_XAPIC_MASK, 0, BOTH | X2APIC_READS},
    [APIC_DFR] = {read_dfr, write_dfr, APIC_DFR_MODEL, 0, XAPIC},
    [APIC_SVR] = {read_svr, write_svr, APIC_VECTOR_MASK | APIC_SVR_ENABLE | APIC_SVR_FOCUS, 0, BOTH},
    BITMAP(APIC_ISR, read_isr),
    BITMAP(APIC_TMR, read_tmr),
    BITMAP(APIC_IRR, read_irr),
    [APIC_ESR] = {read_esr, write_esr, 0, 0, BOTH},
    [APIC_ICR_LOW] = {read_icr_low, write_icr_low, APIC_ICR_DEFINED, APIC_ICR_STATUS, BOTH},
    [APIC_ICR_HIGH] = {read_icr_high, write_icr_high, APIC_LDR_XAPIC_MASK, 0, XAPIC},
    [APIC_LVT_TIMER] = {read_lvt, write_lvt_timer, LVT_FIXED | APIC_LVT_TIMER_MODE, APIC_LVT_STATUS, BOTH},
    [APIC_LVT_THERMAL] = {read_lvt, write_lvt, LVT_LOCAL, APIC_LVT_STATUS, BOTH},
    [APIC_LVT_PERFORMANCE] = {read_lvt, write_lvt, LVT_LOCAL, APIC_LVT_STATUS, BOTH},
    [APIC_LVT_LINT0] = {read_lvt, write_lvt_lint, LVT_PIN, APIC_LVT_STATUS | APIC_LVT_REMOTE_IRR, BOTH},
    [APIC_LVT_LINT1] = {read_lvt, write_lvt_lint, LVT_PIN, APIC_LVT_STATUS | APIC_LVT_REMOTE_IRR, BOTH},
    [APIC_LVT_ERROR] = {read_lvt, write_lvt, LVT_FIXED, APIC_LVT_STATUS, BOTH},
    [APIC_INITIAL_COUNT] = {read_initial, write_initial, UINT32_MAX, 0, BOTH},
    [APIC_CURRENT_COUNT] = {read_current, NULL, 0, 0, BOTH},
    [APIC_DIVIDE] = {read_divide, write_divide, APIC_DIVIDE_MASK, 0, BOTH},
    [APIC_SELF_IPI] = {NULL, write_self_ipi, APIC_VECTOR_MASK, 0, X2APIC},
};

static uint32_t writable(const struct vlapic *vlapic, unsigned number) {
    uint32_t mask = registers[number].writable;

    return number == APIC_LVT_TIMER && !vlapic->config->tsc_deadline ? mask & ~APIC_LVT_TIMER_DEADLINE : mask;
}

// ---- xAPIC ------------------------------------------------------------------------------------------------

static int check_mmio(const struct vlapic *vlapic, unsigned offset, unsigned size) {
    if ((vlapic->base & APIC_BASE_MODE) != APIC_BASE_EN) { return ERR_DENIED; }
    if ((size != 1 && size != 2 && size != 4 && size != 8) || offset >= PAGE_SIZE || size > PAGE_SIZE - offset) {
        return ERR_RANGE;
    }
    return OK;
}

// NULL, and an error in ESR: it is not there.
static const struct reg *find(struct vlapic *vlapic, unsigned offset) {
    unsigned number = offset >> APIC_REGISTER_SHIFT;

    if (number < APIC_REGISTERS && (registers[number].faces & XAPIC) != 0) { return &registers[number]; }
    vlapic_error(vlapic, APIC_ESR_ILLEGAL_REGISTER);
    return NULL;
}

int vlapic_mmio_read(struct vlapic *vlapic, unsigned offset, unsigned size, uint64_t *value) {
    int status = check_mmio(vlapic, offset, size);
    unsigned within = offset % APIC_REGISTER_STRIDE;

    *value = 0;
    if (status != OK || within >= sizeof(uint32_t)) { return status; }
    const struct reg *reg = find(vlapic, offset);
    if (reg != NULL && reg->read != NULL) {
        uint64_t word = reg->read(vlapic, offset >> APIC_REGISTER_SHIFT) >> within * 8;
        *value = size < sizeof(uint32_t) ? word & ((1ull << size * 8) - 1) : word;
    }
    return OK;
}

int vlapic_mmio_write(struct vlapic *vlapic, unsigned offset, unsigned size, uint64_t value) {
    int status = check_mmio(vlapic, offset, size);

    if (status != OK || size != sizeof(uint32_t) || offset % APIC_REGISTER_STRIDE != 0) { return status; }
    const struct reg *reg = find(vlapic, offset);
    if (reg != NULL && reg->write != NULL) {
        unsigned number = offset >> APIC_REGISTER_SHIFT;
        reg->write(vlapic, number, (uint32_t)value & writable(vlapic, number));
    }
    return OK;
}

// ---- x2APIC -----------------------------------------------------------------------------------------------

// NULL: #GP.
static const struct reg *find_msr(const struct vlapic *vlapic, uint32_t msr) {
    if (!vlapic_is_x2apic(vlapic) || msr < APIC_MSR_FIRST || msr > APIC_MSR_LAST) { return NULL; }
    const struct reg *reg = &registers[msr - APIC_MSR_FIRST];
    return (reg->faces & X2APIC) != 0 ? reg : NULL;
}

int vlapic_msr_read(struct vlapic *vlapic, uint32_t msr, uint64_t *value) {
    const struct reg *reg = find_msr(vlapic, msr);

    if (reg == NULL || reg->read == NULL) { return ERR_DENIED; }
    unsigned number = msr - APIC_MSR_FIRST;
    *value = number == APIC_ICR_LOW ? vlapic->icr : reg->read(vlapic, number);
    return OK;
}

int vlapic_msr_write(struct vlapic *vlapic, uint32_t msr, uint64_t value) {
    const struct reg *reg = find_msr(vlapic, msr);
    uint64_t destination = 0;

    if (reg == NULL || reg->write == NULL || (reg->faces & X2APIC_READS) != 0) { return ERR_DENIED; }
    unsigned number = msr - APIC_MSR_FIRST;
    uint32_t mask = writable(vlapic, number);
    if (number == APIC_ICR_LOW) {
        destination = value >> APIC_ICR_DESTINATION_SHIFT << APIC_ICR_DESTINATION_SHIFT;
        value = (uint32_t)value;
    }
    if ((value & ~(uint64_t)(mask | reg->ignored)) != 0) { return ERR_DENIED; }
    if (number == APIC_ICR_LOW) { vlapic->icr = destination; } // its handler adds the lower half, and sends
    reg->write(vlapic, number, (uint32_t)value & mask);
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
    bool refused = (after & APIC_BASE_EXTD) != 0 && !vlapic->config->x2apic;

    if ((value & ~(uint64_t)(APIC_BASE_MODE | APIC_BASE_BSP)) != APIC_DEFAULT_BASE || refused ||
        !may_change(before, after)) {
        return ERR_DENIED;
    }
    if (after == before) { return OK; }
    vlapic_publish(&vlapic->base, (vlapic->base & APIC_BASE_BSP) | after);
    if (after == 0) {
        vlapic_reset_state(vlapic);
    } else if (after == APIC_BASE_MODE) {
        vlapic_publish(&vlapic->ldr, vlapic_x2apic_ldr(vlapic->id));
        vlapic->icr = 0; // its upper half has another meaning now
    }
    return OK;
}
