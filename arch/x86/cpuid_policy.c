// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/cpuid_policy.h"

#include <takt/hypercall.h>

#include "arch/x86/msr_regs.h"
#include "kernel/log.h"
#include "kernel/string.h"

enum { INTEL_LAST = 0x16, AMD_LAST = 0x0d, EXTENDED_LEAST = 0x08, EXTENDED_MOST = 0x21 };
enum patch { PATCH_NONE, PATCH_FEATURES, PATCH_OSPKE, PATCH_LEVEL, PATCH_XSAVE, PATCH_ID };

#define EXTENDED     0x80000000u
#define GROUP        0xffu // of a leaf's number: 0 is the one that tells the last one of the group in EAX
#define ALL          UINT32_MAX
#define VENDOR_INTEL FOUR("Genu") // EBX of leaf 0
#define FOUR(text) \
    ((uint32_t)(text)[3] << 24 | (uint32_t)(text)[2] << 16 | (uint32_t)(text)[1] << 8 | (uint32_t)(text)[0])

// Fields of more than a bit.
#define CLFLUSH_BRAND  0xffffu // leaf 1, EBX
#define COUNT_SHIFT    16
#define ID_SHIFT       24
#define CACHE_KIND     0x3fffu // leaf 4 and 0x8000001d, EAX: type, level and what else is not about sharing
#define CACHE_TYPE     0x1fu
#define CACHE_LEVEL(x) ((x) >> 5 & 7)
#define SHARING_SHIFT  14
#define CORES_SHIFT    26
#define LEVEL_SMT      (1u << 8) // leaf 0xb, ECX
#define LEVEL_CORE     (2u << 8)
#define LEVEL_NUMBER   0xffu
#define XSAVE_LEGACY   576u  // FXSAVE area and header
#define ADDRESS_BITS   0xffu // leaf 0x80000008: EAX, ECX
#define LINEAR_SHIFT   8
#define LINEAR_BITS    48u
#define ID_SIZE_SHIFT  12
// Bits that code looks at.
#define FEATURE_XSAVE  BIT(26) // leaf 1, ECX
#define FEATURE_PKU    BIT(3)  // leaf 7, ECX
#define XSAVE_ALIGNED  BIT(1)  // leaf 0xd, ECX of a component: on 64 bytes in the compact form
#define XSAVE_XSAVEC   BIT(1)  // leaf 0xd, subleaf 1, EAX
#define FEATURE_FFXSR  BIT(25) // leaf 0x80000001, EDX

// What passes of the features, by register.
#define LEAF1_ECX                                                                                                     \
    (BIT(0) /* SSE3 */ | BIT(1) /* PCLMULQDQ */ | BIT(9) /* SSSE3 */ | BIT(12) /* FMA */ | BIT(13) /* CMPXCHG16B */ | \
     BIT(17) /* PCID */ | BIT(19) /* SSE4.1 */ | BIT(20) /* SSE4.2 */ | BIT(22) /* MOVBE */ | BIT(23) /* POPCNT */ |  \
     BIT(25) /* AES */ | FEATURE_XSAVE | BIT(28) /* AVX */ | BIT(29) /* F16C */ | BIT(30) /* RDRAND */)
#define LEAF1_EDX                                                                                                     \
    (BIT(0) /* FPU */ | BIT(1) /* VME */ | BIT(2) /* DE */ | BIT(3) /* PSE */ | BIT(4) /* TSC */ | BIT(5) /* MSR */ | \
     BIT(6) /* PAE */ | BIT(7) /* MCE */ | BIT(8) /* CX8 */ | BIT(11) /* SEP */ | BIT(12) /* MTRR */ |                \
     BIT(13) /* PGE */ | BIT(14) /* MCA */ | BIT(15) /* CMOV */ | BIT(16) /* PAT */ | BIT(17) /* PSE-36 */ |          \
     BIT(19) /* CLFSH */ | BIT(23) /* MMX */ | BIT(24) /* FXSR */ | BIT(25) /* SSE */ | BIT(26) /* SSE2 */ |          \
     BIT(27) /* SS */)
#define LEAF1_ALWAYS (BIT(21) /* x2APIC */ | BIT(24) /* TSC deadline */ | BIT(31) /* hypervisor */) // ECX
#define LEAF7_EBX                                                                                                     \
    (BIT(0) /* FSGSBASE */ | BIT(3) /* BMI1 */ | BIT(5) /* AVX2 */ | BIT(6) /* FDP_EXCPTN_ONLY */ |                   \
     BIT(7) /* SMEP */ | BIT(8) /* BMI2 */ | BIT(9) /* ERMS */ | BIT(10) /* INVPCID */ | BIT(13) /* no FCS, FDS */ |  \
     BIT(16) /* AVX512F */ | BIT(17) /* AVX512DQ */ | BIT(18) /* RDSEED */ | BIT(19) /* ADX */ | BIT(20) /* SMAP */ | \
     BIT(21) /* AVX512_IFMA */ | BIT(23) /* CLFLUSHOPT */ | BIT(24) /* CLWB */ | BIT(26) /* AVX512PF */ |             \
     BIT(27) /* AVX512ER */ | BIT(28) /* AVX512CD */ | BIT(29) /* SHA */ | BIT(30) /* AVX512BW */ |                   \
     BIT(31) /* AVX512VL */)
#define LEAF7_ECX                                                                                                     \
    (BIT(0) /* PREFETCHWT1 */ | BIT(1) /* AVX512_VBMI */ | BIT(2) /* UMIP */ | FEATURE_PKU |                          \
     BIT(6) /* AVX512_VBMI2 */ | BIT(8) /* GFNI */ | BIT(9) /* VAES */ | BIT(10) /* VPCLMULQDQ */ |                   \
     BIT(11) /* AVX512_VNNI */ | BIT(12) /* AVX512_BITALG */ | BIT(14) /* AVX512_VPOPCNTDQ */ | BIT(22) /* RDPID */ | \
     BIT(25) /* CLDEMOTE */ | BIT(27) /* MOVDIRI */ | BIT(28) /* MOVDIR64B */)
#define LEAF7_EDX                                                                                                     \
    (BIT(2) /* AVX512_4VNNIW */ | BIT(3) /* AVX512_4FMAPS */ | BIT(4) /* FSRM */ | BIT(8) /* AVX512_VP2INTERSECT */ | \
     BIT(10) /* MD_CLEAR */ | BIT(14) /* SERIALIZE */ | BIT(23) /* AVX512_FP16 */)
#define LEAF7_1_EAX \
    (BIT(4) /* AVX-VNNI */ | BIT(5) /* AVX512_BF16 */ | BIT(10) /* FZRM */ | BIT(11) /* FSRS */ | BIT(12) /* FSRC */)
#define KVM_FEATURES                                                                                         \
    (BIT(1) /* NOP_IO_DELAY */ | BIT(3) /* CLOCKSOURCE2 */ | BIT(5) /* STEAL_TIME */ | BIT(6) /* PV_EOI */ | \
     BIT(11) /* PV_SEND_IPI */ | BIT(24) /* CLOCKSOURCE_STABLE_BIT */)
#define TAKT_VERSION (TAKT_HC_VERSION_MAJOR << 16 | TAKT_HC_VERSION_MINOR)
#define XSAVE_FORMS  (BIT(0) /* XSAVEOPT */ | XSAVE_XSAVEC | BIT(2) /* XGETBV(1) */)
#define EXTENDED1_ECX                                                                           \
    (BIT(0) /* LahfSahf */ | BIT(5) /* ABM */ | BIT(6) /* SSE4A */ | BIT(7) /* MisAlignSse */ | \
     BIT(8) /* 3DNowPrefetch */ | BIT(11) /* XOP */ | BIT(16) /* FMA4 */ | BIT(21) /* TBM */ |  \
     BIT(22) /* TopologyExtensions */)
// AMD repeats most of leaf 1 here.
#define EXTENDED1_EDX                                                                                                \
    (BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(11) /* SYSCALL */ |        \
     BIT(12) | BIT(13) | BIT(14) | BIT(15) | BIT(16) | BIT(17) | BIT(20) /* NX */ | BIT(22) /* MmxExt */ | BIT(23) | \
     BIT(24) | FEATURE_FFXSR | BIT(26) /* Page1GB */ | BIT(27) /* RDTSCP */ | BIT(29) /* LM */ |                     \
     BIT(30) /* 3DNowExt */ | BIT(31) /* 3DNow */)
#define EXTENDED8_EBX (BIT(0) /* CLZERO */ | BIT(2) /* RstrFpErrPtrs */ | BIT(29) /* BTC_NO */)
#define EXTENDED21_EAX \
    (BIT(0) /* NoNestedDataBp */ | BIT(2) /* LFenceAlwaysSerializing */ | BIT(6) /* NullSelectorClearsBase */)

// ---- the machine ------------------------------------------------------------------------------------------

// Zeros for what lies beyond its maximum.
static struct cpuid_result machine(const struct cpuid_config *config, uint32_t leaf, uint32_t subleaf) {
    struct cpuid_result result = {0};

    config->machine(config->context, leaf & EXTENDED, 0, &result);
    if (leaf > result.eax) { return (struct cpuid_result){0}; }
    config->machine(config->context, leaf, subleaf, &result);
    return result;
}

// ---- what is computed -------------------------------------------------------------------------------------

// Bits that an APIC ID takes.
static unsigned id_bits(const struct cpuid_config *config) {
    return config->vcpus == 1 ? 0 : 32 - (unsigned)__builtin_clz(config->vcpus - 1);
}

// Size of the area for these components (SDM vol. 1, 13.4.3, 13.5.2); rows of leaf 0xd tell each one's size and offset.
static uint32_t area(const struct cpuid_policy *policy, uint64_t xcr0, bool compact) {
    uint32_t end = XSAVE_LEGACY;

    for (unsigned i = 2; xcr0 >> i != 0; i++) {
        const struct cpuid_result *component = &policy->rows[policy->leaves[0xd].first + i];
        if ((xcr0 & BIT(i)) == 0) { continue; }
        uint32_t packed = (component->ecx & XSAVE_ALIGNED) != 0 ? ALIGN_UP(end, 64u) : end;
        end = compact ? packed + component->eax : MAX(end, component->ebx + component->eax);
    }
    return end;
}

// `r` comes in as what passes.
static void compute(const struct cpuid_policy *policy, const struct cpuid_config *config, uint32_t leaf,
                    uint32_t subleaf, struct cpuid_result *r) {
    uint32_t bits = id_bits(config), others = (1u << bits) - 1;
    uint32_t tsc_khz = (uint32_t)(config->tsc_hz / 1000), apic_khz = (uint32_t)config->apic_hz / 1000;

    switch (leaf) {
    case 0x00: r->eax = policy->intel ? INTEL_LAST : AMD_LAST; break;
    case 0x01:
        r->ebx |= 1u << bits << COUNT_SHIFT;
        r->ecx |= LEAF1_ALWAYS;
        r->edx |= BIT(9) /* APIC */ | (config->vcpus > 1 ? BIT(28) /* HTT */ : 0);
        if (policy->xcr0 == 0) {
            r->ecx &= ~FEATURE_XSAVE;
        } // and with it AVX, whatever its bits say (SDM vol. 1, 14.3)
        break;
    case 0x04:
    case EXTENDED + 0x1d:
        if ((r->eax & CACHE_TYPE) == 0) { break; }
        if (CACHE_LEVEL(r->eax) >= 3) { r->eax |= others << SHARING_SHIFT; }
        if (policy->intel) { r->eax |= others << CORES_SHIFT; }
        break;
    case 0x07:
        if (subleaf != 0) { break; }
        r->eax = MIN(r->eax, 1u);
        r->ebx |= BIT(1); // TSC_ADJUST
        if ((policy->xcr0 & XCR0_PKRU) == 0) { r->ecx &= ~FEATURE_PKU; }
        break;
    case 0x0b:
        *r = subleaf == 0 ? (struct cpuid_result){0, 1, LEVEL_SMT, 0}
                          : (struct cpuid_result){bits, config->vcpus, LEVEL_CORE, 0};
        break;
    case 0x0d: // EBX of subleaf 0 and 1 is patched, ECX of 0 has to wait for the other rows
        if (subleaf == 0) { r->eax = (uint32_t)policy->xcr0; }
        if (subleaf > 1 && (policy->xcr0 & BIT(subleaf)) == 0) { *r = (struct cpuid_result){0}; }
        break;
    case 0x15: // a whole ratio only: Linux multiplies it by the crystal's kHz in 32 bits
        if (config->tsc_hz % config->apic_hz != 0) { break; }
        *r = (struct cpuid_result){1, (uint32_t)(config->tsc_hz / config->apic_hz), (uint32_t)config->apic_hz, 0};
        break;
    case 0x16: *r = (struct cpuid_result){tsc_khz / 1000, tsc_khz / 1000, apic_khz / 1000, 0}; break;
    case CPUID_KVM + 0x10: *r = (struct cpuid_result){tsc_khz, apic_khz, 0, 0}; break;
    case EXTENDED: r->eax = MAX(MIN(r->eax, EXTENDED + EXTENDED_MOST), EXTENDED + EXTENDED_LEAST); break;
    case EXTENDED + 0x01: r->ecx |= !policy->intel && config->vcpus > 1 ? BIT(1) /* CmpLegacy */ : 0; break;
    case EXTENDED + 0x08:
        r->eax = policy->physical_bits | MIN(r->eax >> LINEAR_SHIFT & ADDRESS_BITS, LINEAR_BITS) << LINEAR_SHIFT;
        r->ecx = policy->intel ? 0 : bits << ID_SIZE_SHIFT | (config->vcpus - 1);
        break;
    default: break;
    }
}

// ---- the rules --------------------------------------------------------------------------------------------

static const struct rule {
    uint32_t leaf;
    uint8_t subleaf, count; // subleaf .. subleaf + count; count 0: the subleaf does not matter
    uint8_t patch;
    bool constant;    // the bits are the answer, else what passes from the machine; compute() adds the rest
    uint32_t bits[4]; // EAX, EBX, ECX, EDX
} rules[] = {
    {0x00, 0, 0, PATCH_NONE, false, {0, ALL, ALL, ALL}},
    {0x01, 0, 0, PATCH_FEATURES, false, {ALL, CLFLUSH_BRAND, LEAF1_ECX, LEAF1_EDX}},
    {0x02, 0, 0, PATCH_NONE, false, {ALL, ALL, ALL, ALL}},
    {0x04, 0, 5, PATCH_NONE, false, {CACHE_KIND, ALL, ALL, ALL}},
    {0x06, 0, 0, PATCH_NONE, true, {BIT(2) /* ARAT */}},
    {0x07, 0, 1, PATCH_OSPKE, false, {ALL, LEAF7_EBX, LEAF7_ECX, LEAF7_EDX}},
    {0x07, 1, 1, PATCH_OSPKE, false, {LEAF7_1_EAX}},
    {0x0b, 0, 2, PATCH_LEVEL, false, {0}},
    {0x0d, 0, 1, PATCH_XSAVE, false, {0}},
    {0x0d, 1, 1, PATCH_XSAVE, false, {XSAVE_FORMS}},
    {0x0d, 2, 8, PATCH_XSAVE, false, {ALL, ALL, XSAVE_ALIGNED}},
    {0x15, 0, 0, PATCH_NONE, false, {0}},
    {0x16, 0, 0, PATCH_NONE, false, {0}},
    {CPUID_KVM, 0, 0, PATCH_NONE, true, {CPUID_KVM + 0x10, FOUR("KVMK"), FOUR("VMKV"), FOUR("M\0\0")}},
    {CPUID_KVM + 0x01, 0, 0, PATCH_NONE, true, {KVM_FEATURES}},
    {CPUID_KVM + 0x10, 0, 0, PATCH_NONE, false, {0}},
    {CPUID_TAKT, 0, 0, PATCH_NONE, true, {CPUID_TAKT + 1, FOUR("Takt"), FOUR("Takt"), FOUR("Takt")}},
    {CPUID_TAKT + 0x01, 0, 0, PATCH_NONE, true, {TAKT_VERSION, CPUID_TAKT_CONVENTION}},
    {EXTENDED, 0, 0, PATCH_NONE, false, {ALL, ALL, ALL, ALL}},
    {EXTENDED + 0x01, 0, 0, PATCH_NONE, false, {ALL, ALL, EXTENDED1_ECX, EXTENDED1_EDX}},
    {EXTENDED + 0x02, 0, 0, PATCH_NONE, false, {ALL, ALL, ALL, ALL}}, // brand
    {EXTENDED + 0x03, 0, 0, PATCH_NONE, false, {ALL, ALL, ALL, ALL}},
    {EXTENDED + 0x04, 0, 0, PATCH_NONE, false, {ALL, ALL, ALL, ALL}},
    {EXTENDED + 0x05, 0, 0, PATCH_NONE, false, {ALL, ALL, ALL, ALL}}, // caches and TLBs
    {EXTENDED + 0x06, 0, 0, PATCH_NONE, false, {ALL, ALL, ALL, ALL}},
    {EXTENDED + 0x07, 0, 0, PATCH_NONE, true, {0, 0, 0, BIT(8) /* invariant TSC */}},
    {EXTENDED + 0x08, 0, 0, PATCH_NONE, false, {ALL, EXTENDED8_EBX}},
    {EXTENDED + 0x19, 0, 0, PATCH_NONE, false, {ALL, ALL}}, // TLBs of 1 GiB pages
    {EXTENDED + 0x1a, 0, 0, PATCH_NONE, false, {ALL}},      // widths of the vector units
    {EXTENDED + 0x1d, 0, 5, PATCH_NONE, false, {CACHE_KIND, ALL, ALL, ALL}},
    {EXTENDED + 0x1e, 0, 0, PATCH_ID, false, {0}},
    {EXTENDED + 0x21, 0, 0, PATCH_NONE, false, {EXTENDED21_EAX}},
};

// ---- the flat table ---------------------------------------------------------------------------------------

// The last slot is that of all leaves without one.
static unsigned slot_of(uint32_t leaf) {
    static const struct {
        uint32_t base;
        uint8_t first, count;
    } groups[] = {{0, 0, 0x20}, {EXTENDED, 0x20, 0x40}, {CPUID_KVM, 0x60, 0x20}, {CPUID_TAKT, 0x80, 0x20}};

    for (unsigned i = 0; i < ARRAY_SIZE(groups); i++) {
        if (leaf - groups[i].base < groups[i].count) { return groups[i].first + leaf - groups[i].base; }
    }
    return CPUID_SLOTS - 1;
}

static unsigned add_rows(struct cpuid_policy *policy, const struct cpuid_config *config, const struct rule *rule,
                         unsigned used) {
    struct cpuid_leaf *leaf = &policy->leaves[slot_of(rule->leaf)];
    unsigned end = rule->subleaf + MAX(rule->count, 1u);

    ASSERT(used + end - rule->subleaf <= CPUID_ROWS);
    if (rule->subleaf == 0) { leaf->first = (uint8_t)used; }
    for (unsigned subleaf = rule->subleaf; subleaf < end; subleaf++) {
        struct cpuid_result r = {ALL, ALL, ALL, ALL};
        if (!rule->constant) { r = machine(config, rule->leaf, subleaf); }
        r = (struct cpuid_result){r.eax & rule->bits[0], r.ebx & rule->bits[1], r.ecx & rule->bits[2],
                                  r.edx & rule->bits[3]};
        compute(policy, config, rule->leaf, subleaf, &r);
        policy->rows[used++] = r;
    }
    leaf->count = (uint8_t)end;
    leaf->any = rule->count == 0;
    leaf->patch = rule->patch;
    return used;
}

static void choose(struct cpuid_policy *policy, const struct cpuid_config *config) {
    const uint64_t avx512 = XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512;
    bool xsave = (machine(config, 1, 0).ecx & FEATURE_XSAVE) != 0;
    uint64_t xcr0 = xsave ? machine(config, 0xd, 0).eax & config->xcr0 & (avx512 | XCR0_PKRU) : 0;

    policy->intel = machine(config, 0, 0).ebx == VENDOR_INTEL;
    policy->physical_bits = MIN(machine(config, EXTENDED + 8, 0).eax & ADDRESS_BITS, (uint32_t)CPUID_PHYSICAL_BITS);
    policy->efer = EFER_SCE | EFER_LME | EFER_NXE;
    if ((machine(config, EXTENDED + 1, 0).edx & FEATURE_FFXSR) != 0) { policy->efer |= EFER_FFXSR; }
    policy->xcr0 = (xcr0 & avx512) == avx512 ? xcr0 : xcr0 & ~XCR0_AVX512;
}

int cpuid_policy_init(struct cpuid_policy *policy, const struct cpuid_config *config) {
    unsigned used = 0;
    uint32_t last = 0;

    if (config->vcpus == 0 || config->vcpus > MAX_VCPUS || config->apic_hz == 0 || config->apic_hz > UINT32_MAX ||
        config->tsc_hz / 1000 > UINT32_MAX) {
        return ERR_RANGE;
    }
    memset(policy, 0, sizeof(*policy));
    choose(policy, config);
    for (const struct rule *rule = rules; rule < rules + ARRAY_SIZE(rules); rule++) {
        if ((rule->leaf & GROUP) != 0 && rule->leaf > last) { continue; }
        used = add_rows(policy, config, rule, used);
        if ((rule->leaf & GROUP) == 0) { last = policy->rows[used - 1].eax; }
    }
    policy->rows[policy->leaves[0xd].first].ecx = area(policy, policy->xcr0, false);
    return OK;
}

// ---- a VCPU asks ------------------------------------------------------------------------------------------

static void patch(const struct cpuid_leaf *leaf, const struct cpuid_vcpu *vcpu, uint32_t subleaf,
                  struct cpuid_result *r) {
    switch (leaf->patch) {
    case PATCH_FEATURES:
        r->ebx |= vcpu->apic_id << ID_SHIFT;
        r->ecx |= vcpu->osxsave ? BIT(27) /* OSXSAVE */ : 0;
        r->edx &= vcpu->apic_disabled ? ~BIT(9) /* APIC */ : ALL;
        break;
    case PATCH_OSPKE: r->ecx |= subleaf == 0 && vcpu->ospke ? BIT(4) /* OSPKE */ : 0; break;
    case PATCH_LEVEL:
        r->ecx |= subleaf & LEVEL_NUMBER;
        r->edx = vcpu->apic_id;
        break;
    case PATCH_XSAVE:
        if (subleaf == 0 && r->eax != 0) { r->ebx = vcpu->xsave_size; }
        if (subleaf == 1 && (r->eax & XSAVE_XSAVEC) != 0) { r->ebx = vcpu->xsavec_size; }
        break;
    default: r->eax = r->ebx = vcpu->apic_id; // PATCH_ID
    }
}

void cpuid_read(const struct cpuid_policy *policy, const struct cpuid_vcpu *vcpu, uint32_t leaf, uint32_t subleaf,
                struct cpuid_result *result) {
    const struct cpuid_leaf *found = &policy->leaves[slot_of(leaf)];
    uint32_t row = found->any ? 0 : subleaf;

    *result = row < found->count ? policy->rows[found->first + row] : (struct cpuid_result){0};
    if (found->patch != PATCH_NONE) { patch(found, vcpu, subleaf, result); }
}

int cpuid_set_xcr0(const struct cpuid_policy *policy, struct cpuid_vcpu *vcpu, uint64_t xcr0) {
    uint64_t avx512 = xcr0 & XCR0_AVX512;

    if ((xcr0 & ~policy->xcr0) != 0 || (xcr0 & XCR0_X87) == 0 || ((xcr0 & XCR0_AVX) != 0 && (xcr0 & XCR0_SSE) == 0) ||
        (avx512 != 0 && (avx512 != XCR0_AVX512 || (xcr0 & XCR0_AVX) == 0))) {
        return ERR_DENIED;
    }
    vcpu->xsave_size = area(policy, xcr0, false);
    vcpu->xsavec_size = area(policy, xcr0, true);
    return OK;
}
