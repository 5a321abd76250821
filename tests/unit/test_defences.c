// SPDX-License-Identifier: Apache-2.0
// Which defences a processor needs and has, for processors of which each kind of row decides.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/defences.h"
#include "cpuid_machines.h"

enum { ALL = DEFENCE_IBPB | DEFENCE_BUFFERS | DEFENCE_L1D };
#define INTEL  0x756e6547u
#define AMD    0x68747541u
#define HYGON  0x6f677948u

// Bits of CPUID 7, EDX and IA32_ARCH_CAPABILITIES, as the manuals number them.
#define MEANS  (1u << 10 | 1u << 26 | 1u << 28) // MD_CLEAR, IBRS_IBPB, L1D_FLUSH
#define RDCL   (1u << 0)
#define SKIP   (1u << 3)
#define MDS    (1u << 5)
#define TAA    (1u << 8)
#define RFDS   (1u << 27)
#define RFDS_C (1u << 28)

static struct processor read(const struct cpuid_machine *machine) {
    void *context = (void *)(uintptr_t)machine;
    struct cpuid_result r;
    struct processor p = {0};

    cpuid_of_machine(context, 0, 0, &r);
    p.vendor = r.ebx;
    cpuid_of_machine(context, 1, 0, &r);
    p.signature = r.eax;
    cpuid_of_machine(context, 7, 0, &r);
    p.words[WORD_7_EDX] = r.edx;
    cpuid_of_machine(context, CPUID_EXT_SIZES, 0, &r);
    p.words[WORD_EXT_8_EBX] = r.ebx;
    return p;
}

static void chosen(const struct processor *p, unsigned on, unsigned missing) {
    struct defences d = defences_choose(p);

    assert_int_equal(d.on, on);
    assert_int_equal(d.missing, missing);
}

// An Intel processor of family 6.
static struct processor intel(uint32_t model, uint32_t edx, uint32_t capabilities) {
    return (struct processor){.vendor = INTEL,
                              .signature = 0x600 | (model & 0xf) << 4 | (model & 0xf0) << 12 | 3,
                              .words = {[WORD_7_EDX] = edx, [WORD_CAPABILITIES] = capabilities}};
}

static struct processor amd(uint32_t family, uint32_t ext_8, uint32_t ext_21_eax, uint32_t ext_21_ecx) {
    return (struct processor){
        .vendor = AMD,
        .signature = 0xf00 | (family - 0xf) << 20 | 0x10,
        .words = {[WORD_EXT_8_EBX] = ext_8, [WORD_EXT_21_EAX] = ext_21_eax, [WORD_EXT_21_ECX] = ext_21_ecx}};
}

static void two_machines(void **state) {
    struct processor p = read(&skylake);

    (void)state;
    chosen(&p, ALL, 0);
    p = read(&zen);
    chosen(&p, DEFENCE_IBPB, 0);
}

static void what_microcode_does_not_have_is_missing(void **state) {
    struct processor p = intel(0x5e, 0, 0), q = amd(0x17, 0, 0, 0), r = amd(0x19, 1u << 12, 0, 0);

    (void)state;
    chosen(&p, 0, ALL);
    chosen(&q, 0, DEFENCE_IBPB);
    chosen(&r, DEFENCE_IBPB, DEFENCE_BUFFERS);
}

static void what_a_processor_denies_is_not_defended(void **state) {
    static const struct {
        uint32_t model, capabilities;
        unsigned on;
    } rows[] = {
        {0x5e, 0, ALL},
        {0x5e, RDCL, DEFENCE_IBPB | DEFENCE_BUFFERS},
        {0x5e, SKIP, DEFENCE_IBPB | DEFENCE_BUFFERS},
        {0x5e, MDS, DEFENCE_IBPB | DEFENCE_L1D},
        {0x5e, MDS | RDCL, DEFENCE_IBPB},
        // Cascade Lake: TSX keeps what MDS_NO denies.
        {0x55, RDCL | MDS, DEFENCE_IBPB | DEFENCE_BUFFERS},
        {0x55, RDCL | MDS | TAA, DEFENCE_IBPB},
        // Silvermont and Goldmont: by their model.
        {0x37, 0, DEFENCE_IBPB | DEFENCE_BUFFERS},
        {0x5c, RFDS, DEFENCE_IBPB},
        // Gracemont beside large cores.
        {0x97, RDCL | MDS | TAA | RFDS_C, DEFENCE_IBPB | DEFENCE_BUFFERS},
        {0x97, RDCL | MDS | TAA | RFDS, DEFENCE_IBPB},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct processor p = intel(rows[i].model, MEANS, rows[i].capabilities);
        chosen(&p, rows[i].on, 0);
    }
    struct processor old = intel(0x5c, MEANS, 0);
    chosen(&old, DEFENCE_IBPB, DEFENCE_BUFFERS);
}

static void amd_by_family(void **state) {
    const uint32_t ibpb = 1u << 12, verw = 1u << 5, sq = 1u << 1, l1 = 1u << 2;
    struct processor zen3 = amd(0x19, ibpb, verw, 0), half = amd(0x19, ibpb, verw, sq),
                     other = amd(0x19, ibpb, verw, l1);
    struct processor newer = amd(0x19, ibpb, verw, sq | l1), zen5 = amd(0x1a, ibpb, verw, 0),
                     hygon = amd(0x18, ibpb, 0, 0);

    (void)state;
    chosen(&zen3, DEFENCE_IBPB | DEFENCE_BUFFERS, 0);
    chosen(&half, DEFENCE_IBPB | DEFENCE_BUFFERS, 0);
    chosen(&other, DEFENCE_IBPB | DEFENCE_BUFFERS, 0);
    chosen(&newer, DEFENCE_IBPB, 0);
    chosen(&zen5, DEFENCE_IBPB, 0);
    hygon.vendor = HYGON;
    chosen(&hygon, DEFENCE_IBPB, 0);
    hygon.vendor = 0;
    chosen(&hygon, 0, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_machines),
        cmocka_unit_test(what_microcode_does_not_have_is_missing),
        cmocka_unit_test(what_a_processor_denies_is_not_defended),
        cmocka_unit_test(amd_by_family),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
