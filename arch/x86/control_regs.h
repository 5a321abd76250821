// SPDX-License-Identifier: Apache-2.0
// What a processor raises: exceptions and their error codes, by the manuals' names. Intel SDM vol. 3A, 6.3.1 and 4.7; AMD
// APM vol. 2, chapter 8.
#ifndef X86_CONTROL_REGS_H
#define X86_CONTROL_REGS_H

#include "arch/x86/regs.h"

// Error code of a page fault.
#define PF_PRESENT 0x01u // 0: an entry that is not present; 1: one that does not allow it
#define PF_WRITE   0x02u
#define PF_USER    0x04u
#define PF_RSVD    0x08u
#define PF_FETCH   0x10u

enum exception {
    EXCEPTION_DB = 1, // this, #BP, #OF and #UD have no error code
    EXCEPTION_BP = 3,
    EXCEPTION_OF = 4,
    EXCEPTION_UD = 6,
    EXCEPTION_SS = 12,
    EXCEPTION_GP = 13,
    EXCEPTION_PF = 14,
    EXCEPTION_AC = 17,
    EXCEPTION_MC = 18,
};

#endif
