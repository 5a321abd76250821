// SPDX-License-Identifier: Apache-2.0
// Model-specific registers and their bits that code names; what is only a row of a table stands there. Intel SDM vol. 4;
// AMD APM vol. 2, appendix A; KVM's: Linux Documentation/virt/kvm/x86/msr.rst. The local APIC's are in apic_regs.h.
#ifndef X86_MSR_REGS_H
#define X86_MSR_REGS_H

#include "arch/x86/regs.h"

#define MSR_TSC                 0x10u
#define MSR_TSC_ADJUST          0x3bu
#define MSR_MTRRCAP             0xfeu
#define MSR_SYSENTER_CS         0x174u
#define MSR_SYSENTER_ESP        0x175u
#define MSR_SYSENTER_EIP        0x176u
#define MSR_MTRR_PHYSBASE0      0x200u // and PHYSMASK0; 2 for each range
#define MSR_MTRR_FIX64K         0x250u
#define MSR_MTRR_FIX16K         0x258u // 2
#define MSR_MTRR_FIX4K          0x268u // 8
#define MSR_PAT                 0x277u
#define MSR_MTRR_DEF_TYPE       0x2ffu
#define MSR_KVM_WALL_CLOCK_NEW  0x4b564d00u
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01u
#define MSR_KVM_STEAL_TIME      0x4b564d03u // and PV_EOI_EN
#define MSR_STAR                0xc0000081u
#define MSR_LSTAR               0xc0000082u
#define MSR_CSTAR               0xc0000083u
#define MSR_SFMASK              0xc0000084u
#define MSR_FS_BASE             0xc0000100u
#define MSR_GS_BASE             0xc0000101u
#define MSR_KERNEL_GS_BASE      0xc0000102u
#define MSR_TSC_AUX             0xc0000103u

// Memory types: SDM vol. 3A, table 12-2 and 12-10. PAT alone has UC-.
enum memory_type { MEMORY_UC = 0, MEMORY_WC = 1, MEMORY_WT = 4, MEMORY_WP = 5, MEMORY_WB = 6, MEMORY_UC_MINUS = 7 };

#define PAT_POWER_ON    0x0007040600070406ull // SDM vol. 3A, table 12-12
#define MTRRCAP_FIX     (1u << 8)
#define MTRRCAP_WC      (1u << 10)
#define MTRR_DEF_FE     (1u << 10)
#define MTRR_DEF_E      (1u << 11)
#define MTRR_TYPE       0xffu
#define MTRR_MASK_VALID (1u << 11)

#endif
