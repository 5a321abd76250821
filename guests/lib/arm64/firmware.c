// SPDX-License-Identifier: Apache-2.0
// SMC calling convention (Arm DEN0028), PSCI (DEN0022), other VCPUs, and whether this is Takt.
#include "firmware.h"

#include "entry.h"
#include "fdt.h"
#include "gic.h"
#include "private.h"

#include <string.h>
#include <takt/hypercall.h>

typedef struct call_result conduit(uint64_t, uint64_t, uint64_t, uint64_t);

#define AFFINITY_OFF 1

static conduit *psci_conduit = hypercall;
static void (*entries[VCPUS_MAX])(void);

#define CALL(instruction)                                                                                        \
    register uint64_t x0 __asm__("x0") = function;                                                               \
    register uint64_t x1 __asm__("x1") = a;                                                                      \
    register uint64_t x2 __asm__("x2") = b;                                                                      \
    register uint64_t x3 __asm__("x3") = c;                                                                      \
    __asm__ volatile(instruction                                                                                 \
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", \
                       "x12", "x13", "x14", "x15", "x16", "x17", "memory");                                      \
    return (struct call_result) {                                                                                \
        { x0, x1, x2, x3 }                                                                                       \
    }

struct call_result hypercall(uint64_t function, uint64_t a, uint64_t b, uint64_t c) { CALL("hvc #0"); }

struct call_result smc_call(uint64_t function, uint64_t a, uint64_t b, uint64_t c) { CALL("smc #0"); }

void firmware_init(void) {
    const char *method = fdt_property(fdt_node("/psci"), "method", NULL);
    if (method && strcmp(method, "smc") == 0) psci_conduit = smc_call;
}

int64_t psci_call(uint64_t function, uint64_t a, uint64_t b, uint64_t c) {
    // 32-bit calls return 32 bits, and the errors are negative.
    return (int32_t)psci_conduit(function, a, b, c).x[0];
}

void machine_off(void) {
    psci_call(PSCI_SYSTEM_OFF, 0, 0, 0);
    for (;;) wait_for_interrupt();
}

int64_t vcpu_start(unsigned number, void (*function)(void)) {
    entries[number] = function;
    barrier_full();
    return psci_call(PSCI_CPU_ON, number, (uintptr_t)secondary_entry, number);
}

bool vcpu_is_off(unsigned number) { return psci_call(PSCI_AFFINITY, number, 0, 0) == AFFINITY_OFF; }

void secondary_start(uint64_t number) {
    gic_init_vcpu();
    entries[number]();
    psci_call(PSCI_CPU_OFF, 0, 0, 0);
    for (;;) wait_for_interrupt();
}

static void query_uid(void *result) { *(struct call_result *)result = hypercall(SMCCC_VENDOR_HYP_UID, 0, 0, 0); }

bool takt_present(void) {
    static const uint32_t uid[4] = {TAKT_HC_UID_0, TAKT_HC_UID_1, TAKT_HC_UID_2, TAKT_HC_UID_3};
    struct call_result result = {{0}};
    struct trap_context context;
    if (guard(&context, query_uid, &result)) return false;
    for (int i = 0; i < 4; i++)
        if ((uint32_t)result.x[i] != uid[i]) return false;
    return true;
}
