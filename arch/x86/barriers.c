// SPDX-License-Identifier: Apache-2.0
// The defences of the machine that runs this: chosen, timed, and done.
#include "arch/x86/defences.h"
#include "arch/x86/hardware.h"
#include "arch/x86/machine.h"
#include "kernel/log.h"

enum { RUNS = 8 }; // the slowest counts: the first ones find the code and the predictors cold

struct defences defences;

static void perform(unsigned which) {
    static const uint16_t selector = SELECTOR_DATA; // VERW wants one in memory, of a segment that can be written

    if ((which & DEFENCE_IBPB) != 0) { write_msr(MSR_PRED_CMD, PRED_CMD_IBPB); }
    if ((which & DEFENCE_L1D) != 0) { write_msr(MSR_FLUSH_CMD, FLUSH_CMD_L1D); }
    if ((which & DEFENCE_BUFFERS) != 0) { __asm__ volatile("verw %0" ::"m"(selector) : "cc", "memory"); }
}

void defences_vm_change(void) { perform(defences.on); }

static COLD void read_processor(struct processor *p) {
    struct cpuid later = {0};

    if (read_cpuid(CPUID_EXT_MAX, 0).eax >= CPUID_EXT_FEATURES_2) { later = read_cpuid(CPUID_EXT_FEATURES_2, 0); }
    *p = (struct processor){
        .vendor = read_cpuid(0, 0).ebx,
        .signature = read_cpuid(CPUID_FEATURES, 0).eax,
        .words[WORD_7_EDX] = read_cpuid(CPUID_EXTENDED, 0).edx,
        .words[WORD_EXT_8_EBX] = read_cpuid(CPUID_EXT_SIZES, 0).ebx,
        .words[WORD_EXT_21_EAX] = later.eax,
        .words[WORD_EXT_21_ECX] = later.ecx,
    };
    if ((p->words[WORD_7_EDX] & CPUID_7_EDX_CAPABILITIES) != 0) {
        p->words[WORD_CAPABILITIES] = (uint32_t)read_msr(MSR_ARCH_CAPABILITIES);
    }
}

static COLD uint32_t measure(unsigned which) {
    uint64_t slowest = 0;

    for (unsigned i = 0; i < RUNS; i++) {
        uint64_t start = read_tsc();
        perform(which);
        slowest = MAX(slowest, read_tsc() - start);
    }
    return (uint32_t)(slowest * 1000000000ull / machine.clock_hz);
}

COLD uint32_t defences_init(void) {
    static const char *const names[DEFENCES] = {"IBPB (branch targets)", "VERW (buffers)",
                                                "L1D flush (terminal fault)"};
    struct processor processor;
    char text[160] = " none";
    uint32_t sum = 0;
    int at = 0;

    read_processor(&processor);
    defences = defences_choose(&processor);
    for (unsigned i = 0; i < DEFENCES; i++) {
        uint32_t ns = (defences.on >> i & 1) != 0 ? measure(1u << i) : 0;
        sum += ns;
        if (ns != 0) { at += format_string(text + at, sizeof(text) - (size_t)at, " %s %u ns;", names[i], ns); }
        if ((defences.missing >> i & 1) != 0) {
            at += format_string(text + at, sizeof(text) - (size_t)at, " no %s: update the microcode;", names[i]);
        }
    }
    log_line("defences where the VM on a core changes:%s", text);
    return sum;
}
