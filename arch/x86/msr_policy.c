// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/msr_policy.h"

#include "arch/x86/apic_regs.h"
#include "kernel/string.h"

#define LINEAR_SHIFT 16 // what of 64 bits is not in a canonical address

const uint32_t msr_direct[MSR_DIRECT] = {
    MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_STAR,    MSR_LSTAR,
    MSR_CSTAR,       MSR_SFMASK,       MSR_FS_BASE,      MSR_GS_BASE, MSR_KERNEL_GS_BASE,
};

struct row {
    uint32_t first, last;
    int (*read)(struct msr_state *state, const struct row *row, uint32_t msr, uint64_t *value); // NULL: the constant
    int (*write)(struct msr_state *state, const struct row *row, uint32_t msr, uint64_t value); // NULL: ignored
    uint64_t constant; // where in struct msr_state the first one is kept: KEPT
};

#define KEPT(field) offsetof(struct msr_state, field)
#define READ(name)                                                                                     \
    static int name(UNUSED struct msr_state *state, UNUSED const struct row *row, UNUSED uint32_t msr, \
                    UNUSED uint64_t *value)
#define WRITE(name)                                                                                    \
    static int name(UNUSED struct msr_state *state, UNUSED const struct row *row, UNUSED uint32_t msr, \
                    UNUSED uint64_t value)

// ---- handlers ---------------------------------------------------------------------------------------------

static uint64_t *kept(struct msr_state *state, const struct row *row, uint32_t msr) {
    return (uint64_t *)((unsigned char *)state + row->constant) + (msr - row->first);
}

READ(read_kept) { return *value = *kept(state, row, msr), OK; }

WRITE(no_write) { return ERR_DENIED; }

WRITE(write_zero) { return value == 0 ? OK : ERR_DENIED; }

READ(read_switched) { return *value = state->ops->load(state->context, msr), OK; }

WRITE(write_switched) { return state->ops->store(state->context, msr, value), OK; }

WRITE(write_address) {
    bool canonical = (uint64_t)((int64_t)(value << LINEAR_SHIFT) >> LINEAR_SHIFT) == value;

    return canonical ? write_switched(state, row, msr, value) : ERR_DENIED;
}

// LMA is the hardware's: written as anything, it stays.
WRITE(write_efer) {
    uint64_t change = value ^ state->ops->load(state->context, msr);

    if ((value & ~(state->cpuid->efer | EFER_LMA)) != 0) { return ERR_DENIED; }
    if ((change & EFER_LME) != 0 && state->ops->paging(state->context)) { return ERR_DENIED; }
    return write_switched(state, row, msr, value & ~(uint64_t)EFER_LMA);
}

static int move_tsc(struct msr_state *state, uint64_t by) {
    if (by == 0) { return OK; }
    state->tsc_adjust += by;
    state->ops->tsc_move(state->context, by);
    pv_tsc_moved(state->pv, state->tsc_adjust);
    return OK;
}

READ(read_tsc) { return *value = state->ops->tsc(state->context), OK; }

WRITE(write_tsc) { return move_tsc(state, value - state->ops->tsc(state->context)); }

WRITE(write_tsc_adjust) { return move_tsc(state, value - state->tsc_adjust); }

WRITE(write_tsc_aux) {
    if (value > UINT32_MAX) { return ERR_DENIED; }
    state->tsc_aux = value;
    return write_switched(state, row, msr, value);
}

READ(read_apic) { return state->ops->apic_read(state->context, msr, value); }

WRITE(write_apic) { return state->ops->apic_write(state->context, msr, value); }

READ(read_pv) { return pv_msr_read(state->pv, msr, value); }

WRITE(write_pv) { return pv_msr_write(state->pv, msr, value); }

// ---- memory types -----------------------------------------------------------------------------------------

#define MTRR_TYPES (BIT(MEMORY_UC) | BIT(MEMORY_WC) | BIT(MEMORY_WT) | BIT(MEMORY_WP) | BIT(MEMORY_WB))
#define PAT_TYPES  (MTRR_TYPES | BIT(MEMORY_UC_MINUS))

// Each of the lowest `count` bytes is one of `types`.
static bool are_types(uint64_t value, unsigned count, uint64_t types) {
    for (unsigned i = 0; i < count; i++) {
        uint64_t type = value >> i * 8 & MTRR_TYPE;
        if (type > MEMORY_UC_MINUS || (types & BIT(type)) == 0) { return false; }
    }
    return true;
}

static int keep_if(bool valid, struct msr_state *state, const struct row *row, uint32_t msr, uint64_t value) {
    if (valid) { *kept(state, row, msr) = value; }
    return valid ? OK : ERR_DENIED;
}

WRITE(write_pat) {
    int status = keep_if(are_types(value, sizeof(value), PAT_TYPES), state, row, msr, value);

    return status == OK ? write_switched(state, row, msr, value) : status;
}

WRITE(write_mtrr_fixed) { return keep_if(are_types(value, sizeof(value), MTRR_TYPES), state, row, msr, value); }

WRITE(write_mtrr_def) {
    bool reserved = (value & ~(uint64_t)(MTRR_TYPE | MTRR_DEF_FE | MTRR_DEF_E)) != 0;

    return keep_if(!reserved && are_types(value, 1, MTRR_TYPES), state, row, msr, value);
}

WRITE(write_mtrr_range) {
    uint64_t page = BIT(state->cpuid->physical_bits) - PAGE_SIZE; // bits of a page's address
    bool is_mask = (msr - row->first) % 2 != 0;
    bool reserved = (value & ~(page | (is_mask ? MTRR_MASK_VALID : MTRR_TYPE))) != 0;

    return keep_if(!reserved && (is_mask || are_types(value, 1, MTRR_TYPES)), state, row, msr, value);
}

// ---- the table --------------------------------------------------------------------------------------------

static const struct row rows[] = {
    {MSR_TSC, MSR_TSC, read_tsc, write_tsc, 0},
    {0x17, 0x17, NULL, no_write, 0}, // PLATFORM_ID
    {MSR_APIC_BASE, MSR_APIC_BASE, read_apic, write_apic, 0},
    {0x3a, 0x3a, NULL, no_write, BIT(0)}, // FEATURE_CONTROL: locked, with nothing on
    {MSR_TSC_ADJUST, MSR_TSC_ADJUST, read_kept, write_tsc_adjust, KEPT(tsc_adjust)},
    {MSR_BIOS_SIGN_ID, MSR_BIOS_SIGN_ID, read_kept, NULL, KEPT(microcode)}, // written before it is read
    {0xce, 0xce, NULL, no_write, 0},                                        // PLATFORM_INFO: no faulting of CPUID
    {MSR_MTRRCAP, MSR_MTRRCAP, NULL, no_write, MSR_MTRR_RANGES | MTRRCAP_FIX | MTRRCAP_WC},
    {0x140, 0x140, NULL, write_zero, 0}, // MISC_FEATURES_ENABLES
    {MSR_SYSENTER_CS, MSR_SYSENTER_CS, read_switched, write_switched, 0},
    {MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, read_switched, write_address, 0},
    {0x179, 0x179, NULL, no_write, 0},   // MCG_CAP: no banks
    {0x17a, 0x17a, NULL, write_zero, 0}, // MCG_STATUS
    {0x1a0, 0x1a0, NULL, NULL, BIT(0) /* fast strings */ | BIT(11) /* no BTS */ | BIT(12) /* no PEBS */}, // MISC_ENABLE
    {0x1d9, 0x1d9, NULL, NULL, 0},                                                                        // DEBUGCTL
    {MSR_MTRR_PHYSBASE0, MSR_MTRR_PHYSBASE0 + 2 * MSR_MTRR_RANGES - 1, read_kept, write_mtrr_range, KEPT(mtrr_range)},
    {MSR_MTRR_FIX64K, MSR_MTRR_FIX64K, read_kept, write_mtrr_fixed, KEPT(mtrr_fixed[0])},
    {MSR_MTRR_FIX16K, MSR_MTRR_FIX16K + 1, read_kept, write_mtrr_fixed, KEPT(mtrr_fixed[1])},
    {MSR_MTRR_FIX4K, MSR_MTRR_FIX4K + 7, read_kept, write_mtrr_fixed, KEPT(mtrr_fixed[3])},
    {MSR_PAT, MSR_PAT, read_kept, write_pat, KEPT(pat)},
    {MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE, read_kept, write_mtrr_def, KEPT(mtrr_def)},
    {MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW, read_pv, write_pv, 0},
    {MSR_KVM_STEAL_TIME, MSR_KVM_PV_EOI_EN, read_pv, write_pv, 0},
    {MSR_EFER, MSR_EFER, read_switched, write_efer, 0},
    {MSR_STAR, MSR_STAR, read_switched, write_switched, 0},
    {MSR_LSTAR, MSR_CSTAR, read_switched, write_address, 0},
    {MSR_SFMASK, MSR_SFMASK, read_switched, write_switched, 0},
    {MSR_FS_BASE, MSR_KERNEL_GS_BASE, read_switched, write_address, 0},
    {MSR_TSC_AUX, MSR_TSC_AUX, read_kept, write_tsc_aux, KEPT(tsc_aux)},
    // AMD's
    {0xc0010000, 0xc0010007, NULL, NULL, 0}, // PERF_CTL, PERF_CTR of the K7: do not count, as the kernel finds out
    {0xc0010010, 0xc0010010, NULL, NULL, 0}, // SYSCFG
    {0xc0010015, 0xc0010015, NULL, NULL, BIT(24)}, // HWCR: the TSC counts at the P0 frequency
    {0xc001001a, 0xc001001a, NULL, NULL, 0},       // TOP_MEM
    {0xc001001d, 0xc001001d, NULL, NULL, 0},       // TOP_MEM2
    {0xc001001f, 0xc001001f, NULL, NULL, 0},       // NB_CFG
    {0xc0010055, 0xc0010055, NULL, NULL, 0},       // interrupt pending message
    {0xc0010058, 0xc0010058, NULL, NULL, 0},       // MMIO configuration base
    {0xc0010061, 0xc001006b, NULL, NULL, 0},       // PSTATE
    {0xc0011020, 0xc0011023, NULL, NULL, 0},       // LS_CFG, IC_CFG, DC_CFG, BU_CFG
    {0xc0011029, 0xc0011029, NULL, NULL, BIT(1)},  // DE_CFG: LFENCE serialises
    {0xc001102a, 0xc001102a, NULL, NULL, 0},       // BU_CFG2
};

static const struct row *find(uint32_t msr) {
    unsigned low = 0, high = ARRAY_SIZE(rows);

    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (msr > rows[middle].last) {
            low = middle + 1;
        } else if (msr < rows[middle].first) {
            high = middle;
        } else {
            return &rows[middle];
        }
    }
    return NULL;
}

// ---- the guest's accesses ---------------------------------------------------------------------------------

static COLD int deny_unknown(struct msr_state *state, uint32_t msr, bool write) {
    struct msr_log *log = &state->log;
    bool known = log->count == MSR_LOG;

    if (log->denied < UINT32_MAX) { log->denied++; }
    for (unsigned i = 0; i < log->count; i++) { known |= log->msrs[i] == msr; }
    if (!known) {
        log->msrs[log->count++] = msr;
        state->ops->unknown(state->context, msr, write);
    }
    return ERR_DENIED;
}

// The local APIC's come first: they are what a guest writes all the time.
static bool is_hot(uint32_t msr) {
    return msr - APIC_MSR_FIRST <= MSR_X2APIC_LAST - APIC_MSR_FIRST || msr == MSR_TSC_DEADLINE;
}

int msr_read(struct msr_state *state, uint32_t msr, uint64_t *value) {
    if (is_hot(msr)) { return state->ops->apic_read(state->context, msr, value); }
    const struct row *row = find(msr);
    if (row == NULL) { return deny_unknown(state, msr, false); }
    if (row->read != NULL) { return row->read(state, row, msr, value); }
    *value = row->constant;
    return OK;
}

int msr_write(struct msr_state *state, uint32_t msr, uint64_t value) {
    if (is_hot(msr)) { return state->ops->apic_write(state->context, msr, value); }
    const struct row *row = find(msr);
    if (row == NULL) { return deny_unknown(state, msr, true); }
    return row->write != NULL ? row->write(state, row, msr, value) : OK;
}

// ---- life -------------------------------------------------------------------------------------------------

void msr_reset(struct msr_state *state) {
    state->pat = PAT_POWER_ON;
    state->tsc_aux = state->tsc_adjust = 0;
    state->mtrr_def = MTRR_DEF_E | MEMORY_WB;
    memset(state->mtrr_fixed, 0, sizeof(state->mtrr_fixed));
    memset(state->mtrr_range, 0, sizeof(state->mtrr_range));
    state->log = (struct msr_log){0};
    pv_reset(state->pv);
    pv_tsc_moved(state->pv, 0);
    state->ops->store(state->context, MSR_PAT, state->pat);
    state->ops->store(state->context, MSR_TSC_AUX, state->tsc_aux);
}

void msr_init(struct msr_state *state, const struct cpuid_policy *cpuid, struct pv_vcpu *pv, const struct msr_ops *ops,
              void *context, uint64_t microcode) {
    *state = (struct msr_state){.cpuid = cpuid, .pv = pv, .ops = ops, .context = context, .microcode = microcode};
    msr_reset(state);
}
