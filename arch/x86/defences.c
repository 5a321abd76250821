// SPDX-License-Identifier: Apache-2.0
#include "arch/x86/defences.h"

enum { FAMILY_EXTENDED = 0xf };
#define VENDOR_INTEL   0x756e6547u // "Genu"
#define VENDOR_AMD     0x68747541u // "Auth"
#define VENDOR_HYGON   0x6f677948u // "Hygo"

#define MD_CLEAR       BIT(10) // CPUID 7, EDX
#define IBRS_IBPB      BIT(26)
#define L1D_FLUSH      BIT(28)
#define AMD_IBPB       BIT(12) // CPUID 80000008H, EBX
#define VERW_CLEAR     BIT(5)  // CPUID 80000021H, EAX
#define TSA_SQ_NO      BIT(1)  // ... ECX
#define TSA_L1_NO      BIT(2)
#define RDCL_NO        BIT(0) // IA32_ARCH_CAPABILITIES
#define SKIP_L1D_FLUSH BIT(3) // a hypervisor below this one does it
#define MDS_NO         BIT(5)
#define TAA_NO         BIT(8)
#define RFDS_NO        BIT(27)
#define RFDS_CLEAR     BIT(28)

struct bits {
    uint8_t word; // enum processor_word
    uint32_t mask;
};

// Models, a byte each. Silvermont to Tremont and Knights: the terminal fault of the first data cache is not theirs.
#define SMALL_CORES    "\x37\x4a\x4c\x4d\x57\x5a\x5c\x5d\x5f\x75\x7a\x85\x86\x96\x9c"
// TSX with MDS_NO: Cascade Lake, Whiskey, Amber and Comet Lake.
#define TSX_ASYNC      "\x55\x8e\x9e\xa5\xa6"
// Goldmont, Tremont, Gracemont, alone or beside large cores.
#define REGISTER_FILES "\x5c\x5f\x7a\x86\x96\x97\x9a\x9c\xb7\xba\xbe\xbf"

// A weakness for each row: who has it, which defence is against it, which bits say that there is nothing to defend, and
// which that the defence is there.
static const struct weakness {
    uint32_t vendor;
    uint8_t family;  // 0: all
    uint8_t defence; // enum defence
    bool others;     // the models have it not
    const char *models;
    struct bits unaffected, means;
} weaknesses[] = {
    // Branch target injection (Spectre variant 2).
    {VENDOR_INTEL, 0, DEFENCE_IBPB, true, "", {0}, {WORD_7_EDX, IBRS_IBPB}},
    {VENDOR_AMD, 0, DEFENCE_IBPB, true, "", {0}, {WORD_EXT_8_EBX, AMD_IBPB}},
    {VENDOR_HYGON, 0, DEFENCE_IBPB, true, "", {0}, {WORD_EXT_8_EBX, AMD_IBPB}},
    // L1 terminal fault.
    {VENDOR_INTEL,
     6,
     DEFENCE_L1D,
     true,
     SMALL_CORES,
     {WORD_CAPABILITIES, RDCL_NO | SKIP_L1D_FLUSH},
     {WORD_7_EDX, L1D_FLUSH}},
    // Microarchitectural data sampling; the same by TSX, and of registers; AMD's transient scheduler attacks.
    {VENDOR_INTEL, 6, DEFENCE_BUFFERS, true, "\x5c\x5f\x7a", {WORD_CAPABILITIES, MDS_NO}, {WORD_7_EDX, MD_CLEAR}},
    {VENDOR_INTEL, 6, DEFENCE_BUFFERS, false, TSX_ASYNC, {WORD_CAPABILITIES, TAA_NO}, {WORD_7_EDX, MD_CLEAR}},
    {VENDOR_INTEL,
     6,
     DEFENCE_BUFFERS,
     false,
     REGISTER_FILES,
     {WORD_CAPABILITIES, RFDS_NO},
     {WORD_CAPABILITIES, RFDS_CLEAR}},
    {VENDOR_AMD, 0x19, DEFENCE_BUFFERS, true, "", {WORD_EXT_21_ECX, TSA_SQ_NO}, {WORD_EXT_21_EAX, VERW_CLEAR}},
    {VENDOR_AMD, 0x19, DEFENCE_BUFFERS, true, "", {WORD_EXT_21_ECX, TSA_L1_NO}, {WORD_EXT_21_EAX, VERW_CLEAR}},
};

static bool any(const struct processor *p, struct bits bits) { return (p->words[bits.word] & bits.mask) != 0; }

static bool has(const struct processor *p, const struct weakness *row) {
    uint32_t family = p->signature >> 8 & 0xf, model = (p->signature >> 4 & 0xf) | (p->signature >> 12 & 0xf0);

    if (family == FAMILY_EXTENDED) { family += p->signature >> 20 & 0xff; }
    if (p->vendor != row->vendor || (row->family != 0 && row->family != family)) { return false; }
    for (const char *m = row->models; *m != '\0'; m++) {
        if ((uint8_t)*m == model) { return !row->others; }
    }
    return row->others;
}

struct defences defences_choose(const struct processor *processor) {
    struct defences chosen = {0};

    for (unsigned i = 0; i < ARRAY_SIZE(weaknesses); i++) {
        const struct weakness *row = &weaknesses[i];
        if (!has(processor, row) || any(processor, row->unaffected)) { continue; }
        *(any(processor, row->means) ? &chosen.on : &chosen.missing) |= row->defence;
    }
    return chosen;
}
