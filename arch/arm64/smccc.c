// SPDX-License-Identifier: Apache-2.0
#include "arch/arm64/smccc.h"

#include <libfdt.h>

#include "kernel/arch.h"
#include "kernel/log.h"
#include "kernel/tree.h"

// Versions from which on something exists.
#define VERSION(major, minor) ((uint32_t)(major) << 16 | (minor))
#define PSCI_1_0              VERSION(1, 0)
#define SMCCC_1_1             VERSION(1, 1)
#define TRNG_1_0              VERSION(1, 0)

enum { RND_BITS = 64 };

static struct {
    uint32_t psci, smccc, trng; // 0: not there
} firmware;

// SMCCC 1.0 lets the callee change x0 to x17.
static struct smccc_result smc(uint32_t function, uint64_t a, uint64_t b, uint64_t c) {
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;

    __asm__ volatile("smc #0"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
                     :
                     : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
                       "memory");
    return (struct smccc_result){x0, x1, x2, x3};
}

// A version, 0 where the firmware answers with an error.
static uint32_t version(uint32_t function) {
    int32_t value = (int32_t)smc(function, 0, 0, 0).x0;

    return value > 0 ? (uint32_t)value : 0;
}

// A call that the firmware does not know may be undefined (where nothing is at EL3), so each step asks by the one
// before: PSCI is in the tree, PSCI 1.0 knows whether SMCCC_VERSION exists, SMCCC 1.1 takes any call (DEN0028, appendix
// "discovery").
int smccc_init(const void *fdt) {
    int node = tree_find_path(fdt, "/psci", sizeof("/psci") - 1);
    const char *method = node < 0 ? NULL : fdt_getprop(fdt, node, "method", NULL);

    if (method == NULL) {
        log_line("firmware: no PSCI: only the boot core, and the machine cannot be switched off");
        return OK;
    }
    if (strcmp(method, "smc") != 0) {
        log_line("/psci: method is \"%s\"; at EL2 firmware must be called by \"smc\"", method);
        return ERR_UNSUPPORTED;
    }
    firmware.psci = version(PSCI_VERSION);
    if (firmware.psci >= PSCI_1_0 && (int32_t)smc(PSCI_FEATURES, SMCCC_VERSION, 0, 0).x0 >= 0) {
        firmware.smccc = version(SMCCC_VERSION);
    }
    if (firmware.smccc >= SMCCC_1_1) { firmware.trng = version(TRNG_VERSION); }
    return OK;
}

int32_t smccc_arch_feature(uint32_t function) {
    if (firmware.smccc < SMCCC_1_1) { return SMCCC_NOT_SUPPORTED; }
    return (int32_t)smc(SMCCC_ARCH_FEATURES, function, 0, 0).x0;
}

void smccc_arch_workaround(uint32_t function, uint64_t argument) { smc(function, argument, 0, 0); }

int smccc_cpu_on(uint64_t hwid, paddr_t entry, uint64_t context) {
    if (firmware.psci == 0) { return ERR_UNSUPPORTED; }
    switch ((int32_t)smc(PSCI_CPU_ON_64, hwid, entry, context).x0) {
    case PSCI_SUCCESS: return OK;
    case PSCI_ALREADY_ON:
    case PSCI_ON_PENDING: return ERR_BUSY;
    case PSCI_NOT_SUPPORTED: return ERR_UNSUPPORTED;
    case PSCI_INVALID_PARAMETERS:
    case PSCI_NOT_PRESENT: return ERR_NOT_FOUND;
    default: return ERR_INVALID;
    }
}

int arch_trng(uint64_t *value) {
    if (firmware.trng < TRNG_1_0) { return ERR_UNSUPPORTED; }
    struct smccc_result result = smc(TRNG_RND_64, RND_BITS, 0, 0);
    if (result.x0 != 0) { return ERR_UNSUPPORTED; }
    *value = result.x3;
    return OK;
}

static __attribute__((noreturn)) void end(uint32_t function) {
    if (firmware.psci != 0) { smc(function, 0, 0, 0); }
    arch_park();
}

void arch_system_off(void) { end(PSCI_SYSTEM_OFF); }

void arch_system_reset(void) { end(PSCI_SYSTEM_RESET); }
