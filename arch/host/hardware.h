// SPDX-License-Identifier: Apache-2.0
// The system registers that emulation reads and writes, as plain memory that tests fill and look at.
#ifndef HOST_HARDWARE_H
#define HOST_HARDWARE_H

#include <stdint.h>

struct host_registers {
    uint64_t esr_el1, far_el1, elr_el1, spsr_el1, vbar_el1, sctlr_el1, mdscr_el1;
    uint64_t hpfar_el2, far_el2, revidr_el1;
    // S3_0_C0_C<crm>_<op2>
    uint64_t s3_0_c0_c1_0, s3_0_c0_c1_1, s3_0_c0_c1_2, s3_0_c0_c1_4, s3_0_c0_c1_5, s3_0_c0_c1_6, s3_0_c0_c1_7;
    uint64_t s3_0_c0_c2_0, s3_0_c0_c2_1, s3_0_c0_c2_2, s3_0_c0_c2_3, s3_0_c0_c2_4, s3_0_c0_c2_5, s3_0_c0_c2_6,
        s3_0_c0_c2_7;
    uint64_t s3_0_c0_c3_0, s3_0_c0_c3_1, s3_0_c0_c3_2, s3_0_c0_c3_4, s3_0_c0_c3_6;
    uint64_t s3_0_c0_c4_0, s3_0_c0_c4_1, s3_0_c0_c5_0, s3_0_c0_c6_0, s3_0_c0_c6_1, s3_0_c0_c6_2, s3_0_c0_c7_0,
        s3_0_c0_c7_1, s3_0_c0_c7_2;
};
extern struct host_registers host_registers;

#define hardware_read(name)         (host_registers.name)
#define hardware_write(name, value) ((void)(host_registers.name = (value)))

#endif
