// SPDX-License-Identifier: Apache-2.0
// PSCI 1.1 for guests (Arm DEN0022, chapter 5). A guest's cores are its VCPUs: affinity 0 is the VCPU's index.
#include "arch/arm64/psci.h"

#include "arch/arm64/smccc.h"
#include "kernel/guest_mem.h"
#include "kernel/vm.h"

enum { VERSION_1_1 = 1 << 16 | 1, NO_TRUSTED_OS = 2 };
enum { POWER_ON = 0, POWER_OFF = 1, POWER_ON_PENDING = 2 };

// CPU_SUSPEND's power_state in the original format: state id 15:0, type 16, level 25:24.
#define POWER_STATE_KNOWN 0x0301ffffu
#define POWER_STATE_LEVEL 0x03000000u

#define RESET2_WARM       0u // SYSTEM_WARM_RESET; bit 31 would be vendor specific

static int64_t psci_version(UNUSED struct vcpu *vcpu, UNUSED uint64_t *x) { return VERSION_1_1; }

// Every state is a standby: a power-down state may be one too (5.4.5), and nothing of the VCPU is lost.
static int64_t cpu_suspend(struct vcpu *vcpu, uint64_t *x) {
    uint32_t state = (uint32_t)x[1];

    if ((state & ~POWER_STATE_KNOWN) != 0 || (state & POWER_STATE_LEVEL) != 0) { return PSCI_INVALID_PARAMETERS; }
    vcpu_block(vcpu);
    return PSCI_SUCCESS;
}

static int64_t cpu_off(struct vcpu *vcpu, UNUSED uint64_t *x) {
    vcpu_off(vcpu);
    return PSCI_SUCCESS; // nobody sees it
}

static struct vcpu *target(const struct vm *vm, uint64_t affinity) {
    return affinity < vm->vcpu_count ? vm->vcpus[affinity] : NULL;
}

static int64_t power_of(struct vcpu *vcpu) {
    unsigned long flags = spin_lock(&vcpu->vm->lock);
    int64_t power = !vcpu->on ? POWER_OFF : vcpu->start_pending ? POWER_ON_PENDING : POWER_ON;

    spin_unlock(&vcpu->vm->lock, flags);
    return power;
}

static int64_t cpu_on(struct vcpu *vcpu, uint64_t *x) {
    struct vcpu *other = target(vcpu->vm, call_argument(x, 1));
    gpa_t entry = call_argument(x, 2);

    if (other == NULL) { return PSCI_INVALID_PARAMETERS; }
    if ((entry & 3) != 0 || !guest_is_ram(vcpu->vm, entry, sizeof(uint32_t))) { return PSCI_INVALID_ADDRESS; }
    if (vcpu_start(other, entry, call_argument(x, 3)) == OK) { return PSCI_SUCCESS; }
    return power_of(other) == POWER_ON_PENDING ? PSCI_ON_PENDING : PSCI_ALREADY_ON;
}

static int64_t affinity_info(struct vcpu *vcpu, uint64_t *x) {
    struct vcpu *other = target(vcpu->vm, call_argument(x, 1));

    // From PSCI 1.0 on, levels above 0 need not be known.
    return other == NULL || call_argument(x, 2) != 0 ? PSCI_INVALID_PARAMETERS : power_of(other);
}

static int64_t migrate_info_type(UNUSED struct vcpu *vcpu, UNUSED uint64_t *x) { return NO_TRUSTED_OS; }

static int64_t system_off(struct vcpu *vcpu, UNUSED uint64_t *x) {
    vm_end(vcpu->vm, VM_END_OFF, "the guest powered itself off");
    return PSCI_INTERNAL_FAILURE; // nobody sees it
}

static int64_t system_reset(struct vcpu *vcpu, UNUSED uint64_t *x) {
    vm_end(vcpu->vm, VM_END_RESET, "the guest reset itself");
    return PSCI_INTERNAL_FAILURE;
}

static int64_t system_reset2(struct vcpu *vcpu, uint64_t *x) {
    return (uint32_t)x[1] == RESET2_WARM ? system_reset(vcpu, x) : PSCI_INVALID_PARAMETERS;
}

static int64_t features(UNUSED struct vcpu *vcpu, uint64_t *x) {
    uint32_t id = (uint32_t)x[1];
    bool known = id == SMCCC_VERSION || (id - PSCI_BASE < PSCI_CALLS && psci_calls[id - PSCI_BASE] != NULL) ||
                 (id - PSCI_BASE_64 < PSCI_CALLS && psci_calls_64[id - PSCI_BASE_64] != NULL);

    return known ? PSCI_SUCCESS : PSCI_NOT_SUPPORTED;
}

const guest_call_t psci_calls[PSCI_CALLS] = {
    [0x00] = psci_version,      [0x01] = cpu_suspend, [0x02] = cpu_off,      [0x03] = cpu_on,   [0x04] = affinity_info,
    [0x06] = migrate_info_type, [0x08] = system_off,  [0x09] = system_reset, [0x0a] = features, [0x12] = system_reset2,
};

const guest_call_t psci_calls_64[PSCI_CALLS] = {
    [0x01] = cpu_suspend,
    [0x03] = cpu_on,
    [0x04] = affinity_info,
    [0x12] = system_reset2,
};
