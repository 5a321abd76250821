// SPDX-License-Identifier: Apache-2.0
// What a processor's mode is made of, and what it raises: bits of control registers, EFER and RFLAGS, exceptions, by the
// manuals' names. Intel SDM vol. 3A, 2.2.1, 2.3, 2.5, 6.3.1 and 4.7; AMD APM vol. 2, chapters 3 and 8.
#ifndef X86_CONTROL_REGS_H
#define X86_CONTROL_REGS_H

#include "kernel/types.h"

#define CR0_WP     BIT(16)
#define CR0_PG     BIT(31)

#define CR4_PSE    BIT(4)
#define CR4_PAE    BIT(5)
#define CR4_LA57   BIT(12)
#define CR4_SMEP   BIT(20)
#define CR4_SMAP   BIT(21)

#define EFER_LMA   BIT(10)
#define EFER_NXE   BIT(11)

#define RFLAGS_ZF  BIT(6)
#define RFLAGS_TF  BIT(8)
#define RFLAGS_DF  BIT(10)
#define RFLAGS_RF  BIT(16)
#define RFLAGS_AC  BIT(18)

// Error code of a page fault.
#define PF_PRESENT 0x01u // 0: an entry that is not present; 1: one that does not allow it
#define PF_WRITE   0x02u
#define PF_USER    0x04u
#define PF_RSVD    0x08u
#define PF_FETCH   0x10u

enum exception {
    EXCEPTION_UD = 6, // the only one here without an error code
    EXCEPTION_SS = 12,
    EXCEPTION_GP = 13,
    EXCEPTION_PF = 14,
};

#endif
