// SPDX-License-Identifier: Apache-2.0
// What the hypervisor says once, when the system is built and before it starts: what the machine has, who got what,
// and what each VCPU is promised.
#ifndef KERNEL_REPORT_H
#define KERNEL_REPORT_H

struct board;
struct boot_times;
struct system_desc;

// Boot core, after vm_create_all. About a line for each memory block and VCPU.
void report_system(const struct board *board, const struct system_desc *desc, const struct boot_times *times);

#endif
