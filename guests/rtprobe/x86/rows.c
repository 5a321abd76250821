// SPDX-License-Identifier: Apache-2.0
// The rows of the benchmark table that an instruction of this architecture is about.
#include "apic.h"
#include "rtprobe.h"

#include <takt/hypercall.h>

#define UART_LSR 0x3fd

// Ticks from a read of the clock to the next, with `instruction` between them: two more instructions than it, or one. It
// finds `c` in RCX and `d` in RDI, and may change RAX, RBX, RCX and RDX.
#define TIMED(instruction, c, d)                                                      \
    ({                                                                                \
        uint32_t ticks_;                                                              \
        uint64_t c_ = (c);                                                            \
        __asm__ volatile("rdtsc\n\tmovl %%eax, %%esi\n\t" instruction "\n\trdtsc\n\t" \
                         "subl %%esi, %%eax"                                          \
                         : "=&a"(ticks_), "+c"(c_)                                    \
                         : "D"((uint64_t)(d))                                         \
                         : "rbx", "rdx", "rsi", "memory", "cc");                      \
        ticks_;                                                                       \
    })

#define ROW(name, instruction, c, d)                                                             \
    do {                                                                                         \
        struct row *row = row_begin(name, "ns");                                                 \
        row->first_apart = true;                                                                 \
        for (unsigned i = 0; i <= COST_SAMPLES; i++) row_add(row, TIMED(instruction, (c), (d))); \
    } while (0)

void null_hypercall(void) {
    if (!takt_present())
        say("rtprobe: row a needs Takt\n");
    else if (cpu_is_amd())
        ROW("null_hypercall", "movl %%edi, %%eax\n\tvmmcall", 0, TAKT_HC_VERSION);
    else
        ROW("null_hypercall", "movl %%edi, %%eax\n\tvmcall", 0, TAKT_HC_VERSION);
}

void machine_rows(void) {
    ROW("cpuid_exit", "movl %%edi, %%eax\n\tcpuid", 0, 0);
    ROW("port_exit", "movl %%edi, %%edx\n\tinb %%dx, %%al", 0, UART_LSR);
    if (apic.x2apic)
        ROW("apic_read", "rdmsr", MSR_X2APIC + (APIC_VERSION >> 4), 0);
    else
        ROW("apic_read", "movl (%%rdi), %%eax", 0, APIC_PAGE + APIC_VERSION);
}
