// SPDX-License-Identifier: Apache-2.0
// covers: arch/x86/cpuid_policy.c arch/x86/msr_policy.c arch/x86/pv_clock.c
// A guest that asks CPUID anything, reads and writes any MSR, and makes any hypercall, on a machine whose CPUID is random
// bits. A header of machine, then steps of 20 bytes: what, which of a few MSRs or a flag, and two words.
#include <stdlib.h>
#include <string.h>

#include "arch/x86/apic_regs.h"
#include "arch/x86/msr_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER = 8, STEP = 20, MAX_STEPS = 128, RAM = 3 * PAGE_SIZE };

static struct {
    struct cpuid_policy cpuid;
    struct cpuid_vcpu vcpu;
    struct pv_config pv_config;
    struct pv_vcpu pv;
    struct msr_state msr;
    uint8_t ram[RAM];
    uint8_t random[HEADER];
    uint64_t efer, pat, tsc, unknowns, versions;
    bool paging;
} world;

struct step {
    uint8_t what, where;
    uint16_t small;
    uint64_t a, b;
};

static void require(bool holds) {
    if (!holds) { abort(); }
}

// ---- what lies outside ------------------------------------------------------------------------------------

static uint32_t mix(uint32_t x) {
    for (unsigned i = 0; i < 3; i++) { x = (x ^ x >> 15) * 0x2c1b3c6du; }
    return x;
}

static void machine(void *context, uint32_t leaf, uint32_t subleaf, struct cpuid_result *result) {
    uint32_t seed;

    (void)context;
    memcpy(&seed, world.random + 4, sizeof(seed));
    seed = mix(seed ^ leaf * 31 ^ subleaf * 1021);
    *result = (struct cpuid_result){mix(seed + 1), mix(seed + 2), mix(seed + 3), mix(seed + 4)};
    if (world.random[0] % 4 == 0) { *result = (struct cpuid_result){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}; }
    if ((leaf & 0x7fffffff) == 0) { result->eax = leaf + world.random[1] % 64; }
    if (leaf == 0 && world.random[0] % 2 == 0) { result->ebx = 0x756e6547; }
    if (leaf == 0xd && subleaf > 1) { result->eax %= 4096, result->ebx %= 16384; }
}

static int write_ram(void *context, gpa_t gpa, const void *data, size_t size) {
    (void)context;
    require(size != 0 && size <= 64 && gpa / PAGE_SIZE == (gpa + size - 1) / PAGE_SIZE);
    if (gpa > RAM - size) { return ERR_RANGE; }
    memcpy(world.ram + gpa, data, size);
    return OK;
}

static int read_ram(void *context, gpa_t gpa, void *data, size_t size) {
    (void)context;
    if (gpa > RAM - size) { return ERR_RANGE; }
    memcpy(data, world.ram + gpa, size);
    return OK;
}

static const struct pv_ops pv_ops = {write_ram, read_ram};

static uint64_t load(void *context, uint32_t msr) {
    (void)context;
    return msr == MSR_EFER ? world.efer : msr;
}

static bool canonical(uint64_t address) { return address >> 47 == 0 || address >> 47 == 0x1ffff; }

static void store(void *context, uint32_t msr, uint64_t value) {
    (void)context;
    if (msr == MSR_EFER) {
        require((value & ~world.cpuid.efer) == 0);
        require(!world.paging || ((value ^ world.efer) & EFER_LME) == 0);
        world.efer = value | (world.efer & EFER_LMA);
    } else if (msr == MSR_PAT) {
        world.pat = value;
    } else if (msr == MSR_TSC_AUX) {
        require(value <= UINT32_MAX);
    } else {
        require(msr == MSR_STAR || msr == MSR_SFMASK || msr == MSR_SYSENTER_CS || canonical(value));
    }
}

static bool paging(void *context) { return context == NULL && world.paging; }

static uint64_t tsc(void *context) {
    (void)context;
    return world.tsc;
}

static void tsc_move(void *context, uint64_t by) {
    (void)context;
    world.tsc += by;
}

static int apic_read(void *context, uint32_t msr, uint64_t *value) {
    (void)context;
    require(msr == MSR_APIC_BASE || msr == MSR_TSC_DEADLINE || (msr >= APIC_MSR_FIRST && msr <= MSR_X2APIC_LAST));
    *value = msr;
    return OK;
}

static int apic_write(void *context, uint32_t msr, uint64_t value) { return apic_read(context, msr, &value); }

static void unknown(void *context, uint32_t msr, bool write) {
    (void)context, (void)msr, (void)write;
    require(++world.unknowns <= MSR_LOG);
}

static const struct msr_ops ops = {load, store, paging, tsc, tsc_move, apic_read, apic_write, unknown};

// ---- steps ------------------------------------------------------------------------------------------------

static void cpuid(const struct step *s) {
    struct cpuid_result r, again;

    cpuid_read(&world.cpuid, &world.vcpu, (uint32_t)s->a, (uint32_t)s->b, &r);
    cpuid_read(&world.cpuid, &world.vcpu, (uint32_t)s->a, (uint32_t)s->b, &again);
    require(memcmp(&r, &again, sizeof(r)) == 0);
    if (s->a == 1) { require((r.ecx & 1u << 5) == 0 && (r.ecx & 1u << 31) != 0 && r.ebx >> 24 == world.vcpu.apic_id); }
    if (s->a == 7) { require((r.edx & 0xfc000000) == 0); }
    if (s->a == 0x80000001) { require((r.ecx & 1u << 2) == 0); }
    if (s->a == 0x80000008) { require((r.eax & 0xff) <= CPUID_PHYSICAL_BITS); }
}

// Leaves that are there, one in each group.
static void cpuid_near(const struct step *s) {
    static const uint32_t groups[] = {0, CPUID_KVM, CPUID_TAKT, 0x80000000};
    struct step near = *s;

    near.a = groups[s->where % ARRAY_SIZE(groups)] + s->small % 0x48;
    near.b = s->b % 12;
    cpuid(&near);
}

static void xcr0(const struct step *s) {
    struct cpuid_vcpu before = world.vcpu;
    int status = cpuid_set_xcr0(&world.cpuid, &world.vcpu, s->where % 2 != 0 ? s->a : s->a % 1024);

    require(status == OK || (status == ERR_DENIED && before.xsave_size == world.vcpu.xsave_size &&
                             before.xsavec_size == world.vcpu.xsavec_size));
    if (status == OK) { require(world.vcpu.xsave_size >= 576 && world.vcpu.xsavec_size >= 576); }
    world.vcpu.osxsave = (s->small & 1) != 0;
    world.vcpu.ospke = (s->small & 2) != 0;
    world.vcpu.apic_disabled = (s->small & 4) != 0;
}

static uint32_t number(const struct step *s) {
    static const uint32_t bases[] = {0,     0x174, 0x1a0,      0x200,      0x250,      0x268,      0x277,     0x2ff,
                                     0x6e0, 0x800, 0x4b564d00, 0xc0000080, 0xc0000100, 0xc0010000, 0xc0011020};

    return s->where % 16 == 15 ? (uint32_t)s->b : bases[s->where % 16] + s->small % 32;
}

static void read_msr(const struct step *s) {
    uint64_t value = 0, again = 0;
    int status = msr_read(&world.msr, number(s), &value);

    require(status == OK || status == ERR_DENIED);
    require(msr_read(&world.msr, number(s), &again) == status && value == again);
}

// What a register holds after a write that was refused is what it held before.
static void write_msr(const struct step *s) {
    uint32_t msr = number(s);
    uint64_t before = 0, after = 0, value = s->a;
    int readable = msr_read(&world.msr, msr, &before);

    if ((s->small & 0x100) != 0) { value &= 0x0707070707070707; }
    if ((s->small & 0x200) != 0) { value %= RAM; }
    int status = msr_write(&world.msr, msr, value);
    require(status == OK || status == ERR_DENIED);
    require(msr_read(&world.msr, msr, &after) == readable);
    bool told = msr == MSR_APIC_BASE || msr == MSR_TSC_DEADLINE || msr - APIC_MSR_FIRST <= 0xff;
    if (status != OK && !told) { require(before == after); }
    require(world.pat == world.msr.pat);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t type = world.pat >> i * 8 & 0xff;
        require(type <= 7 && type != 2 && type != 3);
    }
}

static void steal(const struct step *s) { pv_steal(&world.pv, s->a, (s->where & 1) != 0); }

static void eoi(const struct step *s) {
    bool offered = world.pv.eoi_offered;

    require(!pv_eoi_ended(&world.pv) || offered);
    pv_eoi_offer(&world.pv, (s->where & 1) != 0);
}

static void scribble(const struct step *s) { memcpy(world.ram + s->b % (RAM - sizeof(s->a)), &s->a, sizeof(s->a)); }

static void hypercall(const struct step *s) {
    const uint64_t arguments[4] = {s->a, s->b, s->where % 4 != 0 ? s->small % 256 : s->b, s->small};
    struct pv_call call;

    pv_hypercall((s->where & 4) != 0, s->where % 8 == 7 ? s->a : s->where % 16, arguments, MAX_VCPUS, &call);
    require(call.set < 1u << MAX_VCPUS);
    require(call.action != PV_SEND || call.result == __builtin_popcount(call.set));
    require(call.action != PV_WAKE || __builtin_popcount(call.set) == 1);
}

static void reset(const struct step *s) {
    if (s->where % 8 != 0) { return; }
    msr_reset(&world.msr);
    world.unknowns = 0;
    require(!world.pv.eoi_offered && world.msr.tsc_adjust == 0);
}

static void mode(const struct step *s) {
    world.paging = (s->where & 1) != 0;
    world.efer = (world.efer & ~(uint64_t)EFER_LMA) | (world.paging && (world.efer & EFER_LME) != 0 ? EFER_LMA : 0);
    world.tsc += s->b;
}

// ---- a run ------------------------------------------------------------------------------------------------

static bool start(const uint8_t *data) {
    memset(&world, 0, sizeof(world));
    memcpy(world.random, data, HEADER);
    struct cpuid_config config = {machine,
                                  NULL,
                                  (uint64_t)data[2] << 25 | data[5],
                                  data[3] * 10000000ull,
                                  data[4] % 2 != 0 ? UINT64_MAX : data[4],
                                  data[1] >> 6};

    config.vcpus += data[0] % 8;
    int status = cpuid_policy_init(&world.cpuid, &config);
    if (status != OK) { return false; }
    world.vcpu.apic_id = data[3] % config.vcpus;
    if (pv_config_init(&world.pv_config, config.tsc_hz) != OK) { return false; }
    require(world.pv_config.mul >= 1u << 31);
    pv_init(&world.pv, &world.pv_config, &pv_ops, NULL);
    msr_init(&world.msr, &world.cpuid, &world.pv, &ops, NULL);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const steps[])(const struct step *) = {cpuid, cpuid_near, xcr0,     read_msr,  write_msr, write_msr,
                                                         steal, eoi,        scribble, hypercall, reset,     mode};

    if (size < HEADER || !start(data)) { return 0; }
    const uint8_t *at = data + HEADER, *end = data + size;
    for (unsigned i = 0; end - at >= STEP && i < MAX_STEPS; i++, at += STEP) {
        struct step step = {.what = at[0], .where = at[1]};
        memcpy(&step.small, at + 2, sizeof(step.small));
        memcpy(&step.a, at + 4, sizeof(step.a));
        memcpy(&step.b, at + 12, sizeof(step.b));
        steps[step.what % ARRAY_SIZE(steps)](&step);
    }
    return 0;
}
