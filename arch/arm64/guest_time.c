// SPDX-License-Identifier: Apache-2.0
// What a guest may know of the machine's entropy (DEN0098) and of the time it did not get (DEN0057A).
#include "arch/arm64/psci.h"
#include "arch/arm64/smccc.h"
#include "kernel/arch.h"
#include "kernel/memory.h"
#include "kernel/string.h"

// ---- TRNG -------------------------------------------------------------------------------------------------

enum { TRNG_VERSION_1_0 = 1 << 16, TRNG_NO_ENTROPY = -3 };
enum { WORDS = 3, WORD_BITS_32 = 32, WORD_BITS_64 = 64 };

// UUID of this back end: 3c1d9d5e-5f0b-4f0e-8a86-2f4c8e1f7b60.
static const uint32_t trng_uuid[] = {0x5e9d1d3c, 0x0e4f0b5f, 0x4c2f868a, 0x607b1f8e};

static int64_t trng_version(UNUSED struct vcpu *vcpu, UNUSED uint64_t *x) { return TRNG_VERSION_1_0; }

static int64_t trng_features(UNUSED struct vcpu *vcpu, uint64_t *x) {
    uint32_t id = (uint32_t)x[1];

    return id - TRNG_BASE < TRNG_CALLS || id == TRNG_RND_64 ? PSCI_SUCCESS : PSCI_NOT_SUPPORTED;
}

static int64_t trng_get_uuid(UNUSED struct vcpu *vcpu, uint64_t *x) {
    x[1] = trng_uuid[1];
    x[2] = trng_uuid[2];
    x[3] = trng_uuid[3];
    return trng_uuid[0];
}

// `bits` of entropy, the lowest in x3, then x2, x1; what was not asked for is 0. Nothing is made up: what the firmware
// does not give, the guest does not get.
static int64_t trng_rnd(UNUSED struct vcpu *vcpu, uint64_t *x) {
    unsigned word_bits = (x[0] & CALL_64BIT) != 0 ? WORD_BITS_64 : WORD_BITS_32;
    uint64_t bits = call_argument(x, 1), words[WORDS] = {0};

    x[1] = x[2] = x[3] = 0;
    if (bits == 0 || bits > WORDS * word_bits) { return PSCI_INVALID_PARAMETERS; }
    for (unsigned i = 0; i * word_bits < bits; i++) {
        uint64_t left = bits - i * word_bits;
        if (arch_trng(&words[i]) != OK) { return TRNG_NO_ENTROPY; }
        words[i] &= UINT64_MAX >> (WORD_BITS_64 - MIN(left, word_bits));
    }
    for (unsigned i = 0; i < WORDS; i++) { x[WORDS - i] = words[i]; }
    return PSCI_SUCCESS;
}

const guest_call_t trng_calls[TRNG_CALLS] = {trng_version, trng_features, trng_get_uuid, trng_rnd};

// ---- stolen time ------------------------------------------------------------------------------------------

// DEN0057A, 3.2.2: 64-byte aligned, little-endian.
struct stolen_time {
    uint32_t revision, attributes; // 0
    uint64_t stolen_ns;
    uint8_t padding[48];
};
_Static_assert(sizeof(struct stolen_time) == 64, "DEN0057A");
_Static_assert(MAX_VCPUS * sizeof(struct stolen_time) <= PAGE_SIZE, "one page for a VM");

int stolen_time_init(struct vm *vm) {
    struct stolen_time *page = memory_alloc_pages(1);

    if (page == NULL) { return ERR_NO_MEMORY; }
    for (unsigned i = 0; i < vm->vcpu_count; i++) { vm->vcpus[i]->arch.stolen = &page[i]; }
    return arch_vm_map(vm, STOLEN_TIME_GPA, memory_pa(page), PAGE_SIZE, STAGE2_SHARED);
}

void stolen_time_reset(struct vcpu *vcpu) {
    vcpu->arch.stolen_gpa = 0;
    memset(vcpu->arch.stolen, 0, sizeof(struct stolen_time));
}

void stolen_time_update(struct vcpu *vcpu, uint64_t ticks) {
    struct stolen_time *record = vcpu->arch.stolen;

    if (unlikely(vcpu->arch.stolen_gpa != 0)) {
        __atomic_store_n(&record->stolen_ns, clock_ticks_to_ns_down(&clock_rate, ticks), __ATOMIC_RELAXED);
    }
}

static int64_t pv_time_features(UNUSED struct vcpu *vcpu, uint64_t *x) {
    return (uint32_t)x[1] - PV_TIME_BASE < PV_TIME_CALLS ? PSCI_SUCCESS : PSCI_NOT_SUPPORTED;
}

static int64_t pv_time_st(struct vcpu *vcpu, UNUSED uint64_t *x) {
    vcpu->arch.stolen_gpa = STOLEN_TIME_GPA + vcpu->index * sizeof(struct stolen_time);
    return (int64_t)vcpu->arch.stolen_gpa;
}

const guest_call_t pv_time_calls[PV_TIME_CALLS] = {pv_time_features, pv_time_st};
