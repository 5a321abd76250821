// SPDX-License-Identifier: Apache-2.0
// Transient execution: what a guest can learn of the VM that ran on its core before it, and what the processor has against
// that. One thread of a core is used, or both by one VM (`smt`), so the moment that counts is the change of VM on a core.
// Sources: Intel, "Affected Processors: Transient Execution Attacks" and the guides on each of them; SDM volume 2, CPUID
// leaf 7, and volume 4, IA32_ARCH_CAPABILITIES; AMD, "Indirect Branch Control Extension", and "Technical Guidance for
// Mitigating Transient Scheduler Attacks"; APM volume 3, appendix E.
#ifndef X86_DEFENCES_H
#define X86_DEFENCES_H

#include "kernel/types.h"

enum defence {
    DEFENCE_IBPB = 1u << 0,    // IA32_PRED_CMD: branches are not predicted by what ran before
    DEFENCE_BUFFERS = 1u << 1, // VERW empties fill, load and store buffers
    DEFENCE_L1D = 1u << 2,     // IA32_FLUSH_CMD empties the first data cache
};
enum { DEFENCES = 3 };

#define MSR_PRED_CMD             0x49u
#define PRED_CMD_IBPB            BIT(0)
#define MSR_ARCH_CAPABILITIES    0x10au
#define MSR_FLUSH_CMD            0x10bu
#define FLUSH_CMD_L1D            BIT(0)
#define CPUID_7_EDX_CAPABILITIES BIT(29) // the machine has IA32_ARCH_CAPABILITIES
#define CPUID_EXT_SIZES          0x80000008u
#define CPUID_EXT_FEATURES_2     0x80000021u

// What of a processor decides.
enum processor_word {
    WORD_7_EDX,
    WORD_EXT_8_EBX,
    WORD_EXT_21_EAX,
    WORD_EXT_21_ECX,
    WORD_CAPABILITIES,
    PROCESSOR_WORDS
};
struct processor {
    uint32_t vendor;                 // CPUID 0, EBX
    uint32_t signature;              // CPUID 1, EAX
    uint32_t words[PROCESSOR_WORDS]; // CPUID; IA32_ARCH_CAPABILITIES, its lower half; 0 where there is none
};

struct defences {
    uint8_t on;      // enum defence: needed, and this processor has them
    uint8_t missing; // needed; newer microcode would have them
};

// Pure.
struct defences defences_choose(const struct processor *processor);

// Chooses those of this machine, measures and logs them. Returns how long they take together, in nanoseconds. Boot core,
// before others run; machine.clock_hz is known.
uint32_t defences_init(void);
// On a core between two VMs, when the last one's registers are saved. Interrupts masked; some microseconds.
void defences_vm_change(void);

extern struct defences defences; // of this machine; constant after boot

#endif
