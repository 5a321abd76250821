// SPDX-License-Identifier: Apache-2.0
// x87, MMX, SSE, and AVX and AVX-512 where XSAVE has them (Intel SDM volume 1, chapter 13), as one saved image.
#include "matmul.h"

#include <string.h>

#define LOOPS            200000 // of two instructions: long enough to be preempted often
#define AREA_SIZE        4096
#define CPUID_XSAVE      0xd

#define COMPONENT_X87    (1u << 0)
#define COMPONENT_SSE    (1u << 1)
#define COMPONENT_AVX    (1u << 2)
#define COMPONENT_OPMASK 5
#define COMPONENTS_512   (7u << 5) // opmasks, upper halves of ZMM0-15, ZMM16-31
#define COMPONENT_LAST   7

#define FCW_DEFAULT      0x37f // all exceptions masked: none can be pending
#define MXCSR_MASKED     0x1f80
#define MXCSR_FREE       0xe03f // flags, rounding, flush to zero; not DAZ, which a CPU may lack
#define ST_BYTES         10

// The beginning of the XSAVE area, which FXSAVE writes, and its header.
struct area {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved1;
    uint16_t fop;
    uint64_t fip, fdp;
    uint32_t mxcsr, mxcsr_mask;
    uint8_t st[8][16];
    uint8_t xmm[16][16];
    uint8_t unused[96];
    uint64_t xstate_bv, xcomp_bv;
    uint8_t reserved2[48];
    uint8_t extended[AREA_SIZE - 576];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct area) == AREA_SIZE, "Intel SDM volume 1, 13.4");

static struct component {
    const char *name;
    uint32_t offset, size; // in the area
} parts[COMPONENT_LAST + 1] = {
    [2] = {"ymm.high", 0, 0}, [5] = {"opmask", 0, 0}, [6] = {"zmm.high", 0, 0}, [7] = {"zmm16-31", 0, 0}};

static uint64_t components;

void fpregs_hold(const struct area *set, struct area *seen, uint64_t loops, uint64_t components_used);

// Switches on what the CPU has and this check knows.
static void enable(void) {
    if (!(cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE)) return;
    CONTROL_WRITE(cr4, CONTROL_READ(cr4) | CR4_OSXSAVE);
    components = cpuid(CPUID_XSAVE, 0).eax & (COMPONENT_X87 | COMPONENT_SSE | COMPONENT_AVX | COMPONENTS_512);
    if ((components & COMPONENTS_512) != COMPONENTS_512) components &= ~(uint64_t)COMPONENTS_512;
    __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)components), "d"(0));
    for (unsigned i = 2; i <= COMPONENT_LAST; i++) {
        if (!(components >> i & 1)) continue;
        struct cpuid part = cpuid(CPUID_XSAVE, i);
        parts[i].size = part.eax;
        parts[i].offset = part.ebx;
    }
}

static void fill(void *bytes, unsigned size, uint64_t *seed) {
    for (unsigned i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t value = mix(seed);
        memcpy((char *)bytes + i, &value, size - i < sizeof(value) ? size - i : sizeof(value));
    }
}

static void make(struct area *set, uint64_t seed) {
    memset(set, 0, sizeof(*set));
    set->fcw = FCW_DEFAULT;
    set->ftw = 0xff; // all registers in use
    set->mxcsr = MXCSR_MASKED | ((uint32_t)mix(&seed) & MXCSR_FREE);
    for (unsigned i = 0; i < 8; i++) fill(set->st[i], ST_BYTES, &seed);
    fill(set->xmm, sizeof(set->xmm), &seed);
    set->xstate_bv = components;
    for (unsigned i = 2; i <= COMPONENT_LAST; i++) fill((char *)set + parts[i].offset, parts[i].size, &seed);
}

static bool same(const char *name, const void *set, const void *seen, unsigned size) {
    for (unsigned i = 0; i < size; i++) {
        unsigned a = ((const uint8_t *)set)[i], b = ((const uint8_t *)seen)[i];
        if (a == b) continue;
        say("fpcheck: FAILED %s byte %u set %#x seen %#x\n", name, i, a, b);
        return false;
    }
    return true;
}

static bool compare(const struct area *set, const struct area *seen) {
    bool all = same("fcw", &set->fcw, &seen->fcw, sizeof(set->fcw)) & same("ftw", &set->ftw, &seen->ftw, 1) &
               same("mxcsr", &set->mxcsr, &seen->mxcsr, sizeof(set->mxcsr)) &
               same("xmm", set->xmm, seen->xmm, sizeof(set->xmm));
    for (unsigned i = 0; i < 8; i++) all &= same("st", set->st[i], seen->st[i], ST_BYTES);
    for (unsigned i = 2; i <= COMPONENT_LAST; i++)
        all &= same(parts[i].name, (const char *)set + parts[i].offset, (const char *)seen + parts[i].offset,
                    parts[i].size);
    return all;
}

bool fpcheck_round(uint64_t seed) {
    static struct area set, seen;
    static bool enabled;
    if (!enabled) {
        enable();
        enabled = true;
        say("fpcheck: components %#llx\n", (unsigned long long)components);
    }
    make(&set, seed);
    fpregs_hold(&set, &seen, LOOPS, components);
    return compare(&set, &seen);
}
