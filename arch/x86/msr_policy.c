// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/msr_policy.h"

#include "arch/x86/apic_regs.h"

#define LINEAR_SHIFT 16 // what of 64 bits is not in a canonical address

const uint32_t msr_direct[MSR_DIRECT] = {
    MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_STAR,    MSR_LSTAR,
    MSR_CSTAR,       MSR_SFMASK,       MSR_FS_BASE,      MSR_GS_BASE, MSR_KERNEL_GS_BASE,
};

// What a read gives, and what a write needs and does. Told to the hardware are those from SWITCHED to TSC_AUX, kept those
// from PAT on.
enum kind {
    CONSTANT, // the row's value; a write is denied,
    IGNORED,  // or without effect,
    ZERO,     // or that of 0 is
    APIC,     // the local APIC's
    PV,       // the row's value: enum pv_page of the first one
    EFER,
    TSC,
    TSC_ADJUST, // kept, too
    SWITCHED,
    ADDRESS, // switched, canonical
    PAT,
    TSC_AUX,
    MTRR_FIXED,
    MTRR_DEF,
    MTRR_RANGE,
};

struct row {
    uint32_t first;
    uint32_t value; // kept: where in struct msr_state the first one is, KEPT
    uint8_t count, kind;
};

#define KEPT(field) offsetof(struct msr_state, field)

static const struct row rows[] = {
    {MSR_TSC, 0, 1, TSC},
    {0x17, 0, 1, CONSTANT}, // PLATFORM_ID
    {MSR_APIC_BASE, 0, 1, APIC},
    {0x3a, BIT(0), 1, CONSTANT}, // FEATURE_CONTROL: locked, with nothing on
    {MSR_TSC_ADJUST, KEPT(tsc_adjust), 1, TSC_ADJUST},
    {0x8b, 0, 1, IGNORED},  // BIOS_SIGN_ID, PATCH_LEVEL: no microcode; written before it is read
    {0xce, 0, 1, CONSTANT}, // PLATFORM_INFO: no faulting of CPUID
    {MSR_MTRRCAP, MSR_MTRR_RANGES | MTRRCAP_FIX | MTRRCAP_WC, 1, CONSTANT},
    {0x140, 0, 1, ZERO}, // MISC_FEATURES_ENABLES
    {MSR_SYSENTER_CS, 0, 1, SWITCHED},
    {MSR_SYSENTER_ESP, 0, 2, ADDRESS},               // and SYSENTER_EIP
    {0x179, 0, 1, CONSTANT},                         // MCG_CAP: no banks
    {0x17a, 0, 1, ZERO},                             // MCG_STATUS
    {0x1a0, BIT(0) | BIT(11) | BIT(12), 1, IGNORED}, // MISC_ENABLE: fast strings, no BTS, no PEBS
    {0x1d9, 0, 1, IGNORED},                          // DEBUGCTL
    {MSR_MTRR_PHYSBASE0, KEPT(mtrr_range), 2 * MSR_MTRR_RANGES, MTRR_RANGE},
    {MSR_MTRR_FIX64K, KEPT(mtrr_fixed[0]), 1, MTRR_FIXED},
    {MSR_MTRR_FIX16K, KEPT(mtrr_fixed[1]), 2, MTRR_FIXED},
    {MSR_MTRR_FIX4K, KEPT(mtrr_fixed[3]), 8, MTRR_FIXED},
    {MSR_PAT, KEPT(pat), 1, PAT},
    {MSR_MTRR_DEF_TYPE, KEPT(mtrr_def), 1, MTRR_DEF},
    {MSR_KVM_WALL_CLOCK_NEW, PV_WALL, 2, PV}, // and SYSTEM_TIME_NEW
    {MSR_KVM_STEAL_TIME, PV_STEAL, 2, PV},    // and PV_EOI_EN
    {MSR_EFER, 0, 1, EFER},
    {MSR_STAR, 0, 1, SWITCHED},
    {MSR_LSTAR, 0, 2, ADDRESS}, // and CSTAR
    {MSR_SFMASK, 0, 1, SWITCHED},
    {MSR_FS_BASE, 0, 3, ADDRESS}, // and GS_BASE, KERNEL_GS_BASE
    {MSR_TSC_AUX, KEPT(tsc_aux), 1, TSC_AUX},
    // AMD's
    {0xc0010000, 0, 8, IGNORED},       // PERF_CTL, PERF_CTR of the K7: do not count, as the kernel finds out
    {0xc0010010, 0, 1, IGNORED},       // SYSCFG
    {0xc0010015, BIT(24), 1, IGNORED}, // HWCR: the TSC counts at the P0 frequency
    {0xc001001a, 0, 1, IGNORED},       // TOP_MEM
    {0xc001001d, 0, 1, IGNORED},       // TOP_MEM2
    {0xc001001f, 0, 1, IGNORED},       // NB_CFG
    {0xc0010055, 0, 1, IGNORED},       // interrupt pending message
    {0xc0010058, 0, 1, IGNORED},       // MMIO configuration base
    {0xc0010061, 0, 11, IGNORED},      // PSTATE
    {0xc0011020, 0, 4, IGNORED},       // LS_CFG, IC_CFG, DC_CFG, BU_CFG
    {0xc0011029, BIT(1), 1, IGNORED},  // DE_CFG: LFENCE serialises
    {0xc001102a, 0, 1, IGNORED},       // BU_CFG2
};

static const struct row *find(uint32_t msr) {
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        if (msr - rows[i].first < rows[i].count) { return &rows[i]; }
    }
    return NULL;
}

// ---- what may be written ----------------------------------------------------------------------------------

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

static bool is_valid(const struct msr_state *state, const struct row *row, uint32_t msr, uint64_t value) {
    uint64_t page = BIT(state->cpuid->physical_bits) - PAGE_SIZE; // bits of a page's address
    bool is_mask = (msr - row->first) % 2 != 0;                   // of a range

    switch (row->kind) {
    case ADDRESS: return (uint64_t)((int64_t)(value << LINEAR_SHIFT) >> LINEAR_SHIFT) == value;
    case PAT: return are_types(value, sizeof(value), PAT_TYPES);
    case TSC_AUX: return value <= UINT32_MAX;
    case MTRR_FIXED: return are_types(value, sizeof(value), MTRR_TYPES);
    case MTRR_DEF: page = MTRR_DEF_FE | MTRR_DEF_E; break;
    case MTRR_RANGE: break;
    default: return true;
    }
    if (row->kind == MTRR_RANGE && is_mask) { return (value & ~(page | MTRR_MASK_VALID)) == 0; }
    return (value & ~(page | MTRR_TYPE)) == 0 && are_types(value, 1, MTRR_TYPES);
}

// ---- the guest's accesses ---------------------------------------------------------------------------------

static COLD int deny_unknown(struct msr_state *state, uint32_t msr, bool write) {
    struct msr_log *log = &state->log;

    for (unsigned i = 0; i < log->count; i++) {
        if (log->msrs[i] == msr) { return ERR_DENIED; }
    }
    if (log->count < MSR_LOG) {
        log->msrs[log->count++] = msr;
        state->ops->unknown(state->context, msr, write);
    }
    return ERR_DENIED;
}

static uint64_t *kept(struct msr_state *state, const struct row *row, uint32_t msr) {
    return (uint64_t *)((unsigned char *)state + row->value) + (msr - row->first);
}

// Apart, so that the local APIC's path saves no registers for it.
static COLD __attribute__((noinline)) int read_row(struct msr_state *state, uint32_t msr, uint64_t *value) {
    const struct msr_ops *ops = state->ops;
    const struct row *row = find(msr);

    if (row == NULL) { return deny_unknown(state, msr, false); }
    switch (row->kind) {
    case CONSTANT:
    case IGNORED:
    case ZERO: *value = row->value; break;
    case APIC: return ops->apic_read(state->context, msr, value);
    case PV: *value = state->pv->msr[row->value + msr - row->first]; break;
    case TSC: *value = ops->tsc(state->context); break;
    case EFER:
    case SWITCHED:
    case ADDRESS: *value = ops->load(state->context, msr); break;
    default: *value = *kept(state, row, msr);
    }
    return OK;
}

// LMA is the hardware's: written as anything, it stays.
static int write_efer(struct msr_state *state, uint64_t value) {
    uint64_t change = value ^ state->ops->load(state->context, MSR_EFER);

    if ((value & ~(state->cpuid->efer | EFER_LMA)) != 0) { return ERR_DENIED; }
    if ((change & EFER_LME) != 0 && state->ops->paging(state->context)) { return ERR_DENIED; }
    state->ops->store(state->context, MSR_EFER, value & ~(uint64_t)EFER_LMA);
    return OK;
}

static int move_tsc(struct msr_state *state, uint64_t by) {
    if (by == 0) { return OK; }
    state->tsc_adjust += by;
    state->ops->tsc_move(state->context, by);
    pv_tsc_moved(state->pv, state->tsc_adjust);
    return OK;
}

static COLD __attribute__((noinline)) int write_row(struct msr_state *state, uint32_t msr, uint64_t value) {
    const struct msr_ops *ops = state->ops;
    const struct row *row = find(msr);

    if (row == NULL) { return deny_unknown(state, msr, true); }
    switch (row->kind) {
    case CONSTANT: return ERR_DENIED;
    case IGNORED: return OK;
    case ZERO: return value == 0 ? OK : ERR_DENIED;
    case APIC: return ops->apic_write(state->context, msr, value);
    case PV: return pv_register(state->pv, row->value + msr - row->first, value);
    case EFER: return write_efer(state, value);
    case TSC: return move_tsc(state, value - ops->tsc(state->context));
    case TSC_ADJUST: return move_tsc(state, value - state->tsc_adjust);
    default: break;
    }
    if (!is_valid(state, row, msr, value)) { return ERR_DENIED; }
    if (row->kind >= PAT) { *kept(state, row, msr) = value; }
    if (row->kind <= TSC_AUX) { ops->store(state->context, msr, value); }
    return OK;
}

// The local APIC's come first: they are what a guest writes all the time.
static bool is_hot(uint32_t msr) {
    return msr - APIC_MSR_FIRST <= MSR_X2APIC_LAST - APIC_MSR_FIRST || msr == MSR_TSC_DEADLINE;
}

int msr_read(struct msr_state *state, uint32_t msr, uint64_t *value) {
    return is_hot(msr) ? state->ops->apic_read(state->context, msr, value) : read_row(state, msr, value);
}

int msr_write(struct msr_state *state, uint32_t msr, uint64_t value) {
    return is_hot(msr) ? state->ops->apic_write(state->context, msr, value) : write_row(state, msr, value);
}

// ---- life -------------------------------------------------------------------------------------------------

void msr_reset(struct msr_state *state) {
    *state = (struct msr_state){.cpuid = state->cpuid, .pv = state->pv, .ops = state->ops, .context = state->context};
    state->pat = PAT_POWER_ON;
    state->mtrr_def = MTRR_DEF_E | MEMORY_WB;
    pv_reset(state->pv);
    pv_tsc_moved(state->pv, 0);
    state->ops->store(state->context, MSR_PAT, state->pat);
    state->ops->store(state->context, MSR_TSC_AUX, 0);
}

void msr_init(struct msr_state *state, const struct cpuid_policy *cpuid, struct pv_vcpu *pv, const struct msr_ops *ops,
              void *context) {
    *state = (struct msr_state){.cpuid = cpuid, .pv = pv, .ops = ops, .context = context};
    msr_reset(state);
}
