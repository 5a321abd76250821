// SPDX-License-Identifier: Apache-2.0
// From a function id to its function, and the calls that describe the others (DEN0028, chapter 7; 6.2).
#include "arch/arm64/psci.h"
#include "arch/arm64/smccc.h"
#include "kernel/vm.h"
#include "takt/hypercall.h"

enum { SMCCC_1_2 = 1 << 16 | 2, ARCH_CALLS = 2, WORKAROUND_CALLS = 1 };

struct service {
    uint32_t base, count;
    const guest_call_t *calls;
};

static int64_t smccc_version_call(UNUSED struct vcpu *vcpu, UNUSED uint64_t *x) { return SMCCC_1_2; }

static bool is_workaround(uint32_t id) {
    return id == SMCCC_ARCH_WORKAROUND_1 || id == SMCCC_ARCH_WORKAROUND_2 || id == SMCCC_ARCH_WORKAROUND_3;
}

// Architecture calls, and PV_TIME_FEATURES, which is found through here (DEN0057A, 3.1). The workarounds are there
// when the firmware has them, and mean what they mean there.
static int64_t arch_features(UNUSED struct vcpu *vcpu, uint64_t *x) {
    uint32_t id = (uint32_t)x[1];

    if (is_workaround(id)) { return smccc_arch_feature(id); }
    return id == SMCCC_VERSION || id == SMCCC_ARCH_FEATURES || id == PV_TIME_BASE ? PSCI_SUCCESS : SMCCC_NOT_SUPPORTED;
}

static int64_t arch_workaround(UNUSED struct vcpu *vcpu, uint64_t *x) {
    uint32_t id = (uint32_t)x[0];

    if (smccc_arch_feature(id) < 0) { return SMCCC_NOT_SUPPORTED; }
    smccc_arch_workaround(id, (uint32_t)x[1]);
    return (int64_t)x[0]; // these calls return nothing
}

static const guest_call_t arch_calls[ARCH_CALLS] = {smccc_version_call, arch_features};
static const guest_call_t workaround_calls[WORKAROUND_CALLS] = {arch_workaround};
// By how often they are called.
static const struct service services[] = {
    {PSCI_BASE, PSCI_CALLS, psci_calls},
    {TAKT_HC_BASE, HYPERCALLS, hypercalls},
    {PSCI_BASE_64, PSCI_CALLS, psci_calls_64},
    {SMCCC_ARCH_WORKAROUND_1, WORKAROUND_CALLS, workaround_calls},
    {SMCCC_ARCH_WORKAROUND_2, WORKAROUND_CALLS, workaround_calls},
    {SMCCC_ARCH_WORKAROUND_3, WORKAROUND_CALLS, workaround_calls},
    {TRNG_RND_64, 1, &trng_calls[TRNG_CALLS - 1]},
    {TRNG_BASE, TRNG_CALLS, trng_calls},
    {SMCCC_VERSION, ARCH_CALLS, arch_calls},
    {PV_TIME_BASE, PV_TIME_CALLS, pv_time_calls},
    {SMCCC_VENDOR_HYP_COUNT, VENDOR_CALLS, vendor_calls},
};

static guest_call_t find(uint32_t id) {
    for (const struct service *s = services; s < services + ARRAY_SIZE(services); s++) {
        if (id - s->base < s->count) { return s->calls[id - s->base]; }
    }
    return NULL;
}

void smccc_call(struct vcpu *vcpu) {
    uint64_t *x = vcpu->arch.regs.x;
    guest_call_t call = find((uint32_t)x[0]);

    x[0] = likely(call != NULL) ? (uint64_t)call(vcpu, x) : (uint64_t)SMCCC_NOT_SUPPORTED;
}
